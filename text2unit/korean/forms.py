"""Numbers in fixed forms: dates, times of the day, telephone numbers, scores, fractions."""

import re
from functools import cache

from text2unit.korean.numerals import NUMBER, digits, native, number_as_written, sino, whole
from text2unit.korean.particles import fitting
from text2unit.korean.tables import Rule, alternatives, apply_rules, tables

_DATE = re.compile(r"(?<![\d.])(\d{4})\s?([-./])\s?(\d{1,2})\s?\2\s?(\d{1,2})(?![\d-])(\.?)")
_DAY_OF_WEEK = re.compile(r"(?<!\d)(\d{1,2})[/.](\d{1,2})(?=\s?\([월화수목금토일]\))")
_WEEKDAY = re.compile(r"(?<=[일\d])\s?\(([월화수목금토일])\)")
_SHORT_YEAR = re.compile(r"(?<!\w)'(\d\d)(?=\s?(?:년|학번|월드컵|올림픽|시즌))")
_TIME = re.compile(
    r"(?<![\d:])(?:(오전|오후|AM|PM|am|pm)\s?)?(\d{1,2}):([0-5]\d)(?::([0-5]\d))?(?![\d:]|,\d{3})(?:\s?(AM|PM|am|pm|a\.m\.|p\.m\.)(?![A-Za-z]))?"
)
_RACE = re.compile(r"(?<![\d:.])(?:(\d{1,2}):)?(\d{1,2}):([0-5]\d)\.(\d{1,3})(?![\d:.])")
_TIMES = re.compile(r"(?<=:[0-5]\d)\s?[~-]\s?(?=(?:오전|오후|AM|PM)?\s?\d{1,2}:[0-5]\d)")
_SPAN = re.compile(r"(?<=[시분일월년])\s?~\s?(?=오전|오후|새벽|아침|낮|저녁|밤|내일|다음)")
_WEEK_SPAN = re.compile(r"(?<![가-힣])([월화수목금토일])(?:요일)?\s?~\s?([월화수목금토일])(?:요일)?(?![가-힣])")
_YEAR_MONTH = re.compile(
    r"(?<![\d.])((?:19|20)\d\d)\.\s?(?:(0[1-9]|1[0-2])(?:\.(?!\d)|(?![\d.]))|([1-9]|1[0-2])(?:\.(?!\d)|(?=월)))월?"
)
_SHORT_DATE = re.compile(r"(?<![\d.])(?:'(\d\d)\.\s?(\d{1,2})|(\d\d)\.(0[1-9]|1[0-2]))\.\s?(\d{1,2})(?![\d])\.?")
_SHORT_MONTH = re.compile(r"(?<!\w)'(\d\d)\.\s?(\d{1,2})(?![\d.])월?")
_SEASON = re.compile(r"(?<![\d-])((?:19|20)\d\d)[-/](\d\d)(?=\s?시즌)")
_QUARTER = re.compile(r"(?<![\d./])([1-4])/4(?=\s?분기|분기에서 [1-4]/4\s?분기)")
_QUARTERS = re.compile(r"(?<=[1-4]/4)(?:\s?분기)?\s?[~-]\s?(?=[1-4]/4\s?분기)")
_QUARTER_LETTER = re.compile(r"(?<![A-Za-z0-9])(?:([1-4])Q(?:\s?(\d\d)(?!\d))?|Q([1-4]))(?![A-Za-z0-9])")
_EVENT = re.compile(r"(?<![\d.·])(\d{1,2})·(\d{1,2})(?![\d·])")
_PRESSURE = re.compile(
    r"(?:(?<=혈압)|(?<=수축기))([은는이가도:]?\s?)(\d{2,3})/(\d{2,3})(?![\d/])(\s?mmHg)?|(?<![\d./])(\d{2,3})/(\d{2,3})(\s?mmHg)"
    r"|(?<![\d./])(9\d|1\d\d|2[0-3]\d)/([4-9]\d|1[0-2]\d)(?![\d/%])"
)
_NAMED_DATE = re.compile(r"(?<![\d./])(\d{1,2})/(\d{1,2})(\s?[~-]\s?|\s?부터\s?)(\d{1,2})/(\d{1,2})(?![\d/]|\s?분기)")
_FINAL = r"(?:로|으로|\s?(?:승|패|완승|완패|대승|대패|신승|석패|압승|참패|역전|무승부|동점|리드|완봉|비겼|비긴))"
_BEFORE_SCORE = r"(?:스코어|점수|승부차기|합계|비율|배율|경쟁률|축척|확률|희석|비)(?:는|은|가|이|에서)?:?\s?"
_RESULT = re.compile(rf"(?<![\d.-])(\d{{1,3}})-(\d{{1,3}})(?={_FINAL}(?!\d))")
_SCORED = re.compile(
    rf"({_BEFORE_SCORE})({NUMBER})\s?[-:]\s?({NUMBER})(?![\d:-])|(?<![\d.:-])(\d{{1,3}}):(\d{{1,3}})(?={_FINAL}|\s?비율)"
)
_PROPORTION = re.compile(r"(?<![\d.:])\d{1,3}(?::\d{1,2}(?!\d)){2,3}(?!:)")
_TENS = re.compile(r"(?<![\d,])([1-8]),\s?([2-9])0(?=\s?(?:대|명|개|년|분|살|세|킬로|퍼센트|%))")
_HALVES = {"am": "오전", "a.m.": "오전", "pm": "오후", "p.m.": "오후", "오전": "오전", "오후": "오후"}
_SCORE = re.compile(rf"(?<![\d.:,])(\d{{1,3}}(?:\.\d+)?)\s?:\s?({NUMBER})(?![\d:])")
_VERSUS = re.compile(r"(?<![\d.])(\d{1,3})(\s?)(?:대|vs\.?)\s?(\d{1,3})(?=$|[\s.,!?)]|로|의|으로|이|가|은|는|였|을|를|승|동점)")
_MINUS_PART = re.compile(r"(?<![\w가-힣)\]])-(?=\d+\s?(?:\d+)?/\d)")
_MIXED = re.compile(r"(?<![\d./])(\d+)\s?(?:과\s?|와\s?|\s)(\d+)/(\d+)(?![\d/])")
_FRACTION = re.compile(r"(?<![\d./,])(\d+)/(\d{1,3}(?:,\d{3})+|\d+)(?![\d/.])")
_PARTS = re.compile(r"(?<![\d,.])(\d{1,3}(?:,\d{3})+|\d+)\s?분의\s?(\d{1,3}(?:,\d{3})+|\d+)")
_PHONE = re.compile(
    r"(?<![\d-])(?:\(?(\+?82)\)?[- .]?(?:\(0\))?)?\(?(0?\d{1,3})(?:\)\s?|[-.\u00b7]|\s)(\d{3,4})[- .\u00b7](\d{4})(?![\d-])"
    r"(?:\s?~\s?(\d{1,4})(?![\d-]))?"
)
_NAMED_DIGITS = re.compile(
    r"((?:비밀번호|인증번호|우편번호|예약번호|주문번호|접수번호|계좌번호|카드번호|회원번호|등록번호|전화번호|암호|사번|내선(?:번호)?|국번)"
    r"(?:는|은|가|이|를|을)?\s?:?\s?)(\d{3,})(?![\d,.-])(?!\s?[가-힣]{0,2}(?:번째|명|개|건))"
)
_GENERATION = re.compile(r"(?<!\d)(2030|3040|4050|5060|1020|386|586)(?=\s?(?:세대|남성|여성|청년|직장인|운동권))")
_PAGE = re.compile(r"(?<![A-Za-z])[Pp]{1,2}\.\s?(\d+(?:\s?[~-]\s?\d+)?)(?![\d.]*\d)")
_COUNTDOWN = re.compile(r"(?<![A-Za-z])[Dd]([+-])(?=\d)")
_PLUS_ONE = re.compile(
    r"(?<![\d.,+])([1-3])\+1(?![\d.,+]|\s?=)"
    r"(?=\s?(?:행사|이벤트|상품|증정|할인|세일|제품|기획|로|으로|을|를|에|이|은|는|[^\w\s]|$))"
)
_HASHTAG = re.compile(r"(?<![\w가-힣&])#(?=[가-힣A-Za-z])")
_SHARES = re.compile(r"(?<![\d.])(\d{1,2})할(?:\s?(\d)푼)?(?:\s?(\d)리)?(?!\d)")
_SERIES = re.compile(r"(?<![\d.])(\d{1,2})판\s?(\d{1,2})선승")
_NUMBERED = re.compile(r"(?<![A-Za-z])No\.?\s?(?=\d)")
_MOBILE = re.compile(r"(?<!\d)(01[016789])(\d{3,4})(\d{4})(?!\d)")
_SHORT_PHONE = re.compile(r"(?<![\d-])(1[568]\d\d)-(\d{4})(?![\d-])")
_EMERGENCY = re.compile(r"(?<![\d.,])(112|113|114|117|118|119|120|911)(?=\s?(?:에|로|번|신고|구급|구조|센터|콜|안전|전화))")
_CODE = re.compile(r"(?<![\d.-])\d+(?:-\d+){2,}(?![\d-])|(?<![\d.-])\d{5,}-\d{5,}(?![\d-])")
_LOT = re.compile(r"(?<![\d.-])(\d+)-(\d+)(?=\s?(?:번지|호|번길))")
_YEARS = re.compile(r"(?<![\d-])((?:1[89]|20)\d\d)\s?-\s?((?:1[89]|20)\d\d)(?![\d-])")
_VERSION = re.compile(r"(?<![\d.])\d+(?:\.\d+){2,}(?![\d.]*\d)")
_DAY_ALONE = re.compile(r"(?:^|(?<=[.!?\n] ))(6\.25|5\.18|4\.19|8\.15)(?=(?:은|는|이|가|을|를|의|와|과|에)(?![가-힣]))")
_HANGUL_SPAN = re.compile(
    r"(?<=[가-힣])\s?~\s?(?=[가-힣]+\s?(?:구간|간|노선|까지|사이|방면|왕복)(?![가-힣]{2}))|(?<=제\d)\s?~\s?(?=제\d)"
)
_LETTER_SPAN = re.compile(r"(?<![A-Za-z])([A-Z])\s?~\s?(?=[A-Z](?![A-Za-z]))")
_LAST_HOUR, _NOON = 24, 12
_MOST_MONTHS, _MOST_DAYS = 12, 31
_MOST_PARTS = 5
_TIMED = re.compile(r"(?:마감|기한|기간|접수|신청|모집|제출|예약|행사|오는|지난|다음|일정|날짜)[가-힣]{0,2}:?\s?$")
_MONTHS = {6: "유월", 10: "시월"}


