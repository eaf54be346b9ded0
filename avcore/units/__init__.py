"""Unit sequences: names of discrete speech units, 50 a second, with or without their durations, and their text form.

In a file of units a line has decimal ids with blanks between.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.errors import UnitError, UnitRangeError
from avcore.files import write_text
from avcore.notes import NoteKind, tell
from avcore.texts import iter_lines

Ids = NDArray[np.int64]

_MOST_DIGITS = 18  # of an int64 for certain
_PLAIN_LINE = re.compile(rf"(?:-?[0-9]{{1,{_MOST_DIGITS}}}(?: |$))+")
"""A line as it is mostly written; others are looked at token by token."""
_TEXT_EXPECTED = "one line of whole numbers with blanks between"

_LINES = NoteKind(
    "unit_lines",
    "only the first of {count} lines is read; a unit file holds one utterance",
    "유닛 파일의 {count}줄 가운데 첫 줄만 읽었습니다.",
)


@dataclass(frozen=True, eq=False)
class Units:
    """Speech as discrete units.

    ids: int64 [U], unit names 0..vocabulary size - 1. durations: int64 [U] in steps of 20 ms, at least 1 each, or None
    where they are not known yet (the translator's sequence as it came, repeats kept). language: two letters, "" =
    unknown. vocabulary: fingerprint of the quantizer, "" = unknown. is_merged: repeats have been merged already, so
    that equal neighbours left are units of their own.

    Raises UnitRangeError for a negative unit and UnitError for durations that do not fit.
    """

    ids: Ids
    durations: Ids | None = None
    language: str = ""
    vocabulary: str = ""
    is_merged: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", _int_vector(self.ids, "units"))
        negative = np.flatnonzero(self.ids < 0)
        if negative.size:
            raise UnitRangeError(int(self.ids[negative[0]]), int(negative[0]), None)
        if self.durations is None:
            return
        object.__setattr__(self, "durations", _int_vector(self.durations, "durations"))
        if len(self.durations) != len(self.ids):
            raise UnitError("a duration is needed for each unit", expected=len(self.ids), found=len(self.durations))
        if np.any(self.durations < 1):
            raise UnitError("durations must be 1 step or more", found=int(self.durations.min()))

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Units):
            return NotImplemented
        same_durations = (self.durations is None) == (other.durations is None) and (
            self.durations is None or np.array_equal(self.durations, other.durations)  # type: ignore[arg-type]
        )
        labels = (self.language, self.vocabulary) == (other.language, other.vocabulary)
        return labels and same_durations and np.array_equal(self.ids, other.ids)

    @classmethod
    def from_frames(cls, ids: Sequence[int] | Ids, language: str = "", vocabulary: str = "") -> "Units":
        """Count the runs of a frame-level sequence.

        ids: int64 [T], one unit every 20 ms. Returns units whose durations add up to T.
        """
        frames = _int_vector(ids, "units")
        starts = _run_starts(frames)
        durations = np.diff(np.append(starts, len(frames)))
        return cls(frames[starts], durations, language, vocabulary, is_merged=True)

    def frames(self) -> Ids:
        """Return the frame-level ids, int64 [T], one every 20 ms. Raises UnitError when the durations are not known."""
        if self.durations is None:
            raise UnitError("the durations of these units are not known yet", hint="predict them first")
        return np.repeat(self.ids, self.durations)

    @property
    def num_steps(self) -> int:
        """Length in steps of 20 ms. Raises UnitError when the durations are not known."""
        return len(self.frames()) if self.durations is None else int(self.durations.sum())

    def merged(self) -> "Units":
        """Merge runs of equal neighbours, once: their durations add up, and merged units stay as they are."""
        if self.is_merged:
            return self
        starts = _run_starts(self.ids)
        durations = None
        if self.durations is not None and len(starts):
            durations = np.add.reduceat(self.durations, starts)
        elif self.durations is not None:
            durations = self.durations
        return replace(self, ids=self.ids[starts], durations=durations, is_merged=True)

    def check_range(self, size: int, path: str | Path | None = None) -> "Units":
        """Return self when every unit is below `size`; raises UnitRangeError naming the first that is not."""
        outside = np.flatnonzero(self.ids >= size)
        if outside.size:
            raise UnitRangeError(int(self.ids[outside[0]]), int(outside[0]), size, path=path)
        return self


def from_reference_codes(codes: Iterable[int] | Ids, language: str = "", vocabulary: str = "") -> Units:
    """Read codes as the published renderer does: merge equal neighbours first, then drop negative codes.

    The order matters: `7 -1 7` keeps both 7s as units of their own, and they are not merged again.
    codes: int [N], repeats and negative codes allowed. Returns units without durations.
    """
    ids = _int_vector(codes if isinstance(codes, np.ndarray) else list(codes), "units")
    ids = ids[_run_starts(ids)]
    return Units(ids[ids >= 0], None, language, vocabulary, is_merged=True)


def parse_units(line: str, path: str | Path | None = None) -> Ids:
    """Read a line of blank-separated decimal units to int64 [N]. Raises UnitError naming a token that is no number."""
    tokens = line.split()
    for position, token in enumerate(() if _PLAIN_LINE.fullmatch(line) else tokens):
        digits = token.removeprefix("-")
        if not digits.isascii() or not digits.isdecimal() or len(digits) > _MOST_DIGITS:
            raise UnitError(
                f"token {position} is not a unit", path=path, expected="whole numbers with blanks between", found=repr(token[:40])
            )
    return np.array([int(token) for token in tokens], dtype=np.int64)


def format_units(ids: Iterable[int] | Ids) -> str:
    """Return the published text form of int [N]: decimal ids, single blanks between, no newline."""
    return " ".join(str(int(unit)) for unit in ids)


def _run_starts(ids: Ids) -> Ids:
    if not len(ids):
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(np.append(True, ids[1:] != ids[:-1]))


def _int_vector(values: Sequence[int] | Ids, what: str) -> Ids:
    array = np.asarray(values)
    if array.size == 0:
        return np.zeros(0, dtype=np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise UnitError(f"{what} must be a row of whole numbers", found=f"{array.dtype} of shape {list(array.shape)}")
    return array.astype(np.int64)


def read_unit_file(path: str | Path) -> Ids:
    """Read the first line of a unit file to int64 [N], as it stands there: repeats and negative codes kept.

    The published programs read one line a file; when there are more, a warning says so. Raises InputError when the file
    is missing or empty and UnitError when the line holds anything but numbers.
    """
    path = Path(path)
    lines = (line for _, line in iter_lines(path, "the unit file", UnitError) if line.strip())
    first = next(lines, None)
    if first is None:
        raise UnitError("the unit file is empty", path=path, expected=_TEXT_EXPECTED, found="blank lines")
    others = sum(1 for _ in lines)
    if others:
        tell(_LINES(count=others + 1), path)
    return parse_units(first, path)


def write_unit_file(path: str | Path, ids: Iterable[int] | Ids) -> None:
    """Write int [N] as one line without a newline, whole or not at all. Raises OutputError when it cannot be written."""
    write_text(path, format_units(ids))


@contextmanager
def units_of(path: str | Path) -> Iterator[None]:
    """Work on units that came from a file: a UnitRangeError in the block, which knows no file, names this one."""
    try:
        yield
    except UnitRangeError as error:
        raise UnitRangeError(error.unit, error.position, error.size, path=error.path or path) from error
