"""Prepare Zeroth Korean: `netflips prepare zeroth --data-root zeroth --out-dir data/zeroth`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from avcore.command import Parser, run
from avdata.prepare.running import add_output_options, output_options, prepare
from avdata.prepare.zeroth import ZerothCorpus


def build_parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="netflips prepare zeroth", description="Zeroth Korean (OpenSLR 40) to 16 kHz wav and a manifest.")
    parser.add_argument("--data-root", type=Path, required=True, metavar="DIR", help="folder with train_data_01 and test_data_01")
    add_output_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> int:
    return prepare(ZerothCorpus(options.data_root), output_options(options))


if __name__ == "__main__":
    sys.exit(main())
