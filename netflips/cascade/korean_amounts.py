"""Reads the amounts of a Korean text: 1,100만, 12억 달러, 여섯 시 반, 80년대, 세 명 중 한 명, 수십만."""

import re
from functools import cache, lru_cache
from typing import NamedTuple
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
    Unit,
    Value,
    hints_in,
    joined,
    with_ranges,
    with_shares,
    words,
)  # fmt: skip
from text2unit.korean.numerals import SCALES

_DIGIT_OF = {sign: value for value, sign in enumerate("영일이삼사오육칠팔구")} | {"공": 0, "륙": 6}
_D = "[일이삼사오육륙칠팔구]"
_GROUP = rf"(?:(?:{_D}?천\s?)?(?:{_D}?백\s?)?(?:{_D}?십)?{_D}?)"
_SINO = re.compile(rf"(?=[일이삼사오육륙칠팔구십백천만억조])(?:{_GROUP}조\s?)?(?:{_GROUP}억\s?)?(?:{_GROUP}만\s?)?{_GROUP}")
_POINT = re.compile(r"\s?점\s?([영공일이삼사오육륙칠팔구]+)")
_TEN = {"열": 10, "스물": 20, "스무": 20, "서른": 30, "마흔": 40, "쉰": 50, "예순": 60, "일흔": 70, "여든": 80, "아흔": 90}
_ONE = {
    "하나": 1, "한": 1, "둘": 2, "두": 2, "셋": 3, "세": 3, "석": 3, "넷": 4, "네": 4, "넉": 4, "다섯": 5, "여섯": 6, "일곱": 7,
    "여덟": 8, "아홉": 9,
}  # fmt: skip
_NATIVE = re.compile(rf"((?:{_D}?천)?(?:{_D}?백))?\s?({'|'.join(_TEN)})?({'|'.join(_ONE)})?")
_PAIRS = {
    "한두": (1, 2), "한둘": (1, 2), "두세": (2, 3), "두셋": (2, 3), "두서너": (2, 4), "서너": (3, 4), "서넛": (3, 4),
    "너댓": (4, 5), "네댓": (4, 5), "네다섯": (4, 5), "대여섯": (5, 6), "예닐곱": (6, 7), "일고여덟": (7, 8), "여덟아홉": (8, 9),
    "일이": (1, 2), "이삼": (2, 3), "삼사": (3, 4), "사오": (4, 5), "오륙": (5, 6), "육칠": (6, 7), "칠팔": (7, 8), "팔구": (8, 9),
}  # fmt: skip
_PAIR = re.compile(rf"({'|'.join(sorted(_PAIRS, key=len, reverse=True))})([십백천]?[만억조]|[십백천])?")
_DAYS = {
    "하루": 1, "이틀": 2, "사흘": 3, "나흘": 4, "닷새": 5, "엿새": 6, "이레": 7, "여드레": 8, "아흐레": 9, "열흘": 10, "보름": 15,
    "일주일": 7,
}  # fmt: skip
_DAY_WORD = re.compile(f"({'|'.join(_DAYS)})(?!살이|아침|빨리|바삐)")
_HALF_UNIT = re.compile(r"반\s?(년|세기|시간|나절)")
_NUMBER = re.compile(r"((?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?)([십백천]?[만억조경]|[십백천])?")
_MANY = re.compile(r"(?:수|몇\s?)([십백천]?[만억조]|[십백천])")
_CLOCK = re.compile(
    r"\s?시(?!간|작|민|절|즌|대|장|청|내|각|기|선|점|속|도|스템)(?:\s?(\d{1,2})\s?분(\s?전(?!에|까))?|\s?(반)(?:(?![가-힣]{2})|(?=까지|부터|쯤|정도|에는|이면|에서|이라|이에|입니)))?"
)
_CLOCK_IN_WORDS = re.compile(rf"\s?시\s?((?:{_D}?십)?{_D}?)\s?분(?!기|의)")
_HALVES = {"오전": 0, "새벽": 0, "아침": 0, "오후": 1, "저녁": 1, "낮": 1, "밤": 1}
_HALF_OF_DAY = re.compile(f"({'|'.join(_HALVES)})\\s?$")
_HALF = re.compile(r"\s?반(?=[\s,.?!]|$|[이을은도간의쯤씩만일에까]|정도|짜리|동안|전|뒤|후|예|입)")
_COLON = re.compile(r":([0-5]\d)(?!\d)")
_COLD = re.compile(r"(?:영하|마이너스|(?<![\d가-힣])[-\u2212])\s?$")
_CELSIUS, _FAHRENHEIT = re.compile(r"섭씨\s?(?:영하|영상|약)?\s?$"), re.compile(r"화씨\s?(?:영하|영상|약)?\s?$")
_SIGN = re.compile(r"[$£€₩¥₹₽]\s?$")
_BEFORE = re.compile(r"(?<![가-힣])(?:[약총제매각단첫]|[약총만]\s|무려\s?|최소\s?|최대\s?|대략\s?|시속\s?)?$")
_UNSURE = {
    "일": "본상부반단정었대", "시": "간작민절즌대장청내각기선", "분": "기의야위석명들은", "주": "년민차인제장말변요",
    "달": "러라리성력", "도": "시서움전착", "초": "반등기록점", "원": "래인칙",
    "년": "생", "해": "요서석결야안변외", "날": "씨개마",
    "세": "계상기트금포", "불": "과편구", "살": "아았고", "평": "가균소화", "할": "거게수",
}  # fmt: skip
"""Signs behind a unit of one syllable that make another word of it."""
_AFTER = re.compile(
    r"$|[^가-힣]|[은는이가을를의도와과에로으만부까씩쯤정간동나밖뒤후전째짜예입였고며라당마보하미남넘안면인때내중처랑요어등치권네차죠잖뿐꼴]"
)
"""What may stand behind a unit that stands behind a blank."""
_NAME_BEFORE, _NAME_BEHIND = re.compile(r"[A-Za-z][A-Za-z-]*$"), re.compile(r"[A-Za-z]+")
_SURELY_COUNTED = re.compile("명|개|번|시간|달|살|가지|마리|잔|병|권|사람|배|시(?:에|까|부|예|입)")
_AMONG = re.compile(r"(?:명|개|사람|곳|가지|번|대|마리|가구|나라|건|분|아이)?\s?(?:중에서|중에|중의|중|가운데|에)\s?(?:서\s)?")
_SHARE_OF = re.compile(r"\s?분의\s?")
_RANGE = re.compile(r"\s*(?:~|-|\u2013|\u301c|에서|내지|부터|또는|이나|나|,|명에서|개에서)\s*")
_BETWEEN = re.compile(r"\s?")
_LARGE = 1000.0
_YEAR_LIKE = re.compile(r"대(?=[\s,.?!]|$|[은는이가을를의도와과에로부까후초중]|쯤|예|입|였|이)")