def month(number: int) -> str:
    """Return a month's name: 유월 and 시월 are irregular."""
    return _MONTHS.get(number, f"{sino(number)}월")


def hour(number: int) -> str:
    """Return an hour of the day: native up to twelve, Sino-Korean from thirteen on, 영 시 at midnight."""
    return f"{native(number) if 0 < number <= _NOON else sino(number)} 시"


def read_forms(text: str) -> str:
    """Read everything that has a form of its own; other numbers stay as they are."""
    dates: tuple[Rule, ...] = (
        (_DATE, _date), (_SHORT_DATE, _short_date), (_SHORT_MONTH, _short_date),
        (_YEAR_MONTH, lambda found: f"{sino(int(found[1]))} 년 {month(int(found[2] or found[3]))}"), (_DAY_OF_WEEK, _day),
        (_SHORT_YEAR, lambda found: f"{digits(found[1]) if found[1][0] == '0' else sino(int(found[1]))} "),
        (_QUARTERS, "분기에서 "), (_QUARTER, lambda found: f"{sino(int(found[1]))}사"),  # the third of four is 삼사분기
        (_QUARTER_LETTER, _quarter), (_NAMED_DIGITS, lambda found: f"{found[1]}{digits(found[2])}"),
        (_PRESSURE, _pressure), (_NAMED_DATE, _dates), _due(),
    )  # fmt: skip

    times: tuple[Rule, ...] = (
        (_TIMES, "에서 "), (_SPAN, "에서 "), (_WEEK_SPAN, r"\1요일에서 \2요일"), (_HANGUL_SPAN, "에서 "),
        (_LETTER_SPAN, r"\1에서 "), (_SCORED, _scored), (_RACE, _race), (_PROPORTION, _proportion), (_TIME, _time),
        (_SEASON, lambda found: f"{sino(int(found[1]))} {sino(int(found[2]))}"), (_YEARS, r"\1~\2"),
    )  # fmt: skip

    names: tuple[Rule, ...] = (
        (_holiday(), _day), (_event_with_stop(), _event),
        (_DAY_ALONE, lambda found: _EVENT.sub(_event, found[1].replace(".", "·"))), _counted_list(), (_EVENT, _event),
        (_TENS, _tens), (_GENERATION, _groups), (_PAGE, r"\1쪽"),
        (_HASHTAG, "해시태그 "), (_NUMBERED, "넘버 "),
        (_COUNTDOWN, lambda found: f"디 {'마이너스' if found[1] == '-' else '플러스'} "),
        (_PLUS_ONE, lambda found: f"{tables().english_numbers[int(found[1]) - 1]} 플러스 원"),  # what shops give
        (_MOBILE, r"\1-\2-\3"), (_PHONE, _phone), (_SHORT_PHONE, _groups), (_EMERGENCY, _groups), (_LOT, r"\1 다시 \2"),
        (_SHARES, _shares), (_SERIES, lambda found: f"{sino(int(found[1]))} 판 {sino(int(found[2]))} 선승"),
        (_local_phone(), _groups), (_CODE, lambda found: " ".join(map(digits, found[0].split("-")))),
    )  # fmt: skip

    pairs: tuple[Rule, ...] = (
        (_SCORE, _score), (_RESULT, _score),
        (_VERSUS, lambda found: f"{sino(int(found[1]))}{found[2] or ' '}대 {sino(int(found[3]))}"),
        (_PARTS, lambda found: f"{whole(found[1])}분의 {whole(found[2])}"),
        (_MINUS_PART, "마이너스 "), (_MIXED, _mixed), (_FRACTION, lambda found: f"{whole(found[2])}분의 {whole(found[1])}"),
        (_VERSION, lambda found: " 점 ".join(map(number_as_written, found[0].split(".")))), (_WEEKDAY, r" \1요일"),
    )  # fmt: skip
    return apply_rules((*dates, *times, *names, *pairs), text)


