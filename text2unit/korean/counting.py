"""Numbers that count, measure or name: which numerals are read, and with what behind them; money, rates, speeds, degrees and other
measures, with the signs before them."""

import re
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
from text2unit.korean.tables import Rule, alternatives, apply_rules, tables

_CENTS = 2
_EACH = {"월": "한 달", "일": "하루", "년": "한 해"}
"""What 회/월 and the like are said with; others have 당 behind."""
_ANGLE = re.compile(r"(?:각도|기울기|회전|각|위상|경사|위도|경도)(?:는|은|가|이|를|을)?\s?$")
_SIGN = r"(?<![\w가-힣)\]])[+-]"
_SIGN_NAMES = {"-": "마이너스 ", "+": "플러스 "}
_SCALES = {"C": "섭씨 ", "F": "화씨 ", None: ""}
_SIGNED = re.compile(rf"({_SIGN})(?=\d)")
_SCALE_BEHIND = r"(?:\s?(?:백만|천만|십억|[십백천만억조]))?"


def read_amounts(text: str) -> str:
    """Read money, rates, speeds, units without numbers, and ranges with signs. They are read before other ranges."""
    return apply_rules((_money(), _money_behind(), _priced(), _rate(), _speed(), _a_unit(), _degrees(), _signed_range()), text)


def read_measures(text: str) -> str:
    """Degrees, signs before numbers, and measures."""
    return apply_rules((_temperature(), (_SIGNED, lambda found: _SIGN_NAMES[found[1]]), _measure()), text)


@cache
def _money() -> Rule:
    """An amount behind the sign of its currency, or two of them: $5, US$3.50, €10~€20."""
    known = tables()
    signs, whose = "".join(map(re.escape, known.currencies)), alternatives(known.whose_dollars)

    def read(found: re.Match[str]) -> str:
        owner, sign, minus, first, number, scale = found.groups()
        money, small = known.currencies[sign], known.cents.get(sign)
        before = f"{known.whose_dollars[owner]} " if owner and sign == "$" else ""
        if first or minus:
            return f"{before}{minus}{first + '~' if first else ''}{number}{scale.strip()}{money}"

        integer, _, fraction = number.partition(".")
        if not small or scale or len(fraction) != _CENTS:
            return f"{before}{number}{scale.strip()}{money}"
        parts = [f"{integer}{money}"] * bool(integer.strip("0,")) + [f"{int(fraction)}{small}"] * bool(int(fraction))
        return before + (" ".join(parts) or f"0{money}")

    pattern = rf"(?<![A-Za-z])({whose})?([{signs}])\s?(-?)(?:({NUMBER})\s?~\s?[{signs}]?)?({NUMBER})({_SCALE_BEHIND})"
    return re.compile(pattern), read


@cache
def _money_behind() -> Rule:
    """An amount before the sign of its currency: 50¢, 20€."""
    names = tables().currencies
    signs = "".join(map(re.escape, names))
    return re.compile(rf"(?<![\d.,])({NUMBER}{_SCALE_BEHIND})\s?([{signs}])(?!\s?\d)"), lambda found: f"{found[1]}{names[found[2]]}"


@cache
def _priced() -> Rule:
    """An amount beside the three letters of its currency, on either side: USD 100, 100 USD."""
    names = tables().currency_codes
    codes = alternatives(names)
    pattern = (
        rf"(?<![A-Za-z])({codes})\s?({NUMBER}{_SCALE_BEHIND})(?![\d가-힣A-Za-z])"
        rf"|(?<![\d.,])({NUMBER}{_SCALE_BEHIND})\s?({codes})(?![A-Za-z])"
    )
    return re.compile(pattern), lambda found: f"{found[2] or found[3]} {names[found[1] or found[4]]}"


@cache
def _rate() -> Rule:
    """So much of one unit in each of another: 75μg/m3, 15km/L, 60회/분."""
    known = tables()
    units, money = alternatives(known.measures), "|".join((*set(known.currencies.values()), "회", "건", "명", "개", "대"))
    other = "분|초|일|월|년|주|인|명|회|개|달러|병|잔|포기|마리"

    def read(found: re.Match[str]) -> str:
        first, number, unit, of_unit, of_other = found.groups()
        if f"{unit}/{of_unit}" in known.speeds:
            return found[0]

        name = known.measures[of_unit] if of_unit else of_other
        per = _EACH.get(name, f"{name}당")
        if unit not in known.measures:
            return f"{per} {first + '~' if first else ''}{number}{unit}"
        some = f"{number_as_written(first)}에서 " if first else ""
        return f"{per} {some}{number_as_written(number)} {known.measures[unit]}"

    pattern = (
        rf"(?<![\d.,])(?:({NUMBER})\s?~\s?)?({NUMBER})\s?((?:[천백]?[만억조])?(?:{units}|{money}))"
        rf"/(?:({units})(?![A-Za-z0-9])|({other})(?![가-힣]))"
    )
    return re.compile(pattern), read


