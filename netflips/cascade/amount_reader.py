"""Reads the amounts of a text: eleven million, $1.2 billion, half past six, the eighties; 1,100만, 여섯 시 반, 세 명 중 한 명.

Each number becomes one sign; the rules of a language are patterns over these signs, and each says which kind of amount it finds.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple
from unicodedata import normalize

from netflips.cascade.amount_numbers import Number, numbers_in
from netflips.cascade.amount_tables import CENTURY, CLOCK, DECADE, PERCENT, SHARE, SIGNS, VAGUE, Rule, Tables, Unit, tables

_LARGE = 1000.0
_WARM = ("degrees", "celsius", "fahrenheit")
_MEASURES = ("length", "mass", "volume", "area", "degrees", "fahrenheit")


class Value(NamedTuple):
    """A value that an amount may have."""

    number: float
    unit: Unit | None = None
    """None = a plain number, which may be of any unit"""
    below: float | None = None
    """what it is less than, where it is only about `number` (30여 is 30 to 40); of a time the half of the day, 0 or 1"""


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


@lru_cache(maxsize=1024)
def amounts_in(text: str, language: str) -> list[Amount]:
    """Return the amounts in an English or Korean text, in their order, and those that other words may stand for."""
    words, text = tables(language), normalize("NFC", text)
    for written, form in words.forms:
        text = form.sub(written, text)
    amounts = _with_ranges(_with_units_of_before(_join_sums(_read(text, words), text, words)), text, words)
    amounts = _join_shares(amounts, text, words)

    for start, end in (idiom.span() for idiom in words.idioms.finditer(text)):
        for place, amount in enumerate(amounts):
            if start < amount.end and amount.start < end:
                amounts[place] = replace(amount, is_required=False, is_sure=False)
    hints = ((value, word[0]) for value, hint in words.hints for word in hint.finditer(text))
    return amounts + [Amount(word, (Value(float(value)),), is_required=False, is_sure=False) for value, word in hints]


def _read(text: str, words: Tables) -> list[Amount]:
    """Return the amounts in their order: at each place by the first rule that reads one."""
    numbers, signs, starts, ends, last = dict[str, Number](), "", list[int](), list[int](), 0
    for number in numbers_in(text, words):
        sign = chr(SIGNS[number.kind] + len(numbers) % 800)
        numbers[sign] = number
        signs += text[last : number.start] + sign
        starts += range(last, number.start + 1)
        ends += [*range(last + 1, number.start + 1), number.end]
        last = number.end
    signs, starts, ends = signs + text[last:], [*starts, *range(last, len(text))], [*ends, *range(last + 1, len(text) + 1)]

    found, place = list[Amount](), 0
    while place < len(signs):
        matches = ((rule, match) for rule in words.rules if (match := rule.pattern.match(signs, place)) and match[0])
        forms = (_Form(rule, match, numbers, words) for rule, match in matches)
        form = next((form for form in forms if form.values), None)
        start, place = starts[place], form.match.end() if form else place + 1
        if form is not None:
            found.append(form.amount(text, start, ends[place - 1]))
    return found


class _Form:
    """A form of an amount that stands in a text."""

    def __init__(self, rule: Rule, match: re.Match[str], numbers: dict[str, Number], words: Tables) -> None:
        self.rule, self.match, self.words, self._groups = rule, match, words, match.groupdict()
        self.number, self.second = (numbers.get(self[name]) for name in ("n", "m"))
        self.n, self.m = (number.values[0] if number else None for number in (self.number, self.second))
        """values of its first and of its second number"""
        name = self["sign"] or self["unit"]
        is_letter = len(name) == 1 and name.isascii() and name.isupper()  # 5G is no weight
        self.units = [] if is_letter else words.units.get(name.lower(), [])
        self.values = _KINDS[rule.kind](self)
        """of the whole, and of each of its parts; none where it is another thing"""

    def __getitem__(self, name: str) -> str:
        """Return what a group of its pattern holds."""
        return (self._groups.get(name) or "").strip()

    def word(self, table: str, *names: str) -> float | None:
        """Return the value of the word in the first of some groups that holds one."""
        word = next(filter(None, (self[name].lower() for name in names)), None)
        return None if word is None else float(self.words.values[table][word])

    def amount(self, text: str, start: int, end: int) -> Amount:
        """Return the amount. start, end: its place in the text."""
        (whole, *parts), (kind, flag, _) = self.values, self.rule
        number, unit = whole[0].number, whole[0].unit
        is_all = number == 100 and unit is not None and unit.dimension == "share"
        is_idle = is_all or (number in (0, 1) and unit not in (SHARE, CLOCK))
        is_sure = not is_idle and (kind in ("part", "vague") or self.number is None or self.number.is_sure)
        return Amount(
            text[start:end].strip(" ,"), tuple(whole), start, end, tuple(Amount("", tuple(part)) for part in parts),
            is_required=kind == "pair" or (flag not in "?-" and is_sure), is_sure=flag not in "?+" and is_sure,
            scale=self.number.scale if self.number else 1.0,
        )  # fmt: skip


# Values of the kinds of amounts


def _clock(form: _Form) -> list[list[Value]]:
    hour, minute = 12.0 if form.n is None else form.n, form.m or 0.0
    if form.number and form.number.kind == "time":
        hour, minute = divmod(hour, 60)
    elif form["thirty"] or form["quarter"]:
        minute = 30.0 if form["thirty"] else 15.0
    elif form.rule.kind == "four":  # at twelve thirty
        hour, minute = divmod(hour, 100)
        hour = hour if 10 <= hour <= 12 and minute >= 10 else -1.0
    if not 0 <= hour <= 24 or hour != int(hour) or not 0 <= minute < 60:
        return []
    half = form.word("halves", "half", "time", "night")
    if hour == 12 or (hour < 6 and (form["night"] or form["half"] == "밤")):  # at noon, at midnight and after it
        half = None
    half = 1.0 if half is None and hour > 12 else half
    parts = [[Value(hour)], [Value(minute)]] if minute else []
    return [[Value(60 * hour + (-minute if form["before"] else minute), CLOCK, half)], *parts]


def _decade(form: _Form) -> list[list[Value]]:
    value = form.n or 0.0
    if form["age"] and not (value % 10 == 0 and 10 <= value <= 90):
        return []
    century = [Value(value // 100 + 1, CENTURY), Value(value // 100 + 1)] if value >= _LARGE and value % 100 == 0 else []
    return [[Value(value, DECADE), Value(value), *century]]


def _year(form: _Form) -> list[list[Value]]:
    value = form.n or 0.0
    short = [Value(1900 + value), Value(2000 + value)] if 10 <= value < 100 else []
    plain = [Value(value)] if value >= _LARGE or not form.units else []
    return [[*(Value(value, unit) for unit in form.units), *plain, *short]]


def _vague(form: _Form) -> list[list[Value]]:
    """Read tens of thousands, a few hundred, 수십만."""
    value = form.n or 1.0
    for word in re.findall("[a-z]+|[가-힣]", form["many"].lower()):
        value *= float(form.words.values["vague"].get(word) or form.words.values["scales"].get(word, 1.0))
    return [[Value(value, VAGUE), *([Value(2 * value)] if form["two"] else [])]]


def _pair(form: _Form) -> list[list[Value]]:
    """Read 서너 명: 3 or 4."""
    values = form.number.values if form.number else ()
    return [[Value(values[0], VAGUE)], *([Value(value, unit) for unit in form.units] or [Value(value)] for value in values)]


def _times(form: _Form) -> list[list[Value]]:
    """Read 두 배, which is also 100 % more."""
    value = (form.n or 0.0) + (0.5 if form["more"] else 0.0)
    return [[Value(value), Value(value, SHARE), Value(100 * (value - 1), PERCENT)]]


def _part(form: _Form) -> list[list[Value]]:
    """Read half, a third of, two-thirds, 3/4, 4분의 3, and fractions of a unit, as half an hour."""
    count, under = 1.0 if form.n is None else form.n, form.word("shares", "share") or form.m or 0.0
    is_place = form.second is not None and form.second.kind == "ordinal"
    if count >= 100 or under < 2 or (is_place and (count != 1 or under < 3)):
        return []
    if form.units:
        return [[*(Value(count / under, unit) for unit in form.units), Value(count / under, SHARE)]]
    parts = [] if count == 1 and under in (2, 4) else [[Value(count)], [Value(under)]]
    return [[Value(count / under, SHARE), *([Value(under)] if is_place else [])], *parts]


def _measure(form: _Form) -> list[list[Value]]:
    """Read a number, with its unit, and with more than whole units of it: two years and a half, six foot two, 9초 58."""
    is_minus = bool(form["minus"] or form["frost"] or (form["below"] and form.units and form.units[0].dimension in _WARM))
    units: list[Unit] | list[None] = form.units or (form.words.units["°"] if is_minus else [None])
    more = {"": 0.0, "quarter": 0.25}.get(form["more"].lower(), 0.5)
    if form.m is not None:
        of_unit = 12 if form["foot"] else 100
        if not 0 < form.m < of_unit:
            return []
        more = form.m / of_unit
    values = [(-1 if is_minus else 1) * (value + more) for value in (form.number.values if form.number else (1.0,))]
    halves = [Value(values[0] + 0.5)] if form["maybe"] else []  # but 200명 반에서 is a class
    return [[*halves, *(Value(value, unit, form.number and form.number.below) for unit in units for value in values)]]


def _said(form: _Form) -> list[list[Value]]:
    word = form["said"].lower()
    return [[Value(*amount) for amount in form.words.said.get(word) or form.words.said[word[:3]]]]  # sept, january


def _number(form: _Form) -> list[list[Value]]:
    return [[Value(form.n or 0.0)]]


_KINDS: dict[str, Callable[[_Form], list[list[Value]]]] = {
    "clock": _clock, "four": _clock, "decade": _decade, "year": _year, "vague": _vague, "pair": _pair, "times": _times,
    "part": _part, "measure": _measure, "said": _said, "named": _number, "place": _number,
}  # fmt: skip


# What amounts that stand beside each other are


def _join_sums(amounts: Sequence[Amount], text: str, words: Tables) -> list[Amount]:
    """Return amounts with those joined that are one: 1 hour 30 minutes, 1미터 80센티."""
    found = list[Amount]()
    for amount in amounts:
        before = found[-1] if found and words.patterns["sum"].fullmatch(text, found[-1].end, amount.start) else None
        units = (
            (value.unit, smaller.unit) for value in (before.values if before else ()) for smaller in amount.values
            if value.unit and smaller.unit and value.unit.dimension == smaller.unit.dimension != "share"
            and value.unit.factor > smaller.unit.factor
        )  # fmt: skip
        pair = next(units, None)
        if before is None or pair is None or not amount.is_required:
            found.append(amount)
            continue
        whole = Value(before.values[0].number + amount.values[0].number * pair[1].factor / pair[0].factor, pair[0])
        parts = (*(before.parts or (before,)), amount)
        found[-1] = Amount(text[before.start : amount.end], (whole,), before.start, amount.end, parts)
    return found


def _with_units_of_before(amounts: Sequence[Amount]) -> list[Amount]:
    """Return amounts in which a plain number also has the unit of the measure before it: thirty pounds, and forty back."""
    found, units = list[Amount](), set[Unit]()
    for amount in amounts:
        more = tuple(value._replace(unit=unit) for value in amount.values for unit in units)
        found.append(amount if amount.unit or amount.parts else replace(amount, values=amount.values + more))
        units = {value.unit for value in amount.values if value.unit and value.unit.dimension in _MEASURES} or units
    return found


def _with_ranges(amounts: Sequence[Amount], text: str, words: Tables) -> list[Amount]:
    """Return amounts in which the first of a range also has the unit and the scale of the second: 5 to 10 million miles."""
    found = list(amounts)
    for place, (amount, other) in enumerate(pairwise(amounts)):
        if amount.unit is not None or amount.parts or not words.patterns["range"].fullmatch(text, amount.end, other.start):
            continue
        values, number = amount.values, amount.values[0].number
        if other.scale > 1 and amount.scale == 1 and number < _LARGE:
            values = (values[0]._replace(number=number * other.scale), *values)
        units = {value.unit for value in other.values if value.unit and value.unit.dimension not in ("clock", "month", "decade")}
        found[place] = replace(amount, values=values + tuple(value._replace(unit=unit) for value in values for unit in units))
    return found


def _join_shares(amounts: Sequence[Amount], text: str, words: Tables) -> list[Amount]:
    """Return amounts in which two are one share: 3 in 10, 열 명 중 세 명."""
    found, is_part_first = list[Amount](), words.is_part_first
    for amount in amounts:
        before = found[-1] if found and words.patterns["among"].fullmatch(text, found[-1].end, amount.start) else None
        if before is None or before.parts or amount.parts or before.unit is not None or (is_part_first and amount.unit is not None):
            found.append(amount)
            continue
        part, whole = (share.values[0].number for share in ((before, amount) if is_part_first else (amount, before)))
        if 0 < part < whole and not (is_part_first and _LARGE < whole < 2 * _LARGE + 100):  # three in 2019
            is_sure, values = before.is_sure or is_part_first, (Value(part / whole, SHARE),)
            place, parts = (before.start, amount.end), (before, amount)
            found[-1] = Amount(text[slice(*place)], values, *place, parts, is_sure, is_sure)
        else:
            found.append(amount)
    return found
