"""Notes to the user: a code with its values, and the sentences made from them (`avcore.words` has the languages).

A kind of note is declared once, in the module that reports it, and joins the table `KINDS`. The table makes its sentence
whenever the note is shown; no code parses sentences. Text from a file, a name or a manifest never steers the terminal that
shows it.
"""

import copy
import json
import logging
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from math import isfinite
from numbers import Real
from string import Formatter
from typing import Any, NamedTuple, Protocol

from avcore.errors import InputError, Message
from avcore.words import ENGLISH, KOREAN, gettext_in, user_language

_STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's categories of invisible characters: controls, formats (which reverse lines), lone surrogates, line ends."""
_HARMLESS = {"\u200c", "\u200d"}
"""Joiners, which some scripts need."""
_LONE = re.compile("[\ud800-\udfff]")
"""How Python stores the bytes of a file name that is not UTF-8."""


def shown(text: object, keep: str = "") -> str:
    r"""Return the text with invisible characters escaped, as `\x1b`, `\n` or `\udcff`. keep: characters left as they are."""
    words = str(text)
    if words.isprintable():
        return words
    return "".join(
        word
        if word in keep or word in _HARMLESS or unicodedata.category(word) not in _STEERING
        else word.encode("unicode_escape").decode("ascii")
        for word in words
    )


