"""Learn what units make a mouth do, from videos of people who talk: the table of the mouth that moves a person's own pixels.

    python -m unit2av.train_mouth manifest.jsonl --units units.jsonl --out-path mouth.npz

Works for the units of any quantizer; ten minutes of video do. Put `mouth.npz` beside the renderer whose units they are, and
`--lips mesh` finds it. The face mesh is the teacher: nothing is trained on frames.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from avcore.data.manifest import read_manifest
from avcore.errors import UsageError
from avcore.files import Input, Output
from avcore.flags import Command, QuietOptions, flag, positional
from avcore.loading import loading


@dataclass(frozen=True, kw_only=True)
class MouthOptions(QuietOptions):
    """Learn what units make a mouth do, from videos of people who talk."""

    manifest: Path = positional("MANIFEST", file=Input("the manifest"))
    """JSON lines: id, video, maybe boxes and speaker (see avcore.data.manifest)"""
    units: Path = flag(file=Input("the units", may_be_folder=True))
    """units of the same ids: .jsonl or a folder"""
    out_path: Path = flag(file=Output("the mouth's table"))
    """the table, x.npz"""
    root: Path | None = flag(default=None)
    """folder that the manifest's paths start from (default: the manifest's own)"""
    num_units: int | None = flag(default=None)
    """size of the vocabulary (default: the largest unit there is, and 1)"""
    hold_out: int = flag(default=10)
    """every N-th clip is for measuring; 0 = none (default: 10)"""
    cache: Path | None = flag(default=None)
    """folder for what was seen of each video, so that a stopped run goes on"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hold_out < 0 or self.hold_out == 1:
            raise UsageError("--hold-out must be 0 (none) or 2 or more", found=self.hold_out)


def _work(options: MouthOptions) -> None:
    with loading():
        from unit2av.lipsync.mesh.learn import learn_from_manifest

    manifest = read_manifest(options.manifest, options.root)
    learn_from_manifest(
        manifest, options.units, options.out_path, options.num_units, options.hold_out, options.cache, options.quiet
    )


_COMMAND = Command(MouthOptions, "unit2av.train_mouth", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
