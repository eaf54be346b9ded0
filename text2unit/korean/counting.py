"""Numbers that count, measure or name: which numerals are read, and with what behind them; money, rates, speeds, degrees and other
measures, with the signs before them."""

import re
from collections.abc import Mapping
from functools import cache

from text2unit.korean.forms import hour, month
from text2unit.korean.numerals import (
    NATIVE_PAIRS,
    NUMBER,
    SCALES,
    SINO_PAIRS,
    native,
    native_alone,
    number_as_written,
    sino,
    value_of,
)
from text2unit.korean.tables import alternatives, apply_rules, tables

_CENTS = 2
_EACH = {"월": "한 달", "일": "하루", "년": "한 해"}
"""What 회/월 and the like are said with; others have 당 behind."""
_ANGLE = re.compile(r"(?:각도|기울기|회전|각|위상|경사|위도|경도)(?:는|은|가|이|를|을)?\s?$")
_SIGN = r"(?<![\w가-힣)\]])[+-]"
_SIGNED_RANGE = re.compile(rf"({_SIGN})?(?<![\d.,])({NUMBER})(\s?(?:%p?|[A-Za-z]{{1,3}})?)\s?~\s?([+-]?)({NUMBER})")
_SIGN_NAMES = {"-": "마이너스 ", "+": "플러스 "}
_SIGNED = re.compile(rf"({_SIGN})(?=\d)")
_DEGREES = re.compile(
    rf"({_SIGN}|영하\s?|영상\s?)?(?<![\d.,])({NUMBER})\s?(도|°\s?[CF]?)?\s?~\s?([+-]|영하\s?|영상\s?)?({NUMBER})\s?(?:도|°\s?([CF])(?![A-Za-z]))"
)


def read_amounts(text: str) -> str:
    """Read money, rates, speeds, units without numbers, and ranges with signs. They are read before other ranges."""
    rules = (
        (_money(), _read_money),
        (_priced(), lambda found: f"{found[2] or found[3]} {tables().currency_codes[found[1] or found[4]]}"),
        (_rate(), _read_rate), (_speed(), _read_speed),
        (_a_unit(), _read_a_unit), (_DEGREES, _read_degrees), (_SIGNED_RANGE, _read_signed_range),
    )  # fmt: skip
    return apply_rules(rules, text)


def read_measures(text: str) -> str:
    """Degrees, signs before numbers, and measures."""
    return apply_rules(
        ((_temperature(), _read_temperature), (_SIGNED, lambda found: _SIGN_NAMES[found[1]]), (_measure(), _read_measure)), text
    )


@cache
def _money() -> re.Pattern[str]:
    signs = "".join(map(re.escape, tables().currencies))
    whose = alternatives(tables().whose_dollars)
    return re.compile(
        rf"(?<![A-Za-z])({whose})?([{signs}])\s?(-?)(?:({NUMBER})\s?~\s?[{signs}]?)?({NUMBER})((?:\s?(?:백만|천만|십억|[십백천만억조]))?)"
    )


def _read_money(found: re.Match[str]) -> str:
    known, (whose, sign, minus, first, number, scale) = tables(), found.groups()
    money, small = known.currencies[sign], known.cents.get(sign)
    before = f"{known.whose_dollars[whose]} " if whose and sign == "$" else ""
    if first or minus:
        return f"{before}{minus}{first + '~' if first else ''}{number}{scale.strip()}{money}"
    read = _amount(number, scale, money, small)
    return f"{before}{read}"


def _amount(number: str, scale: str, money: str, small: str | None) -> str:
    integer, _, fraction = number.partition(".")
    if small and not scale and len(fraction) == _CENTS:
        parts = [f"{integer}{money}"] * bool(integer.strip("0,")) + [f"{int(fraction)}{small}"] * bool(int(fraction))
        return " ".join(parts) or f"0{money}"
    return f"{number}{scale.strip()}{money}"


@cache
def _priced() -> re.Pattern[str]:
    """Return an amount beside the three letters of its currency, on either side: USD 100, 100 USD."""
    codes = alternatives(tables().currency_codes)
    scale = r"(?:\s?(?:백만|천만|십억|[십백천만억조]))?"
    return re.compile(
        rf"(?<![A-Za-z])({codes})\s?({NUMBER}{scale})(?![\d가-힣A-Za-z])|(?<![\d.,])({NUMBER}{scale})\s?({codes})(?![A-Za-z])"
    )


