"""The tables of Korean readings (tables.yaml), typed."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from avcore.texts import parse_yaml

Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]
"""A pattern, and what it is replaced by."""


@dataclass(frozen=True)
class Tables:
    """What the rules look up; tables.yaml says what each is."""

    native: frozenset[str]
    sino: frozenset[str]
    sino_from: Mapping[str, int]
    names: frozenset[str]
    times_name_before: tuple[str, ...]
    times_name_behind: tuple[str, ...]
    reign_before: tuple[str, ...]
    machines: tuple[str, ...]
    people: tuple[str, ...]
    no_scale: tuple[str, ...]
    events: tuple[str, ...]
    days_of_history: tuple[str, ...]
    after_days: tuple[str, ...]
    holidays: tuple[str, ...]
    great: tuple[str, ...]
    volumes: tuple[str, ...]
    in_volume: tuple[str, ...]
    copies: Mapping[str, tuple[str, ...]]
    particles: tuple[str, ...]
    alone: frozenset[str]
    measures: Mapping[str, str]
    speeds: Mapping[str, tuple[str, str]]
    currencies: Mapping[str, str]
    cents: Mapping[str, str]
    whose_dollars: Mapping[str, str]
    currency_codes: Mapping[str, str]
    counted_before: tuple[str, ...]
    counted_behind: tuple[str, ...]
    abbreviations: Mapping[str, str]
    weekdays: tuple[str, ...]
    letters: Mapping[str, str]
    greek: Mapping[str, str]
    words: Mapping[str, str]
    exact: Mapping[str, str]
    signs: Mapping[str, str]
    stops: str
    questions: str
    pauses: str
    quotes: str
    silent: str
    consonants: Mapping[str, str]
    repeated: Mapping[str, str]
    chat: Mapping[str, str]
    english_numbers: tuple[str, ...]
    hanja: Mapping[str, str]


@cache
def tables() -> Tables:
    """Read the tables that come with the package."""
    content: Any = parse_yaml(files(__package__).joinpath("tables.yaml").read_text(encoding="utf-8"))
    return Tables(
        native=frozenset(content["native"].split()),
        sino=frozenset(content["sino"].split()),
        sino_from=content["sino_from"],
        names=frozenset(content["names"]),
        times_name_before=tuple(content["번_before"]),
        times_name_behind=tuple(content["번_behind"]),
        reign_before=tuple(content["대_before"]),
        machines=tuple(content["machines"]),
        people=tuple(content["people"]),
        no_scale=tuple(content["no_scale"]),
        events=tuple(content["events"]),
        days_of_history=tuple(map(str, content["days_of_history"])),
        after_days=tuple(content["after_days"]),
        holidays=tuple(content["holidays"]),
        great=tuple(content["대_great"]),
        volumes=tuple(content["volumes"]),
        in_volume=tuple(content["in_volume"]),
        copies={counter: tuple(words) for counter, words in content["copies"].items()},
        particles=tuple(content["particles"]),
        alone=frozenset(content["alone"].split()),
        measures=content["measures"],
        speeds={unit: (before, behind) for unit, (before, behind) in content["speeds"].items()},
        currencies=content["currencies"],
        cents=content["cents"],
        whose_dollars=content["whose_dollars"],
        currency_codes=content["currency_codes"],
        counted_before=tuple(content["counted_before"]),
        counted_behind=tuple(content["counted_behind"]),
        abbreviations=content["abbreviations"],
        weekdays=tuple(content["weekdays"]),
        letters={str(letter): name for letter, name in _plain(content["letters"]).items()},
        greek=content["greek"],
        words=_pairs(content["words"]),
        exact=content["exact"],
        signs=content["signs"],
        stops=content["stops"],
        questions=content["questions"],
        pauses=content["pauses"],
        quotes=content["quotes"],
        silent=content["silent"],
        consonants=content["consonants"],
        repeated=content["repeated"],
        chat=content["chat"],
        english_numbers=tuple(content["english_numbers"]),
        hanja={sign: reading for reading, signs in _pairs(content["hanja"]).items() for sign in signs},
    )


def alternatives(words: Iterable[str]) -> str:
    """Return a pattern of any of the words, the longest first."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


def apply_rules(rules: Iterable[Rule], text: str) -> str:
    """Return a text after each rule in turn."""
    for pattern, read in rules:
        text = pattern.sub(read, text)
    return text


def _pairs(text: str) -> dict[str, str]:
    """Return a table that is written as text: "word: reading, word: reading"."""
    return dict(pair.split(": ", 1) for pair in text.split(", "))


def _plain(mapping: Mapping[Any, str]) -> dict[str, str]:
    """A mapping with its keys as they are written: YAML 1.1 takes bare n, y, no and yes for truth values."""
    truths = [key for key in mapping if isinstance(key, bool)]
    if truths:
        raise ValueError(f"quote the keys that YAML takes for truth values: {truths}")
    return {str(key): value for key, value in mapping.items()}
