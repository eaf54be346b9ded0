"""Words that must be translated as a user says, in a text file of lines `English<TAB>Korean`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from unicodedata import normalize

from avcore.errors import InputError
from avcore.texts import read_foreign_text
from text2unit.korean.particles import PAIR_OF, fitting
from text2unit.normalise import noun_as_said

_MOST_TERMS = 10_000
_PARTICLE = r"(은|는|이|가|을|를|과|와)(?![가-힣])|(으로|로)(?=[^가-힣]|$|서|써|는|도|만|부터)"


@dataclass(frozen=True)
class Termed:
    """A translation with a glossary's words. put: what was put in, by the word of the original. missed: what could not be."""

    text: str
    put: dict[str, str] = field(default_factory=dict)
    missed: tuple[str, ...] = ()


def read_glossary(path: Path) -> dict[str, str]:
    """Read a glossary, in any encoding that subtitles may be in; empty lines and lines that begin with # are passed over.

    Raises InputError, which names the line.
    """
    terms: dict[str, str] = {}
    for number, line in enumerate(read_foreign_text(path, "the glossary")[0].splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        sides = [" ".join(normalize("NFC", side).split()) for side in line.split("\t")]
        if len(sides) != 2 or not all(sides):
            raise InputError(f"line {number} of the glossary is no pair", path=path, expected="English<TAB>Korean", found=line[:60])
        if terms.setdefault(sides[0].lower(), sides[1]) != sides[1]:
            raise InputError(f"line {number} of the glossary says otherwise than one before", path=path, found=line[:60])
        if len(terms) > _MOST_TERMS:
            raise InputError("the glossary is too long", path=path, expected=f"{_MOST_TERMS:,} lines at most")
    if not terms:
        raise InputError("the glossary is empty", path=path, expected="lines of English<TAB>Korean")
    return terms


def terms_in(text: str, glossary: Mapping[str, str]) -> dict[str, str]:
    """Return the terms of a glossary that a text has, longest first; a term within a longer one does not count."""
    found: dict[str, str] = {}
    rest = normalize("NFC", text)
    folded = rest.lower()
    there = [term for term in glossary if term in folded]  # quick; a pattern is made only of those that may be whole words
    for term in sorted(there, key=lambda one: (-len(one), one)):
        if _word(term).search(rest):
            found[term] = glossary[term]
            rest = _word(term).sub("\0", rest)
    return found


def with_terms(source: str, translation: str, terms: Mapping[str, str], translate: Callable[[str], str] | None) -> Termed:
    """Put terms into a translation, with the particles that go with them.

    A term that is not in it is put in place of its English, or of what `translate` makes of it alone, or comes from a translation
    of the text with the Korean word in place. translate: None = a program translates, which was told the terms.
    """
    text, put, missed = translation, dict[str, str](), []
    for term, korean in terms.items():
        is_there = korean in text
        if not is_there:
            text = _in_place(text, source, term, korean, translate)
        if korean not in text:
            missed.append(term)
            continue
        fitted = with_fitting_particles(text, korean)
        if not is_there or fitted != text:
            put[term] = korean
        text = fitted
    return Termed(text, put, tuple(missed))


def _in_place(text: str, source: str, term: str, korean: str, translate: Callable[[str], str] | None) -> str:
    if _word(term).search(text):
        return _word(term).sub(lambda _: korean, text)
    if translate is None:
        return text
    alone = translate(term).strip(" .?!。")
    if alone and alone in text:
        return text.replace(alone, korean)
    mixed = translate(_word(term).sub(lambda _: korean, source))
    return mixed if korean in mixed else text


def with_fitting_particles(text: str, noun: str) -> str:
    """Put the form of 은/는, 이/가, 을/를, 과/와 and 으로/로 behind a noun that fits to how it is said."""
    try:
        said = noun_as_said(noun)
    except InputError:
        return text
    return re.sub(f"{re.escape(noun)}(?:{_PARTICLE})", lambda found: f"{noun}{fitting(PAIR_OF[found[1] or found[2]], said)}", text)


def _word(term: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Za-z0-9]){re.escape(term)}(?:'s|s)?(?![A-Za-z0-9])", re.IGNORECASE)
