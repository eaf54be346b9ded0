"""Prepare AIHub Ko-X: `netflips prepare kox --data-root Ko-X --out-dir data/kox`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from avcore.command import Parser, run
from avcore.errors import InputError
from avdata.prepare.kox import KoxCorpus
from avdata.prepare.kox_layout import read_layout
from avdata.prepare.running import add_output_options, output_options, prepare
from avdata.prepare.synthesis import Synthesis

_TEMPLATE_HELP = (
    "command that speaks an English text where there is no English recording, as "
    "'python -m avdata.prepare.say --text-file {text_file} --out {out}'; "
    "{text}, {text_file}, {out}, {reference} (the Korean recording), {id} and {speaker} are filled in"
)


def build_parser() -> Parser:
    """The command's options."""
    parser = Parser(
        prog="netflips prepare kox", description="AIHub Ko-X to 16 kHz wav and two manifests with equal ids, ko.jsonl and en.jsonl."
    )
    parser.add_argument("--data-root", type=Path, required=True, metavar="DIR", help="the corpus: folders, archives, or both")
    parser.add_argument("--english-root", type=Path, metavar="DIR", help="folder or archive in which all is English")
    parser.add_argument("--layout", type=Path, metavar="YAML", help="where things stand in labels (default: configs/data/kox.yaml)")
    parser.add_argument("--synthesise-with", default="", metavar="COMMAND", help=_TEMPLATE_HELP)
    parser.add_argument("--synthesis-timeout", type=float, default=300, metavar="S", help="seconds for a sentence (default: 300)")
    add_output_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> int:
    if options.english_root is not None and not options.english_root.exists():
        raise InputError("the English recordings are not there", path=options.english_root, hint="check the path")
    synthesis = Synthesis(options.synthesise_with, options.synthesis_timeout) if options.synthesise_with else None
    if synthesis is not None:
        synthesis.check()
    corpus = KoxCorpus(options.data_root, read_layout(options.layout), options.english_root, synthesis)
    more = () if options.english_root is None else (options.english_root,)
    return prepare(corpus, output_options(options), *more)


if __name__ == "__main__":
    sys.exit(main())
