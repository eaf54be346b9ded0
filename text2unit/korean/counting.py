"""Numbers that count, measure or name: which numerals are read, and with what behind them."""

import re
from collections.abc import Mapping
from functools import cache

from text2unit.korean.forms import hour, month, topic
from text2unit.korean.numerals import (
    MOST_DIGITS,
    NATIVE_PAIRS,
    SINO_PAIRS,
    native,
    native_alone,
    number_as_written,
    sino,
)
from text2unit.korean.tables import tables

_NUM = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
_SCALE = {"십": 10, "백": 100, "천": 1000, "만": 10**4, "억": 10**8, "조": 10**12, "경": 10**16}
_FIRST = ("첫", "첫째")
_WAVE = r"\s?[~-]\s?"
_RANGE_SIGNS = "~"
_MOST_AGE, _AGE_STEP = 100, 10
_CENTS = 2
_HYPHEN = re.compile(r"(?<=\d)-(?=\d)")
_OF_CLOCKS = ("월", "일", "시", "분", "초")
"""Counters whose numbers may be written with a zero before them."""
_LARGE = frozenset("만억조경")
_ARITHMETIC = {"+": "더하기", "-": "빼기", "*": "곱하기", "\u00d7": "곱하기", "÷": "나누기"}


def read_numbers(text: str) -> str:
    """Read every number that is left in a text, with the counters, units and signs that belong to it."""
    for pattern, read in (
        (_money(), _read_money), (_range(), _read_range), (_HYPHEN, " 다시 "), (_speed(), _read_speed),
        (_temperature(), _read_temperature), (_measure(), _read_measure), (_sum(), _read_sum), (_equals(), _read_equals),
        (_signed(), _read_sign), (_ordinal(), _read_ordinal), (_counted(), _read_counted),
    ):  # fmt: skip
        text = pattern.sub(read, text)
    return text


# Money and measures


@cache
def _money() -> re.Pattern[str]:
    signs = "".join(map(re.escape, tables().currencies))
    return re.compile(rf"([{signs}])\s?({_NUM})((?:\s?(?:백만|천만|십억|[십백천만억조]))?)")


def _read_money(found: re.Match[str]) -> str:
    known, (sign, number, scale) = tables(), found.groups()
    money, small = known.currencies[sign], known.cents.get(sign)
    integer, _, fraction = number.partition(".")
    if small and not scale and len(fraction) == _CENTS:
        parts = [f"{integer}{money}"] * bool(integer.strip("0,")) + [f"{int(fraction)}{small}"] * bool(int(fraction))
        return " ".join(parts) or f"0{money}"
    return f"{number}{scale.strip()}{money}"


@cache
def _speed() -> re.Pattern[str]:
    units = "|".join(sorted(map(re.escape, tables().speeds), key=len, reverse=True))
    return re.compile(rf"(?:시속\s?|초속\s?|분속\s?)?(?<![\d.,])({_NUM})\s?({units})(?![A-Za-z])")


def _read_speed(found: re.Match[str]) -> str:
    before, unit = tables().speeds[found[2]]
    return f"{before} {number_as_written(found[1])} {unit}"


@cache
def _temperature() -> re.Pattern[str]:
    return re.compile(rf"(?<![\w가-힣])(영하\s?)?(-)?({_NUM})\s?(?:°\s?([CF])(?![A-Za-z])|도)")


def _read_temperature(found: re.Match[str]) -> str:
    below, scale = found[1] or found[2], {"C": "섭씨 ", "F": "화씨 "}.get(found[4] or "", "")
    return f"{'영하 ' if below else scale}{number_as_written(found[3])} 도"


@cache
def _measure() -> re.Pattern[str]:
    units = "|".join(sorted(map(re.escape, tables().measures), key=len, reverse=True))
    return re.compile(rf"(?<![\d.,])({_NUM}(?:\s?[천만억](?=\s?[A-Za-z%]))?)\s?({units})(?![A-Za-z0-9])")


def _read_measure(found: re.Match[str]) -> str:
    name = tables().measures[found[2]]
    return f"{found[1]}{name}" if name in tables().native else f"{_read_bare(found[1])} {name}"


def _read_bare(text: str) -> str:
    """A number, perhaps with one scale behind it, that no native counter follows."""
    scale = text[-1] if text[-1] in _SCALE else ""
    number = text.removesuffix(scale).rstrip()
    value = None if not scale else value_of(number + scale)
    return number_as_written(number) + scale if value is None else sino(value)


# Ranges, sums and signs


@cache
def _range() -> re.Pattern[str]:
    counters = _counter_words()
    return re.compile(rf"(?<![\d.~-])({_NUM})(\s?(?:{counters}|%|[A-Za-z]{{1,4}})?)({_WAVE})({_NUM})(?![\d~-])(?=\s?({counters})?)")


def _read_range(found: re.Match[str]) -> str:
    first, own, wave, last, counter = found.groups()
    own, known = own.strip(), tables()
    if _RANGE_SIGNS not in wave and not (counter or own):
        return found[0]
    if own and own != counter and _RANGE_SIGNS not in wave:
        return found[0]
    pairs = NATIVE_PAIRS if counter in known.native else SINO_PAIRS
    if not own and counter and counter not in known.names and (some := _some(first, last, pairs)):
        return f"{some} "
    is_counted = counter in known.native or counter == "월"
    return f"{first}{own or (counter if is_counted else '')}에서 {last}"