def _date(found: re.Match[str]) -> str:
    if not _is_day(found[3], found[4]):
        return found[0]
    return f"{sino(int(found[1]))} 년 {_said_day(found[3], found[4])}{'' if found[2] == '.' else found[5]}"


def _time(found: re.Match[str]) -> str:
    half = _HALVES.get((found[1] or found[5] or "").lower(), "")
    if int(found[2]) > _LAST_HOUR:
        return found[0]
    parts = [half, hour(int(found[2]))]
    parts += [f"{sino(int(number))} {what}" for number, what in ((found[3], "분"), (found[4], "초")) if int(number or 0)]
    return " ".join(filter(None, parts))


def _race(found: re.Match[str]) -> str:
    """How long something took: 1:23.45 is 일 분 이십삼 점 사오 초."""
    hours, minutes, seconds, fraction = found.groups()
    whole_parts = ((hours, "시간"), (minutes, "분"))
    parts = [f"{int(number)}{what}" for number, what in whole_parts if int(number or 0)]
    return " ".join([*parts, f"{int(seconds)}.{fraction}초"])


def _is_day(month_of_year: str, day: str) -> bool:
    return 1 <= int(month_of_year) <= _MOST_MONTHS and 1 <= int(day) <= _MOST_DAYS


def _short_date(found: re.Match[str]) -> str:
    """'24.3.1. or 24.03.01, and '24.6 without a day."""
    year, month_of_year, *rest = filter(None, found.groups())
    if not _is_day(month_of_year, *(rest or ["1"])):
        return found[0]
    day = f" {sino(int(rest[0]))} 일" if rest else ""
    return f"{digits(year) if year[0] == '0' else sino(int(year))} 년 {month(int(month_of_year))}{day}"


