"""`netflips convert` and scripts/convert_checkpoint.py: a published checkpoint to safetensors and JSON."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from avcore.checkpoints.stages import PRECISIONS, STORED_PRECISIONS
from avcore.command import Parser, run
from avcore.errors import UsageError
from avcore.loading import loading
from avcore.outputs import Input, Output
from avcore.usage import add_option, add_positional, add_quiet_options
from netflips import stages

LOG = logging.getLogger("netflips.convert")


def build_parser() -> Parser:
    """Return the command line of `netflips convert` and scripts/convert_checkpoint.py."""
    parts = [stage.part for stage in stages.STAGES]
    parser = Parser(
        prog="netflips convert", description="Convert a published checkpoint to safetensors and a readable JSON configuration."
    )
    add_positional(
        parser,
        "in_path",
        "--in-path",
        type=Input("the checkpoint"),
        metavar="FILE",
        help="published .pt file, or our own .safetensors",
    )
    add_option(
        parser, "-o", "--out", hidden=("--output", "--out-path"), dest="out_path", type=Output("the output"), metavar="FILE",
        help="x.safetensors; x.json is written beside it",
    )  # fmt: skip
    parser.add_argument("--for", dest="target", choices=("cpu",), help=argparse.SUPPRESS)
    parser.add_argument("--precision", choices=PRECISIONS, help=argparse.SUPPRESS)
    parser.add_argument("--kind", default="auto", choices=["auto", *parts], help="what the input must be (default: auto)")
    parser.add_argument("--dtype", default="keep", choices=STORED_PRECISIONS, help="number format of the weights (default: keep)")
    parser.add_argument(
        "--add-vocoder",
        action="append",
        default=[],
        metavar="LANGUAGE=PATH",
        help="put a vocoder training checkpoint (g_XXXXXXXX) into a renderer, such as ko=g_00500000; may be repeated",
    )
    add_quiet_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(build_parser(), _convert, argv)


def _convert(options: argparse.Namespace) -> None:
    if options.target is not None:
        LOG.warning("--for cpu writes nothing: weights are laid out when they are loaded, and files ending in .cpu can be deleted")
        if options.out_path is None:
            return
    if options.out_path is None:
        raise UsageError("--out is missing", hint="name the output: -o x.safetensors")
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


if __name__ == "__main__":
    sys.exit(main())