@cache
def _rate() -> re.Pattern[str]:
    """So much of one unit in each of another: 75μg/m3, 15km/L, 60회/분."""
    units, money = alternatives(tables().measures), "|".join((*set(tables().currencies.values()), "회", "건", "명", "개", "대"))
    other = "분|초|일|월|년|주|인|명|회|개|달러|병|잔|포기|마리"
    return re.compile(
        rf"(?<![\d.,])(?:({NUMBER})\s?~\s?)?({NUMBER})\s?((?:[천백]?[만억조])?(?:{units}|{money}))/(?:({units})(?![A-Za-z0-9])|({other})(?![가-힣]))"
    )


def _read_rate(found: re.Match[str]) -> str:
    first, number, unit, of_unit, of_other = found.groups()
    known = tables()
    if f"{unit}/{of_unit}" in known.speeds:
        return found[0]

    name = known.measures[of_unit] if of_unit else of_other
    per = _EACH.get(name, f"{name}당")
    if unit not in known.measures:
        return f"{per} {first + '~' if first else ''}{number}{unit}"
    some = f"{number_as_written(first)}에서 " if first else ""
    return f"{per} {some}{number_as_written(number)} {known.measures[unit]}"


@cache
def _a_unit() -> re.Pattern[str]:
    """Return a unit that no number stands before: kg당, 단위는 km, km/h 단위."""
    units, alone, speeds = map(alternatives, (tables().measures, tables().alone, tables().speeds))
    return re.compile(
        rf"(?<![A-Za-z0-9.%])(?<!\d\s)(?:({units})(?=\s?당(?![가-힣]))|({alone})(?![A-Za-z0-9/]))|(?<![A-Za-z0-9])({speeds})(?![A-Za-z0-9])"
    )


def _read_a_unit(found: re.Match[str]) -> str:
    return " ".join(tables().speeds[found[3]]) if found[3] else tables().measures[found[1] or found[2]]


@cache
def _speed() -> re.Pattern[str]:
    units = alternatives(tables().speeds)
    return re.compile(
        rf"(?:시속\s?|초속\s?|분속\s?)?({_SIGN})?(?<![\d.,])(?:({NUMBER})\s?[~-]\s?)?({NUMBER})\s?({units})(?![A-Za-z0-9])"
    )


def _read_speed(found: re.Match[str]) -> str:
    before, unit = tables().speeds[found[4]]
    sign = "마이너스 " if found[1] == "-" else ""
    some = f"{number_as_written(found[2])}에서 " if found[2] else ""
    return f"{before} {sign}{some}{number_as_written(found[3])} {unit}"


@cache
def _temperature() -> re.Pattern[str]:
    return re.compile(rf"(?<![\w가-힣])(영하\s?)?([+-])?(?<![\d.,])({NUMBER})\s?(?:°\s?([CF])(?![A-Za-z])|도)")


def _read_temperature(found: re.Match[str]) -> str:
    below, scale = found[1] or found[2], {"C": "섭씨 ", "F": "화씨 "}.get(found[4] or "", "")
    return f"{'영하 ' if found[1] else _zero_side(below, found) or scale}{number_as_written(found[3])} 도"


def _read_degrees(found: re.Match[str]) -> str:
    """Read a range of degrees. Behind a number below zero, one without a sign is above zero."""
    sign, first, own, second, last, scale = found.groups()
    begin, end = _zero_side(sign, found), _zero_side(second or ("+" if sign == "-" else None), found)
    name = {"C": "섭씨 ", "F": "화씨 "}.get(scale or "", "") if not (begin or end) else ""
    return f"{name}{begin}{number_as_written(first)}{' 도' if own else ''}에서 {end}{number_as_written(last)} 도"


def _zero_side(sign: str | None, found: re.Match[str]) -> str:
    """Return a sign before degrees: 영하 or 영상 of temperatures, 마이너스 or 플러스 of angles; a word is left."""
    if not sign or sign[0] == "영":
        return sign or ""
    is_angle = _ANGLE.search(found.string, 0, found.start())
    return (_SIGN_NAMES if is_angle else {"-": "영하 ", "+": "영상 "})[sign]


