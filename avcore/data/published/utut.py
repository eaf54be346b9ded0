"""The published layout of unit pairs: `<split>/lang_pairs.txt`, and a tab-separated table of unit files for each language pair."""

import csv
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, nan
from pathlib import Path

import numpy as np
import torch

from avcore.checkpoints.pickles import require_stored
from avcore.errors import InputError, UnitError, UnitRangeError, reason
from avcore.files import require_file
from avcore.texts import iter_lines
from avcore.units import Ids, Units, normalise_language, read_unit_file

LANG_PAIRS = "lang_pairs.txt"
MIN_UNITS, MAX_UNITS = 1, 1022
"""Samples with fewer or more units are left out, as in the published training."""
_MOST_DIGITS = 12

COLUMNS = ("src_unit_path", "src_n_units", "tgt_unit_path", "tgt_n_units")
RATIO = "duration_ratio"
"""A column that only NetfLips' tables have: target to source."""


@dataclass(frozen=True, slots=True)
class UtutSide:
    """One side of a sample."""

    path: str
    """its unit file"""
    num_units: int
    """as stated in the table"""
    language: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A source and its target."""

    source: UtutSide
    target: UtutSide
    pair: str
    """its line of lang_pairs.txt"""
    ratio: float | None = None
    """duration of the target over that of the source, None = not stated"""


def read_samples(data_dir: Path, split: str) -> tuple[list[Sample], int]:
    """Read a split's tables. Returns the samples, and how many were left out because of their length.

    Relative paths of unit files start from `data_dir`. Raises InputError naming file and line.
    """
    listing = require_file(data_dir / split / LANG_PAIRS, "the list of language pairs")
    samples: list[Sample] = []
    left_out = 0
    for pair in filter(None, (line.strip() for _, line in iter_lines(listing, "the list of language pairs"))):
        for sample in _read_table(data_dir, data_dir / split / f"{pair}.tsv", pair):
            if all(MIN_UNITS <= side.num_units <= MAX_UNITS for side in (sample.source, sample.target)):
                samples.append(sample)
            else:
                left_out += 1

    if not samples:
        raise InputError(f"the split '{split}' holds no samples", path=listing, expected=f"{MIN_UNITS}..{MAX_UNITS} units a side")
    return samples, left_out


def load_units(path: str | Path, num_units: int) -> Ids:
    """Read one unit file, as text or saved by torch, and merge repeats; returns int64 [U]. Raises an InputError naming the file."""
    path = require_file(path, "the unit file")
    ids = _load_saved(path) if require_stored(path) else read_unit_file(path)
    outside = np.flatnonzero((ids < 0) | (ids >= num_units))
    if outside.size:
        raise UnitRangeError(int(ids[outside[0]]), int(outside[0]), num_units, path=path)
    return Units(ids).merged().ids


def _load_saved(path: Path) -> Ids:
    try:
        return np.asarray(torch.load(path, map_location="cpu", weights_only=True)).astype(np.int64).reshape(-1)
    except (OSError, ValueError, RuntimeError, TypeError, pickle.UnpicklingError) as error:
        raise UnitError("this unit file cannot be read", path=path, found=reason(error)) from error


def _read_table(data_dir: Path, table: Path, pair: str) -> Iterator[Sample]:
    languages = Path(pair).parts[-2:]
    if len(languages) != 2:
        raise InputError(
            "a language pair must end in source and target", path=table.parent, expected="x/en/ko", found=pair, hint=LANG_PAIRS
        )

    lines = (line for _, line in iter_lines(table, "the table of a language pair"))
    rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise InputError("the table lacks columns", path=table, expected=", ".join(COLUMNS), found=f"no {', '.join(missing)}")

    for row in rows:
        where = f"{table}:{rows.line_num}"
        source, target = (
            _side(row, name, language, data_dir, where) for name, language in zip(("src", "tgt"), languages, strict=True)
        )
        yield Sample(source, target, pair, _ratio(row.get(RATIO), where))


def _ratio(text: str | None, where: str) -> float | None:
    if text is None:
        return None
    try:
        ratio = float(text)
    except ValueError:
        ratio = nan
    if not 0 < ratio < inf:
        raise InputError("a ratio of durations is none", path=where, expected="above 0", found=repr(text))
    return ratio


def _side(row: dict[str, str], name: str, language: str, data_dir: Path, where: str) -> UtutSide:
    path, count = row[f"{name}_unit_path"], row[f"{name}_n_units"]
    if not path:
        raise InputError("a unit file is not named", path=where, expected=f"{name}_unit_path", found="nothing")
    if not (count or "").isdecimal() or len(count) > _MOST_DIGITS:
        raise InputError("a number of units is no number", path=where, expected="0 or more", found=repr(count))
    return UtutSide(str(data_dir / path), int(count), normalise_language(row.get(f"{name}_lang") or language))
