"""Unit sequences by id, from a folder of unit files, a JSONL file or a text file of one clip a line. Every bad one is named."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.data.unit_store import SHARD_SUFFIX, UNIT_SUFFIXES
from avcore.errors import InputError, UnitError, UnitRangeError, VocabularyError
from avcore.files import require_file
from avcore.progress import Progress, silent, track
from avcore.texts import iter_lines, parse_json
from avcore.units import Ids, Units, normalise_language, parse_units, read_unit_file

LOG = logging.getLogger(__name__)
_SHOWN = 50
StoredIds = NDArray[np.signedinteger[Any]]
"""Units in the smallest integer type for their vocabulary (`UnitReading.number`), so that a million sentences fit into memory."""


@dataclass(frozen=True)
class UnitReading:
    """Options for reading unit sequences."""

    num_units: int = 1000
    offset: int = 0
    """subtracted from every id; 4 for files of raw class indices"""

    @property
    def number(self) -> np.dtype[np.signedinteger[Any]]:
        """The integer type that units are stored in: int16 for the published 1,000."""
        return np.dtype(next(one for one in (np.int16, np.int32, np.int64) if self.num_units <= np.iinfo(one).max))


@dataclass
class UnitCorpus:
    """Merged unit sequences of one language."""

    path: Path
    units: dict[str, StoredIds] = field(default_factory=dict)
    """[U] each, by id"""
    steps: dict[str, int] = field(default_factory=dict)
    """length in steps of 20 ms, by id; meaningful if `is_timed`"""
    places: dict[str, str] = field(default_factory=dict)
    """where each was found, by id"""
    problems: list[str] = field(default_factory=list)
    """a line for each bad sequence"""
    vocabulary: str = ""
    """fingerprint of the quantizer, "" = unknown"""
    is_by_line: bool = False
    """whether ids are line numbers"""

    def add(self, name: str, place: str, read: Callable[[], Ids], reading: UnitReading, steps: int = 0) -> None:
        """Read one sequence. A bad one, or a second one of a name, becomes a problem. steps: its length, 0 = number of ids."""
        if name in self.places:
            self.problems.append(f"{place}: the id {name} is there twice; first {self.places[name]}")
            return

        self.places[name] = place
        try:
            ids = read()
            self.units[name] = merged_units(ids, place, reading).astype(reading.number)
            self.steps[name] = steps or len(ids)
        except InputError as error:
            self.problems.append(str(error))

    @property
    def is_timed(self) -> bool:
        """Whether the lengths of the sequences are known: some have durations or repeats."""
        return any(self.steps[name] > len(units) for name, units in self.units.items())

    def join(self, other: "UnitCorpus") -> None:
        """Take over another corpus of the same language. Raises VocabularyError for units of another quantizer."""
        self.note_vocabulary(other.vocabulary, str(other.path))
        self.problems += other.problems
        for name, place in other.places.items():
            if name in self.places:
                self.problems.append(f"{place}: the id {name} is there twice; first {self.places[name]}")
                continue
            self.places[name] = place
            if name in other.units:
                self.units[name], self.steps[name] = other.units[name], other.steps[name]

    def note_vocabulary(self, vocabulary: str, place: str) -> None:
        """Note the quantizer of a sequence. Raises VocabularyError if it differs from the others'."""
        self.vocabulary = agreed_vocabulary(self.vocabulary, vocabulary, place)


def agreed_vocabulary(known: str, found: str, place: str) -> str:
    """Return the quantizer that two parts share, "" = unknown. Raises VocabularyError if they differ."""
    if known and found and known != found:
        raise VocabularyError(
            "units of two quantizers are mixed",
            path=place,
            expected=known,
            found=found,
            hint="extract all of them with one encoder",
        )
    return known or found


def merged_units(ids: Ids, place: str, reading: UnitReading) -> Ids:
    """Subtract the offset and merge repeats, int64 [N] -> [U], U >= 1. Raises UnitError or UnitRangeError naming `place`."""
    if not len(ids):
        raise UnitError("no units", path=place)
    shifted = ids - reading.offset
    outside = np.flatnonzero((shifted < 0) | (shifted >= reading.num_units))
    if outside.size:
        position = int(outside[0])
        raise UnitRangeError(int(shifted[position]), position, reading.num_units, path=place)
    return Units(shifted).merged().ids