def _read_signed_range(found: re.Match[str]) -> str:
    """A range one of whose ends has a sign; others are left for `_range`."""
    sign, first, own, second, last = found.groups()
    if not (sign or second):
        return found[0]
    name = tables().measures.get(own.strip(), own.strip())
    begin, end = _SIGN_NAMES.get(sign or "", ""), _SIGN_NAMES.get(second, "")
    return f"{begin}{number_as_written(first)}{' ' + name if name else ''}에서 {end}{last}"


@cache
def _measure() -> re.Pattern[str]:
    units = alternatives(tables().measures)
    return re.compile(rf"(?<![\d.,])({NUMBER}(?:\s?[천만억](?=\s?[A-Za-z%μ]))?)\s?({units})(?![A-Za-z0-9])")


def _read_measure(found: re.Match[str]) -> str:
    name = tables().measures[found[2]]
    return f"{found[1]}{name}" if name in tables().native else f"{_read_bare(found[1])} {name}"


def _read_bare(text: str) -> str:
    """Return a number, perhaps with one scale behind it, that no native counter follows."""
    scale = text[-1] if text[-1] in SCALES else ""
    number = text.removesuffix(scale).rstrip()
    value = None if not scale else value_of(number + scale)
    return number_as_written(number) + scale if value is None else sino(value)


_FIRST = ("첫", "첫째")
_WAVE = r"\s?[~-]\s?"
_RANGE_SIGNS = "~"
_MOST_AGE, _AGE_STEP = 100, 10
_NEARBY = 12
_DIVISION = re.compile(r"[,]?\s?제?\d+\s?(?:쪽|페이지|절|행|줄|항|화|과|장|막|부)(?![가-힣])")
_IN_VOLUME = re.compile(r"에서|에[는도선]|에\s?(?:나오|실|수록|등장|계속|이어)|부터|까지|[.:]\s?[가-힣]+")
"""What follows the number of a volume or chapter, as in 2권 12쪽 and 2권에서."""
_SUM = re.compile(r"(?<=\d)(?:\s([+*-])\s|\s?([+\u00d7÷])\s?)(?=\d)")
_NAMED = re.compile(r"(?<=[A-Za-z])-(\d+)(?![\d.,]*\d)")
_MINUS = re.compile(r"(?<=\d)-(?=\d+\s?=)")
_HYPHEN = re.compile(r"(?<=\d)-(?=\d)")
_OF_CLOCKS = ("월", "일", "시", "분", "초")
"""Counters whose numbers may be written with a zero before them."""
_ARITHMETIC = {"+": "더하기", "-": "빼기", "*": "곱하기", "\u00d7": "곱하기", "÷": "나누기"}


def read_numbers(text: str) -> str:
    """Read every number that is left in a text, with the counters, units and signs that belong to it."""
    rules = (
        (_range(), _read_range),
        (_NAMED, lambda found: f" {number_as_written(found[1])}"),  # a name: F-35, U-23
        (_MINUS, " 빼기 "),
        (_HYPHEN, " 다시 "),
        (_SUM, lambda found: f" {_ARITHMETIC[found[1] or found[2]]} "),
    )
    text = apply_rules(rules, read_amounts(text))
    return apply_rules(((_ordinal(), _read_ordinal), (_counted(), _read_counted)), read_measures(text))


# Ranges and sums


@cache
def _range() -> re.Pattern[str]:
    counters, units = _counter_words(), alternatives(tables().measures)
    return re.compile(
        rf"(?<![\d.~-])({NUMBER}(?:[십백천]?[만억조]|천)?(?=\s?[~\-A-Za-z가-힣%]))(\s?(?:{counters}|%|[A-Za-z]{{1,4}})?)({_WAVE})({NUMBER})(?![\d~-])(?=\s?({counters})?)(?=\s?(%|(?:{units})(?![A-Za-z]))?)"
    )


