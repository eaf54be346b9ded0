"""Amounts of a text: their values, their units, and the words of both (amounts.yaml)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, NamedTuple

from avcore.texts import parse_yaml


class Unit(NamedTuple):
    """What an amount is counted in."""

    dimension: str
    """units of one dimension are converted"""
    factor: float = 1.0
    """how much of the dimension one unit is"""
    system: str = ""
    """units of one system are converted exactly"""


class Value(NamedTuple):
    """A value that an amount may have."""

    number: float
    unit: Unit | None = None
    """None = a plain number, which may be of any unit"""
    below: float | None = None
    """what it is less than, where it is only about `number`: 30여 is 30 to 40"""


_LARGE, _MEASURES = 1000.0, ("length", "mass", "volume", "area", "degrees", "fahrenheit")
SHARE, PERCENT, VAGUE, CLOCK = Unit("share"), Unit("share", 0.01), Unit("vague"), Unit("clock")
MONTH, DECADE, CENTURY = Unit("month"), Unit("decade"), Unit("century")
DAY, MONTHS, YEAR = (Unit("duration", length_s, "time") for length_s in (86400, 2629800, 31557600))


@dataclass(frozen=True)
class Amount:
    """An amount in a text."""

    text: str
    """as it is written"""
    values: tuple[Value, ...]
    """any of them may be meant"""
    start: int = 0
    end: int = 0
    """its place in the text"""
    parts: tuple["Amount", ...] = ()
    """what it is made of: 1 hour 30 minutes, 3 in 10"""
    is_required: bool = True
    """whether a translation must have it"""
    is_sure: bool = True
    """whether the original must have it, if a translation has it"""
    scale: float = 1.0
    """of its last word: of 5 million a million"""

    @property
    def unit(self) -> Unit | None:
        """Unit of its first value."""
        return self.values[0].unit


@dataclass(frozen=True)
class Words:
    """The tables of amounts.yaml."""

    english: Mapping[str, tuple[Unit, ...]] = field(default_factory=dict)
    korean: Mapping[str, tuple[Unit, ...]] = field(default_factory=dict)
    """units by their names"""
    counters: tuple[str, ...] = ()
    months: tuple[str, ...] = ()
    hints: Mapping[str, tuple[tuple[float, re.Pattern[str]], ...]] = field(default_factory=dict)
    """values of words that are no numerals, by language"""
    idioms: re.Pattern[str] = re.compile("(?!)")
    """English phrases whose numbers mean nothing"""


@cache
def words() -> Words:
    """Return the tables of amounts.yaml."""
    content: Any = parse_yaml(files(__package__).joinpath("amounts.yaml").read_text(encoding="utf-8"))
    english, korean = dict[str, tuple[Unit, ...]](), dict[str, tuple[Unit, ...]]()

    def add(table: dict[str, tuple[Unit, ...]], names: str, *units: Unit) -> None:
        for name in filter(None, (one.strip() for one in names.split(","))):
            table[name] = (*table.get(name, ()), *units)

    for row in content["units"].splitlines():
        what, in_english, in_korean = row.split("|")
        dimension, factor, *system = what.split()
        unit = Unit(dimension, float(factor), *system)
        add(english, in_english, unit)
        add(korean, in_korean, unit)

    bases = [row.split() for row in content["prefixed"].splitlines()]
    for prefix, sign, in_korean, scale in (row.split() for row in content["prefixes"].splitlines()):
        for base, letter, of_base, dimension, *factor in bases:
            unit = Unit(dimension, float(scale) * float(factor[0] if factor else 1), "metric")
            name = f"{prefix}{base}"
            add(english, f"{name}, {name}s, {sign}{letter}".lower(), unit)
            add(korean, f"{in_korean}{of_base}, {sign}{letter}", unit)
    for row in content["short"].splitlines():
        in_english, made, in_korean = row.split("=")
        units = [Unit(dimension, float(factor), "metric") for dimension, factor in map(str.split, made.split(","))]
        add(english, in_english, *units)
        add(korean, in_korean, *units)

    hints = {}
    for language, pattern in (("en", r"\b(?:{})\b"), ("ko", "(?<![가-힣])(?:{})")):
        rows = (row.split(" | ") for row in content[{"en": "english_hints", "ko": "korean_hints"}[language]].splitlines())
        hints[language] = tuple((float(value), re.compile(pattern.format(word), re.IGNORECASE)) for value, word in rows)
    idioms = re.compile("|".join(content["idioms"].split("\n")).strip("|"), re.IGNORECASE)
    return Words(english, korean, tuple(content["counters"].split()), tuple(content["months"].split()), hints, idioms)


def hints_in(text: str, language: str) -> list[Amount]:
    """Return the amounts that words of a text may stand for, such as 2 for `both`."""
    rows = ((value, one) for value, pattern in words().hints[language] for one in pattern.finditer(text))
    return [Amount(one[0], (Value(value),), one.start(), one.end(), is_required=False, is_sure=False) for value, one in rows]


def joined(amounts: Sequence[Amount], text: str, between: re.Pattern[str]) -> list[Amount]:
    """Return amounts with those joined that are one: 1 hour 30 minutes, 1미터 80센티. between: what may stand between them."""
    found = list[Amount]()
    for one in amounts:
        last = found[-1] if found else None
        if (
            last is not None and last.unit is not None and one.unit is not None and last.unit.dimension == one.unit.dimension
            and last.unit.factor > one.unit.factor and one.is_required and last.unit.dimension not in ("share", "month", "decade")
            and between.fullmatch(text[last.end : one.start])
        ):  # fmt: skip
            whole = last.values[0].number + one.values[0].number * one.unit.factor / last.unit.factor
            parts = (*(last.parts or (last,)), one)
            found[-1] = Amount(text[last.start : one.end], (Value(whole, last.unit),), last.start, one.end, parts)
        else:
            found.append(one)
    return found


def with_units_of_before(amounts: Sequence[Amount]) -> list[Amount]:
    """Return amounts in which a plain number also has the unit of the measure before it: thirty pounds, and forty back."""
    found, units = list[Amount](), set[Unit]()
    for one in amounts:
        values = (
            {value._replace(unit=unit) for value in one.values for unit in units} if one.unit is None and not one.parts else set()
        )
        found.append(replace(one, values=one.values + tuple(values)))
        units = {value.unit for value in one.values if value.unit and value.unit.dimension in _MEASURES} or units
    return found


def with_ranges(amounts: Sequence[Amount], text: str, between: re.Pattern[str]) -> list[Amount]:
    """Return amounts in which the first of a range also has the unit and the scale of the second: 5 to 10 million miles."""
    found = list(amounts)
    for place, (one, other) in enumerate(pairwise(amounts)):
        if one.unit is not None or one.parts or not between.fullmatch(text[one.end : other.start]):
            continue
        values, number = one.values, one.values[0].number
        if other.scale > 1 and one.scale == 1 and number < _LARGE:
            values = (values[0]._replace(number=number * other.scale), *values)
        units = {value.unit for value in other.values} - {None, CLOCK, MONTH, DECADE}
        found[place] = replace(one, values=values + tuple(value._replace(unit=unit) for value in values for unit in units))
    return found


def with_shares(amounts: Sequence[Amount], text: str, among: re.Pattern[str], *, is_part_first: bool) -> list[Amount]:
    """Return amounts in which two are one share: 3 in 10, 열 명 중 세 명. is_part_first: whether 3 stands before 10."""
    found = list[Amount]()
    for one in amounts:
        before = found[-1] if found and among.fullmatch(text[found[-1].end : one.start]) else None
        if before is None or before.parts or one.parts or before.unit is not None or (is_part_first and one.unit is not None):
            found.append(one)
            continue
        part, whole = (value.values[0].number for value in ((before, one) if is_part_first else (one, before)))
        if 0 < part < whole and not (is_part_first and _LARGE < whole < 2 * _LARGE + 100):  # three in 2019
            share, is_sure = (Value(part / whole, SHARE),), before.is_sure or is_part_first
            found[-1] = Amount(text[before.start : one.end], share, before.start, one.end, (before, one), is_sure, is_sure)
        else:
            found.append(one)
    return found