def read_unit_corpora(paths: Iterable[str | Path], language: str, reading: UnitReading, progress: Progress = silent) -> UnitCorpus:
    """Read several sources of one language as one, see `read_unit_corpus`. Raises InputError for lines among them, since ids are
    line numbers there."""
    first, *others = paths
    corpus = read_unit_corpus(first, language, reading, progress)
    for path in others:
        more = read_unit_corpus(path, language, reading, progress)
        if more.is_by_line or corpus.is_by_line:
            raise InputError("lines of units have no ids, and cannot be joined", path=path, expected="units with ids")
        corpus.join(more)
    return corpus


def read_unit_corpus(path: str | Path, language: str, reading: UnitReading, progress: Progress = silent) -> UnitCorpus:
    """Read a folder of unit files (`**/name.txt` or `.unit`), a `.jsonl` file or a folder of such shards (rows with `id` and
    `units`), or a text file (a sequence a line).

    Raises InputError if there are no units, and VocabularyError for units of two quantizers.
    """
    path = Path(path)
    corpus = UnitCorpus(path)
    stage = f"reading {language}"

    if shards := _shards(path):
        for place, row in track(chain.from_iterable(map(_lines, shards)), stage, progress):
            _add_row(corpus, row, place, language, reading)
    elif path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix in UNIT_SUFFIXES)
        for file in track(files, stage, progress, len(files)):
            name = file.relative_to(path).with_suffix("").as_posix()
            corpus.add(name, str(file), partial(read_unit_file, file), reading)
    else:
        require_file(path, "the units")
        corpus.is_by_line = True
        for number, (place, line) in enumerate(track(_lines(path), stage, progress), 1):
            corpus.add(f"{number:09d}", place, partial(parse_units, line, place), reading)

    if not corpus.places and not corpus.problems:
        raise InputError("there are no units", path=path, expected="a folder of .txt files, a .jsonl, or lines")
    return corpus


def _shards(path: Path) -> list[Path]:
    """Return files of rows: the path itself, or the shards that bulk extraction wrote into a folder, or into its parts."""
    if path.is_dir():
        names = (f"shards/[!.]*{SHARD_SUFFIX}", f"part*/shards/[!.]*{SHARD_SUFFIX}")
        return sorted(file for name in names for file in path.glob(name))
    return [path] if path.suffix == SHARD_SUFFIX and path.exists() else []


def common_vocabulary(corpora: Iterable[UnitCorpus], stated: str) -> str:
    """Return the quantizer that corpora share, "" = unknown, with a warning. Raises VocabularyError if they differ."""
    common = stated
    for corpus in corpora:
        common = agreed_vocabulary(common, corpus.vocabulary, str(corpus.path))
    if not common:
        LOG.warning("these units do not say which quantizer made them; state it with --units-vocabulary")
    return common


def report_problems(problems: Sequence[str], is_skipped: bool) -> None:
    """Log the problems, at most 50. Raises InputError if there are any, unless they may be skipped."""
    for line in problems[:_SHOWN]:
        LOG.warning("%s", line)
    if len(problems) > _SHOWN:
        LOG.warning("... and %d more", len(problems) - _SHOWN)
    if problems and not is_skipped:
        raise InputError("some units are bad", found=f"{len(problems)}, as named above", hint="mend them, or add --skip-bad")


def _add_row(corpus: UnitCorpus, given: str, place: str, language: str, reading: UnitReading) -> None:
    """Add a row of a unit store (see avcore.data.unit_store), as text or read; units may be a list or the published text form."""
    try:
        row = parse_json(given)
        name, units = str(row["id"]), row["units"]
        text = units if isinstance(units, str) else " ".join(map(str, units))
        steps = sum(map(int, row.get("durations") or ()))
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        corpus.problems.append(f"{place}: not a row with id and units: {error}")
        return

    if normalise_language(str(row.get("language") or language)) != language:
        corpus.problems.append(f"{place}: units of another language; expected {language}; found {row['language']}")
    else:
        corpus.note_vocabulary(str(row.get("vocabulary") or ""), place)
        corpus.add(name, place, partial(parse_units, text, place), reading, steps)


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in iter_lines(path, "the units"):
        yield f"{path}:{number}", line
