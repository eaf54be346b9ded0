"""Reads the numbers of a text, in digits and in words: 1.2 billion, twenty twenty-four, the third; 1억 2천만, 스물한, 서너."""

import re
from collections.abc import Iterator
from math import inf
from typing import NamedTuple

from netflips.cascade.amount_tables import Tables
from text2unit.korean.numerals import roman

_DIGITS = re.compile(r"(?<![\d.])(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|(?<![\w.])\.\d+")
_TIME = re.compile(r"(?<![\d:])(\d\d?):([0-5]\d)(?![\d:])")
_MONEY = "$£€₩¥₹₽"


class Number(NamedTuple):
    """A number in a text."""

    start: int
    end: int
    values: tuple[float, ...]
    """any of them may be meant; of a pair (두세) both are"""
    kind: str = "words"
    """digits, words, ordinal, decade, time (in minutes), pair, roman"""
    is_sure: bool = True
    """whether it is surely a number"""
    below: float | None = None
    """what it is less than, where it is only about that: 30여"""
    scale: float = 1.0
    """of its last word: of 5 million a million"""


def numbers_in(text: str, tables: Tables) -> Iterator[Number]:
    """Yield the numbers of a text in their order."""
    place = 0
    while place < len(text):
        number = _number_at(text, place, tables)
        if number is not None:
            yield number
        place = place + 1 if number is None else number.end


def _number_at(text: str, place: int, tables: Tables) -> Number | None:
    if time := _TIME.match(text, place):
        return Number(place, time.end(), (60.0 * int(time[1]) + int(time[2]),), "time")
    if (letters := tables.match("roman_sign", text, place)) and roman(letters[0]):
        return Number(place, letters.end(), (float(roman(letters[0])),), "roman", is_sure=False)
    if digits := _DIGITS.match(text, place):
        return _in_digits(text, digits, tables)

    lead = next(((float(value), found.end()) for value, pattern in tables.leads if (found := pattern.match(text, place))), None)
    if lead is None and not tables.match("first_word", text, place):
        return None
    digits_said, end = _digits_at(text, place, tables)
    number = Number(place, end, (float(digits_said),)) if len(digits_said) > 2 else _Sum(text, place, tables).number(lead)
    if number is None:
        return None
    end = number.end
    answers = (sure for sure, said, behind in tables.numbers if said.fullmatch(text, place, end) and behind.match(text, end))
    answer = next(answers, "no")
    return None if answer == "no" else number._replace(is_sure=answer == "sure")


def _in_digits(text: str, digits: re.Match[str], tables: Tables) -> Number | None:
    """Read 1,500, 5M, 3rd, 80s, and what begins with digits: 1.2 billion, 3만 5천."""
    start, end = digits.span()
    value, is_money = float(digits[0].replace(",", "")), text[max(start - 1, 0)] in _MONEY
    if behind := tables.match("ordinal_sign", text, end):
        return Number(start, behind.end(), (value,), "ordinal")
    if value and value % 10 == 0 and (behind := tables.match("decade_sign", text, end)):
        return Number(start, behind.end(), (value,), "decade")
    if (behind := tables.match("suffix", text, end)) and (is_money or behind[0] != "m"):  # 5m are meters
        scale = float(tables.values["suffixes"][behind[0]])
        return Number(start, behind.end(), (value * scale,) if is_money else (value * scale, value), "digits", scale=scale)
    return _Sum(text, start, tables).number()


def _digits_at(text: str, place: int, tables: Tables) -> tuple[str, int]:
    """Return the digits that are said one by one (nine one one, 이오 of 삼 점 이오), and where they end."""
    digits, end = "", place
    while word := tables.match("word", text, gap.end() if digits and (gap := tables.match("gap", text, end)) else end):
        kind, values = tables.words[word[0].lower()]
        if kind != "small" or values[0] > 9:
            break
        digits, end = f"{digits}{values[0]:.0f}", word.end()
    return digits, end


