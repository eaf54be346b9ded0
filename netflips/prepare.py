"""`netflips prepare`: the corpora of `avdata.prepare`, and pairs whose other side is made with recognizers and text translators."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from avcore.command import Parser
from avcore.loading import loading

CORPORA = {
    "kox": ("avdata.prepare.kox", "AIHub Ko-X: Korean speech with English text or speech"),
    "zeroth": ("avdata.prepare.zeroth", "Zeroth Korean (OpenSLR 40)"),
    "kosp2e": ("avdata.prepare.kosp2e", "kosp2e: Korean speech with English translations by people"),
    "lhotse": ("avdata.prepare.lhotse", "manifests of lhotse: LibriSpeech and many others"),
    "kaldi": ("avdata.prepare.kaldi", "a folder of Kaldi or ESPnet: wav.scp, text, utt2spk, segments"),
    "lips": ("avdata.prepare.aihub_lips", "AIHub's Korean lip-reading video"),
    "muavic": ("avdata.prepare.muavic", "MuAViC: talks with mouth crops and English translations"),
    "grid": ("avdata.prepare.grid", "GRID: six-word sentences of 34 people, with its splits"),
    "lrs": ("avdata.prepare.lrs", "LRS2 and LRS3, with their splits"),
    "video": ("avdata.prepare.video", "a folder of talking-head videos"),
    "pairs": ("netflips.synthetic_pairs", "pairs from a corpus of one language, by a text translator and text-to-speech programs"),
}


def build_parser() -> Parser:
    """Return the parser, which takes the name of a corpus; each corpus has options of its own."""
    lines = [f"  {name:<10} {what}" for name, (_, what) in CORPORA.items()]
    parser = Parser(
        prog="netflips prepare",
        description="Prepare speech corpora and folders of videos for extraction and training.",
        epilog="\n".join(["corpora:", *lines, "", "`netflips prepare CORPUS --help` describes a corpus."]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("corpus", choices=list(CORPORA), metavar="CORPUS", help=", ".join(CORPORA))
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare a corpus and return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    chosen = build_parser().parse_args(arguments[:1]).corpus
    with loading():
        command = import_module(CORPORA[chosen][0])
    return int(command.main(arguments[1:]))


if __name__ == "__main__":
    sys.exit(main())
