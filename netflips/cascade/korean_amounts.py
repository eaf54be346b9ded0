"""Reads the amounts of a Korean text: 1,100만, 12억 달러, 여섯 시 반, 80년대, 세 명 중 한 명, 수십만."""

import re
from functools import lru_cache
from typing import Any
from unicodedata import normalize

from netflips.cascade.amount_values import (
    CENTURY,
    CLOCK,
    DAY,
    DECADE,
    MONTH,
    PERCENT,
    SHARE,
    VAGUE,
    YEAR,
    Amount,
    Value,
    hints_in,
    joined,
    with_ranges,
    with_shares,
    words,
)  # fmt: skip
from netflips.cascade.korean_numbers import CLOCK_TIME, Number, begins_at, counters, number_at, scale_of, unit_at

_DAYS = {
    "하루": 1, "이틀": 2, "사흘": 3, "나흘": 4, "닷새": 5, "엿새": 6, "이레": 7, "여드레": 8, "아흐레": 9, "열흘": 10, "보름": 15,
    "일주일": 7,
}  # fmt: skip
_DAY_WORD = re.compile(f"({'|'.join(_DAYS)})(?!살이|아침|빨리|바삐)")
_HALF_UNIT = re.compile(r"반\s?(년|세기|시간|나절)")
_MANY = re.compile(r"(?:수|몇\s?)([십백천]?[만억조]|[십백천])")
_MINUTES = re.compile(r"\s?분(?!기|의)(\s?전(?!에|까))?")
_HALF_HOUR = re.compile(r"\s?반(?:(?![가-힣]{2})|(?=까지|부터|쯤|정도|에는|이면|에서|이라|이에|입니))")
_HALVES = {"오전": 0, "새벽": 0, "아침": 0, "오후": 1, "저녁": 1, "낮": 1, "밤": 1}
_HALF_OF_DAY = re.compile(f"({'|'.join(_HALVES)})\\s?$")
_HALF = re.compile(r"\s?반(?=[\s,.?!]|$|[이을은도간의쯤씩만일에까]|정도|짜리|동안|전|뒤|후|예|입)")
_COLON = re.compile(r":([0-5]\d)(?!\d)")
_COLD = re.compile(r"(?:영하|마이너스|(?<![\d가-힣])[-\u2212])\s?$")
_SCALES_OF_HEAT = tuple((sign, re.compile(rf"{name}\s?(?:영하|영상|약)?\s?$")) for sign, name in (("℃", "섭씨"), ("℉", "화씨")))
_DECADE, _MONTH = re.compile(r"(?:(년대)|\s?대(?=[\s,.?!]|$|[가-힣]))"), re.compile(r"\s?월(?!급|드|요|세|남|말)")
_CENTURY, _TIMES = re.compile(r"\s?세기(?!말적)"), re.compile(r"\s?(?:배|갑절|곱절)(?!우|터|경|달|추|포|송)")
_HUNDREDTHS = re.compile(r"\s(\d{2})(?![\d,.]|\s?(?!에|로|예|였|이)[가-힣])")
"""9초 58, 1달러 20"""
_SIGN = re.compile(r"[$£€₩¥₹₽]\s?$")
_NAME_BEFORE, _NAME_BEHIND = re.compile(r"[A-Za-z][A-Za-z-]*$"), re.compile(r"[A-Za-z]+")
_AMONG = re.compile(r"(?:명|개|사람|곳|가지|번|대|마리|가구|나라|건|분|아이)?\s?(?:중에서|중에|중의|중|가운데|에)\s?(?:서\s)?")
_SHARE_OF = re.compile(r"\s?분의\s?")
_RANGE = re.compile(r"\s*(?:~|-|\u2013|\u301c|에서|내지|부터|또는|이나|나|,|명에서|개에서)\s*")
_BETWEEN = re.compile(r"\s?")
_LARGE = 1000.0


