"""Numbers that count, measure or name: which numerals are read, and with what behind them."""

import re
from collections.abc import Mapping
from functools import cache

from text2unit.korean.forms import hour, month
from text2unit.korean.measures import read_amounts, read_measures
from text2unit.korean.numerals import NATIVE_PAIRS, NUMBER, SINO_PAIRS, native, native_alone, number_as_written, sino, value_of
from text2unit.korean.tables import alternatives, apply_rules, tables

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
    before = " " if found["latin"] is not None or (not found["no"] and _is_behind_word(found)) else ""
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


def _is_behind_word(found: re.Match[str]) -> bool:
    """Return whether a number stands right behind a word of two numbers' counters, as in 3박4일: 4 is no part of that word."""
    return "가" <= found.string[found.start() - 1 : found.start()] <= "힣"


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