def _dates(found: re.Match[str]) -> str:
    """Read two days as a span: 3/1~3/5 are dates and no fractions. 1/5부터 3/5, with one denominator, are left."""
    first, last = (found[1], found[2]), (found[4], found[5])
    if not (_is_day(*first) and _is_day(*last) and tuple(map(int, first)) < tuple(map(int, last))):
        return found[0]
    is_span = "부터" not in found[3]
    if not is_span and found[2] == found[5]:
        return found[0]
    return f"{_said_day(*first)}{'에서 ' if is_span else found[3]}{_said_day(*last)}"


@cache
def _due() -> Rule:
    """A day with a slash before a word that stands behind days: 12/25까지.

    What is more likely a fraction, as 3/4까지, is left unless a word of time stands before it.
    """

    def read(found: re.Match[str]) -> str:
        most = {None: 0, "에": _MOST_MONTHS}.get(found[4], _MOST_PARTS)
        is_part = int(found[1]) < int(found[2]) <= most
        if not _is_day(found[1], found[2]) or (is_part and not _TIMED.search(found.string, 0, found.start())):
            return found[0]
        return _said_day(found[1], found[2])

    of_days = rf"일(?:까지|부터|에|자)?(?![가-힣])|자(?![가-힣])|\s?(?:{alternatives(tables().holidays)}|마감|오전|오후)"
    behind = rf"(?:(?={of_days})(일)?(?!요일)|(?=(까지|부터|에|이전|이후|전까지)(?![가-힣])))"
    return re.compile(rf"(?<![\d./])(\d{{1,2}})/(\d{{1,2}})(?![\d/]){behind}"), read