@cache
def _speed() -> Rule:
    """A speed, or two: 100km/h, 시속 80~100km/h."""
    speeds = tables().speeds

    def read(found: re.Match[str]) -> str:
        before, unit = speeds[found[4]]
        sign = "마이너스 " if found[1] == "-" else ""
        some = f"{number_as_written(found[2])}에서 " if found[2] else ""
        return f"{before} {sign}{some}{number_as_written(found[3])} {unit}"

    pattern = (
        rf"(?:시속\s?|초속\s?|분속\s?)?({_SIGN})?(?<![\d.,])(?:({NUMBER})\s?[~-]\s?)?({NUMBER})"
        rf"\s?({alternatives(speeds)})(?![A-Za-z0-9])"
    )
    return re.compile(pattern), read


@cache
def _a_unit() -> Rule:
    """A unit that no number stands before: kg당, 단위는 km, km/h 단위."""
    known = tables()
    units, alone, speeds = map(alternatives, (known.measures, known.alone, known.speeds))
    pattern = (
        rf"(?<![A-Za-z0-9.%])(?<!\d\s)(?:({units})(?=\s?당(?![가-힣]))|({alone})(?![A-Za-z0-9/]))"
        rf"|(?<![A-Za-z0-9])({speeds})(?![A-Za-z0-9])"
    )
    return re.compile(pattern), lambda found: " ".join(known.speeds[found[3]]) if found[3] else known.measures[found[1] or found[2]]


@cache
def _degrees() -> Rule:
    """A range of degrees. Behind a number below zero, one without a sign is above zero."""

    def read(found: re.Match[str]) -> str:
        sign, first, own, second, last, scale = found.groups()
        begin, end = _zero_side(sign, found), _zero_side(second or ("+" if sign == "-" else None), found)
        name = "" if begin or end else _SCALES[scale]
        return f"{name}{begin}{number_as_written(first)}{' 도' if own else ''}에서 {end}{number_as_written(last)} 도"

    pattern = (
        rf"({_SIGN}|영하\s?|영상\s?)?(?<![\d.,])({NUMBER})\s?(도|°\s?[CF]?)?\s?~"
        rf"\s?([+-]|영하\s?|영상\s?)?({NUMBER})\s?(?:도|°\s?([CF])(?![A-Za-z]))"
    )
    return re.compile(pattern), read


@cache
def _temperature() -> Rule:
    """Degrees, of a temperature or an angle."""

    def read(found: re.Match[str]) -> str:
        side = "영하 " if found[1] else _zero_side(found[2], found)
        return f"{side or _SCALES[found[4]]}{number_as_written(found[3])} 도"

    return re.compile(rf"(?<![\w가-힣])(영하\s?)?([+-])?(?<![\d.,])({NUMBER})\s?(?:°\s?([CF])(?![A-Za-z])|도)"), read


def _zero_side(sign: str | None, found: re.Match[str]) -> str:
    """Return a sign before degrees: 영하 or 영상 of temperatures, 마이너스 or 플러스 of angles; a word is left."""
    if not sign or sign[0] == "영":
        return sign or ""
    is_angle = _ANGLE.search(found.string, 0, found.start())
    return (_SIGN_NAMES if is_angle else {"-": "영하 ", "+": "영상 "})[sign]


@cache
def _signed_range() -> Rule:
    """A range one of whose ends has a sign; others are left for `_range`."""
    measures = tables().measures

    def read(found: re.Match[str]) -> str:
        sign, first, own, second, last = found.groups()
        if not (sign or second):
            return found[0]
        name = measures.get(own.strip(), own.strip())
        begin, end = _SIGN_NAMES.get(sign or "", ""), _SIGN_NAMES.get(second, "")
        return f"{begin}{number_as_written(first)}{' ' + name if name else ''}에서 {end}{last}"

    return re.compile(rf"({_SIGN})?(?<![\d.,])({NUMBER})(\s?(?:%p?|[A-Za-z]{{1,3}})?)\s?~\s?([+-]?)({NUMBER})"), read


@cache
def _measure() -> Rule:
    """A number and its unit. Units with native numbers, as 시간, are left to their counters."""
    known = tables()

    def read(found: re.Match[str]) -> str:
        text, name = found[1], known.measures[found[2]]
        if name in known.native:
            return f"{text}{name}"
        # Perhaps a scale stands behind the number, as in 3천 km.
        scale = text[-1] if text[-1] in SCALES else ""
        number = text.removesuffix(scale).rstrip()
        value = value_of(number + scale) if scale else None
        return f"{number_as_written(number) + scale if value is None else sino(value)} {name}"

    units = alternatives(known.measures)
    return re.compile(rf"(?<![\d.,])({NUMBER}(?:\s?[천만억](?=\s?[A-Za-z%μ]))?)\s?({units})(?![A-Za-z0-9])"), read