class _Found(NamedTuple):
    number: float
    end: int
    is_sure: bool
    below: float | None = None
    is_digits: bool = False
    pair: float | None = None
    scale: float = 1.0


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
    if (many := _MANY.match(text, place)) and _is_begin(text, place):
        return Amount(many[0], (Value(_scale_of(many[1]), VAGUE),), place, many.end(), is_required=False)
    if (day := _DAY_WORD.match(text, place)) and _is_begin(text, place):
        days = [Value(_DAYS[day[1]], DAY), *([Value(14, DAY)] if day[1] == "보름" else [])]
        return Amount(day[0], tuple(days), place, day.end(), is_required=_DAYS[day[1]] > 1, is_sure=_DAYS[day[1]] > 2)

    if (half := _HALF_UNIT.match(text, place)) and _is_begin(text, place):
        units = words().korean.get(half[1], (DAY._replace(factor=DAY.factor / 2),))
        return Amount(half[0], tuple(Value(0.5, unit) for unit in units), place, half.end(), is_sure=half[1] != "나절")

    number = _number(text, place)
    if number is None:
        return None
    if share := _SHARE_OF.match(text, number.end):  # 4분의 3
        over = _number(text, share.end(), is_within=True)
        if over is not None and number.number:
            parts = (Amount("", (Value(number.number),)), Amount("", (Value(over.number),)))
            return Amount(text[place : over.end], (Value(over.number / number.number, SHARE),), place, over.end, parts)
    return _measure(text, place, number)