def _said_day(month_of_year: str, day: str) -> str:
    return f"{month(int(month_of_year))} {sino(int(day))} 일"


def _quarter(found: re.Match[str]) -> str:
    """3Q, Q3 and 3Q24, as balance sheets write quarters."""
    year = f"{sino(int(found[2]))} 년 " if found[2] else ""
    return f"{year}{sino(int(found[1] or found[3]))} 분기"


def _pressure(found: re.Match[str]) -> str:
    before, *first, unit = found.groups()[:4] if found[2] else ("", *found.groups()[4:7])
    if found[8]:
        first, unit = [found[8], found[9]], None
        if int(found[8]) <= int(found[9]):
            return found[0]
    name = f" {tables().measures['mmHg']}" if unit else ""
    return f"{before}{sino(int(first[0]))}에 {sino(int(first[1]))}{name}"


def _shares(found: re.Match[str]) -> str:
    """Tenths, hundredths and thousandths: 2할 5푼, a batting average."""
    parts = zip(found.groups(), ("할", "푼", "리"), strict=True)
    return " ".join(f"{sino(int(number))} {name}" for number, name in parts if number)


@cache
def _event_with_stop() -> re.Pattern[str]:
    """Return a day before what happened then, as 6.25 전쟁; without such a word it is a decimal."""
    known = tables()
    after = rf"(?:(?=\s?(?:{alternatives(known.events)}))|(?=절(?![가-힣]*\d)))"
    alone = rf"(?:{alternatives(known.days_of_history)})(?=\s?(?:{alternatives(known.after_days)})(?![가-힣]))"
    return re.compile(
        rf"(?<!규모\s)(?<!진도\s)(?<![\d.,제])(?={alone}|\d{{1,2}}\.\d{{1,2}}(?!\d){after})(\d{{1,2}})\.(\d{{1,2}})(?![\d%])"
    )


