"""Numbers in fixed forms: dates, times of the day, telephone numbers, scores, fractions."""

import re

from text2unit.korean.numerals import digits, native, number_as_written, sino, whole

_DATE = re.compile(r"(?<![\d.])(\d{4})\s?([-./])\s?(\d{1,2})\s?\2\s?(\d{1,2})(?![\d-])(\.?)")
_DAY_OF_WEEK = re.compile(r"(?<!\d)(\d{1,2})[/.](\d{1,2})\s?\(([월화수목금토일])\)")
_WEEKDAY = re.compile(r"(?<=[일\d])\s?\(([월화수목금토일])\)")
_SHORT_YEAR = re.compile(r"(?<!\w)'(\d\d)(?=\s?(?:년|학번|월드컵|올림픽|시즌))")
_TIME = re.compile(
    r"(?<![\d:])(?:(오전|오후|AM|PM|am|pm)\s?)?(\d{1,2}):([0-5]\d)(?::([0-5]\d))?(?![\d:])(?:\s?(AM|PM|am|pm|a\.m\.|p\.m\.)(?![A-Za-z]))?"
)
_TIMES = re.compile(r"(?<=:[0-5]\d)\s?[~-]\s?(?=(?:오전|오후|AM|PM)?\s?\d{1,2}:[0-5]\d)")
_SPAN = re.compile(r"(?<=[시분일월년])\s?~\s?(?=오전|오후|새벽|아침|낮|저녁|밤|내일|다음)")
_WEEK_SPAN = re.compile(r"(?<![가-힣])([월화수목금토일])(?:요일)?\s?~\s?([월화수목금토일])(?:요일)?(?![가-힣])")
_EVENT = re.compile(r"(?<![\d.])(\d{1,2})·(\d{1,2})(?!\d)")
_RESULT = re.compile(r"(?<![\d.-])(\d{1,2})-(\d{1,2})(?=로|\s?승|\s?패)")
_TENS = re.compile(r"(?<![\d,])([1-8]),\s?([2-9])0(?=\s?(?:대|명|개|년|분|살|세|킬로|퍼센트|%))")
_HALVES = {"am": "오전", "a.m.": "오전", "pm": "오후", "p.m.": "오후", "오전": "오전", "오후": "오후"}
_SCORE = re.compile(r"(?<![\d.:])(\d{1,3})\s?:\s?(\d{1,3})(?![\d:])")
_VERSUS = re.compile(r"(?<![\d.])(\d{1,3})(\s?)(?:대|vs\.?)\s?(\d{1,3})(?=$|[\s.,!?)]|로|의|으로|이|가|은|는|였|을|를|승|동점)")
_MIXED = re.compile(r"(?<![\d./])(\d+)\s?(?:과\s?|와\s?|\s)(\d+)/(\d+)(?![\d/])")
_FRACTION = re.compile(r"(?<![\d./])(\d+)/(\d+)(?![\d/])")
_PARTS = re.compile(r"(?<!\d)(\d+)\s?분의\s?(\d+)")
_PHONE = re.compile(r"(?<![\d-])(\+?82[- .]?)?\(?(0?\d{1,3})\)?[- .](\d{3,4})[- .](\d{4})(?![\d-])")
_MOBILE = re.compile(r"(?<!\d)(01[016789])(\d{3,4})(\d{4})(?!\d)")
_SHORT_PHONE = re.compile(r"(?<![\d-])(1[568]\d\d)-(\d{4})(?![\d-])")
_EMERGENCY = re.compile(r"(?<![\d.,])(112|113|114|117|118|119|120|911)(?=\s?(?:에|로|번|신고|구급|구조|센터|콜|안전|전화))")
_CODE = re.compile(r"(?<![\d.-])\d+(?:-\d+){2,}(?![\d-])|(?<![\d.-])\d{5,}-\d{5,}(?![\d-])")
_LOT = re.compile(r"(?<![\d.-])(\d+)-(\d+)(?=\s?(?:번지|호|번길))")
_YEARS = re.compile(r"(?<![\d-])((?:1[89]|20)\d\d)\s?-\s?((?:1[89]|20)\d\d)(?![\d-])")
_VERSION = re.compile(r"(?<![\d.])\d+(?:\.\d+){2,}(?![\d.]*\d)")
_LAST_HOUR, _NOON = 24, 12
_MOST_MONTHS, _MOST_DAYS = 12, 31
_MONTHS = {6: "유월", 10: "시월"}


def month(number: int) -> str:
    """A month's name: 유월 and 시월 are irregular."""
    return _MONTHS.get(number, f"{sino(number)}월")