def json_text(content: object, indent: int | None = None) -> str:
    """Return JSON with letters of all scripts as they are; bytes of a name that is not UTF-8 become escapes, and parse back.

    NaN and infinity, which JSON does not have, become null.
    """
    # Written as it is at first: hardly any content has NaN, and looking for it takes longer than writing.
    try:
        text = json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(content), indent=indent, ensure_ascii=False)
    return _LONE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _finite(content: object) -> object:
    """Return a copy with None for each number that is not finite."""
    if isinstance(content, Mapping):
        return {name: _finite(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not isfinite(content) else content


def require_utf8(names: Iterable[object], what: str) -> None:
    """Raise InputError for a name that is not UTF-8 and so cannot be written to a text file."""
    for name in names:
        if _LONE.search(str(name)):
            raise InputError(Message("the name of {what} is not UTF-8", what=what), found=shown(name), hint="rename it")


def ranges(numbers: Iterable[int]) -> str:
    """Return whole numbers in order, neighbours joined to ranges: `1-3, 7`."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def several(count: int, one: str, more: str = "") -> str:
    """Return a count with its noun, as `1 frame`, `2 frames`. more: the plural, where it is not `one` and an s."""
    return f"{count} {one}" if count == 1 else f"{count} {more or one + 's'}"


def aligned(cells: Sequence[Sequence[str]], is_last_wide: bool = False) -> str:
    """Return cells as a table in Markdown, the first line its head. is_last_wide: the last column is not padded."""
    lines = [[cell.replace("|", "\\|") for cell in line] for line in cells]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    if is_last_wide:
        widths[-1] = 0
    text = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines]
    text.insert(1, "| " + " | ".join("-" * (width or 3) for width in widths) + " |")
    return "\n".join(text) + "\n"


def print_text(text: str) -> None:
    """Print lines of a result on stdout, escaped except for line ends; nothing where stdout was closed, as by `| head -1`."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.write(shown(text, "\n\t") + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that Python's own flush at the end succeeds


class PlainFormatter(logging.Formatter):
    """Puts each message on one line and escapes its arguments. `LOG.info("%s", lines)` keeps its line ends."""

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.args, tuple) and record.args:
            keep = "\n" if record.msg == "%s" and isinstance(record.args[0], str) else ""
            # Other handlers get the record as it was.
            record = copy.copy(record)
            record.args = tuple(one if isinstance(one, Real) else shown(one, keep) for one in record.args or ())
        return shown(super().format(record), "\n\t")


LOG = logging.getLogger("netflips")

Values = Mapping[str, Any]


class Translate(Protocol):
    """Translates a template and fills it with the values of its note and more."""

    def __call__(self, template: str, /, **more: Any) -> str:
        """Return the filled template."""


Words = str | Callable[[Values, Translate], str]
"""A template in the form of `str.format`, or a function that makes the sentence from the values and from templates.

Besides a note's values a template may use `{who}`, the utterances ("utterances 1, 4-6", "1, 4~6번 발화"), and `{u}`, the same with
a colon and a space, or nothing where no utterance is meant. `{count:#unit}` is a count with its noun. `{reason:@}` gives the words
of the kind whose code is the value.
"""


@dataclass(frozen=True)
class Note:
    """A message for the user."""

    code: str
    """Of a kind in `KINDS`."""
    values: Values = field(default_factory=dict)
    """Plain JSON values that fill the sentence."""


@dataclass(frozen=True)
class NoteKind:
    """A kind of note, or words that notes share. Called with values, it makes a note."""

    code: str
    words: Words
    hint: Words = ""
    """Flags that help, added to the sentence on a command line."""
    alike: tuple[str, ...] | None = None
    """Names of values: notes of several utterances are joined in one line where these agree; None = all."""
    rank: int = 5
    """Notes of a higher rank come after the others."""

    def __post_init__(self) -> None:
        KINDS[self.code] = self

    def __call__(self, **values: Any) -> Note:
        """Make a note of this kind."""
        return Note(self.code, values)


KINDS: dict[str, NoteKind] = {}
"""The table of all kinds, by their codes."""


class GroupedNote(NamedTuple):
    """A note as it is logged, for one utterance or several."""

    note: Note
    numbers: tuple[int, ...] = ()
    """Numbers of its utterances, none = of all."""
    differ: bool = False
    """Some of the utterances have other values than the first."""


def sentence(report: GroupedNote | Note, language: str = ENGLISH, *, who: str | None = None, hint: bool = True, **more: Any) -> str:
    """Return the sentence of a note.

    who: words for the utterances in place of their numbers. hint: with flags that help. more: further values.
    A note that this version does not know, or whose values do not fit, gives its code and values.
    """
    group = GroupedNote(report) if isinstance(report, Note) else report
    note, kind = group.note, KINDS.get(group.note.code)
    named = _who(group, language) if who is None else who

    values = {"who": named, "u": f"{named}: " if named else "", "language_of_words": language, **note.values, **more}
    try:
        if kind is None:
            raise KeyError(note.code)
        return _filled(kind.words, values) + (_filled(kind.hint, values) if hint and kind.hint else "")
    except (LookupError, ValueError, TypeError, AttributeError):
        # Values come from scripts of other versions as well: a note is shown as well as possible, and never ends a run.
        text = note.values.get("text_ko" if language == KOREAN else "text", note.values.get("text"))
        if text is not None:
            return str(text)
        figures = ", ".join(f"{name} = {value}" for name, value in note.values.items())
        return f"{values['u']}{note.code}" + (f" ({figures})" if figures else "")


def _who(group: GroupedNote, language: str) -> str:
    numbers = group.numbers
    if not numbers:
        return ""
    among = group.note.values.get("among") if len(numbers) > 1 else None
    if language == KOREAN:
        return f"{ranges(numbers).replace('-', '~')}번 발화" + ("" if among is None else f"({among}개 가운데 {len(numbers)}개)")
    whose = f"; the figures are those of {numbers[0]}" if group.differ else ""
    part = "" if among is None else f" ({len(numbers)} of {among}{whose})"
    return f"utterance{'s' if len(numbers) > 1 else ''} {ranges(numbers)}{part}"


class _Filler(Formatter):
    """Fills templates in a language."""

    def __init__(self, values: Values) -> None:
        self._values = values

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec == "@":
            kind = KINDS.get(value)
            return str(value) if kind is None else _filled(kind.words, self._values)
        if format_spec.startswith("#"):
            one, _, more = format_spec[1:].partition("/")
            return several(value, one, more)
        return str(super().format_field(value, format_spec))


def _filled(words: Words, values: Values) -> str:
    translated = gettext_in(values["language_of_words"])

    def fill(template: str, /, **more: Any) -> str:
        known = {**values, **more}
        return _Filler(known).vformat(translated(template), (), known)

    return words(values, fill) if callable(words) else fill(words)


def grouped(notes: Iterable[tuple[int, Note]]) -> list[GroupedNote]:
    """Join notes of single utterances that fit in one line. notes: each with the number of its utterance."""
    found: dict[tuple[str, str], list[tuple[int, Note]]] = {}
    for number, note in notes:
        alike = KINDS[note.code].alike if note.code in KINDS else None
        values = note.values if alike is None else {name: note.values.get(name) for name in alike}
        # Values may be lists, which are no keys.
        found.setdefault((note.code, repr(sorted(values.items()))), []).append((number, note))

    groups = []
    for alike_ones in found.values():
        (first_number, first), *others = alike_ones
        numbers = first_number, *(number for number, _ in others)
        groups.append(GroupedNote(first, numbers, any(note != first for _, note in others)))
    return sorted(groups, key=lambda one: KINDS[one.note.code].rank if one.note.code in KINDS else 0)


def report_note(report: GroupedNote | Note, place: object = "", *, is_once: bool = False) -> None:
    """Log a note and pass it to all listeners. place: its file. is_once: skip it if this command has logged it before."""
    group = GroupedNote(report) if isinstance(report, Note) else report
    language = user_language()
    text, warning = sentence(group, language), gettext_in(language)("warning")
    if is_once and not is_first(str(place), text):
        return
    LOG.warning("%s%s", f"{place}: {warning}: " if str(place) else f"{warning}: ", text)
    notify_listeners(group)


def notify_listeners(group: GroupedNote) -> None:
    """Pass a note to all listeners."""
    for listener in _AUDIENCE.get().listeners:
        listener(group)


def is_first(*what: str) -> bool:
    """Return whether something that is told once was not told yet in this command, and remember it."""
    heard = _AUDIENCE.get().heard
    if what in heard:
        return False
    heard.add(what)
    return True


class Notes:
    """The notes of one job: logged as they are found, and kept for its script."""

    def __init__(self, place: object = "", *, is_quiet: bool = False) -> None:
        """place: the file that log lines name. is_quiet: notes are kept but not logged."""
        self._place, self._is_quiet = place, is_quiet
        self.of_all: list[Note] = []
        """Notes that belong to no single utterance."""
        self.of: dict[int, list[Note]] = {}
        """Notes by the number of their utterance."""

    def add(self, note: Note, *numbers: int) -> None:
        """Log and keep a note of the whole job, or of some utterances."""
        if not self._is_quiet:
            report_note(GroupedNote(note, numbers), self._place)
        if not numbers:
            self.of_all.append(note)
        for number in numbers:
            self.of.setdefault(number, []).append(note)

    def keep(self, note: Note, number: int) -> None:
        """Keep a note of an utterance that is told in another way."""
        self.of.setdefault(number, []).append(note)

    def add_each(self, notes: Mapping[int, Note]) -> None:
        """Log and keep notes by utterance number, each with its own values; those that are alike go in one line."""
        for group in grouped(notes.items()):
            report_note(group, self._place)
        for number, note in notes.items():
            self.of.setdefault(number, []).append(note)


@dataclass(frozen=True, eq=False)
class _Audience:
    """Who hears of notes, and what was told once."""

    listeners: tuple[Callable[[GroupedNote], None], ...] = ()
    heard: set[tuple[str, ...]] = field(default_factory=set)


_AUDIENCE = ContextVar("audience", default=_Audience())  # noqa: B039 - outside of all blocks, each note is told once
"""Of a command, or of a dub from Python; threads that work for it have the same."""


@contextmanager
def noted_by(*listeners: Callable[[GroupedNote], None]) -> Iterator[None]:
    """Pass all notes of the block to listeners, too; what is told once is told once in the block."""
    token = _AUDIENCE.set(_Audience((*_AUDIENCE.get().listeners, *listeners)))
    try:
        yield
    finally:
        _AUDIENCE.reset(token)