_OF_WORLD = re.compile(r"(?:세계|유럽|아시아|인류|사상|동양|서양)(?:의)?\s?$")
_NOUN = re.compile(r"[가-힣]{2,}")
"""Of the world's there are only the great ones: 세계 3대 진미."""
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
    rules: tuple[Rule, ...] = (
        _range(),
        (_NAMED, lambda found: f" {number_as_written(found[1])}"),  # a name: F-35, U-23
        (_MINUS, " 빼기 "),
        (_HYPHEN, " 다시 "),
        (_SUM, lambda found: f" {_ARITHMETIC[found[1] or found[2]]} "),
    )
    return apply_rules((_ordinal(), _counted()), read_measures(apply_rules(rules, read_amounts(text))))


@cache
def _counter_words() -> str:
    known = tables()
    return alternatives(known.native | known.sino)


@cache
def _range() -> Rule:
    """Two numbers with ~ or a hyphen between them."""
    known, counters = tables(), _counter_words()

    def read(found: re.Match[str]) -> str:
        first, own, wave, last, counter, unit = found.groups()
        own = own.strip()
        if _RANGE_SIGNS not in wave:
            is_alone = not (counter or own or unit)
            if is_alone or (own and own not in (counter, unit)) or (value_of(first) or 0) > (value_of(last) or 0):
                return found[0]

        # A digit and the next number: 두세 명.
        is_short = first.isdecimal() and last.isdecimal() and len(first) == 1 and len(last) <= 2
        if not own and counter and counter not in known.names and is_short and int(last) == int(first) + 1:
            pairs = NATIVE_PAIRS if counter in known.native else SINO_PAIRS
            if some := pairs.get(int(first)):
                return f"{some} "

        is_counted = counter in known.native or counter == "월"
        return f"{first}{own or (counter if is_counted else '')}에서 {last}"

    pattern = (
        rf"(?<![\d.~-])({NUMBER}(?:[십백천]?[만억조]|천)?(?=\s?[~\-A-Za-z가-힣%]))(\s?(?:{counters}|%|[A-Za-z]{{1,4}})?)({_WAVE})"
        rf"({NUMBER})(?![\d~-])(?=\s?({counters})?)(?=\s?(%|(?:{alternatives(known.measures)})(?![A-Za-z]))?)"
    )
    return re.compile(pattern), read


@cache
def _ordinal() -> Rule:
    """A place in a row: 3번째, 둘째."""

    def read(found: re.Match[str]) -> str:
        number, is_turn = int(found[1]), found[2] != "째"
        if number == 1:
            return f"{_FIRST[0]} 번째" if is_turn else _FIRST[1]
        if is_turn:
            return f"{native(number)} 번째"
        return {2: "둘째", 3: "셋째", 4: "넷째"}.get(number, f"{native_alone(number) if number < 100 else sino(number)}째")

    return re.compile(r"(?<![\d.,])(\d{1,4})\s?(번째|번 째|째(?=[^가-힣]|$|로|는|가|를|날|주|딸|아들|아이|줄|칸))"), read


# Counters


@cache
def _counted() -> Rule:
    """A number with its counter, or by itself."""
    # A scale behind a number, where it is not the beginning of another word.
    scales = rf"(?!{'|'.join(map(re.escape, tables().no_scale))})(?:[십백천]?[만억조경]|[십백천])"
    scaled = rf"{NUMBER}\s?{scales}"
    rest = rf"(?:\s?(?:\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d+)(?!\s?{scales}))?"
    number = rf"(?P<number>{scaled}(?:\s?{scaled})*{rest}|{NUMBER})"
    # What may follow a counter that stands apart from its number, so that 23 대표팀 has none.
    endings = rf"(?:{alternatives(tables().particles)}){{1,3}}(?:[^가-힣]|$)"
    pattern = re.compile(
        rf"(?P<latin>(?<=[A-Za-z])\s?)?(?P<no>(?<![가-힣])제\s?(?=\d))?{number}"
        rf"(?:(?P<counter>{_counter_words()})|\s(?P<apart>{_counter_words()})(?=[^가-힣]|$|{endings}))?"
    )

    def read(found: re.Match[str]) -> str:
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

    return pattern, read


def _is_native(found: re.Match[str], counter: str, value: int) -> bool:
    """Return whether a number before a counter is read with native numerals, by what stands around both."""
    known, before, behind = tables(), found.string[: found.start()].rstrip(), found.string[found.end() :].lstrip()
    if counter == "번":
        return not (behind.startswith(known.times_name_before) or before.endswith(known.times_name_behind))
    if counter == "대":
        is_age = value % _AGE_STEP == 0 and 0 < value < _MOST_AGE
        is_great = (value > 2 and behind.startswith(known.great)) or bool(_OF_WORLD.search(before) and _NOUN.match(behind))
        return before.endswith(known.machines) or not (is_age or is_great or behind.startswith(known.reign_before))
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
