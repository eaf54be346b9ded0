"""Prepare a Kaldi folder: `netflips prepare kaldi --data-root data/tr_no_dev --out-dir data/kss --language ko`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from avcore.command import Parser, run
from avcore.units.vocabulary import normalise_language
from avdata.prepare.kaldi import KaldiCorpus
from avdata.prepare.running import add_output_options, output_options, prepare


def build_parser() -> Parser:
    """The command's options."""
    parser = Parser(
        prog="netflips prepare kaldi",
        description="A folder with wav.scp, text, utt2spk and perhaps segments, to 16 kHz wav and a manifest. Commands in wav.scp "
        "are never run. `netflips manifest to-kaldi` is the way back.",
    )  # fmt: skip
    parser.add_argument("--data-root", type=Path, required=True, metavar="DIR", help="the folder, such as data/tr_no_dev")
    parser.add_argument("--language", default="ko", metavar="LANG", help="what is spoken, two letters (default: ko)")
    parser.add_argument("--sound-root", type=Path, metavar="DIR", help="where relative paths of wav.scp start from "
                        "(default: the folder, or the first one above it where they are found)")  # fmt: skip
    add_output_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> int:
    corpus = KaldiCorpus(options.data_root, normalise_language(options.language), options.sound_root)
    return prepare(corpus, output_options(options))


if __name__ == "__main__":
    sys.exit(main())