def _is_begin(text: str, place: int) -> bool:
    """Return whether a word begins at a place."""
    return bool(_BEFORE.search(text[max(place - 5, 0) : place]))


# Numbers


def _number(text: str, place: int, is_within: bool = False) -> _Found | None:
    if text[place].isdigit() if place < len(text) else False:
        return _digits(text, place)
    if place >= len(text) or not (is_within or _is_begin(text, place)):
        return None
    return _pair(text, place) or _native(text, place) or _sino(text, place)


def _scale_of(signs: str) -> float:
    scale = 1.0
    for sign in signs:
        scale *= SCALES[sign]
    return scale


def _digits(text: str, place: int) -> _Found:
    """Read 1억 2천만, 3만 5천, 2.5조, 1천5백만."""
    total = small = 0.0
    last, end, scale, step = float("inf"), place, 1.0, 1.0
    while (one := _NUMBER.match(text, end + (end > place and text[end : end + 1] == " "))) is not None:
        signs = one[2] or ""
        # In 3만 명 the scale is one, in 버스 5만 it is not known: digits and a scale are a number.
        if (
            signs
            and end == place
            and re.match(r"[가-힣]", text[one.end() :])
            and signs == "조"
            and text[max(place - 1, 0) : place] == "제"
        ):
            signs = ""
        scale, value = _scale_of(signs), float(one[1].replace(",", ""))
        if end > place and (value * scale >= last or "." in one[1]):
            break
        large = scale if scale < 10**4 else _scale_of(signs[-1])
        small += value * scale / large if large >= 10**4 else value * scale
        if large >= 10**4:
            total, small = total + small * large, 0.0
        end = one.end() if signs or not one[2] else one.end() - len(one[2])
        last, step = (large if large >= 10**4 else scale), scale
        if not signs:
            break
    value = total + small
    if (more := re.match(r"\s?(여)(?=\s|[가-힣])", text[end:])) and not text[end:].startswith((" 여기", " 여러", " 여자", " 여름")):
        return _Found(value, end + more.end(), True, value + _last_place(value), True, scale=step)
    return _Found(value, end, True, None, True, scale=step)


def _last_place(value: float) -> float:
    """Return what one more in the last place of a number is, which is not zero: of 300 a hundred."""
    place = 1.0
    while value and value % (place * 10) == 0:
        place *= 10
    return place


def _pair(text: str, place: int) -> _Found | None:
    found = _PAIR.match(text, place)
    if found is None:
        return None
    scale = _scale_of(found[2] or "")
    is_native = found[1][0] not in "일이삼사오육칠팔" or found[1] == "일고여덟"
    counted = _counter_at(text, found.end())
    if not counted and not (is_native and _AFTER.match(text, found.end()) and found[1] != "한두"):
        return None
    if not is_native and not found[2] and text[found.end() : found.end() + 1] != " ":
        return None
    low, high = _PAIRS[found[1]]
    return _Found(low * scale, found.end(), False, None, pair=high * scale, scale=scale)


def _native(text: str, place: int) -> _Found | None:
    found = _NATIVE.match(text, place)
    if found is None or not (found[2] or found[3]):
        return None
    tens, ones, end = found[2] or "", found[3] or "", found.end()
    value = _value_of(found[1] or "") + _TEN.get(tens, 0) + _ONE.get(ones, 0)
    counted, is_behind = _counter_at(text, end), bool(_AFTER.match(text, end))
    if not counted and not is_behind:
        return None
    if text[end : end + 2] in ("플릭", "트워") or (tens == "" and ones == "한" and not counted):
        return None
    is_word = bool(tens and ones) or tens not in ("", "열", "쉰", "스무") or len(ones) > 1 or ones in ("셋", "넷")
    is_unit = bool(_unit_at(text, end)[0])
    is_sure = (value > 2 and (is_word or counted)) or (value == 2 and is_unit)
    is_apart = text[end : end + 1] == " " and counted
    if ones in ("두", "세", "네") and not tens and not is_apart and not _SURELY_COUNTED.match(text, end):
        is_sure = False  # 세기, 세대, 두통
    return _Found(value, end, (is_sure and ones != "하나") or bool(tens and is_word))