def hour(number: int) -> str:
    """An hour of the day: native up to twelve, Sino-Korean from thirteen on, 영 시 at midnight."""
    return f"{native(number) if 0 < number <= _NOON else sino(number)} 시"


def read_forms(text: str) -> str:
    """Read everything that has a form of its own; other numbers stay as they are."""
    for pattern, read in (
        (_DATE, _date), (_DAY_OF_WEEK, _day_of_week), (_SHORT_YEAR, _short_year), (_TIMES, "에서 "), (_SPAN, "에서 "),
        (_WEEK_SPAN, r"\1요일에서 \2요일"), (_TIME, _time), (_YEARS, r"\1~\2"), (_EVENT, _event), (_TENS, _tens),
        (_MOBILE, r"\1-\2-\3"), (_PHONE, _phone), (_SHORT_PHONE, _groups), (_EMERGENCY, _groups), (_LOT, r"\1 다시 \2"),
        (_CODE, _code), (_SCORE, _score), (_RESULT, _score), (_VERSUS, _versus), (_PARTS, _parts), (_MIXED, _mixed),
        (_FRACTION, _fraction), (_VERSION, _version),
    ):  # fmt: skip
        text = pattern.sub(read, text)
    return _WEEKDAY.sub(r" \1요일", text)


def _date(found: re.Match[str]) -> str:
    if not (1 <= int(found[3]) <= _MOST_MONTHS and 1 <= int(found[4]) <= _MOST_DAYS):
        return found[0]
    end = "" if found[2] == "." else found[5]
    return f"{sino(int(found[1]))} 년 {month(int(found[3]))} {sino(int(found[4]))} 일{end}"


def _day_of_week(found: re.Match[str]) -> str:
    if not (1 <= int(found[1]) <= _MOST_MONTHS and 1 <= int(found[2]) <= _MOST_DAYS):
        return found[0]
    return f"{month(int(found[1]))} {sino(int(found[2]))} 일 {found[3]}요일"


def _short_year(found: re.Match[str]) -> str:
    return f"{digits(found[1]) if found[1][0] == '0' else sino(int(found[1]))} "


def _time(found: re.Match[str]) -> str:
    half = _HALVES.get((found[1] or found[5] or "").lower(), "")
    if int(found[2]) > _LAST_HOUR:
        return found[0]
    parts = [half, hour(int(found[2]))]
    parts += [f"{sino(int(number))} {what}" for number, what in ((found[3], "분"), (found[4], "초")) if int(number or 0)]
    return " ".join(filter(None, parts))


def _event(found: re.Match[str]) -> str:
    """A day that history is called by: 3·1절 is 삼일절, 6·25 is 육이오."""
    return f"{sino(int(found[1]))}{digits(found[2], sino(0))}"


def _tens(found: re.Match[str]) -> str:
    """Two tens that follow one another: 2, 30대 is 이삼십 대."""
    is_next = int(found[2]) == int(found[1]) + 1
    return f"{sino(int(found[1]))}{sino(int(found[2]))}십 " if is_next else found[0]


def _phone(found: re.Match[str]) -> str:
    country = "플러스 팔이 " if (found[1] or "").startswith("+") else "팔이 " if found[1] else ""
    if not (found[1] or (found[2].startswith("0") and len(found[2]) > 1)):
        return found[0]
    return country + " ".join(digits(found[number]) for number in (2, 3, 4))


def _groups(found: re.Match[str]) -> str:
    return " ".join(digits(group) for group in found.groups())


def _code(found: re.Match[str]) -> str:
    return " ".join(digits(group) for group in found[0].split("-"))


def _score(found: re.Match[str]) -> str:
    return f"{sino(int(found[1]))} 대 {sino(int(found[2]))}"


def _versus(found: re.Match[str]) -> str:
    return f"{sino(int(found[1]))}{found[2] or ' '}대 {sino(int(found[3]))}"


def _parts(found: re.Match[str]) -> str:
    return f"{whole(found[1])}분의 {whole(found[2])}"


def _mixed(found: re.Match[str]) -> str:
    before = whole(found[1])
    return f"{before}{'과' if _has_final(before) else '와'} {whole(found[3])}분의 {whole(found[2])}"


def _fraction(found: re.Match[str]) -> str:
    return f"{whole(found[2])}분의 {whole(found[1])}"


def _version(found: re.Match[str]) -> str:
    return " 점 ".join(number_as_written(part) for part in found[0].split("."))


def _has_final(word: str) -> bool:
    """Whether the last syllable ends in a consonant."""
    return (ord(word[-1]) - ord("가")) % 28 != 0


def topic(word: str) -> str:
    """The particle behind a word that is its topic: 은 or 는."""
    return "은" if "가" <= word[-1:] <= "힣" and _has_final(word) else "는"