@cache
def _holiday() -> re.Pattern[str]:
    """Return a day before a holiday's name, which is said as a date: 10.9 한글날."""
    return re.compile(rf"(?<![\d.,])(\d{{1,2}})[.·](\d{{1,2}})\.?(?=\s?(?:{alternatives(tables().holidays)}))")


def _day(found: re.Match[str]) -> str:
    return _said_day(found[1], found[2]) if _is_day(found[1], found[2]) else found[0]


@cache
def _local_phone() -> re.Pattern[str]:
    """A telephone number without its area; not a range of what is counted."""
    counters = alternatives(tables().native | tables().sino)
    return re.compile(rf"(?<![\d.,-])(\d{{3,4}})-(\d{{4}})(?![\d,-]|\.\d|\s?(?:{counters}|만|억|%|[A-Za-z]))")


@cache
def _counted_list() -> Rule:
    """Numbers of one counter: 5·6호선 is 오 육 호선, 10·11월 is 시월 십일월. Others are left, as names of days."""
    known = tables()

    def read(found: re.Match[str]) -> str:
        numbers = found[0].split("·")
        if ".".join(numbers) in known.days_of_history:
            return found[0]
        readings = [month(int(number)) if found[1] == "월" else sino(int(number)) for number in numbers[:-1]]
        return " ".join([*readings, numbers[-1] if found[1] == "월" else sino(int(numbers[-1]))])

    counters, particles = alternatives(known.native | known.sino), alternatives(known.particles)
    return re.compile(rf"(?<![\d.·])\d{{1,3}}(?:·\d{{1,3}})+(?!\d|·)(?=\s?({counters})(?:{particles})*(?![가-힣]))"), read


def _event(found: re.Match[str]) -> str:
    """Return a day that history is called by: 3·1절 is 삼일절, 6·25 is 육이오, 6·10 is 육십, 12·12 is 십이십이."""
    month_of_year, day = int(found[1]), int(found[2])
    if not _is_day(found[1], found[2]):
        return found[0]
    is_whole = day % 10 == 0 or day == month_of_year
    return f"{sino(month_of_year)}{sino(day) if is_whole else digits(found[2])}"


def _tens(found: re.Match[str]) -> str:
    """Two tens that follow one another: 2, 30대 is 이삼십 대."""
    is_next = int(found[2]) == int(found[1]) + 1
    return f"{sino(int(found[1]))}{sino(int(found[2]))}십 " if is_next else found[0]


def _phone(found: re.Match[str]) -> str:
    country = "플러스 팔이 " if (found[1] or "").startswith("+") else "팔이 " if found[1] else ""
    if not (found[1] or (found[2].startswith("0") and len(found[2]) > 1)):
        return found[0]
    end = f"에서 {digits(found[5])}" if found[5] else ""
    return country + " ".join(digits(found[number]) for number in (2, 3, 4)) + end


def _groups(found: re.Match[str]) -> str:
    return " ".join(digits(group) for group in found.groups())


def _score(found: re.Match[str]) -> str:
    return f"{number_as_written(found[1])} 대 {number_as_written(found[2])}"


def _scored(found: re.Match[str]) -> str:
    first, last = (found[2], found[3]) if found[2] else (found[4], found[5])
    return f"{found[1] or ''}{number_as_written(first)} 대 {number_as_written(last)}"


def _proportion(found: re.Match[str]) -> str:
    """1:2:3; what could be a time of the day, as 10:20:30, is left."""
    parts = found[0].split(":")
    return found[0] if len(parts) == 3 and all(len(part) == 2 for part in parts[1:]) else " 대 ".join(map(number_as_written, parts))


def _mixed(found: re.Match[str]) -> str:
    before = whole(found[1])
    return f"{before}{fitting('과/와', before)} {whole(found[3])}분의 {whole(found[2])}"