def _some(first: str, last: str, pairs: Mapping[int, str]) -> str:
    """What is said for a digit and the next number, "" for any others."""
    is_short = first.isdecimal() and last.isdecimal() and len(first) == 1 and len(last) <= 2
    return pairs.get(int(first), "") if is_short and int(last) == int(first) + 1 else ""


@cache
def _sum() -> re.Pattern[str]:
    return re.compile(r"(?<=\d)(?:\s([+*-])\s|\s?([+\u00d7÷])\s?)(?=\d)")


def _read_sum(found: re.Match[str]) -> str:
    return f" {_ARITHMETIC[found[1] or found[2]]} "


@cache
def _equals() -> re.Pattern[str]:
    return re.compile(rf"(?<![\d.,])({_NUM})\s?=\s?(?=[\d-])")


def _read_equals(found: re.Match[str]) -> str:
    read = number_as_written(found[1])
    return f"{read}{topic(read)} "


@cache
def _signed() -> re.Pattern[str]:
    return re.compile(r"(?<![\w가-힣)\]])([+-])(?=\d)")


def _read_sign(found: re.Match[str]) -> str:
    return "마이너스 " if found[1] == "-" else "플러스 "


# Counters


@cache
def _counter_words() -> str:
    known = tables()
    return "|".join(sorted(map(re.escape, known.native | known.sino), key=len, reverse=True))


@cache
def _scales() -> str:
    """A scale behind a number, where it is not the beginning of another word."""
    others = "|".join(map(re.escape, tables().no_scale))
    return rf"(?!{others})(?:[십백천]?[만억조경]|[십백천])"


@cache
def _ordinal() -> re.Pattern[str]:
    return re.compile(r"(?<![\d.,])(\d{1,4})\s?(번째|번 째|째(?=[^가-힣]|$|로|는|가|를|날|주|딸|아들|아이|줄|칸))")


def _read_ordinal(found: re.Match[str]) -> str:
    number, is_turn = int(found[1]), found[2] != "째"
    if number == 1:
        return f"{_FIRST[0]} 번째" if is_turn else _FIRST[1]
    if is_turn:
        return f"{native(number)} 번째"
    return {2: "둘째", 3: "셋째", 4: "넷째"}.get(number, f"{native_alone(number) if number < 100 else sino(number)}째")


@cache
def _counted() -> re.Pattern[str]:
    scaled = rf"{_NUM}\s?{_scales()}"
    rest = rf"(?:\s?(?:\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d+)(?!\s?{_scales()}))?"
    number = rf"(?P<number>{scaled}(?:\s?{scaled})*{rest}|{_NUM})"
    return re.compile(
        rf"(?P<latin>(?<=[A-Za-z])\s?)?(?P<no>(?<![가-힣])제\s?(?=\d))?{number}(?:\s?(?P<counter>{_counter_words()}))?"
    )


def _read_counted(found: re.Match[str]) -> str:
    counter = found["counter"] or ""
    before = " " if found["latin"] is not None else ""
    number = found["number"]
    if found["no"]:
        return f"{before}제{_as_sino(number)} {counter}" if counter else f"{before}제{_as_sino(number)}"
    if not counter:
        return before + _as_sino(number)
    if counter in _OF_CLOCKS and len(number) == 2 and number[0] == "0":
        number = number[1]
    value = value_of(number)
    if counter == "월" and value is not None and 1 <= value <= 12:
        return before + month(value)
    if counter == "시" and value is not None and value <= 24:
        return before + hour(value)
    if value is None or not _is_native(found, counter, value):
        return f"{before}{_as_sino(number)} {counter}"
    return f"{before}{native(value)} {counter}"


def _is_native(found: re.Match[str], counter: str, value: int) -> bool:
    """Whether a number before a counter is read with native numerals, by what stands around both."""
    known, before, behind = tables(), found.string[: found.start()].rstrip(), found.string[found.end() :].lstrip()
    if counter == "번":
        return not (behind.startswith(known.times_name_before) or before.endswith(known.times_name_behind))
    if counter == "대":
        is_age = value % _AGE_STEP == 0 and 0 < value < _MOST_AGE and not before.endswith(known.machines)
        return not (is_age or behind.startswith(known.reign_before))
    if counter == "분":
        return _is_people(found)
    return counter in known.native and value < known.sino_from.get(counter, value + 1)


def _is_people(found: re.Match[str]) -> bool:
    return found["counter"] == "분" and found.string[: found.start()].rstrip().endswith(tables().people)


def value_of(text: str) -> int | None:
    """The value of a whole number with scales, as 3만 5천; None for one with a decimal point, a zero before it, or too long."""
    if "." in text or (len(text) > 1 and text[0] == "0") or len(text) > 2 * MOST_DIGITS:
        return None
    total = small = 0
    for number, scales in re.findall(r"([\d,]+)\s?([십백천만억조경]*)", text):
        step, large = int(number.replace(",", "")), 1
        for scale in scales:
            step, large = (step, _SCALE[scale]) if scale in _LARGE else (step * _SCALE[scale], large)
        small += step
        if large > 1:
            total, small = total + small * large, 0
    return total + small if len(str(total + small)) <= MOST_DIGITS else None


def _as_sino(text: str) -> str:
    value = value_of(text)
    if value is not None:
        return sino(value)
    parts = re.findall(rf"({_NUM})\s?([십백천만억조경]*)", text)
    return " ".join(number_as_written(number) + scales for number, scales in parts)
