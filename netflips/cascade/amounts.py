"""Amounts of a text and of its translation, compared by value: 1,100만 is 11 million, 16킬로미터 is ten miles, 6시 반 is 6:30.

What may be an amount or something else (한, one, a second) counts only where the other side has it, too.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from avcore.words import ENGLISH, KOREAN
from netflips.cascade.amount_values import CLOCK, DECADE, MONTHS, VAGUE, YEAR, Amount, Value
from netflips.cascade.english_amounts import english_amounts
from netflips.cascade.korean_amounts import korean_amounts

_READERS = {ENGLISH: english_amounts, KOREAN: korean_amounts}
_EXACT, _AMONG_METRIC, _OF_YEARS, _ROUNDED = 1e-6, 5e-3, 0.01, 0.08
"""How far two values may differ, as a share: of one unit, of units of one system (1.5 kilometers, 1500 meters), of years and
days, and where a translator rounds (two weeks, 보름; 10 miles, 16 kilometers)."""
_DEGREES, _OF_DEGREES = 2.0, 0.02
"""The same for temperatures: in degrees, or as a share of them."""
_WEEK_S, _HALF_DAY = 7 * 86400, 720


class AmountDifference(NamedTuple):
    """Amounts that are not the same in a text and in its translation."""

    missed: tuple[str, ...] = ()
    """amounts of the original that the translation lacks, as they are written"""
    added: tuple[str, ...] = ()
    """amounts of the translation that the original lacks"""

    def __bool__(self) -> bool:
        return bool(self.missed or self.added)


def compare_amounts(source: str, text: str, languages: tuple[str, str], terms: Iterable[str] = ()) -> AmountDifference:
    """Return the amounts that a translation lacks or adds; none where one of the languages is not known here.

    languages: of the source and of its translation. terms: of a glossary; what they have may be said.
    """
    if not set(languages) <= set(_READERS):
        return AmountDifference()
    for term in terms:
        text = text.replace(term, " ")
    here, there = (_READERS[language](one) for language, one in zip(languages, (source, text), strict=True))

    missed = (one.text for one in here if one.is_required and not _is_among(one, there))
    added = (one.text for one in there if one.is_sure and not _is_among(one, here))
    return AmountDifference(tuple(dict.fromkeys(missed)), tuple(dict.fromkeys(added)))


def has_amounts(text: str, language: str) -> bool:
    """Return whether a text has amounts that its translation must have."""
    return language in _READERS and any(one.is_required for one in _READERS[language](text))


def _is_among(amount: Amount, others: Sequence[Amount]) -> bool:
    """Return whether others have an amount, as a whole or in parts."""
    if any(_are_same(amount, one) for other in others for one in (other, *other.parts)):
        return True
    return bool(amount.parts) and all(any(_are_same(part, other) for other in others) for part in amount.parts)


def _are_same(one: Amount, other: Amount) -> bool:
    return any(_is_same(value, another) for value in one.values for another in other.values)


def _is_same(one: Value, other: Value) -> bool:
    first, second = one.unit, other.unit
    if first is None or second is None:
        return _is_same_number(*((one, other) if first is None else (other, one)))
    if {first.dimension, second.dimension} <= {"celsius", "fahrenheit", "degrees"}:
        return _is_as_warm(one, other)
    if first.dimension != second.dimension:
        return False
    if first == CLOCK:
        return (one.number - other.number) % _HALF_DAY == 0 and (
            {one.below, other.below} & {None} != set() or one.below == other.below
        )
    if first == DECADE:
        return _is_in_decade(one.number, other.number)
    if first == second:
        return _is_near(one, other, _EXACT)

    limit = _ROUNDED
    if first.system == second.system == "time":  # a month is no whole number of weeks
        limit = _EXACT if max(first.factor, second.factor) <= _WEEK_S else limit if MONTHS in (first, second) else _OF_YEARS
        limit = _OF_YEARS if {first, second} == {MONTHS, YEAR} else limit
    elif first.system == second.system:
        limit = _AMONG_METRIC
    return _is_near(one._replace(number=one.number * first.factor), other._replace(number=other.number * second.factor), limit)


def _is_same_number(plain: Value, other: Value) -> bool:
    """Return whether a plain number is the same as another value, of whatever unit that is."""
    if other.unit == VAGUE:
        return False
    if other.unit == CLOCK:
        return other.number % 60 == 0 and (plain.number - other.number / 60) % 12 == 0 and plain.number <= 24
    if other.unit == DECADE:
        return _is_in_decade(plain.number, other.number)
    return _is_near(plain, other, _EXACT)


def _is_in_decade(one: float, other: float) -> bool:
    """Return whether two decades are the same, as the 1990s and the nineties are."""
    return one == other or (min(one, other) < 100 and (one - other) % 100 == 0)


def _is_near(one: Value, other: Value, limit: float) -> bool:
    low, high = sorted((abs(one.number), abs(other.number)))
    below = [value.below for value in (one, other) if value.below is not None and abs(value.number) == low]
    return high - low <= limit * high or any(high < bound for bound in below)


def _is_as_warm(one: Value, other: Value) -> bool:
    """Return whether two temperatures are the same; the scale of plain degrees may be either."""
    is_plain = "degrees" in {value.unit.dimension for value in (one, other) if value.unit}
    if (is_plain or one.unit == other.unit) and one.number == other.number:
        return True
    scales = [(value.number, value.unit.dimension) for value in (one, other) if value.unit]
    for (warm, scale), (celsius, other_scale) in (scales, scales[::-1]):
        if (
            scale != "celsius"
            and other_scale != "fahrenheit"
            and abs((warm - 32) / 1.8 - celsius) <= max(_DEGREES, _OF_DEGREES * abs(celsius))
        ):
            return True
    return False
