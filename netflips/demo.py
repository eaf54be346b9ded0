"""`netflips demo`: dub the clip that comes with NetfLips with its models, let a portrait say it, and tell what came out."""

import sys
from dataclasses import dataclass
from pathlib import Path

from avcore.files import Input
from avcore.flags import Command, CommonOptions, flag, positional
from avcore.loading import loading

_EXAMPLE = Path(__file__).with_name("serve")
"""The folder of the example of the page: example.mp4, example.jpg, and example.json about the clip."""


@dataclass(frozen=True)
class DemoOptions(CommonOptions):
    """Dub the clip that comes with NetfLips, and let a portrait say it."""

    video: Path = positional("VIDEO", default=_EXAMPLE / "example.mp4", file=Input("the video"))
    """default: the demo clip"""
    portrait: Path = flag(default=_EXAMPLE / "example.jpg", file=Input("the portrait"))
    """portrait that says the dub (default: a photograph)"""
    out_dir: Path = flag("-o", "--out-dir", default=Path("outputs", "demo"), metavar="DIR")
    """default: outputs/demo"""


def _work(options: DemoOptions) -> None:
    with loading():
        from netflips.demo_run import run_demo

    stem = "clip" if options.video.parent == _EXAMPLE else options.video.stem
    run_demo(options.video, options.portrait, options.out_dir, stem, options)


_COMMAND = Command(DemoOptions, "netflips demo", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
