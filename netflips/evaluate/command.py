"""`netflips evaluate`: how good the demo's models are, in one table; the other actions measure one's own dubs and models."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from avcore.checkpoints.bundle import find_bundle, read_bundle
from avcore.command import Parser, add_common_options, run
from avcore.errors import UsageError
from avcore.loading import loading
from netflips.checkout import from_checkout

_OTHERS = {
    "dubs": "netflips.evaluate.suite_command",
    "speech": "netflips.evaluate.suite_command",
    "dub": "netflips.evaluate.suite_command",
    "compare": "netflips.evaluate.suite_command",
    "listen": "netflips.evaluate.listen",
    "units": "netflips.evaluate.units_command",
    "translate": "netflips.evaluate.units_command",
    "sync": "netflips.evaluate.sync_command",
}
"""Measures one's own models or videos, with options of its own."""


def build_parser() -> Parser:
    """Return the command's options."""
    parser = Parser(
        prog="netflips evaluate",
        description="Measure models on unseen material, which is made as needed. A stopped run continues where it was. "
        "Needs espeak-ng (pip install espeakng-loader), and flite (apt-get install flite) for the untouched speaker.",
    )
    told = (
        "demo: the phrasebook that the demo's models know; dubs, speech: your own clips; dub: one of them; compare: two runs; "
        "listen: a blind comparison; units, translate: a test split of units; sync: lips and sound of videos (see their --help)"
    )
    parser.add_argument("what", choices=["demo", *_OTHERS], help=told)
    parser.add_argument("--bundle", type=Path, help="folder of the models (default: those that come with NetfLips)")
    parser.add_argument("--out-dir", type=Path, default=Path("evaluation"), help="for records and tables (default: evaluation)")
    parser.add_argument("--number", type=int, default=200, help="clips of each group; in most groups at most 100 (default: 200)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--rows", default="", metavar="A,B", help="only these groups of rows; an unknown name lists them all")
    for name, told in (
        ("untouched-speaker", "the untouched speaker: once per bundle, listed in --docs"),
        ("natural-voices", "natural voices, through microphones and with lips of other clips; `make voices` installs them"),
        ("other-synthesisers", "synthesisers that no training uses (mbrola, RHVoice, festival, pico), if installed"),
    ):
        parser.add_argument(f"--with-{name}", action="store_true", help=f"also measure {told}")
    parser.add_argument("--beside", help=argparse.SUPPRESS)  # until 0.1
    parser.add_argument("--worst", type=int, default=10, metavar="N", help="clips that report.html shows (default: 10)")
    parser.add_argument("--write-docs", action="store_true", help="put the table into --docs and the figures into bundle.json")
    parser.add_argument("--docs", type=Path, default=Path("docs/demo.md"), help="the page to write into (default: docs/demo.md)")
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in _OTHERS:
        parser, work = import_module(_OTHERS[arguments[0]]).COMMANDS[arguments[0]]
        return run(parser(), work, arguments[1:])
    return run(build_parser(), _work, arguments)


def _work(options: argparse.Namespace) -> None:
    if options.what != "demo":
        raise UsageError(f"'{options.what}' comes before its options", expected=f"netflips evaluate {options.what} ...")
    if options.beside is not None:
        raise UsageError("--beside is no longer there", hint="netflips evaluate compare A B compares the folders of two bundles")
    if options.jobs < 1 or options.worst < 0:
        raise UsageError("--jobs must be 1 or more, --worst 0 or more", found=f"{options.jobs} and {options.worst}")
    bundle = find_bundle() if options.bundle is None else read_bundle(options.bundle)
    if bundle is None:
        raise UsageError("no models come with this installation", hint="give --bundle FOLDER")
    with loading():
        exam = from_checkout("recipes.demo.evaluate.demo")

    exam.evaluate_demo(bundle, options)


if __name__ == "__main__":
    sys.exit(main())