@lru_cache(maxsize=1024)
def korean_amounts(text: str) -> list[Amount]:
    """Return the amounts in a Korean text, in their order, and those that other words may stand for."""
    text = normalize("NFC", text)
    found, place = list[Amount](), 0
    while place < len(text):
        made = _amount(text, place)
        found += [] if made is None else [made]
        place = place + 1 if made is None else max(made.end, place + 1)
    found = with_ranges(joined(found, text, _BETWEEN), text, _RANGE)
    return with_shares(found, text, _AMONG, is_part_first=False) + hints_in(text, "ko")


def _amount(text: str, place: int) -> Amount | None:
    if (many := _MANY.match(text, place)) and begins_at(text, place):
        return Amount(many[0], (Value(scale_of(many[1]), VAGUE),), place, many.end(), is_required=False)
    if (day := _DAY_WORD.match(text, place)) and begins_at(text, place):
        days = [Value(_DAYS[day[1]], DAY), *([Value(14, DAY)] if day[1] == "보름" else [])]
        return Amount(day[0], tuple(days), place, day.end(), is_required=_DAYS[day[1]] > 1, is_sure=_DAYS[day[1]] > 2)

    if (half := _HALF_UNIT.match(text, place)) and begins_at(text, place):
        units = words().korean.get(half[1], (DAY._replace(factor=DAY.factor / 2),))
        return Amount(half[0], tuple(Value(0.5, unit) for unit in units), place, half.end(), is_sure=half[1] != "나절")

    number = number_at(text, place)
    if number is None:
        return None
    if share := _SHARE_OF.match(text, number.end):  # 4분의 3
        over = number_at(text, share.end(), is_within=True)
        if over is not None and number.number:
            parts = (Amount("", (Value(number.number),)), Amount("", (Value(over.number),)))
            return Amount(text[place : over.end], (Value(over.number / number.number, SHARE),), place, over.end, parts)
    return _Measure(text, place, number).amount()


