"""`netflips prepare`: the corpora of `avcore.data.prepare`, and pairs whose other side recognizers and text translators make."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from avcore.command import Parser
from avcore.loading import loading

CORPORA = {
    "kox": ("avcore.data.prepare.kox", "AIHub Ko-X: Korean speech with English text or speech"),
    "zeroth": ("avcore.data.prepare.zeroth", "Zeroth Korean (OpenSLR 40)"),
    "kosp2e": ("avcore.data.prepare.kosp2e", "kosp2e: Korean speech with English translations by people"),
    "lhotse": ("avcore.data.prepare.lhotse", "manifests of lhotse: LibriSpeech and many others"),
    "kaldi": ("avcore.data.prepare.kaldi", "a folder of Kaldi or ESPnet: wav.scp, text, utt2spk, segments"),
    "lips": ("avcore.data.prepare.aihub_lips", "AIHub's Korean lip-reading video"),
    "muavic": ("avcore.data.prepare.muavic", "MuAViC: talks with mouth crops and English translations"),
    "grid": ("avcore.data.prepare.grid", "GRID: six-word sentences of 34 people, with its splits"),
    "lrs": ("avcore.data.prepare.lrs", "LRS2 and LRS3, with their splits"),
    "video": ("avcore.data.prepare.video", "a folder of talking-head videos"),
    "pairs": ("netflips.commands.pairs", "pairs from a corpus of one language, by a text translator and text-to-speech programs"),
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
