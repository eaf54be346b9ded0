"""Money, rates, speeds, degrees and other measures, with the signs before them."""

import re
from functools import cache

from text2unit.korean.numerals import NUMBER, SCALES, number_as_written, sino, value_of
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
    """Money, rates and speeds, units without numbers, and ranges with signs: what comes before other ranges."""
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
    """Return a range of degrees. What follows one below zero without a sign is above it."""
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