class _Measure:
    """Reads what a number counts."""

    def __init__(self, text: str, place: int, number: Number) -> None:
        self.text, self.place, self.number, self.end = text, place, number, number.end
        self.before, self.value, self.is_digits = text[max(place - 8, 0) : place], number.number, text[place].isdigit()

    def amount(self) -> Amount:
        """Return the amount, by the first rule that reads one."""
        rules = self._pair, self._clock, self._name, self._years, self._times
        return next((made for rule in rules if (made := rule()) is not None), None) or self._measured()

    def _made(self, end: int, *values: Value, **more: Any) -> Amount:
        is_sure = self.number.is_sure and self.value != 1
        flags = {"is_required": is_sure, "is_sure": is_sure, "scale": self.number.scale, **more}
        return Amount(self.text[self.place : end], values, self.place, end, **flags)

    def _match(self, pattern: re.Pattern[str], place: int | None = None) -> re.Match[str] | None:
        return pattern.match(self.text, self.end if place is None else place)

    def _pair(self) -> Amount | None:
        if self.number.pair is None:
            return None
        units, end = unit_at(self.text, self.end)
        rows = [tuple(Value(one, unit) for unit in units) or (Value(one),) for one in (self.value, self.number.pair)]
        return self._made(end, Value(self.value, VAGUE), parts=tuple(Amount("", row) for row in rows), is_required=True)

    def _clock(self) -> Amount | None:
        """Read 6:45, 6시 45분, 여섯 시 반, 7시 15분 전."""
        half = _HALVES.get(found[1]) if (found := _HALF_OF_DAY.search(self.before)) else None
        hour, minute, is_before = self.value, 0.0, False
        if self.is_digits and (colon := self._match(_COLON)) and hour < 25:
            return self._made(colon.end(), Value(60 * hour + int(colon[1]), CLOCK, half))
        clock = self._match(CLOCK_TIME) if hour <= 24 and hour == int(hour) else None
        if clock is None:
            return None

        end = clock.end()
        spoken = number_at(self.text, end + (self.text[end : end + 1] == " "))
        if spoken is not None and (minutes := self._match(_MINUTES, spoken.end)):
            end, minute, is_before = minutes.end(), spoken.number, bool(minutes[1])
        elif more := self._match(_HALF_HOUR, end):
            end, minute = more.end(), 30.0
        if hour == 12 or (hour < 6 and "밤" in self.before):  # at noon, at midnight and after it
            half = None
        parts = (Amount("", (Value(hour),)), Amount("", (Value(minute),))) if minute else ()
        time = 60 * hour + (-minute if is_before else minute)
        return self._made(end, Value(time, CLOCK, half if half is not None else 1 if hour > 12 else None), parts=parts)

    def _name(self) -> Amount | None:
        """Read a number beside Latin letters, as in 비타민 B12 and 5G, which may be left out with the name."""
        behind = None if unit_at(self.text, self.end)[0] else self._match(_NAME_BEHIND)
        if not self.is_digits or not (behind or _NAME_BEFORE.search(self.before)):
            return None
        return self._made(behind.end() if behind else self.end, Value(self.value), is_required=False, is_sure=True)

    def _years(self) -> Amount | None:
        """Read 80년대, 30대, 3월, 18세기."""
        value, plain = self.value, Value(self.value)
        if found := self._match(_DECADE):
            century = [Value(value // 100 + 1, CENTURY), Value(value // 100 + 1)] if value >= _LARGE and value % 100 == 0 else []
            is_years = found[1] is not None
            if is_years or (value % 10 == 0 and 10 <= value <= 90):
                return self._made(found.end(), Value(value, DECADE), plain, *century)
        if value <= 12 and (found := self._match(_MONTH)):
            return self._made(found.end(), Value(value, MONTH), plain)
        if found := self._match(_CENTURY):
            return self._made(found.end(), Value(value, CENTURY), plain, *(Value(value, unit) for unit in words().korean["세기"]))
        return None

    def _times(self) -> Amount | None:
        """Read 두 배, which is also 100 % more."""
        found = self._match(_TIMES)
        if found is None:
            return None
        more = self._match(_HALF, found.end())
        value = self.value + (0.5 if more else 0.0)
        return self._made((more or found).end(), Value(value), Value(value, SHARE), Value(100 * (value - 1), PERCENT))

    def _measured(self) -> Amount:
        """Read a number with its unit, or with what it counts."""
        value, below = self.value, self.number.below
        units, end = unit_at(self.text, self.end)
        if sign := _SIGN.search(self.before):
            units = words().korean[sign[0].strip()]
        if not units:
            counter = counters().match(self.text, self.end + (self.text[self.end : self.end + 1] == " "))
            more = self._match(_HALF, counter.end() if counter else self.end)
            halves = [Value(value + 0.5, None, below)] if more else []  # but 200명 반에서 is a class
            return self._made(more.end() if more else self.end, *halves, Value(value, None, below))

        if units[0].dimension in ("degrees", "celsius", "fahrenheit"):
            scale = next((name for name, said in _SCALES_OF_HEAT if said.search(self.before)), "")
            units, value = words().korean[scale] if scale else units, -value if _COLD.search(self.before) else value
        name = self.text[self.end : end].strip()
        if more := self._match(_HALF, end):
            value, end = value + 0.5, more.end()
        elif (name in ("초", "미터") or units[0].dimension == "dollar") and (more := self._match(_HUNDREDTHS, end)):
            value, end = value + int(more[1]) / 100, more.end()
        values = [Value(value, unit, below) for unit in units]
        if YEAR in units and value >= _LARGE:
            values.append(Value(value))
        elif YEAR in units and self.is_digits and 10 <= value < 100:
            values += [Value(1900 + value), Value(2000 + value)]
        return self._made(end, *values)
