"""Glossaries: how a user wants words to be translated, in a text file of lines `English<TAB>Korean`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from unicodedata import normalize

from avcore.texts import read_pairs
from text2unit.nouns import put, stands_in, with_fitting_particles


@dataclass(frozen=True)
class Termed:
    """A translation with the terms of a glossary."""

    text: str
    """the translation"""
    put: dict[str, str] = field(default_factory=dict)
    """translations that were put in or changed, by the term of the original"""
    missed: tuple[str, ...] = ()
    """terms that could not be put in"""


def read_glossary(path: Path) -> dict[str, str]:
    """Read a glossary: the Korean of each English word or phrase, which is in small letters. Raises what `read_pairs` raises."""
    return read_pairs(path, "the glossary", "English<TAB>Korean")


def terms_in(text: str, glossary: Mapping[str, str]) -> dict[str, str]:
    """Return the terms of a glossary that a text has, the longest first. A term within a longer one does not count."""
    found: dict[str, str] = {}
    rest = normalize("NFC", text)
    folded = rest.lower()
    there = [term for term in glossary if term in folded]  # quick; a pattern is made only of those that may be whole words
    for term in sorted(there, key=lambda one: (-len(one), one)):
        if _word(term).search(rest):
            found[term] = glossary[term]
            # By a sign that no text has, so that what stood on both sides does not join.
            rest = _word(term).sub("\0", rest)
    return found


def with_terms(source: str, translation: str, terms: Mapping[str, str], translate: Callable[[str], str] | None) -> Termed:
    """Put terms into a translation, with the particles that fit them.

    A term that is missing replaces its English, or else the translation of the term alone; failing both, the source is translated
    again with the Korean word in it. translate: translates a text; None = a program translates, which was given the terms.
    """
    text, changed, missed = translation, dict[str, str](), []
    for term, korean in terms.items():
        is_there = stands_in(text, korean)
        if not is_there:
            text = _in_place(text, source, term, korean, translate)
        if not stands_in(text, korean):
            missed.append(term)
            continue

        fitted = with_fitting_particles(text, korean)
        if not is_there or fitted != text:
            changed[term] = korean
        text = fitted
    return Termed(text, changed, tuple(missed))


def _in_place(text: str, source: str, term: str, korean: str, translate: Callable[[str], str] | None) -> str:
    if written := {found[0]: korean for found in _word(term).finditer(text)}:
        return put(text, written).text
    if translate is None:
        return text
    alone = translate(term).strip(" .?!。")
    if alone and stands_in(text, alone):
        return put(text, {alone: korean}).text
    # A function, since `re` would take a backslash in a plain replacement for an escape.
    mixed = translate(_word(term).sub(lambda _: korean, source))
    return mixed if stands_in(mixed, korean) else text


def _word(term: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Za-z0-9]){re.escape(term)}(?:'s|s)?(?![A-Za-z0-9])", re.IGNORECASE)
