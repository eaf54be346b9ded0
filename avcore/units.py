"""Sequences of discrete speech units, 50 a second, with or without durations, and their text form.

A line of a unit file has decimal ids with blanks between. Languages and their tags, the special symbols of a dictionary, and the
fingerprint that ties units to their quantizer are here, too.

Two sequences are compared by edit distance, or by shifting them (lip sync by units): the shift of up to 0.3 s at which units of the
lips alone and units of the sound alone agree most is the delay of the sound. It reveals delay, lost lips and wrong clips. It is no
independent measure: one encoder extracts both, and lips that were drawn from units were drawn for it.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.errors import LanguageError, Message, UnitError, UnitRangeError, VocabularyError
from avcore.files import write_text
from avcore.notes import NoteKind, report_note
from avcore.texts import iter_lines
from avcore.timeline import units_to_seconds

Ids = NDArray[np.int64]

_MOST_DIGITS = 18  # of an int64 for certain
_PLAIN_LINE = re.compile(rf"(?:-?[0-9]{{1,{_MOST_DIGITS}}}(?: |$))+")
"""A line in the usual form; others are checked token by token."""
_TEXT_EXPECTED = "one line of whole numbers with blanks between"

_LINES = NoteKind("unit_lines", "only the first of {count} lines is read; a unit file holds one utterance")


@dataclass(frozen=True, eq=False)
class Units:
    """Speech as discrete units. Raises UnitRangeError for a negative unit and UnitError for durations that do not fit."""

    ids: Ids
    """int64 [U], 0..vocabulary size - 1."""
    durations: Ids | None = None
    """int64 [U] in steps of 20 ms, at least 1 each; None = not known yet (as from the translator, repeats kept)."""
    language: str = ""
    """Two letters, "" = unknown."""
    vocabulary: str = ""
    """Fingerprint of the quantizer, "" = unknown."""
    is_merged: bool = False
    """Repeats have been merged already: equal neighbours that are left are separate units."""

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
        """Merge the runs of a frame-level sequence to units with durations.

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
        """Merge runs of equal neighbours and add up their durations; merged units are returned unchanged."""
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
        """Return self when every unit is below `size`. Raises UnitRangeError that names the first that is not."""
        outside = np.flatnonzero(self.ids >= size)
        if outside.size:
            raise UnitRangeError(int(self.ids[outside[0]]), int(outside[0]), size, path=path)
        return self


def from_reference_codes(codes: Iterable[int] | Ids, language: str = "", vocabulary: str = "") -> Units:
    """Read codes as the published renderer does: merge equal neighbours first, then drop negative codes.

    The order matters: `7 -1 7` keeps both 7s as separate units, and they are not merged again.
    codes: int [N], repeats and negative codes allowed. Returns units without durations.
    """
    ids = _int_vector(codes if isinstance(codes, np.ndarray) else list(codes), "units")
    ids = ids[_run_starts(ids)]
    return Units(ids[ids >= 0], None, language, vocabulary, is_merged=True)


def parse_units(line: str, path: str | Path | None = None) -> Ids:
    """Parse a line of blank-separated decimal units to int64 [N]. Raises UnitError that names a token that is no number."""
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
    """Read the first line of a unit file to int64 [N], unchanged: repeats and negative codes are kept.

    The published programs read one line per file; a warning reports further lines. Raises InputError when the file
    is missing or empty, and UnitError when the line has anything but numbers.
    """
    path = Path(path)
    lines = (line for _, line in iter_lines(path, "the unit file", UnitError) if line.strip())
    first = next(lines, None)
    if first is None:
        raise UnitError("the unit file is empty", path=path, expected=_TEXT_EXPECTED, found="blank lines")

    others = sum(1 for _ in lines)
    if others:
        report_note(_LINES(count=others + 1), path)
    return parse_units(first, path)


def write_unit_file(path: str | Path, ids: Iterable[int] | Ids) -> None:
    """Write int [N] as one line without a newline, complete or not at all. Raises OutputError when it cannot be written."""
    write_text(path, format_units(ids))


@contextmanager
def units_of(path: str | Path) -> Iterator[None]:
    """Add the path of a unit file to a UnitRangeError that is raised in the block."""
    try:
        yield
    except UnitRangeError as error:
        raise UnitRangeError(error.unit, error.position, error.size, path=error.path or path) from error