def _sino(text: str, place: int) -> _Found | None:
    found = _SINO.match(text, place)
    if found is None:
        zero = re.match(r"(영|공)\s?점\s?([영공일이삼사오육륙칠팔구]+)", text[place:])
        return None if zero is None else _Found(_after_point(zero[2]), place + zero.end(), True)
    said = found[0].rstrip()
    end, value = place + len(said), _value_of(said)
    if more := _POINT.match(text, end):
        return _Found(value + _after_point(more[1]), more.end(), True)

    below = None
    if (more := re.match(r"\s?여(?=\s?[가-힣])", text[end:])) and _counter_at(text, end + more.end()):
        end, below = end + more.end(), value + _last_place(value)
    plain = said.replace(" ", "")
    is_apart, is_bare = text[end : end + 1] == " ", all(sign in SCALES for sign in plain)
    counted = _counter_at(text, end)
    if not counted:
        is_long = len(plain) > 2 and not is_bare and _AFTER.match(text, end)
        return (
            _Found(value, end, bool(is_long and len(plain) > 3), below)
            if is_long or (len(plain) == 2 and _AFTER.match(text, end))
            else None
        )
    if len(plain) == 1:
        is_sure = (
            is_apart and plain not in "일이조" and not text[end:].startswith(" 번") and bool(_unit_at(text, end)[0] or is_bare)
        )
    else:
        is_sure = True
    return _Found(value, end, is_sure, below)


def _value_of(said: str) -> float:
    """Return the value of a Sino-Korean number in words."""
    total = small = 0.0
    digit = 0.0
    for sign in said.replace(" ", ""):
        if sign in _DIGIT_OF:
            digit = _DIGIT_OF[sign]
        elif SCALES[sign] < 10**4:
            small, digit = small + (digit or 1) * SCALES[sign], 0.0
        else:
            total, small, digit = total + ((small + digit) or 1) * SCALES[sign], 0.0, 0.0
    return total + small + digit


def _after_point(said: str) -> float:
    return float("0." + "".join(str(_DIGIT_OF[sign]) for sign in said))


# Units


@cache
def _units() -> re.Pattern[str]:
    names = sorted(words().korean, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, names)))


@cache
def _counters() -> re.Pattern[str]:
    return re.compile("|".join(sorted(words().counters, key=len, reverse=True)))


def _unit_at(text: str, place: int) -> tuple[tuple[Unit, ...], int]:
    """Return the units behind a number, and where they end."""
    start = place + (text[place : place + 1] == " ")
    found = _units().match(text, start)
    if found is None:
        return (), place
    name, behind = found[0], text[found.end() : found.end() + 1]
    if name.isascii() and (behind.isascii() and behind.isalpha()):
        return (), place
    if (behind and behind in _UNSURE.get(name, "")) or (
        start > place and len(name) == 1 and not name.isascii() and not _AFTER.match(text, found.end())
    ):
        return (), place
    return words().korean[name], found.end()


def _counter_at(text: str, place: int) -> bool:
    """Return whether a number at this place counts or measures something."""
    if _unit_at(text, place)[0] or _CLOCK.match(text, place):
        return True
    start = place + (text[place : place + 1] == " ")
    found = _counters().match(text, start)
    return found is not None and bool(_AFTER.match(text, found.end()) or len(found[0]) > 1 or start == place)


