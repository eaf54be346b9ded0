"""Training corpora: units are read, divided, paired by id, and written as a data folder, which appears only when it is complete."""

import argparse
import hashlib
import json
import math
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avcore.command import add_quiet_options
from avcore.data.parallel import StoredIds, UnitCorpus, UnitReading
from avcore.data.splits import SplitPlan
from avcore.errors import InputError, OutputError
from avcore.files import private_folder
from avcore.texts import read_json
from avcore.units import Ids

REPORT, LEFT_OUT = "data.json", "left_out.txt"
LIMITS = ("max_len_a", "max_len_b")
"""Limits of a search, under fairseq's names."""
TEXT_FOLDER = "text"
MAX_UNITS = 1021
"""`<s>`, units, `</s>` and a tag must fit into the model's 1024 positions."""
_LEAST_JUDGED, _MOST_OF_ONE = 10, 0.5
"""Least units of a sequence that is checked, and the share of one unit above which it is suspicious."""
_FITTING, _STEEPEST, _SLOPE_STEP, _ROUND_UP = 0.999, 3.0, 0.1, 10
Pair = tuple[StoredIds, StoredIds]
EVEN = (0.9, 1.1)
"""Ratios of durations, target to source, at which a translation is as long as its original."""


def add_preparation_options(parser: argparse.ArgumentParser, test: float) -> None:
    """Add options for reading, dividing and writing units. test: default size of the test split."""
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


def reading_of_units(options: argparse.Namespace) -> UnitReading:
    """Return the options for reading units."""
    return UnitReading(options.num_units, options.unit_offset)


def plan_of(options: argparse.Namespace) -> SplitPlan:
    """Return the options for dividing utterances."""
    return SplitPlan(options.valid, options.test, options.seed, options.group)


@dataclass(frozen=True)
class PairSet:
    """Checked pairs by id, and lines about all others."""

    pairs: dict[str, Pair]
    problems: list[str]
    """a line for each problem"""
    unpaired: list[str]
    """utterances with one side missing"""
    unfit: list[str]
    """pairs that are too long, or whose sides differ too much in length"""


def pair_up(source: UnitCorpus, target: UnitCorpus, max_units: int = MAX_UNITS, max_ratio: float = 0.0) -> PairSet:
    """Join two corpora by id. max_units: most units of a side; max_ratio: of the longer to the shorter side, 0 = any.

    An id that is missing on one side is a recording that failed there; it is listed, but no problem. In files of lines
    it is a problem.

    Raises InputError for files of lines that differ in length, because it is unknown which lines belong together.
    """
    if source.is_by_line and target.is_by_line and len(source.places) != len(target.places):
        raise InputError(
            "the two sides differ in their number of lines",
            path=target.path,
            expected=f"{len(source.places)} as in {source.path}",
            found=len(target.places),
        )

    unpaired = [
        f"{name} ({one.places[name]}): no counterpart in {other.path}"
        for one, other in ((source, target), (target, source))
        for name in one.places
        if name not in other.places
    ]

    pairs, unfit = dict[str, Pair](), list[str]()
    for name, units in source.units.items():
        if name not in target.units:
            continue
        short, long = sorted((len(units), len(target.units[name])))
        if long > max_units:
            unfit.append(f"{name} ({source.places[name]}): {long} units on a side, more than {max_units}")
        elif max_ratio and long > max_ratio * short:
            unfit.append(f"{name} ({source.places[name]}): sides of {short} and {long} units, more than {max_ratio:g} to 1")
        else:
            pairs[name] = units, target.units[name]

    return PairSet(pairs, source.problems + target.problems, unpaired, unfit)


def is_monotone(units: StoredIds) -> bool:
    """Return whether one unit makes up most of a merged sequence that is not too short, as with a broken encoder or recording."""
    return len(units) >= _LEAST_JUDGED and bool(np.bincount(units).max() > _MOST_OF_ONE * len(units))


def search_limit(pairs: Collection[Pair]) -> dict[str, float]:
    """Return the least limit of a search that the targets need: `max_len_a` times the source's length plus `max_len_b`.

    Both are as in fairseq's sequence generator. All but one in a thousand of the pairs fit. Of several slopes the one is taken that
    allows the fewest units on average.
    """
    source, target = (np.array([len(pair[side]) for pair in pairs], np.float64) for side in range(2))
    tried = []
    for slope in np.arange(0, _STEEPEST + _SLOPE_STEP / 2, _SLOPE_STEP):
        # `higher` takes a length that occurs; between two lengths, the search would cut the pair at the quantile.
        rest = max(float(np.quantile(target - slope * source, _FITTING, method="higher")), 0.0)
        offset = _ROUND_UP * math.ceil((rest + 1) / _ROUND_UP)  # one more for the tag at the end of a target
        tried.append((float((slope * source).mean() + offset), round(float(slope), 2), offset))
    _, slope, offset = min(tried)
    return {"max_len_a": slope, "max_len_b": offset}


