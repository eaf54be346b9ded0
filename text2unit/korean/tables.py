"""The tables of Korean readings (tables.yaml), typed."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from avcore.texts import read_table

Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]
"""A pattern, and what it is replaced by."""


@dataclass(frozen=True)
class Tables:
    """What the rules look up; tables.yaml says what each is."""

    native: frozenset[str]
    sino: frozenset[str]
    alone: frozenset[str]
    titles: frozenset[str]
    determiners: frozenset[str]
    syllables: frozenset[str]
    syllable_forms: frozenset[str]
    names: tuple[str, ...]
    times_name_before: tuple[str, ...]
    times_name_behind: tuple[str, ...]
    reign_before: tuple[str, ...]
    great: tuple[str, ...]
    machines: tuple[str, ...]
    people: tuple[str, ...]
    no_scale: tuple[str, ...]
    events: tuple[str, ...]
    days_of_history: tuple[str, ...]
    after_days: tuple[str, ...]
    holidays: tuple[str, ...]
    volumes: tuple[str, ...]
    in_volume: tuple[str, ...]
    particles: tuple[str, ...]
    counted_before: tuple[str, ...]
    counted_behind: tuple[str, ...]
    english_numbers: tuple[str, ...]
    sino_from: Mapping[str, int]
    copies: Mapping[str, tuple[str, ...]]
    speeds: Mapping[str, tuple[str, str]]
    measures: Mapping[str, str]
    currencies: Mapping[str, str]
    cents: Mapping[str, str]
    whose_dollars: Mapping[str, str]
    currency_codes: Mapping[str, str]
    abbreviations: Mapping[str, str]
    letters: Mapping[str, str]
    greek: Mapping[str, str]
    words: Mapping[str, str]
    functions: Mapping[str, str]
    exact: Mapping[str, str]
    signs: Mapping[str, str]
    consonants: Mapping[str, str]
    repeated: Mapping[str, str]
    chat: Mapping[str, str]
    hanja: Mapping[str, str]
    hanja_words: Mapping[str, str]
    hanja_unsure: str
    stops: str
    questions: str
    pauses: str
    quotes: str
    silent: str


@cache
def tables() -> Tables:
    """Read the tables that come with the package."""
    content = read_table(__package__, "tables.yaml")
    lists = {name: tuple(value) for name, value in content.items() if isinstance(value, list)}
    words = {
        name: frozenset(content[name].split())
        for name in ("native", "sino", "alone", "titles", "determiners", "syllables", "syllable_forms")
    }
    of_lists = {name: {key: tuple(value) for key, value in content[name].items()} for name in ("copies", "speeds")}
    hanja = {sign: reading for reading, signs in _pairs(content["hanja"]).items() for sign in signs}
    return Tables(
        **content | lists | words | of_lists | {name: _pairs(content[name]) for name in ("words", "hanja_words")} | {"hanja": hanja}
    )


def alternatives(words: Iterable[str]) -> str:
    """Return a pattern of any of the words, the longest first."""
    # Of alternatives, `re` takes the first that fits, not the longest.
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


def apply_rules(rules: Iterable[Rule], text: str) -> str:
    """Return a text after each rule in turn."""
    for pattern, read in rules:
        text = pattern.sub(read, text)
    return text


def _pairs(text: str) -> dict[str, str]:
    """Return a table that is written as text: "word: reading, word: reading"."""
    return dict(pair.split(": ", 1) for pair in text.split(", "))
