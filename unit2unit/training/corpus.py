"""Corpora to train on: how units are read and divided, paired by id, and written as a data folder, whole or not at all."""

import argparse
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avcore.errors import InputError, OutputError
from avcore.files import private_folder
from avcore.texts import read_json
from avcore.units import Ids
from avcore.usage import add_quiet_options
from avdata.parallel import UnitCorpus, UnitReading
from avdata.splits import SplitPlan

REPORT, LEFT_OUT = "data.json", "left_out.txt"
MAX_UNITS = 1021
"""`<s>`, units, `</s>` and a tag must fit into the model's 1024 positions."""
Pair = tuple[Ids, Ids]


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
    add_quiet_options(parser)


def reading_of(options: argparse.Namespace) -> UnitReading:
    """How the options say that units are read."""
    return UnitReading(options.num_units, options.unit_offset)


def plan_of(options: argparse.Namespace) -> SplitPlan:
    """How the options say that utterances are divided."""
    return SplitPlan(options.valid, options.test, options.seed, options.group)


@dataclass(frozen=True)
class PairSet:
    """Checked pairs by id, and a line for each problem and for each pair that is too long."""

    pairs: dict[str, Pair]
    problems: list[str]
    too_long: list[str]


def pair_up(source: UnitCorpus, target: UnitCorpus, max_units: int = MAX_UNITS) -> PairSet:
    """Join two corpora by id.

    Raises InputError for files of lines that differ in length: nothing says which of their lines belong together.
    """
    if source.is_by_line and target.is_by_line and len(source.places) != len(target.places):
        raise InputError(
            "the two sides differ in their number of lines",
            path=target.path,
            expected=f"{len(source.places)} as in {source.path}",
            found=len(target.places),
        )
    problems = source.problems + target.problems
    for one, other in ((source, target), (target, source)):
        problems += [f"{one.places[name]}: no counterpart in {other.path}" for name in one.places if name not in other.places]
    both = {name: (units, target.units[name]) for name, units in source.units.items() if name in target.units}
    long = [name for name, pair in both.items() if max(map(len, pair)) > max_units]
    fitting = {name: pair for name, pair in both.items() if max(map(len, pair)) <= max_units}
    too_long = [f"{source.places[name]}: more than {max_units} units on a side" for name in long]
    return PairSet(fitting, problems, too_long)


def pair_contents(pair: Pair) -> list[bytes]:
    """What of a pair must not be in two splits: its source and its target."""
    return [side + units.tobytes() for side, units in zip((b"source", b"target"), pair, strict=True)]


def require_free(path: Path, is_replaced: bool, inputs: Iterable[str | Path]) -> None:
    """Raise OutputError when something is there that must not be replaced: anything, or what is read, in the folder itself."""
    place = Path(os.path.realpath(path))
    for given in inputs:
        if Path(os.path.realpath(given)).is_relative_to(place):
            raise OutputError("the output folder holds what is read", path=path, found=given, hint="choose another folder")
    if path.exists() and not is_replaced and (not path.is_dir() or any(path.iterdir())):
        raise OutputError("the output is there already", path=path, hint="choose another folder, or add --overwrite")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its name, and its place, when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with private_folder(f".{path.name}.", path.parent) as temporary:
        fresh = temporary / "new"
        fresh.mkdir()
        yield fresh
        if path.exists():
            os.replace(path, temporary / "old")
        os.replace(fresh, path)


def write_dictionary(path: Path, num_units: int) -> None:
    """Write a dict.txt: the units in order, count 1."""
    path.write_text("".join(f"{unit} 1\n" for unit in range(num_units)), encoding="utf-8")


def write_summary(
    folder: Path,
    options: argparse.Namespace,
    languages: Sequence[str],
    vocabulary: str,
    splits: Mapping[str, Any],
    left_out: Sequence[str],
) -> None:
    """Write what the folder holds and how it was made, and a line for each thing that was left out."""
    (folder / LEFT_OUT).write_text("".join(f"{line}\n" for line in left_out), encoding="utf-8")
    made_with = {name: getattr(options, name) for name in ("num_units", "unit_offset", "seed", "group")}
    content = {"languages": list(languages), "vocabulary": vocabulary, **made_with, "splits": splits, "left_out": len(left_out)}
    (folder / REPORT).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_vocabulary(folder: Path) -> str:
    """The fingerprint of the quantizer that made a folder's units; "" where the folder does not say."""
    path = folder / REPORT
    if not path.exists():
        return ""
    content = read_json(path, "the data folder's report")
    if not isinstance(content, dict):
        raise InputError("the data folder's report cannot be read", path=path, expected="an object", found=type(content).__name__)
    return str(content.get("vocabulary") or "")
