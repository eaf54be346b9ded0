"""Prepare AIHub's lip-reading video: `netflips prepare lips --data-root lip-reading --out-dir data/aihub_lips`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from avcore.command import Parser, run
from avcore.errors import UsageError
from avdata.prepare.aihub_lips import LipCorpus, LipSettings
from avdata.prepare.box_order import ORDERS
from avdata.prepare.prepare_video import add_clip_options, clip_settings
from avdata.prepare.running import add_output_options, output_options, prepare

_MIN_SECONDS = 0.5


def build_parser() -> Parser:
    """The command's options."""
    parser = Parser(
        prog="netflips prepare lips",
        description="AIHub's Korean lip-reading video to sentences with lips, boxes, sound and text.",
    )
    parser.add_argument("--data-root", type=Path, required=True, metavar="DIR", help="the corpus: tar archives, folders, or both")
    parser.add_argument(
        "--padding",
        type=float,
        default=0.5,
        metavar="S",
        help="seconds kept around a sentence, at most half of a pause (default: 0.5)",
    )
    parser.add_argument("--angles", default="", metavar="A,B", help="only these cameras; A is the one in front (default: all)")
    parser.add_argument(
        "--box-order",
        choices=("auto", *ORDERS),
        default="auto",
        help="of the numbers of the labelled face boxes (default: auto, told from the pictures)",
    )
    add_clip_options(parser)
    add_output_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> int:
    if options.padding < 0:
        raise UsageError("--padding must be 0 or more", found=options.padding)
    angles = tuple(name.strip() for name in options.angles.split(",") if name.strip())
    settings = LipSettings(options.padding, angles, options.box_order, clip_settings(options, _MIN_SECONDS))
    return prepare(LipCorpus(options.data_root, settings), output_options(options))


if __name__ == "__main__":
    sys.exit(main())
