"""Fields of a form, each with its type; many are options of the job's command.

A visitor's input becomes one of our own words, a number, or a text in a file, but never an option.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

from msgspec import Meta

from avcore import bounds
from avcore.errors import Message, UsageError
from avcore.flags import option_info
from netflips.script.files import value_from

SOUND_OR_VIDEO = ("video", "sound", "media")
AUTO = "auto"
"""The value with which the command itself chooses."""
A_NAME = re.compile("[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True)
class Field:
    """A field of a form."""

    name: str
    kind: Any
    """its type, with bounds"""
    default: Any = ""
    """of a field that is left out"""
    flag: str | None = None
    """of the command; "" = the field is positional there, None = the kind of job makes the words"""

    def checked(self, given: Any) -> Any:
        """Return the value. Raises UsageError."""
        return self.default if given is None or given == "" else bounds.checked(given, self.kind, self.name)

    def words(self, value: Any) -> list[str]:
        """Return the words of the command line for a checked value."""
        if self.flag is None or value in ("", AUTO, False):
            return []
        words = [] if value is True else [f"{value:.4g}" if isinstance(value, float) else str(value)]
        return [self.flag, *words] if self.flag else words


@dataclass(frozen=True)
class Text(Field):
    """A text, which is written to a file."""

    is_line: bool = False
    """whether it has only one line"""

    def checked(self, given: Any) -> str:
        """Return the text without blanks around it. Raises UsageError."""
        text: str = bounds.checked(given.strip() if isinstance(given, str) else given or "", self.kind, self.name)
        if self.is_line and not text.isprintable():
            raise UsageError(Message("{name} cannot be used", name=self.name), expected="one line", found=repr(given)[:60])
        return text


@dataclass(frozen=True)
class File(Field):
    """A file that was uploaded before."""

    stored: str = ""
    """its name in the job's folder, without ending"""
    takes: tuple[str, ...] = ()
    """kinds of uploads"""
    is_needed: bool = True

    def checked(self, given: Any) -> str:
        """Return the id of the upload, "" = none. Raises UsageError."""
        if given in (None, "") and not self.is_needed:
            return ""
        if not isinstance(given, str) or not given:
            raise UsageError(Message("{field} is missing", field=self.name), hint="upload a file first")
        return given


def choice(name: str, values: Sequence[str], flag: str | None = None) -> Field:
    """Return a field for one of several words, of which the first is the default."""
    return Field(name, Literal[tuple(values)], values[0], flag)


def switch(name: str, flag: str | None = None) -> Field:
    """Return a field for yes or no."""
    return Field(name, bool, False, flag)


def number(name: str, least: float, most: float, default: float, flag: str | None = None) -> Field:
    """Return a field for a number in some range."""
    return Field(name, Annotated[float, Meta(ge=least, le=most)], default, flag)


def text(name: str, most: int, least: int = 0, *, is_line: bool = False) -> Text:
    """Return a field for a text of so many letters. least: 0 = it may be left out."""
    return Text(name, Annotated[str, Meta(min_length=least, max_length=most)], is_line=is_line)


def name_field(name: str, flag: str) -> Field:
    """Return a field for a name of something that comes with the models, such as a voice: it begins with no hyphen, so that it is
    no option."""
    letters = Meta(pattern=f"^{A_NAME.pattern}$", description="letters, digits and hyphens")
    return Field(name, Annotated[str, letters], flag=flag)


def field_of(options: type, option: str, name: str = "", **how: Any) -> Field:
    """Return the field of a form for an option of a command, with the option's flag, default and allowed values.

    name: in the form, if it differs from the option's. how: what the option lacks, such as the kinds of files that are taken.
    """
    known = option_info(options, option)
    name, flag = name or option, "" if known.is_positional else known.names[-1]

    if known.kind is bool:
        return switch(name, flag)
    if known.kind is float:
        return number(name, default=known.default, flag=flag, **how)
    if "takes" in how:
        how.setdefault("is_needed", known.is_needed)
        return File(name, str, flag=flag, stored=how.pop("stored", name), **how)
    return choice(name, how.get("values") or sorted(get_args(known.kind), key=lambda word: bool(word != known.default)), flag)


@dataclass(frozen=True)
class ReviewRow:
    """One sentence of a review."""

    start_s: float
    end_s: float
    spoken: str = ""
    """the text to speak; "" = as it was translated"""
    speaker: str = ""
    """a new one; "" = as it was"""
    speech: str = ""
    """id of an upload that replaces its speech; "" = none"""


@dataclass(frozen=True)
class Review:
    """A visitor's corrections of a dub."""

    rows: Sequence[ReviewRow] = ()
    """its sentences"""
    voices: Mapping[str, str] = field(default_factory=dict)
    """ids of uploads by speaker"""
    terms: Mapping[str, str] = field(default_factory=dict)
    """how names and terms are spoken, by word"""


_MOST_ROWS, _MOST_SPOKEN, _MOST_SPEAKER, _MOST_VOICES, _MOST_TERMS = 2000, 500, 60, 50, 500


def review_rows(given: Any) -> tuple[ReviewRow, ...]:
    """Return the rows of a review. Raises UsageError, InputError."""
    rows: tuple[ReviewRow, ...] = value_from(tuple[ReviewRow, ...], given, "rows")
    if not 0 < len(rows) <= _MOST_ROWS:
        raise UsageError("the utterances cannot be read", expected=f"a list of 1 to {_MOST_ROWS} rows")
    for row in rows:
        if not 0 <= row.start_s <= row.end_s or len(row.spoken) > _MOST_SPOKEN or len(row.speaker) > _MOST_SPEAKER:
            expected = f"times in order, a text of {_MOST_SPOKEN} letters, a name of {_MOST_SPEAKER}, at most"
            raise UsageError("an utterance cannot be that", expected=expected, found=repr(row)[:60])
    return rows


def voices_asked(given: Any) -> dict[str, str]:
    """Return ids of uploads with voices, by speaker. Raises UsageError, InputError."""
    voices: dict[str, str] = value_from(dict[str, str], given, "voices")
    if len(voices) > _MOST_VOICES or not all(0 < len(name) <= _MOST_SPEAKER for name in voices):
        raise UsageError("the voices cannot be read", expected=f"{_MOST_VOICES} speakers at most, with names")
    return voices


def terms_asked(given: Any) -> dict[str, str]:
    """Return how names and terms are spoken, by word. Raises UsageError, InputError."""
    terms: dict[str, str] = value_from(dict[str, str], given, "terms")
    if len(terms) > _MOST_TERMS or not all(0 < len(one) <= _MOST_SPEAKER for pair in terms.items() for one in pair):
        expected = f"{_MOST_TERMS} at most, each a word and what is said for it, of {_MOST_SPEAKER} letters"
        raise UsageError("the terms cannot be read", expected=expected)
    return terms


def checked(fields: Sequence[Field], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of all fields of a form. Raises UsageError for an invalid value, and for an unknown name."""
    known = {one.name for one in fields}
    strange = sorted(set(given) - known)
    if strange:
        raise UsageError("the form has no such field", expected=", ".join(sorted(known)), found=repr(strange[0])[:60])
    return {one.name: one.checked(given.get(one.name)) for one in fields}
