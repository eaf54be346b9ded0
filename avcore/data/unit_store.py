"""Units of many utterances by id: JSON lines (with durations and the quantizer's fingerprint), or unit files.

Trainers use them as plain names (ids from 0) with durations, all of one quantizer.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from avcore.errors import InputError, UnitError, UnitRangeError, VocabularyError
from avcore.journal import iter_rows, write_rows
from avcore.notes import several
from avcore.timeline import UNIT_RATE
from avcore.units import Ids, Units, read_unit_file

UNIT_SUFFIXES = (".unit", ".txt")
SHARD_SUFFIX = ".jsonl"
_MOST_STEPS = 24 * 3600 * UNIT_RATE
"""Longest utterance: a day of speech."""
LOG = logging.getLogger("netflips.train")
T = TypeVar("T")
_MOST_NAMED = 5


@dataclass(frozen=True)
class UnitRow:
    """The units of one utterance."""

    id: str
    units: Units
    extra: Mapping[str, Any]
    """further fields of its row, such as a speaker embedding"""

    def to_row(self) -> dict[str, Any]:
        """Return the row as a JSON object."""
        row: dict[str, Any] = {"id": self.id, "units": self.units.ids.tolist()}
        if self.units.durations is not None:
            row["durations"] = self.units.durations.tolist()
        labels = {"language": self.units.language, "vocabulary": self.units.vocabulary}
        return row | {name: value for name, value in labels.items() if value} | dict(self.extra)


def iter_units(path: str | Path) -> Iterator[UnitRow]:
    """Read units from a .jsonl file, a folder of such shards, or a folder of frame-level unit files named after their ids, with
    sub-folders as part of the id. In an output folder of `netflips extract`, or in a folder of several, the units are found.

    Unit files are frame-level; rows of JSON lines without durations have unknown durations. Raises InputError or UnitError naming
    file and line.
    """
    path = Path(path)
    if path.is_dir():
        yield from _iter_folder(path)
        return
    for number, row in iter_rows(path):
        yield parse_unit_row(row, path, number)


def read_units(path: str | Path) -> dict[str, Units]:
    """Read all units by id (see `iter_units`). Raises InputError for doubled ids, and if there are no units."""
    found = rows_by_id(path)
    if not found:
        raise InputError("there are no units", path=path, expected="JSON lines, or a folder of .unit or .txt files")
    return {name: row.units for name, row in found.items()}


def rows_by_id(path: str | Path, wanted: Collection[str] | None = None) -> dict[str, UnitRow]:
    """Return the rows of `wanted` ids (None = all), see `iter_units`. Raises InputError for an id that is there twice."""
    rows: dict[str, UnitRow] = {}
    for row in iter_units(path):
        if row.id in rows:
            raise InputError(f"the id {row.id!r} is there twice", path=path)
        if wanted is None or row.id in wanted:
            rows[row.id] = row
    return rows


def write_units(path: str | Path, rows: Iterable[UnitRow]) -> int:
    """Write units as JSON lines, atomically; returns the number of rows."""
    return write_rows(path, (row.to_row() for row in rows))


def _iter_folder(folder: Path) -> Iterator[UnitRow]:
    inner = [folder / name for name in ("shards", "units") if (folder / name).is_dir()]
    # Results of several extractions, as those of train and valid.
    parts = [] if inner else sorted(path for path in folder.iterdir() if (path / "shards").is_dir())
    for part in parts:
        yield from _iter_folder(part)
    if parts:
        return

    folder = inner[0] if inner else folder
    # Unfinished files have names that begin with a dot.
    shards = sorted(file for file in folder.iterdir() if file.suffix == SHARD_SUFFIX and not file.name.startswith("."))
    for shard in shards:
        yield from iter_units(shard)
    if shards:
        return
    for file in sorted(file for file in folder.rglob("*") if file.suffix in UNIT_SUFFIXES):
        frames = read_unit_file(file)
        yield UnitRow(file.relative_to(folder).with_suffix("").as_posix(), Units.from_frames(frames), {})


def parse_unit_row(row: Mapping[str, Any], path: Path, number: int) -> UnitRow:
    """Make a row from the JSON object on line `number` of a file. Raises UnitError naming both."""
    place = f"{path}:{number}"
    if "id" not in row or "units" not in row:
        raise UnitError("a row of units needs id and units", path=place, found=", ".join(row))
    if row["id"] in (None, ""):
        raise UnitError("a row of units has no name", path=place, expected="an id that is not empty", found="an empty one")

    try:
        durations = row.get("durations")
        units = Units(
            np.array(row["units"]),
            None if durations is None else np.array(durations),
            str(row.get("language") or ""),
            str(row.get("vocabulary") or ""),
        )
        _require_spoken(units)
    except (UnitError, ValueError, OverflowError) as error:
        raise UnitError("these are no units", path=place, found=error) from error

    known = {"id", "units", "durations", "language", "vocabulary"}
    return UnitRow(str(row["id"]), units, {name: value for name, value in row.items() if name not in known})


def _require_spoken(units: Units) -> None:
    """Raise UnitError for durations of more than a day: their frames would not fit into memory."""
    if units.durations is None:
        return
    longest = units.durations.max(initial=0)
    # The longest is looked at as well, since the sum of huge ones may overflow.
    if longest > _MOST_STEPS or units.num_steps > _MOST_STEPS:
        raise UnitError("durations are longer than a day", expected=f"{_MOST_STEPS:,} steps at most", found=longest)


def timed_units(row: UnitRow, place: str, is_frame_level: bool = False, first_unit: int = 0) -> Units:
    """Return the units of a stored row with durations and plain names.

    is_frame_level: rows without durations are one id every 20 ms. first_unit: number of unit 0 in the data. place: location of the
    row, for messages. Raises UnitError if durations are missing, UnitRangeError for ids below first_unit.
    """
    units = row.units
    if units.durations is None and not is_frame_level:
        raise UnitError(
            "these units have no durations",
            path=place,
            hint="set data.frame_level=true if they are one id every 20 ms, or extract them with durations",
        )

    if units.durations is None:
        units = Units.from_frames(units.ids, units.language, units.vocabulary)
    return replace(units, ids=plain_names(units.ids, first_unit, place))


def plain_names(ids: Ids, first_unit: int, place: str) -> Ids:
    """Convert ids int64 [N] that start at first_unit to ids from 0. Raises UnitRangeError naming place and position."""
    below = np.flatnonzero(ids < first_unit)
    if below.size:
        raise UnitRangeError(int(ids[below[0]]), int(below[0]), None, path=place)
    return ids - first_unit


def resolve_vocabulary(named: Iterable[tuple[str, str]], stated: str) -> str:
    """Return the fingerprint of the quantizer that made all units; "" = unknown, with a warning.

    named: id and fingerprint ("" = not stated) of each utterance. stated: fingerprint of those that do not state one. Raises
    VocabularyError naming two utterances of different quantizers.
    """
    first: dict[str, str] = {stated: "data.units_vocabulary"} if stated else {}
    num_silent = 0
    for name, vocabulary in named:
        num_silent += not vocabulary
        if vocabulary:
            first.setdefault(vocabulary, name)

    if len(first) > 1:
        (one, a), (other, b) = list(first.items())[:2]
        raise VocabularyError(
            "units of two quantizers are mixed",
            expected=f"one ({one}, {a})",
            found=f"another ({other}, {b})",
            hint="extract all units with the same encoder",
        )

    if num_silent and not stated:
        units = several(num_silent, "utterance does", "utterances do")
        LOG.warning("%s not say which quantizer made the units; state it with data.units_vocabulary", units)
    return next(iter(first), "")


def table_size(stated: int, used: Iterable[Units]) -> int:
    """Return the number of rows of a table of units: `stated`, or if that is 0, enough for the largest unit used."""
    return stated or 1 + max((int(units.ids.max()) for units in used if len(units.ids)), default=0)


def leave_out(names: Sequence[str], kind: str, what: str, path: Path, is_allowed: bool, hint: str) -> None:
    """Report items that cannot be used, naming the first of them; without names nothing happens.

    kind: a word for one item. what: their fault, such as `without video`. is_allowed: whether to log a warning that they are left
    out; otherwise raises InputError.
    """
    if not names:
        return
    what = f"{several(len(names), kind)} {what}"
    shown = ", ".join(names[:_MOST_NAMED]) + (f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else "")
    if not is_allowed:
        raise InputError(what, path=path, found=shown, hint=f"{hint}, or set data.allow_missing=true to leave them out")
    LOG.warning("%s: %s, left out: %s", path, what, shown)