class _Sum:
    """Adds and multiplies the words of a number, as long as each goes with those before it."""

    def __init__(self, text: str, place: int, tables: Tables) -> None:
        self.text, self.place, self.tables = text, place, tables
        self.parts = list[tuple[float, float]]()
        """values that are added, each with what the next one must be less than"""
        self.kind, self.high, self.scale, self.is_scaled = "words", 0.0, 1.0, False

    def number(self, lead: tuple[float, int] | None = None) -> Number | None:
        """Return the number. lead: of half a million the half, and where it ends."""
        end, last = self.place, (list(self.parts), self.place)
        if lead is not None:
            self.parts, end = [(lead[0], 0.0)], lead[1]
        while self.kind not in ("ordinal", "decade"):
            gap = self.tables.match("gap", self.text, end) if self.parts and lead is None else None
            if self.parts and lead is None and (gap is None or ("and" in gap[0] and not 20 <= self.parts[-1][1] < inf)):
                break
            lead, before = None, (list(self.parts), end)
            kind, values, after = self._token(gap.end() if gap else end)
            if kind == "scales" and not self._multiply(values[0]):
                self.parts, end = last if last[0] else before
                break
            if kind != "scales" and (not kind or not self._add(kind, values)):
                break
            end, last = after, last if kind == "scales" else before
            for share, more in self.tables.more:
                if found := more.match(self.text, end):
                    end, scale = found.end(), self.scale if self.is_scaled else 1.0
                    self.parts[-1] = self.parts[-1][0] + float(share) * scale, 0.0
        if not self.parts or end == self.place:
            return None

        value, below = sum(part for part, _ in self.parts), None
        if about := self.tables.match("about", self.text, end):
            below, end = value + 10 ** (len(f"{value:.0f}") - len(f"{value:.0f}".rstrip("0"))), about.end()
        return Number(self.place, end, (value, self.high) if self.high else (value,), self.kind, True, below, self.scale)

    def _token(self, place: int) -> tuple[str, tuple[float, ...], int]:
        """Return the kind, the values and the end of the word or the digits at a place; no kind where there are none."""
        if digits := _DIGITS.match(self.text, place):
            is_whole = not self.parts or ("." not in digits[0] and self.parts[-1][1] > 0)
            return "digits" if is_whole else "", (float(digits[0].replace(",", "")),), digits.end()
        if not (word := self.tables.match("word", self.text, place)):
            return "", (), place
        kind, values = self.tables.words[word[0].lower()]
        if kind == "points":
            gap = self.tables.match("gap", self.text, word.end())
            said, end = _digits_at(self.text, gap.end() if gap else place, self.tables)
            return "points" if said else "", (float(f"0.{said}"),), end
        return "" if self.kind == "digits" and kind != "scales" else kind, values, word.end()

    def _add(self, kind: str, values: tuple[float, ...]) -> bool:
        """Add a number that goes with those before it, as the four of twenty-four; return whether it does."""
        value, room = values[0], self.parts[-1][1] if self.parts else inf
        first = self.parts[0][0] if len(self.parts) == 1 else 0.0
        if kind == "points" or (value < room and (value or not self.parts)):
            self.parts.append((value, 10.0 if kind == "tens" else 0.0))
        elif kind == "ordinals" and value >= 100:
            self.parts = [(value * sum(part for part, _ in self.parts), 0.0)]
        elif 10 <= first <= 20 and (value >= 10 or not value) and kind in ("small", "tens", "decades"):  # twenty twenty-four
            self.parts = [(100 * first + value, 10.0 if kind == "tens" or not value else 0.0)]
        else:
            return False
        if kind == "pairs":
            self.high = values[1]
        self.kind = {"ordinals": "ordinal", "decades": "decade", "pairs": "pair", "digits": "digits"}.get(kind, self.kind)
        self.is_scaled = False
        return True

    def _multiply(self, scale: float) -> bool:
        """Multiply what stands before a scale and is less than it; return whether there it may stand."""
        rest, count = list(self.parts), 0.0
        while rest and rest[-1][0] < scale:
            count += rest.pop()[0]
        value = (count or 1.0) * scale
        if rest and value >= rest[-1][1]:
            return False
        self.parts = [*rest, (value, scale)]
        self.high, self.scale, self.is_scaled = self.high * scale, scale * (self.scale if self.is_scaled else 1.0), True
        return True
