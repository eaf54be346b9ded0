"""Reads the numbers of a Korean text: 1억 2천만, 이천이십사, 스물한, 서너; and finds what they count.

Many numerals are other words as well (이, 일, 사, 열, 세, 만일): what counts nothing is no sure number.
"""

import re
from functools import cache
from math import inf
from typing import NamedTuple

from netflips.cascade.amount_values import Unit, words
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
_NUMBER = re.compile(r"((?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?)([십백천]?[만억조경]|[십백천])?")
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
_SURELY_COUNTED = re.compile("명|개|번|시간|달|살|가지|마리|잔|병|권|사람|배|시(?:에|까|부|예|입)")
CLOCK_TIME = re.compile(r"\s?시(?!간|작|민|절|즌|대|장|청|내|각|기|선|점|속|도|스템)")
_LARGE = frozenset("만억조경")


class Number(NamedTuple):
    """A number in a text."""

    number: float
    end: int
    """where it ends"""
    is_sure: bool
    """whether it is surely a number"""
    below: float | None = None
    """what it is less than, where it is only about that: 30여"""
    pair: float | None = None
    """the second one of two: 서너 is 3 or 4"""
    scale: float = 1.0
    """of its last sign"""


def begins_at(text: str, place: int) -> bool:
    """Return whether a word begins at a place, if a little word such as 약 may stand before it."""
    return bool(_BEFORE.search(text[max(place - 5, 0) : place]))


def number_at(text: str, place: int, is_within: bool = False) -> Number | None:
    """Return the number that begins at a place. is_within: whether it may begin within a word."""
    if text[place : place + 1].isdigit():
        return _digits(text, place)
    if place >= len(text) or not (is_within or begins_at(text, place)):
        return None
    return _pair(text, place) or _native(text, place) or _sino(text, place)


def scale_of(signs: str) -> float:
    """Return the product of signs for zeros: 백만 is a million."""
    scale = 1.0
    for sign in signs:
        scale *= SCALES[sign]
    return scale


def _digits(text: str, place: int) -> Number:
    """Read 1억 2천만, 3만 5천, 2.5조, 1천5백만."""
    total = small = 0.0
    last, end, scale, is_article = inf, place, 1.0, text[:place].endswith("제")  # 제5조 is an article
    while (found := _NUMBER.match(text, end + (end > place and text[end : end + 1] == " "))) is not None:
        signs, value = "" if is_article else found[2] or "", float(found[1].replace(",", ""))
        if end > place and (value * scale_of(signs) >= last or "." in found[1]):
            break
        large = scale_of(signs[-1]) if signs[-1:] in _LARGE and signs else 1.0
        small += value * scale_of(signs) / large
        if large > 1:  # a large scale counts all that stands before it since the last one
            total, small = total + small * large, 0.0
        end, scale = found.end(2) if signs else found.end(1), scale_of(signs)
        last = large if large > 1 else scale
        if not signs:
            break
    value = total + small
    if (more := re.match(r"여(?=\s|[가-힣])|\s여(?=\s)", text[end:])) is not None:
        return Number(value, end + more.end(), True, value + _last_place(value), scale=scale)
    return Number(value, end, True, scale=scale)


def _last_place(value: float) -> float:
    """Return what one more in the last place of a number is, which is not zero: of 300 a hundred."""
    place = 1.0
    while value and value % (place * 10) == 0:
        place *= 10
    return place


def _pair(text: str, place: int) -> Number | None:
    found = _PAIR.match(text, place)
    if found is None:
        return None
    scale = scale_of(found[2] or "")
    is_native = found[1][0] not in "일이삼사오육칠팔" or found[1] == "일고여덟"
    counted = counts_at(text, found.end())
    if not counted and not (
        is_native and _AFTER.match(text, found.end()) and found[1] != "한두" and text[found.end() : found.end() + 1] != "요"
    ):
        return None
    if not is_native and not found[2] and text[found.end() : found.end() + 1] != " ":
        return None
    low, high = _PAIRS[found[1]]
    return Number(low * scale, found.end(), False, None, pair=high * scale, scale=scale)


def _native(text: str, place: int) -> Number | None:
    found = _NATIVE.match(text, place)
    if found is None or not (found[2] or found[3]):
        return None
    tens, ones, end = found[2] or "", found[3] or "", found.end()
    value = _value_of(found[1] or "") + _TEN.get(tens, 0) + _ONE.get(ones, 0)
    counted, is_behind = counts_at(text, end), bool(_AFTER.match(text, end))
    if not counted and not is_behind:
        return None
    if text[end : end + 2] in ("플릭", "트워") or (tens == "" and ones == "한" and not counted):
        return None
    is_word = bool(tens and ones) or tens not in ("", "열", "쉰", "스무") or len(ones) > 1 or ones in ("셋", "넷")
    is_unit = bool(unit_at(text, end)[0])
    is_sure = (value > 2 and (is_word or counted)) or (value == 2 and is_unit)
    is_apart = text[end : end + 1] == " " and counted
    if ones in ("두", "세", "네") and not tens and not is_apart and not _SURELY_COUNTED.match(text, end):
        is_sure = False  # 세기, 세대, 두통
    return Number(value, end, (is_sure and ones != "하나") or bool(tens and is_word))


def _sino(text: str, place: int) -> Number | None:
    found = _SINO.match(text, place)
    said = "" if found is None else found[0].rstrip()
    if found is None and text[place : place + 1] not in ("영", "공"):
        return None
    end, value = place + (len(said) or 1), _value_of(said)
    if more := _POINT.match(text, end):
        return Number(value + float("0." + "".join(str(_DIGIT_OF[sign]) for sign in more[1])), more.end(), True)
    if not said:
        return None

    below = None
    if (more := re.match(r"\s?여(?=\s?[가-힣])", text[end:])) and counts_at(text, end + more.end()):
        end, below = end + more.end(), value + _last_place(value)
    signs, is_bare = said.replace(" ", ""), all(sign in SCALES for sign in said.replace(" ", ""))
    if counts_at(text, end):
        is_alone = text[end : end + 1] == " " and signs not in "일이조" and text[end : end + 2] != " 번"
        is_sure = len(signs) > 1 or (is_alone and (is_bare or bool(unit_at(text, end)[0])))
        return Number(value, end, is_sure, below)
    is_number = _AFTER.match(text, end) and (len(signs) == 2 or (len(signs) > 2 and not is_bare))
    return Number(value, end, len(signs) > 3, below) if is_number else None


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


# What numbers count


@cache
def _units() -> re.Pattern[str]:
    names = sorted(words().korean, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, names)))


@cache
def counters() -> re.Pattern[str]:
    """Return a pattern of the words that count."""
    return re.compile("|".join(sorted(words().counters, key=len, reverse=True)))


def unit_at(text: str, place: int) -> tuple[tuple[Unit, ...], int]:
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


def counts_at(text: str, place: int) -> bool:
    """Return whether a number at this place counts or measures something."""
    if unit_at(text, place)[0] or CLOCK_TIME.match(text, place):
        return True
    start = place + (text[place : place + 1] == " ")
    found = counters().match(text, start)
    return found is not None and bool(_AFTER.match(text, found.end()) or len(found[0]) > 1 or start == place)
