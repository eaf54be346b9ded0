"""The options and the report that both ways of preparing data share."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from avdata.parallel import Reading
from avdata.splits import SplitPlan
from unit2unit.utut_common.folder import write_report

LEFT_OUT = "left_out.txt"


def add_preparation_options(parser: argparse.ArgumentParser, test: float) -> None:
    """Add what says how units are read, divided and written. test: default size of the test split."""
    read = parser.add_argument_group("reading")
    read.add_argument("--num-units", type=int, default=1000, metavar="N", help="size of the vocabulary (default: 1000)")
    read.add_argument("--unit-offset", type=int, default=0, metavar="N", help="take N off every id; 4 for raw class indices")
    read.add_argument("--units-vocabulary", default="", metavar="SHA", help="fingerprint of the quantizer, if files lack it")
    read.add_argument("--skip-bad", action="store_true", help=f"leave bad units out ({LEFT_OUT} names them) instead of stopping")
    held = parser.add_argument_group("held out")
    held.add_argument("--valid", type=float, default=0.02, metavar="X", help="a share or a number (default: 0.02)")
    held.add_argument("--test", type=float, default=test, metavar="X", help=f"the same for the test split (default: {test})")
    held.add_argument("--group", default="", metavar="REGEX", help="part of the id that must not be in two splits, as '^[^_]+'")
    held.add_argument("--seed", type=int, default=0, metavar="N", help="changes what is held out (default: 0)")
    made = parser.add_argument_group("result")
    made.add_argument("--out", type=Path, required=True, metavar="DIR", help="data folder to make")
    made.add_argument("--overwrite", action="store_true", help="replace the folder when it is there")
    parser.add_argument("--quiet", action="store_true", help="print errors and warnings only")
    parser.add_argument("--verbose", action="store_true", help="print tracebacks of unexpected errors")


def reading_of(options: argparse.Namespace) -> Reading:
    """How the options say that units are read."""
    return Reading(options.num_units, options.unit_offset)


def plan_of(options: argparse.Namespace) -> SplitPlan:
    """How the options say that utterances are divided."""
    return SplitPlan(options.valid, options.test, options.seed, options.group)


def write_summary(
    folder: Path, options: argparse.Namespace, languages: Sequence[str], vocabulary: str, splits: Mapping[str, Any],
    left_out: Sequence[str],
) -> None:  # fmt: skip
    """Write what the folder holds and how it was made, and a line for each thing that was left out."""
    (folder / LEFT_OUT).write_text("".join(f"{line}\n" for line in left_out), encoding="utf-8")
    made_with = {name: getattr(options, name) for name in ("num_units", "unit_offset", "seed", "group")}
    content = {"languages": list(languages), "vocabulary": vocabulary, **made_with, "splits": splits, "left_out": len(left_out)}
    write_report(folder, content)