def _read_range(found: re.Match[str]) -> str:
    first, own, wave, last, counter, unit = found.groups()
    own, known = own.strip(), tables()
    if _RANGE_SIGNS not in wave and not (counter or own or unit):
        return found[0]
    if own and own != counter and _RANGE_SIGNS not in wave:
        return found[0]
    if _RANGE_SIGNS not in wave and (value_of(first) or 0) > (value_of(last) or 0):
        return found[0]

    pairs = NATIVE_PAIRS if counter in known.native else SINO_PAIRS
    if not own and counter and counter not in known.names and (some := _some(first, last, pairs)):
        return f"{some} "

    is_counted = counter in known.native or counter == "월"
    return f"{first}{own or (counter if is_counted else '')}에서 {last}"


def _some(first: str, last: str, pairs: Mapping[int, str]) -> str:
    """Return what is said for a digit and the next number, "" for any others."""
    is_short = first.isdecimal() and last.isdecimal() and len(first) == 1 and len(last) <= 2
    return pairs.get(int(first), "") if is_short and int(last) == int(first) + 1 else ""


# Counters


@cache
def _counter_words() -> str:
    known = tables()
    return alternatives(known.native | known.sino)


@cache
def _scales() -> str:
    """Return a scale behind a number, where it is not the beginning of another word."""
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
    scaled = rf"{NUMBER}\s?{_scales()}"
    rest = rf"(?:\s?(?:\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d+)(?!\s?{_scales()}))?"
    number = rf"(?P<number>{scaled}(?:\s?{scaled})*{rest}|{NUMBER})"
    return re.compile(
        rf"(?P<latin>(?<=[A-Za-z])\s?)?(?P<no>(?<![가-힣])제\s?(?=\d))?{number}"
        rf"(?:(?P<counter>{_counter_words()})|\s(?P<apart>{_counter_words()})(?=[^가-힣]|$|{_endings()}))?"
    )


@cache
def _endings() -> str:
    """Return what may follow a counter that stands apart from its number, so that 23 대표팀 has none."""
    particles = alternatives(tables().particles)
    return rf"(?:{particles}){{1,3}}(?:[^가-힣]|$)"


def _read_counted(found: re.Match[str]) -> str:
    counter = found["counter"] or found["apart"] or ""
    # Right behind a word of two numbers' counters, as in 3박4일: 4 is no part of that word.
    is_behind_word = "가" <= found.string[found.start() - 1 : found.start()] <= "힣"
    before = " " if found["latin"] is not None or (not found["no"] and is_behind_word) else ""

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
    """Return whether a number before a counter is read with native numerals, by what stands around both."""
    known, before, behind = tables(), found.string[: found.start()].rstrip(), found.string[found.end() :].lstrip()
    if counter == "번":
        return not (behind.startswith(known.times_name_before) or before.endswith(known.times_name_behind))
    if counter == "대":
        is_age = value % _AGE_STEP == 0 and 0 < value < _MOST_AGE and not before.endswith(known.machines)
        return not (is_age or behind.startswith(known.reign_before) or behind.startswith(known.great))
    if counter == "분":
        return found["counter"] == "분" and before.endswith(known.people)
    if words := known.copies.get(counter):
        return before.endswith(words)
    if counter in known.volumes and _is_volume(counter, before, behind):
        return False

    return counter in known.native and value < known.sino_from.get(counter, value + 1)


def _is_volume(counter: str, before: str, behind: str) -> bool:
    """Whether a number before 권, 장 or the like names one of them (이 권에서, 일 권과 이 권), and counts none (책 두 권)."""
    between = r"(?:과|와|,|·)\s?"
    if _DIVISION.match(behind) or re.search(r"[\d일이삼사오육칠팔구십]\s?(?:권|부|편|막)\s?$", before):
        return True
    if before.endswith(tables().in_volume):
        return False
    is_one_of_two = re.match(rf"{between}\d+\s?{counter}", behind) or re.search(rf"\d\s?{counter}{between}$", before[-_NEARBY:])
    return bool(is_one_of_two or _IN_VOLUME.match(behind))


def _as_sino(text: str) -> str:
    value = value_of(text)
    if value is not None:
        return sino(value)
    parts = re.findall(rf"({NUMBER})\s?([십백천만억조경]*)", text)
    return " ".join(number_as_written(number) + scales for number, scales in parts)