def edit_distance(left: Ids, right: Ids) -> int:
    """Return the least number of insertions, deletions and substitutions between int64 [N] and int64 [M], in N steps."""
    places = np.arange(len(right) + 1)
    row = places.copy()
    for number, unit in enumerate(left, 1):
        best = np.empty_like(row)
        best[0] = number
        best[1:] = np.minimum(row[1:] + 1, row[:-1] + (right != unit))
        # Insertions within the row: best[j] = min over i <= j of best[i] + (j - i).
        row = np.minimum.accumulate(best - places) + places
    return int(row[-1])


def error_rate(pairs: Iterable[tuple[Ids, Ids]]) -> float:
    """Return the sum of edit distances over the sum of reference lengths, of (found, reference) pairs; 0 without references."""
    distance, length = 0, 0
    for found, reference in pairs:
        distance += edit_distance(found, reference)
        length += len(reference)
    return distance / length if length else 0.0


def edit_distances(found: Ids, references: Sequence[Ids]) -> Ids:
    """Return the edit distance of one int64 [N] to each of many references: int64 [references], in N steps for all."""
    lengths = np.array([len(reference) for reference in references], dtype=np.int64)
    longest = int(lengths.max(initial=0))
    padded = np.full((len(references), longest), -1, dtype=np.int64)
    padded[np.arange(longest) < lengths[:, None]] = np.concatenate([np.zeros(0, np.int64), *references])
    # Memory bandwidth is the bottleneck: use the smallest integers that hold a distance.
    numbers = np.dtype(np.int16 if len(found) + longest < np.iinfo(np.int16).max else np.int64)
    places: NDArray[np.signedinteger[Any]] = np.arange(longest + 1, dtype=numbers)
    rows = np.tile(places, (len(references), 1))
    best = np.empty_like(rows)

    for number, unit in enumerate(found, 1):
        best[:, 0] = number
        np.minimum(rows[:, 1:] + 1, rows[:, :-1] + (padded != unit), out=best[:, 1:])
        np.subtract(best, places, out=best)
        rows = np.minimum.accumulate(best, axis=1) + places
    return np.asarray(rows[np.arange(len(references)), lengths], dtype=np.int64)


MOST_SHIFT = 15
"""Largest shift of the sound in either direction, in steps of 20 ms."""
_LEAST_STEPS = 10
"""Least number of spoken steps for a shift to count."""


@dataclass(frozen=True)
class UnitSync:
    """Agreement of sound and lips by their units."""

    confidence: float
    """Share of steps that agree at the best shift minus the median over all shifts."""
    delay: int
    """Steps of 20 ms by which the sound is late, negative where it is early."""
    at_zero: float
    """Share that agrees without a shift."""
    steps: int
    """Number of spoken steps."""

    @property
    def delay_s(self) -> float:
        """The delay in seconds."""
        return float(units_to_seconds(self.delay))


def is_speech(units: Ids, silence: int | None) -> NDArray[np.bool_]:
    """Return which steps of int64 units [steps] are not silent: bool [steps]."""
    return np.ones(len(units), np.bool_) if silence is None else units != silence


def unit_sync(audio: Ids, seen: Ids, silence: int | None) -> UnitSync | None:
    """Compare units of the sound and of the lips; None where less than 0.2 s of it is spoken.

    audio, seen: units of the sound alone and of the lips alone, int64 [steps], cut to the shorter. silence: steps in which both
    have this unit are ignored, None = no such unit. Of equally good shifts the smallest is the delay.
    """
    length = min(len(audio), len(seen))
    audio, seen = audio[:length], seen[:length]
    shifts = sorted(range(-MOST_SHIFT, MOST_SHIFT + 1), key=abs)
    shares = {shift: _share(audio, seen, shift, silence) for shift in shifts}
    known = {shift: share for shift, share in shares.items() if share is not None}
    at_zero = known.get(0)
    if at_zero is None:
        return None

    best = max(known, key=lambda shift: known[shift])  # the first of equals, which is the smallest
    spoken = int((is_speech(audio, silence) | is_speech(seen, silence)).sum())
    return UnitSync(known[best] - float(np.median(list(known.values()))), best, at_zero, spoken)


def _share(audio: Ids, seen: Ids, shift: int, silence: int | None) -> float | None:
    """Return the share of spoken steps that agree when the sound is taken `shift` steps later; None for too few."""
    length = len(audio) - abs(shift)
    if length <= 0:
        return None
    sound, lips = audio[max(shift, 0) :][:length], seen[max(-shift, 0) :][:length]
    spoken = is_speech(sound, silence) | is_speech(lips, silence)
    count = int(spoken.sum())
    return float(((sound == lips) & spoken).sum()) / count if count >= _LEAST_STEPS else None


