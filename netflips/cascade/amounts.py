"""Amounts of a text and of its translation, compared by value: 1,100만 is 11 million, 16킬로미터 is ten miles, 6시 반 is 6:30.

What may be an amount or something else (한, one, a second) counts only where the other side has it, too.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from avcore.words import ENGLISH, KOREAN
from netflips.cascade.amount_reader import Amount, Value, amounts_in
from netflips.cascade.amount_tables import CLOCK, DECADE, VAGUE, Unit

_LANGUAGES = {ENGLISH, KOREAN}
_EXACT, _AMONG_METRIC, _OF_YEARS, _ROUNDED = 1e-6, 5e-3, 0.01, 0.08
"""How far two values may differ, as a share: of one unit, of units of one system (1.5 kilometers, 1500 meters), of years and
days, and where a translator rounds (two weeks, 보름; 10 miles, 16 kilometers)."""
_DEGREES, _OF_DEGREES = 2.0, 0.02
"""The same for temperatures: in degrees, or as a share of them."""
_WEEK_S, _MONTH_S, _YEAR_S, _HALF_DAY = 7 * 86400, 2629800, 31557600, 720


class AmountDifference(NamedTuple):
    """Amounts that are not the same in a text and in its translation."""

    missed: tuple[str, ...] = ()
    """amounts of the original that the translation lacks, as they are written"""
    added: tuple[str, ...] = ()
    """amounts of the translation that the original lacks"""


def compare_amounts(source: str, text: str, languages: tuple[str, str], terms: Iterable[str] = ()) -> AmountDifference:
    """Return the amounts that a translation lacks or adds; none where one of the languages is not known here.

    languages: of the source and of its translation. terms: of a glossary; what they have may be said.
    """
    if not set(languages) <= _LANGUAGES:
        return AmountDifference()
    for term in terms:
        text = text.replace(term, " ")
    original, translated = amounts_in(source, languages[0]), amounts_in(text, languages[1])
    missed = (amount.text for amount in original if amount.is_required and not _is_among(amount, translated))
    added = (amount.text for amount in translated if amount.is_sure and not _is_among(amount, original))
    return AmountDifference(tuple(dict.fromkeys(missed)), tuple(dict.fromkeys(added)))


def has_amounts(text: str, language: str) -> bool:
    """Return whether a text has amounts that its translation must have."""
    return language in _LANGUAGES and any(amount.is_required for amount in amounts_in(text, language))


def _is_among(amount: Amount, others: Sequence[Amount]) -> bool:
    """Return whether others have an amount, as a whole or in parts."""
    if any(_are_same(amount, part) for other in others for part in (other, *other.parts)):
        return True
    return bool(amount.parts) and all(any(_are_same(part, other) for other in others) for part in amount.parts)


def _are_same(amount: Amount, other: Amount) -> bool:
    return any(_is_same(value, another) for value in amount.values for another in other.values)


def _is_same(value: Value, other: Value) -> bool:
    unit, other_unit = value.unit, other.unit
    if unit is None:
        return _is_same_number(value, other)
    if other_unit is None:
        return _is_same_number(other, value)
    if {unit.dimension, other_unit.dimension} <= {"celsius", "fahrenheit", "degrees"}:
        return _is_as_warm(value, other)
    if unit.dimension != other_unit.dimension:
        return False
    if unit == CLOCK:
        is_half_known = value.below is not None and other.below is not None
        return (value.number - other.number) % _HALF_DAY == 0 and (not is_half_known or value.below == other.below)
    if unit == DECADE:
        return _is_in_decade(value.number, other.number)
    converted = value._replace(number=value.number * unit.factor), other._replace(number=other.number * other_unit.factor)
    return _is_near(*(converted if unit != other_unit else (value, other)), _tolerance(unit, other_unit))


def _tolerance(unit: Unit, other: Unit) -> float:
    """Return how far values in two units of a dimension may differ."""
    if unit == other:
        return _EXACT
    if unit.system != other.system:
        return _ROUNDED
    if unit.system != "time":
        return _AMONG_METRIC
    lengths = {unit.factor, other.factor}
    if max(lengths) <= _WEEK_S:
        return _EXACT
    return _ROUNDED if _MONTH_S in lengths and _YEAR_S not in lengths else _OF_YEARS  # a month is no whole number of weeks


def _is_same_number(plain: Value, other: Value) -> bool:
    """Return whether a plain number is the same as another value, of whatever unit that is."""
    if other.unit == VAGUE:
        return False
    if other.unit == CLOCK:
        return other.number % 60 == 0 and (plain.number - other.number / 60) % 12 == 0 and plain.number <= 24
    if other.unit == DECADE:
        return _is_in_decade(plain.number, other.number)
    return _is_near(plain, other, _EXACT)


def _is_in_decade(year: float, other: float) -> bool:
    """Return whether two decades are the same, as the 1990s and the nineties are."""
    return year == other or (min(year, other) < 100 and (year - other) % 100 == 0)


def _is_near(value: Value, other: Value, limit: float) -> bool:
    low, high = sorted((abs(value.number), abs(other.number)))
    bounds = [about.below for about in (value, other) if about.below is not None and abs(about.number) == low]
    return high - low <= limit * high or any(high < bound for bound in bounds)


def _is_as_warm(value: Value, other: Value) -> bool:
    """Return whether two temperatures are the same; the scale of plain degrees may be either."""
    scale, other_scale = (warm.unit.dimension if warm.unit else "" for warm in (value, other))
    if value.number == other.number and (scale == other_scale or "degrees" in (scale, other_scale)):
        return True
    return any(
        of_warm != "celsius" and of_celsius != "fahrenheit"
        and abs((warm.number - 32) / 1.8 - celsius.number) <= max(_DEGREES, _OF_DEGREES * abs(celsius.number))
        for warm, of_warm, celsius, of_celsius in ((value, scale, other, other_scale), (other, other_scale, value, scale))
    )  # fmt: skip
