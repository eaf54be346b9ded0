"""`netflips convert` and scripts/convert_checkpoint.py: a published checkpoint to safetensors and JSON."""

import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avcore.checkpoints.stages import STORED_PRECISIONS
from avcore.errors import UsageError
from avcore.files import Input
from avcore.flags import Command, QuietOptions, flag, flags_of, out_flag, positional
from avcore.loading import loading
from netflips import stages

LOG = logging.getLogger("netflips.convert")


def _add_kind(group: Any) -> None:
    kinds = ["auto", *(stage.part for stage in stages.STAGES)]
    group.add_argument("--kind", default="auto", choices=kinds, help="what the input must be (default: auto)")


@dataclass(frozen=True, kw_only=True)
class ConvertOptions(QuietOptions):
    """Convert a published checkpoint to safetensors and a readable JSON configuration."""

    in_path: Path = positional("FILE", file=Input("the checkpoint"))
    """published .pt file, or our own .safetensors"""
    out_path: Path = out_flag("the output")
    """x.safetensors; x.json is written beside it"""
    kind: str = flags_of(_add_kind, lambda given: given.kind, lambda: "auto")
    dtype: str = flag(default="keep", choices=STORED_PRECISIONS)
    """number format of the weights (default: keep)"""
    add_vocoder: tuple[str, ...] = flag(default=(), action="append", nargs=None, metavar="LANGUAGE=PATH")
    """put a vocoder training checkpoint (g_XXXXXXXX) into a renderer, such as ko=g_00500000; may be repeated"""


def _convert(options: ConvertOptions) -> None:
    with loading():
        from netflips.convert import DTYPES, convert_checkpoint

    vocoders = dict(_parse_vocoder(text) for text in options.add_vocoder)
    wanted = next((stage for stage in stages.STAGES if stage.part == options.kind), None)
    written = convert_checkpoint(options.in_path, options.out_path, wanted, DTYPES[options.dtype], vocoders)
    before, after = (path.stat().st_size / 1e6 for path in (options.in_path, written.path))
    LOG.info(
        "%s: %s, %d tensors, %.1f MB (was %.1f MB), %s",
        written.path,
        written.kind,
        len(written.tensors),
        after,
        before,
        written.fingerprint,
    )


def _parse_vocoder(text: str) -> tuple[str, Path]:
    language, _, path = text.partition("=")
    if not language or not path:
        raise UsageError("--add-vocoder takes LANGUAGE=PATH", found=text)
    return language, Path(path)


_COMMAND = Command(ConvertOptions, "netflips convert", _convert)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