UTUT_LANGUAGES = ("en", "es", "fr", "it", "pt", "el", "ru", "cs", "da", "de", "fi", "hr", "hu", "lt", "nl", "pl", "ro", "sk", "sl")
"""The published translator's languages, in the order of their embedding rows."""

_ISO_639_3 = {
    "eng": "en", "spa": "es", "fra": "fr", "ita": "it", "por": "pt", "ell": "el", "rus": "ru", "ces": "cs", "dan": "da",
    "deu": "de", "fin": "fi", "hrv": "hr", "hun": "hu", "lit": "lt", "nld": "nl", "pol": "pl", "ron": "ro", "slk": "sk",
    "slv": "sl", "kor": "ko",
}  # fmt: skip

_MISTAKEN = {
    "kr": "ko", "kp": "ko", "korean": "ko", "hangul": "ko", "uk": "en", "us": "en", "gb": "en", "english": "en", "sp": "es",
    "spanish": "es", "french": "fr", "italian": "it", "br": "pt", "portuguese": "pt", "gr": "el", "greek": "el", "russian": "ru",
    "cz": "cs", "czech": "cs", "dk": "da", "danish": "da", "german": "de", "finnish": "fi", "croatian": "hr", "hungarian": "hu",
    "lithuanian": "lt", "dutch": "nl", "polish": "pl", "romanian": "ro", "slovak": "sk", "si": "sl", "slovenian": "sl",
}  # fmt: skip
"""Common mistakes for a language's code: its country, or its name."""
BEGIN, PAD, END, UNKNOWN = range(4)
"""Rows of `<s>`, `<pad>`, `</s>` and `<unk>`."""
NUM_MARKS = 4


def normalise_language(name: str) -> str:
    """Return the two-letter code that is used internally: `kor`, `KO` and `[ko]` are `ko`."""
    bare = name.strip().strip("[]").lower()
    return _ISO_639_3.get(bare, bare)


def three_letters(name: str) -> str:
    """Return the ISO 639-3 code of a language, as in video files: `kor` for `ko`; an unknown one is returned unchanged."""
    wanted = normalise_language(name)
    return next((three for three, two in _ISO_639_3.items() if two == wanted), wanted)


def meant_language(name: str, available: Iterable[str]) -> str | None:
    """Return `did you mean ko?` for a language that is not in `available`; None where none is similar."""
    bare = normalise_language(name)
    guesses = [_MISTAKEN.get(bare, ""), *(normalise_language(part) for part in bare.replace("_", "-").split("-"))]
    near = next((guess for guess in guesses if guess in set(available) - {bare}), None)
    return None if near is None else f"did you mean {near}?"


def language_tag(language: str) -> str:
    """Return the dictionary symbol of a language, as `[ko]`."""
    return f"[{normalise_language(language)}]"


def require_language(language: str, available: Sequence[str], owner: str, hint: str | None = None) -> str:
    """Return the normalised language. Raises LanguageError that lists `available` when `owner` lacks it."""
    wanted = normalise_language(language)
    if wanted not in available:
        raise LanguageError(
            Message("{owner} has no language '{wanted}'", owner=owner, wanted=wanted),
            expected=f"one of {', '.join(available)}",
            found=wanted,
            hint=meant_language(language, available) or hint,
        )
    return wanted


def fingerprint(*parts: bytes) -> str:
    """Return a short, stable name of some content: `sha256:` and 16 hex digits over the parts in order."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        # Lengths keep the parts apart: ("ab", "c") is not ("a", "bc").
        digest.update(part)
    return f"sha256:{digest.hexdigest()[:16]}"


def fingerprint_symbols(symbols: Iterable[str]) -> bytes:
    """Return a dictionary's symbols as bytes, for `fingerprint`."""
    return "\n".join(symbols).encode()


def require_same_vocabulary(units: str, model: str, owner: str) -> None:
    """Raise VocabularyError when both fingerprints are known and differ ("" = unknown, accepted)."""
    if units and model and units != model:
        raise VocabularyError(
            f"{owner} was trained on units of another quantizer",
            expected=model,
            found=units,
            hint="extract the units again with the matching encoder",
        )
