"""Korean numerals: Sino-Korean (일 이 삼), native (하나 둘 셋), and digit by digit (공일공)."""

import re

NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
"""A pattern of a number as it is written, with the commas of thousands."""
_DIGITS = "영일이삼사오육칠팔구"
_PLACES = ("천", "백", "십", "")
_SCALES = ("", "만", "억", "조", "경")
_GROUP = 10_000
_TENS = ("", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")
_ONES = ("", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉")
_ALONE = ("", "하나", "둘", "셋", "넷", "다섯", "여섯", "일곱", "여덟", "아홉")
_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
SCALES = {"십": 10, "백": 100, "천": 1000, "만": 10**4, "억": 10**8, "조": 10**12, "경": 10**16}
"""What stands for zeros behind digits: 3만 5천."""
_LARGE = frozenset("만억조경")
_TWENTY = 20
NATIVE_BELOW = 100
"""Native numerals end here."""
MOST_DIGITS = 4 * len(_SCALES)
"""Of a number that is read as one; longer ones are read digit by digit."""

SINO_PAIRS = {1: "일이", 2: "이삼", 3: "삼사", 4: "사오", 5: "오륙", 6: "육칠", 7: "칠팔", 8: "팔구"}
"""Some, of a number and the next one: 이삼 일, two or three days."""
NATIVE_PAIRS = {1: "한두", 2: "두세", 3: "서너", 4: "네다섯", 5: "대여섯", 6: "예닐곱", 7: "일고여덟", 8: "여덟아홉"}
"""The same of native numerals: 서너 명."""


def sino(number: int) -> str:
    """Return a whole number of 0 or more: 12345 is 만 이천삼백사십오, 1_0000_0000 is 일억. Raises ValueError beyond 20 digits."""
    if number == 0:
        return _DIGITS[0]
    if not 0 < number < _GROUP ** len(_SCALES):
        raise ValueError(f"{number} is no number that can be read as one")

    groups: list[str] = []
    for scale in _SCALES:
        number, group = divmod(number, _GROUP)
        # 10,000 is 만, not 일만; before 억 and larger scales the one is said.
        is_plain_ten_thousand = scale == "만" and group == 1 and number == 0
        if group:
            groups.append(scale if is_plain_ten_thousand else f"{_below_ten_thousand(group)}{scale}")
        if not number:
            break

    return " ".join(reversed(groups))


def _below_ten_thousand(number: int) -> str:
    parts = []
    for digit, place in zip(f"{number:04d}", _PLACES, strict=True):
        if digit != "0":
            parts.append(place if digit == "1" and place else f"{_DIGITS[int(digit)]}{place}")
    return "".join(parts)


def native(number: int) -> str:
    """Return a number before what it counts: 스무 (살), 스물한 (살).

    Of 100 and more the hundreds are Sino-Korean, and what is left is native below ten: 백한 (마리), 백이십 (명).
    """
    if number == 0:
        return sino(0)
    if number == _TWENTY:
        return "스무"
    if number < NATIVE_BELOW:
        return _TENS[number // 10] + _ONES[number % 10]

    hundreds, rest = number - number % NATIVE_BELOW, number % NATIVE_BELOW
    return f"{sino(hundreds)}{_ONES[rest]}" if rest < 10 else sino(number)


def native_alone(number: int) -> str:
    """Return a number below 100 that counts nothing: 하나, 스물둘."""
    return _TENS[number // 10] + _ALONE[number % 10]


def roman(letters: str) -> int:
    """Return the value of a Roman numeral in capitals: XIV is 14. 0 for letters that are none in their usual form."""
    values = [_ROMAN[letter] for letter in letters if letter in _ROMAN]
    value = sum(-one if one < after else one for one, after in zip(values, [*values[1:], 0], strict=True))
    return value if len(values) == len(letters) and value else 0


def digits(text: str, zero: str = "공") -> str:
    """Digits one by one: 010 is 공일공; zero: 영 behind a decimal point."""
    return "".join(zero if digit == "0" else _DIGITS[int(digit)] for digit in text)


def whole(text: str) -> str:
    """Read a whole number of any length, with or without commas. Leading zeros are not said; more than 20 digits are read one by
    one."""
    bare = text.replace(",", "").lstrip("0") or "0"
    return digits(bare) if len(bare) > MOST_DIGITS else sino(int(bare))


def number_as_written(text: str) -> str:
    """A number as it is written, without counting anything: 1,234 and 3.14 and 007.

    Commas are those of thousands. What begins with a zero, or is longer than 20 digits, is read digit by digit.
    """
    integer, point, fraction = text.replace(",", "").partition(".")
    read = digits(integer) if len(integer) > 1 and integer[0] == "0" else whole(integer)
    return f"{read} 점 {digits(fraction, _DIGITS[0])}" if point else read


def value_of(text: str) -> int | None:
    """The value of a whole number with scales, as 3만 5천; None for one with a decimal point, a zero before it, or too long."""
    if "." in text or (len(text) > 1 and text[0] == "0") or len(text) > 2 * MOST_DIGITS:
        return None

    total = small = 0
    for number, scales in re.findall(r"([\d,]+)\s?([십백천만억조경]*)", text):
        step, large = int(number.replace(",", "")), 1
        for scale in scales:
            step, large = (step, SCALES[scale]) if scale in _LARGE else (step * SCALES[scale], large)
        small += step
        # A large scale counts all that stands before it since the last one: (3천 + 5백) * 만.
        if large > 1:
            total, small = total + small * large, 0

    return total + small if len(str(total + small)) <= MOST_DIGITS else None
