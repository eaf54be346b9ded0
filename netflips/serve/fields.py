"""Fields of a form, checked: what a visitor sends becomes a word of ours, a number, or a text in a file, never an option."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from avcore.errors import UsageError

SOUND_OR_VIDEO = ("video", "sound", "media")


@dataclass(frozen=True)
class Choice:
    """One of some words, the first of which is the default."""

    name: str
    values: tuple[str, ...]

    def checked(self, given: Any) -> str:
        """Return the word that was chosen. Raises UsageError."""
        value = self.values[0] if given in (None, "") else given
        if value not in self.values:
            raise UsageError(f"{self.name} cannot be that", expected=" or ".join(self.values), found=repr(given)[:60])
        return str(value)


@dataclass(frozen=True)
class Number:
    """A number in some range."""

    name: str
    least: float
    most: float
    default: float

    def checked(self, given: Any) -> float:
        """Return the number. Raises UsageError."""
        value = self.default if given in (None, "") else given
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not is_number or not self.least <= value <= self.most:
            raise UsageError(f"{self.name} is out of range", expected=f"{self.least:g} to {self.most:g}", found=repr(given)[:60])
        return float(value)


@dataclass(frozen=True)
class Switch:
    """Yes or no."""

    name: str

    def checked(self, given: Any) -> bool:
        """Return whether it is on. Raises UsageError."""
        if not isinstance(given, bool | None):
            raise UsageError(f"{self.name} is on or off", expected="true or false", found=repr(given)[:60])
        return bool(given)


@dataclass(frozen=True)
class Words:
    """A text, which goes into a file."""

    name: str
    most: int
    least: int = 1

    def checked(self, given: Any) -> str:
        """Return the text. Raises UsageError."""
        if not isinstance(given, str | None):
            raise UsageError(f"{self.name} is no text", found=type(given).__name__)
        text = (given or "").strip()
        if not self.least <= len(text) <= self.most:
            raise UsageError(
                f"{self.name} has the wrong length", expected=f"{self.least} to {self.most} letters", found=f"{len(text)}"
            )
        return text


@dataclass(frozen=True)
class File:
    """A file that was uploaded before. stored: its name in the job's folder, without ending. takes: kinds of uploads."""

    name: str
    stored: str
    takes: tuple[str, ...]
    is_needed: bool = True

    def checked(self, given: Any) -> str:
        """Return the id of the upload, "" = none. Raises UsageError."""
        if given in (None, "") and not self.is_needed:
            return ""
        if not isinstance(given, str) or not given:
            raise UsageError(f"{self.name} is missing", hint="upload a file first")
        return given


Field = Choice | Number | Switch | Words | File


@dataclass(frozen=True)
class ReviewRow:
    """A row of the review. said: what it shall say, "" = as it was translated; speaker: a new one, "" = as it was."""

    start_s: float
    end_s: float
    said: str
    speaker: str


MOST_UTTERANCES = 2000
_TIME = Number("a time of an utterance", 0.0, 1e6, 0.0)
_SAID = Words("the text of an utterance", 500, 0)
_SPEAKER = Words("the name of a speaker", 60, 0)


def utterances(given: Any) -> list[ReviewRow]:
    """Rows of the review. Raises UsageError."""
    if not isinstance(given, list) or not 0 < len(given) <= MOST_UTTERANCES or not all(isinstance(one, Mapping) for one in given):
        raise UsageError("the utterances cannot be read", expected=f"a list of 1 to {MOST_UTTERANCES} rows")
    return [
        ReviewRow(
            _TIME.checked(one.get("start_s")),
            _TIME.checked(one.get("end_s")),
            _SAID.checked(one.get("said")),
            _SPEAKER.checked(one.get("speaker")),
        )
        for one in given
    ]


def checked(fields: Sequence[Field], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all fields of a form. Raises UsageError for a value that cannot be, and for a name that is none."""
    known = {one.name for one in fields}
    strange = sorted(set(given) - known)
    if strange:
        raise UsageError("the form has no such field", expected=", ".join(sorted(known)), found=repr(strange[0])[:60])
    return {one.name: one.checked(given.get(one.name)) for one in fields}
