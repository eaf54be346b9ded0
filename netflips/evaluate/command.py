"""`netflips evaluate`: how good the demo's models are, in one table; the other actions measure one's own dubs and models."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from avcore.checkpoints.bundle import find_bundle, read_bundle
from avcore.errors import UsageError
from avcore.flags import Command, CommonOptions, flag, positional
from avcore.loading import loading
from netflips.checkout import from_checkout

_OTHERS = {
    "dubs": "netflips.evaluate.suite_command",
    "speech": "netflips.evaluate.suite_command",
    "dub": "netflips.evaluate.suite_command",
    "compare": "netflips.evaluate.suite_command",
    "listen": "netflips.evaluate.listen",
    "bench": "netflips.evaluate.bench_command",
    "units": "netflips.evaluate.units_command",
    "translate": "netflips.evaluate.units_command",
}
"""Measures one's own models or videos, with options of its own."""


@dataclass(frozen=True, kw_only=True)
class DemoEvaluation(CommonOptions):
    """Measure models on unseen material, which is made as needed. A stopped run continues where it was. Needs espeak-ng
    (pip install espeakng-loader), and flite (apt-get install flite) for the untouched speaker."""

    what: str = positional("what", choices=("demo", *_OTHERS))
    """demo: the phrasebook that the demo's models know; dubs, speech: your own clips; dub: one of them; compare: two runs; listen:
    a blind comparison; bench: programs that dub, side by side; units, translate: a test split of units (see their --help)"""
    bundle: Path | None = flag(default=None, metavar="DIR")
    """folder of the models (default: those that come with NetfLips)"""
    out_dir: Path = flag(default=Path("evaluation"), metavar="DIR")
    """for records and tables (default: evaluation)"""
    number: int = flag(default=200)
    """clips of each group; in most groups at most 100 (default: 200)"""
    jobs: int = flag(default=2)
    """processes (default: 2)"""
    rows: str = flag(default="", metavar="A,B")
    """only these groups of rows; an unknown name lists them all"""
    with_untouched_speaker: bool = flag(default=False)
    """also measure the untouched speaker: once per bundle, listed in --docs"""
    with_natural_voices: bool = flag(default=False)
    """also measure natural voices, through microphones and with lips of other clips; `make voices` installs them"""
    worst: int = flag(default=10)
    """clips that report.html shows (default: 10)"""
    write_docs: bool = flag(default=False)
    """put the table into --docs and the figures into bundle.json"""
    docs: Path = flag(default=Path("recipes/demo/EXAM.md"))
    """the page to write into (default: recipes/demo/EXAM.md)"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in _OTHERS:
        return int(import_module(_OTHERS[arguments[0]]).COMMANDS[arguments[0]].main(arguments[1:]))
    return _COMMAND.main(arguments)


def measure_demo(options: DemoEvaluation) -> None:
    """Measure a bundle. Raises NetflipsError."""
    if options.what != "demo":
        raise UsageError(f"'{options.what}' comes before its options", expected=f"netflips evaluate {options.what} ...")
    if options.jobs < 1 or options.worst < 0:
        raise UsageError("--jobs must be 1 or more, --worst 0 or more", found=f"{options.jobs} and {options.worst}")
    bundle = find_bundle() if options.bundle is None else read_bundle(options.bundle)
    if bundle is None:
        raise UsageError("no models come with this installation", hint="give --bundle FOLDER")
    with loading():
        exam = from_checkout("recipes.demo.evaluate.demo")

    exam.evaluate_demo(bundle, options)


_COMMAND = Command(DemoEvaluation, "netflips evaluate", measure_demo)
build_parser = _COMMAND.parser

if __name__ == "__main__":
    sys.exit(main())