def _measure(text: str, place: int, number: _Found) -> Amount:
    """Return a number with what it counts."""
    end, before, value = number.end, text[max(place - 8, 0) : place], number.number
    flags = {"is_required": number.is_sure and value != 1, "is_sure": number.is_sure and value != 1, "scale": number.scale}

    def made(last: int, *values: Value, **more: object) -> Amount:
        return Amount(text[place:last], values, place, last, **{**flags, **more})  # type: ignore[arg-type]

    if number.pair is not None:
        units, last = _unit_at(text, end)
        rows = [[Value(one, unit) for unit in units] or [Value(one)] for one in (value, number.pair)]
        return made(last, Value(value, VAGUE), parts=tuple(Amount("", tuple(row)) for row in rows), is_required=True)

    half = _HALVES.get(found[1]) if (found := _HALF_OF_DAY.search(before)) else None
    if number.is_digits and (clock := _COLON.match(text, end)) and value < 25:
        return made(clock.end(), Value(60 * value + int(clock[1]), CLOCK, half), is_sure=True, is_required=True)
    if value <= 24 and value == int(value) and (clock := _CLOCK.match(text, end)):
        spoken = _CLOCK_IN_WORDS.match(text, end)
        minute = _value_of(spoken[1]) if spoken and spoken[1] else 30 if clock[3] else float(clock[1] or 0)
        last = spoken.end() if spoken and spoken[1] else clock.end()
        minutes = 60 * value - minute if clock[2] else 60 * value + minute
        if (half is not None and value == 12) or (half == 1 and value < 6 and "밤" in before):
            half = None
        parts = (Amount("", (Value(value),)), Amount("", (Value(minute),))) if minute else ()
        return made(last, Value(minutes, CLOCK, half if half is not None else 1 if value > 12 else None), parts=parts)

    if number.is_digits and (
        (name := _NAME_BEFORE.search(before)) or (_NAME_BEHIND.match(text, end) and not _unit_at(text, end)[0])
    ):
        behind = _NAME_BEHIND.match(text, end)
        return (
            made(behind.end() if behind else end, Value(value), is_required=False, is_sure=True)
            if name or behind
            else made(end, Value(value))
        )
    if text[end : end + 2] == "년대":
        century = [Value(value // 100 + 1, CENTURY), Value(value // 100 + 1)] if value >= _LARGE and value % 100 == 0 else []
        return made(end + 2, Value(value, DECADE), Value(value), *century)
    if value % 10 == 0 and 10 <= value <= 90 and (age := re.match(r"\s?대(?=[\s,.?!]|$|[가-힣])", text[end:])):
        return made(end + age.end(), Value(value, DECADE), Value(value))
    if value <= 12 and (month := re.match(r"\s?월(?!급|드|요|세|남|말)", text[end:])):
        return made(end + month.end(), Value(value, MONTH), Value(value))
    if behind_century := re.match(r"\s?세기(?!말적)", text[end:]):
        return made(
            end + behind_century.end(),
            Value(value, CENTURY),
            Value(value),
            *(Value(value, unit) for unit in words().korean["세기"]),
        )
    if times := re.match(r"\s?(?:배|갑절|곱절)(?!우|터|경|달|추|포|송)", text[end:]):
        last = end + times.end()
        half_more = 0.5 if (more := _HALF.match(text, last)) else 0.0
        value += half_more
        return made(more.end() if more else last, Value(value), Value(value, SHARE), Value(100 * (value - 1), PERCENT))

    units, last = _unit_at(text, end)
    if sign := _SIGN.search(before):
        units, last = words().korean[sign[0].strip()], last if units else end
    below = number.below
    if units and units[0].dimension in ("degrees", "celsius"):
        if _CELSIUS.search(before):
            units = words().korean["℃"]
        elif _FAHRENHEIT.search(before):
            units = words().korean["℉"]
    if units and units[0].dimension in ("degrees", "celsius", "fahrenheit") and _COLD.search(before):
        value = -value
    if not units:
        counter = _counters().match(text, end + (text[end : end + 1] == " "))
        last = counter.end() if counter else end
        if more := _HALF.match(text, last):
            return made(more.end(), Value(value + 0.5, None, below), Value(value, None, below))  # 200명 반에서 is a class
        return made(end, Value(value, None, below))

    unit_name = text[end:last].strip()
    if more := _HALF.match(text, last):
        value, last = value + 0.5, more.end()
    elif (unit_name in ("초", "미터") or units[0].dimension == "dollar") and (
        more := re.match(r"\s(\d{2})(?![\d,.]|\s?[가-힣])|\s(\d{2})(?=에|로|예|였|이)", text[last:])
    ):
        value, last = value + int(more[1] or more[2]) / 100, last + more.end()
    values = [Value(value, unit, below) for unit in units]
    if YEAR in units and (value >= _LARGE or (number.is_digits and 10 <= value < 100)):
        values += [Value(value)] if value >= _LARGE else [Value(1900 + value), Value(2000 + value)]
    return made(last, *values)