def pair_contents(pair: Pair, text: str = "") -> list[bytes]:
    """Return digests of the parts of a pair that must not be in two splits: source, target, and letters of its text, "" = unknown.

    Two readings of a sentence never have the same units. A digest has 16 bytes, which saves memory.
    """
    letters = "".join(sign for sign in text.casefold() if sign.isalnum())
    # The side is part of a digest: what one pair has as source, another may have as target.
    units = [side + units.tobytes() for side, units in zip((b"source", b"target"), pair, strict=True)]
    contents = [*units, b"text" + letters.encode()] if letters else units
    return [hashlib.blake2b(content, digest_size=16).digest() for content in contents]


def require_free(path: Path, is_replaced: bool, inputs: Iterable[str | Path]) -> None:
    """Raise OutputError when a folder contains an input, or is not empty and must not be replaced."""
    place = Path(os.path.realpath(path))
    for given in inputs:
        if Path(os.path.realpath(given)).is_relative_to(place):
            raise OutputError("the output folder holds what is read", path=path, found=given, hint="choose another folder")
    if path.exists() and not is_replaced and (not path.is_dir() or any(path.iterdir())):
        raise OutputError("the output is there already", path=path, hint="choose another folder, or add --overwrite")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`, which replaces `path` when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with private_folder(f".{path.name}.", path.parent) as temporary:
        fresh = temporary / "new"
        fresh.mkdir()
        yield fresh
        # A folder that is not empty cannot be replaced in one call, so the old one moves into the temporary folder first.
        if path.exists():
            os.replace(path, temporary / "old")
        os.replace(fresh, path)


def ratio_file(folder: Path, split: str) -> Path:
    """Return the path of the duration ratios of a split's pairs, float32 [pairs] in their order."""
    return folder / f"{split}.ratios.npy"


def transcript_file(folder: Path, split: str) -> Path:
    """Return the path of the texts of a split's targets: a line for each pair, empty if unknown."""
    return folder / TEXT_FOLDER / f"{split}.transcript"


def read_transcripts(folder: Path, split: str) -> list[str]:
    """Return the text of each target of a split, "" = unknown."""
    return transcript_file(folder, split).read_text(encoding="utf-8").split("\n")[:-1]


def read_length_tags(folder: Path, split: str) -> Ids:
    """Return the first token of each source of a split, by the duration ratio of its pair (see LENGTH_TAGS), int64 [pairs].

    Raises InputError for a folder without ratios.
    """
    path = ratio_file(folder, split)
    if not path.is_file():
        hint = "prepare the folder from units with durations or repeats"
        raise InputError("nothing says how long these pairs are", path=path, expected="ratios of durations", hint=hint)
    return np.array([length_tag(ratio) for ratio in np.load(path, allow_pickle=False)], np.int64)


def duration_ratios(pairs: Iterable[str], source: UnitCorpus, target: UnitCorpus) -> list[float]:
    """Return the ratio of each target's duration to its source's; [] if durations are unknown."""
    return [target.steps[name] / source.steps[name] for name in pairs] if source.is_timed and target.is_timed else []


def length_tag(ratio: float) -> int:
    """Return the tag of a pair by the ratio of its target's duration to its source's."""
    from unit2unit.model import LENGTH_TAGS  # loads torch, which preparing does not need

    return LENGTH_TAGS["short" if ratio < EVEN[0] else "long" if ratio > EVEN[1] else "even"]


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
    search: Mapping[str, float] | None = None,
) -> None:
    """Write a report of the folder's content and settings, and a list of all that was left out."""
    (folder / LEFT_OUT).write_text("".join(f"{line}\n" for line in left_out), encoding="utf-8")
    made_with = {name: getattr(options, name) for name in ("num_units", "unit_offset", "seed", "group")}
    content = {"languages": list(languages), "vocabulary": vocabulary, **made_with, "splits": splits, "left_out": len(left_out)}
    content |= {} if search is None else {"search": dict(search)}
    (folder / REPORT).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_report(folder: Path) -> dict[str, Any]:
    """Return the report of a data folder; {} if it has none. Raises InputError."""
    path = folder / REPORT
    if not path.exists():
        return {}
    content = read_json(path, "the data folder's report")
    if not isinstance(content, dict):
        raise InputError("the data folder's report cannot be read", path=path, expected="an object", found=type(content).__name__)
    return content


def read_vocabulary(folder: Path) -> str:
    """Return the fingerprint of the quantizer of a folder's units; "" if it is not stated."""
    return str(read_report(folder).get("vocabulary") or "")


def read_search_limit(folder: Path) -> dict[str, float]:
    """Return the limit of a search that a folder's targets need (see `search_limit`); {} if it is not stated."""
    found = read_report(folder).get("search")
    values = found if isinstance(found, dict) else {}
    return {name: float(value) for name, value in values.items() if name in LIMITS and isinstance(value, int | float)}
