"""Reads the amounts of an English text: eleven million, $1.2 billion, half past six, the eighties, 5 feet 6."""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from math import inf
from typing import NamedTuple

from netflips.cascade.amount_values import (
    CENTURY,
    CLOCK,
    DECADE,
    MONTH,
    SHARE,
    VAGUE,
    Amount,
    Unit,
    Value,
    hints_in,
    joined,
    words,
)
from text2unit.korean.numerals import roman

_SMALL = {
    "zero": 0.0, "one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "six": 6.0, "seven": 7.0, "eight": 8.0,
    "nine": 9.0, "ten": 10.0, "eleven": 11.0, "twelve": 12.0, "thirteen": 13.0, "fourteen": 14.0, "fifteen": 15.0, "sixteen": 16.0,
    "seventeen": 17.0, "eighteen": 18.0, "nineteen": 19.0,
}  # fmt: skip
_TENS = dict(zip(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], range(20, 100, 10), strict=True))
_SCALES = {"hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12, "dozen": 12.0, "grand": 1e3}
_SUFFIXES = {"k": 1e3, "m": 1e6, "mn": 1e6, "b": 1e9, "bn": 1e9, "t": 1e12, "tn": 1e12}
_ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10,
    "eleventh": 11, "twelfth": 12, "hundredth": 100, "thousandth": 1000, "millionth": 10**6,
    **{f"{word}th": int(value) for word, value in _SMALL.items() if value > 12},
    **{f"{word[:-1]}ieth": value for word, value in _TENS.items()},
}  # fmt: skip
_FRACTIONS = {"half": 0.5, "halves": 0.5, "quarter": 0.25, "quarters": 0.25} | {
    f"{word}{ending}": 1 / value for word, value in _ORDINALS.items() if value > 2 for ending in ("", "s")
}
_TIMES = {"twice": 2.0, "tripled": 3.0, "triple": 3.0, "thrice": 3.0, "quadrupled": 4.0, "quadruple": 4.0}
_TIMES |= {f"{word}fold": value for word, value in (_SMALL | _TENS | {"hundred": 100.0, "thousand": 1000.0}).items() if value > 1}
_DECADES = {f"{word[:-1]}ies": float(value) for word, value in _TENS.items()}
_SEVERAL = {"few", "several", "couple", "some", "many"}
_SKIPPED = frozenset({
    "-", "us", "american", "canadian", "australian", "korean", "british", "hong", "kong", "full", "whole", "consecutive", "long",
    "straight", "more", "good", "solid", "calendar", "short", "extra", "additional", "entire", "or", "so",
})  # fmt: skip
"""What may stand between a number and its unit."""
_SIGNS = "$£€₩¥₹₽"
_CLOCK_BEFORE = frozenset(["at", "by", "till", "until", "around", "before", "after", "from", "to", "past", "since"])
_HALVES = {"a.m": "am", "a.m.": "am", "am": "am", "p.m": "pm", "p.m.": "pm", "pm": "pm"}
_DAYTIMES = {
    ("in", "the", "morning"): "am",
    ("in", "the", "afternoon"): "pm",
    ("in", "the", "evening"): "pm",
    ("at", "night"): "pm",
}
_TOKEN = re.compile(
    r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|(?<!\w)\.\d+|[ap]\.m\b\.?|[^\W\d_]+(?:'[^\W\d_]+)?²?|\S", re.IGNORECASE
)
_VULGAR = {
    "½": " 1/2",
    "¼": " 1/4",
    "¾": " 3/4",
    "⅓": " 1/3",
    "⅔": " 2/3",
    "\u2019": "'",
    "\u2013": "-",
    "\u2014": " - ",
    "\u2212": "-",
}
_FEET = re.compile(r"(\d)'\s?(\d{1,2})(?:\"|''|\u201d)?(?!\w)")
_ROMAN = re.compile(r"(?<=[a-z] )(?:[IVX]{2,}L?|[VX]|LX*[IV]*|I(?=[,.?!]|$|\s[a-z]{4}))(?![A-Za-z'])")
_RANGE = re.compile(r"\s*(?:-|to|or|through|and)\s*", re.IGNORECASE)
_IN = re.compile(r"\s+(?:[a-z]+ )?(?:in|out of|of every|in every|out of every)\s+(?:every )?", re.IGNORECASE)
_BETWEEN = re.compile(r"\s*(?:,?\s*and|,|-)?\s*")


class _Token(NamedTuple):
    text: str
    low: str
    start: int
    end: int
    is_glued: bool
    """whether no blank stands before it"""


class _Number(NamedTuple):
    values: tuple[float, ...]
    end: int
    """the token behind it"""
    scale: float = 1.0
    is_ordinal: bool = False
    is_word: bool = False


@lru_cache(maxsize=1024)
def english_amounts(text: str) -> list[Amount]:
    """Return the amounts in an English text, in their order, and those that other words may stand for."""
    plain = _FEET.sub(r"\1 feet \2 inches", "".join(_VULGAR.get(sign, sign) for sign in text))
    found = _Reader(plain).amounts()
    found = _with_shares(_ranged(joined(found, plain, _BETWEEN), plain), plain)

    idle = [one.span() for one in words().idioms.finditer(plain)]
    found = [
        replace(one, is_required=False, is_sure=False) if any(first < one.end and one.start < last for first, last in idle) else one
        for one in found
    ]
    numerals = (one for one in _ROMAN.finditer(plain) if roman(one[0]))
    found += [Amount(one[0], (Value(roman(one[0])),), *one.span(), is_required=False) for one in numerals]
    return found + hints_in(plain, "en")


class _Reader:
    """Reads the amounts of a text from its tokens."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [
            _Token(
                one[0],
                one[0].lower().removesuffix("'s"),
                one.start(),
                one.end(),
                one.start() > 0 and not text[one.start() - 1].isspace(),
            )
            for one in _TOKEN.finditer(text)
        ]

    def low(self, place: int) -> str:
        """Return a token in small letters, "" = there is none."""
        return self.tokens[place].low if 0 <= place < len(self.tokens) else ""

    def amounts(self) -> list[Amount]:
        found, place = list[Amount](), 0
        rules = (
            self._clock,
            self._decade,
            self._month,
            self._money,
            self._vague,
            self._name,
            self._fraction,
            self._measure,
            self._single,
        )
        while place < len(self.tokens):
            made = next((made for rule in rules if (made := rule(place)) is not None), None)
            if made is not None:
                found.append(made[0])
            place = place + 1 if made is None else made[1]
        return found

    def _made(self, first: int, last: int, *values: Value, **more: object) -> tuple[Amount, int]:
        start, end = self.tokens[first].start, self.tokens[last - 1].end
        return Amount(self.text[start:end], values, start, end, **more), last  # type: ignore[arg-type]

    # Numbers

    def number(self, place: int) -> _Number | None:
        """Return the number that begins at a token: digits or words, with scales and fractions behind it."""
        found = self._digits(place) or self._in_words(place)
        if found is None or found.is_ordinal:
            return found
        values, end, scale = found.values, found.end, found.scale

        if self.low(end) == "and" and self.low(end + 1) in ("a", "one", "three", "two"):  # two and a half
            share = _FRACTIONS.get(self.low(end + 2))
            if share is not None and (share in (0.5, 0.25) or self.low(end + 1) == "two"):
                count = {"three": 3, "two": 2}.get(self.low(end + 1), 1)
                values, end = tuple(value + count * share * scale for value in values), end + 3
        elif re.fullmatch(r"[1-9]", self.low(end)) and self.low(end + 1) == "/" and self.low(end + 2).isdigit():  # 2 1/2
            values, end = tuple(value + int(self.low(end)) / max(int(self.low(end + 2)), 1) for value in values), end + 3
        while (more := self._scale(end)) is not None:
            values, scale, end = tuple(value * more[0] for value in values), scale * more[0], more[1]
        return found._replace(values=values, end=end, scale=scale)

    def _scale(self, place: int) -> tuple[float, int] | None:
        place += self.low(place) == "-"
        return (_SCALES[self.low(place)], place + 1) if self.low(place) in _SCALES else None

    def _digits(self, place: int) -> _Number | None:
        token = self.tokens[place]
        if not re.match(r"\.?\d", token.text):
            return None
        value, end, after = float(token.text.replace(",", "")), place + 1, self.low(place + 1)
        if end < len(self.tokens) and self.tokens[end].is_glued:
            if after in ("st", "nd", "rd", "th"):
                return _Number((value,), end + 1, is_ordinal=True)
            if after in _SUFFIXES:
                scale = _SUFFIXES[after]
                is_money = place > 0 and self.tokens[place - 1].text in _SIGNS
                return _Number((value * scale,) if is_money else (value * scale, value), end + (is_money or after != "m"), scale)
            if after in ("x", "\u00d7", "fold"):
                return _Number((value,), end + 1)
        return _Number((value,), end)

    def _in_words(self, place: int) -> _Number | None:
        """Return a number in words: a hundred and fifty, nineteen eighty-five, twenty-first, three point one four."""
        total, group, room, scale, end, is_year = 0.0, 0.0, inf, 1.0, place, False
        if self.low(place) in ("a", "an", "half") and self.low(place + 1) in (*_SCALES, "a"):
            if self.low(place) == "half":  # half a million
                after = place + 1 + (self.low(place + 1) == "a")
                return _Number((0.5 * _SCALES[self.low(after)],), after + 1, is_word=True) if self.low(after) in _SCALES else None
            if self.low(place + 1) == "a":
                return None
            group, room, end = 1.0, 0.0, place + 1
        if self.low(place) == "point" and self.low(place + 1) in _SMALL:
            return self._decimals(0.0, place)
        digits = place
        while _SMALL.get(self.low(digits), 10.0 - 10.0 * (self.low(digits) == "oh")) < 10:
            digits += 1
        if digits - place >= 3:  # nine one one
            said = "".join(f"{_SMALL.get(self.low(k), 0.0):.0f}" for k in range(place, digits))
            return _Number((float(said),), digits, is_word=True)

        while True:
            at = end + (end > place and self.low(end) == "-" and self.tokens[end].is_glued)
            at += end > place and self.low(at) == "and" and room >= 100 and room < inf
            word = self.low(at)
            if word in _ORDINALS and _ORDINALS[word] < room and (end > place or word not in ("second", "first")):
                value = float(_ORDINALS[word])
                is_scaled = value >= 100 and end > place
                value = (total + group) * value if is_scaled and room < value else total + group + value
                return _Number((value,), at + 1, is_ordinal=True, is_word=True)
            small = _SMALL.get(word, _TENS.get(word))
            if small is not None and small < room and (small or end == place):
                group, room, end = group + small, 10.0 if small >= 20 else 0.0, at + 1
            elif small is not None and small >= 10 and not total and 10 <= group < 100 and not is_year and at == end:
                group, room, end, is_year = 100 * group + small, 10.0 if small >= 20 else 0.0, at + 1, True  # twenty twenty-four
            elif word == "oh" and 10 <= group < 100 and self.low(at + 1) in _SMALL:
                group, room, end, is_year = 100 * group, 10.0, at + 1, True
            elif word == "hundred" and 0 < group < 100 and end > place:
                group, room, scale, end = 100 * group, 100.0, 100.0, at + 1
            elif word in _SCALES and word != "hundred" and group and end > place:
                total, group, room, scale, end = total + group * _SCALES[word], 0.0, _SCALES[word], _SCALES[word], at + 1
            elif word in _SCALES and total and not group and at == end:  # a thousand billion
                total, room, scale, end = total * _SCALES[word], scale, scale * _SCALES[word], at + 1
            else:
                break
        if end == place or (end == place + 1 and self.low(place) in ("a", "an")):
            return None
        if self.low(end) == "point" and self.low(end + 1) in _SMALL:
            return self._decimals(total + group, end)
        return _Number((total + group,), end, scale, is_word=True)

    def _decimals(self, whole: float, point: int) -> _Number:
        digits, end = "", point + 1
        while self.low(end) in (*_SMALL, "oh"):
            digits += f"{_SMALL.get(self.low(end), 0):.0f}"
            end += 1
        return _Number((whole + float(f"0.{digits}"),), end, is_word=True)

    # Units

    def unit(self, place: int) -> tuple[tuple[Unit, ...], int]:
        """Return the units that stand at a token, the longest name first, and the token behind them."""
        while self.low(place) in _SKIPPED:
            place += 1
        for length in (3, 2, 1):
            tokens = self.tokens[place : place + length]
            name = "".join(
                one.low if one.is_glued and one.low != "-" else f" {one.low}" for one in tokens if one.low != "-"
            ).strip()
            if (
                len(tokens) == length
                and (units := words().english.get(name))
                and not (name in ("m", "g", "l", "b", "k", "w", "px") and tokens[0].text.isupper())
            ):
                return units, place + length
        return (), place

    # Rules: each returns an amount that begins at a token, and the token behind it

    def _clock(self, place: int) -> tuple[Amount, int] | None:
        low, token = self.low, self.tokens[place]
        if token.text.isdigit() and low(place + 1) == ":" and re.fullmatch(r"[0-5]\d", low(place + 2)) and int(token.text) < 25:
            return self._at(place, place + 3, int(token.text), int(low(place + 2)))
        if low(place) == "half" and low(place + 1) == "past" and (hour := self._hour(place + 2)):
            return self._at(place, hour[1], hour[0], 30)

        after = place + (low(place) == "a")
        minutes = 15.0 if low(after) == "quarter" else number.values[0] if (number := self.number(after)) else None
        end = after + 1 if low(after) == "quarter" else number.end if number else after
        end += low(end) in ("minutes", "minute")
        if (
            minutes
            and minutes < 60
            and minutes == int(minutes)
            and low(end) in ("past", "to", "till")
            and (hour := self._hour(end + 1))
        ):
            is_plain = low(after) != "quarter" and low(end) != "past" and low(end - 1) not in ("minutes", "minute")
            if not is_plain or (
                minutes % 5 == 0
                and not self.unit(hour[1])[0]
                and low(place - 1) in ("is", "it", "at", "until", "was", "by", "about")
            ):
                return self._at(
                    place, hour[1], *((hour[0], int(minutes)) if low(end) == "past" else (hour[0] - 1, 60 - int(minutes)))
                )

        number = self.number(place)
        if number is None or not 0 < number.values[0] <= 24 or number.values[0] != int(number.values[0]):
            hours, rest = divmod(int(number.values[0]), 100) if number is not None and number.is_word else (0, 0)
            if number is not None and 10 <= hours <= 12 and 10 <= rest < 60 and low(place - 1) in _CLOCK_BEFORE:  # twelve thirty
                return self._at(place, number.end, hours, rest)
            return None
        if low(number.end) in _HALVES or low(number.end) in ("o'clock", "o"):
            return self._at(place, number.end + (low(number.end) not in _HALVES), int(number.values[0]), 0)
        if (
            any(tuple(low(number.end + k) for k in range(len(when))) == when for when in _DAYTIMES)
            and low(place - 1) in _CLOCK_BEFORE
        ):
            return self._at(place, number.end, int(number.values[0]), 0)
        more = (
            self.number(number.end)
            if number.is_word and low(place - 1) in _CLOCK_BEFORE and number.end < len(self.tokens)
            else None
        )
        if (
            more is not None
            and more.is_word
            and number.values[0] <= 12
            and 10 <= more.values[0] < 60
            and not self.unit(more.end)[0]
        ):
            return self._at(place, more.end, int(number.values[0]), int(more.values[0]))
        return None

    def _hour(self, place: int) -> tuple[int, int] | None:
        if self.low(place) in ("noon", "midnight"):
            return 12, place + 1
        number = self.number(place) if place < len(self.tokens) else None
        return (int(number.values[0]), number.end) if number and 0 < number.values[0] <= 12 and not number.is_ordinal else None

    def _at(self, first: int, last: int, hour: int, minute: int) -> tuple[Amount, int]:
        """Return a time of day, with the half of the day where it is said."""
        half = _HALVES.get(self.low(last), "")
        when = next((one for one in _DAYTIMES if tuple(self.low(last + k) for k in range(len(one))) == one), ())
        half = half or _DAYTIMES.get(when, "") or ("pm" if hour > 12 else "")
        last += 1 if self.low(last) in _HALVES else len(when)
        minutes = Value(60 * hour + minute, CLOCK, {"am": 0, "pm": 1}.get(half))
        parts = [Amount("", (Value(hour),)), Amount("", (Value(minute),))] if minute else []
        return self._made(first, last, minutes, parts=tuple(parts))

    def _decade(self, place: int) -> tuple[Amount, int] | None:
        token, low = self.tokens[place], self.low
        if (token.text.isdigit() and low(place + 1) in ("s", "'s") and self.tokens[place + 1].is_glued) or (
            token.text.isdigit() and self.text[token.end : token.end + 2] == "'s"
        ):
            years = float(token.text)
        elif low(place) in _DECADES:
            years = _DECADES[low(place)]
        elif low(place) in ("nineteen", "eighteen", "seventeen") and low(place + 1 + (low(place + 1) == "-")) in _DECADES:
            after = place + 1 + (low(place + 1) == "-")
            return self._made(place, after + 1, Value(100 * _SMALL[low(place)] + _DECADES[low(after)], DECADE))
        else:
            return None
        if years % 10:
            return None
        century = [Value(years // 100 + 1, CENTURY), Value(years // 100 + 1)] if years >= 1000 and years % 100 == 0 else []
        return self._made(place, place + 2 - (low(place) in _DECADES), Value(years, DECADE), Value(years), *century)

    def _month(self, place: int) -> tuple[Amount, int] | None:
        token, months = self.tokens[place], words().months
        found = next(
            (
                k
                for k, name in enumerate(months, 1)
                if token.low == name or (token.low in (name[:3], "sept") and name[:3] == token.low[:3])
            ),
            None,
        )
        if found is None or not token.text[0].isupper():
            return None
        before, after = self.low(place - 1), self.low(place + 1)
        is_sure = (
            token.low not in ("may", "march", "mar", "dec", "sun", "jun")
            or before in ("in", "of", "since", "by", "until", "last", "next", "this", "early", "late", "mid", "-", "and", "to")
            or after[:1].isdigit()
            or after in _ORDINALS
        )
        return self._made(place, place + 1, Value(found, MONTH), is_required=is_sure, is_sure=is_sure)

    def _money(self, place: int) -> tuple[Amount, int] | None:
        if self.tokens[place].text not in _SIGNS or place + 1 >= len(self.tokens) or (number := self.number(place + 1)) is None:
            return None
        (unit,) = words().english[self.tokens[place].text]
        _, end = self.unit(number.end)
        return self._made(
            place,
            end if self.low(end - 1) in ("dollars", "usd") else number.end,
            *(Value(one, unit) for one in number.values),
            scale=number.scale,
        )

    def _vague(self, place: int) -> tuple[Amount, int] | None:
        """Read tens of thousands, millions, a few hundred."""
        scales, end, value = {f"{word}s": scale for word, scale in _SCALES.items()} | {"tens": 10.0, "dozens": 10.0}, place, 1.0
        if self.low(place) in _SEVERAL:
            end += 1 + (self.low(place + 1) == "of")
            if self.low(end) not in _SCALES or self.low(end) == "dozen":
                return None
            value, end = _SCALES[self.low(end)], end + 1
            if (more := self._scale(end)) is not None:
                value, end = value * more[0], more[1]
            pair = [Value(2 * value)] if self.low(place) == "couple" else []
            return self._made(place, end, Value(value, VAGUE), *pair, is_required=False)
        if self.low(place) not in scales or self.low(place) == "grands":
            return None
        while self.low(end) in scales:
            value *= scales[self.low(end)]
            end += 1 + (self.low(end + 1) == "of" and self.low(end + 2) in scales)
        return self._made(place, end, Value(value, VAGUE), is_required=False)

    def _name(self, place: int) -> tuple[Amount, int] | None:
        """Read a number within a name, as of B12, F-16 or 5G: it may be left out with the name."""
        token = self.tokens[place]
        if not token.text[0].isdigit():
            return None
        before = self.tokens[place - 1] if place else None
        if before is not None and before.text == "-" and before.is_glued and place > 1 and token.is_glued:
            before = (
                self.tokens[place - 2]
                if self.tokens[place - 2].text.isupper() or self.tokens[place - 2].text[:1].isupper()
                else None
            )
        is_behind = token.is_glued and before is not None and before.text.isalpha() and before.text not in ("US", "A")
        after = self.tokens[place + 1] if place + 1 < len(self.tokens) else None
        is_before = (
            after is not None
            and after.is_glued
            and after.text[0].isalpha()
            and after.low not in ("st", "nd", "rd", "th", "x", "fold", "s", "m", *_SUFFIXES, *_HALVES)
            and (after.low not in words().english or after.text == "G")
        )
        if not is_behind and not is_before:
            return None
        return self._made(place, place + 1 + is_before, Value(float(token.text.replace(",", ""))), is_required=False)

    def _fraction(self, place: int) -> tuple[Amount, int] | None:
        """Read half, a third of, two-thirds, 3/4."""
        low, end, count = self.low, place, 1.0
        if (
            self.tokens[place].text.isdigit()
            and low(place + 1) == "/"
            and low(place + 2).isdigit()
            and self.tokens[place + 1].is_glued
        ):
            over, under = float(low(place)), float(low(place + 2))
            parts = tuple(Amount(str(one), (Value(one),)) for one in (over, under))
            values = (Value(over / under if under else 0.0, SHARE),)
            amount, end = self._made(place, place + 3, *values, parts=parts)
            return self._of_unit(place, amount, end)
        if (number := self.number(place)) is not None and not number.is_ordinal and number.values[0] < 100:
            count, end = number.values[0], number.end
        elif low(place) in ("a", "an", "one"):
            end += 1
        elif low(place) not in ("half", "halves"):
            return None
        end += low(end) == "-" and end > place
        share = _FRACTIONS.get(low(end))
        is_many = low(end).endswith("s") or low(end) == "half"
        if share is None or ((count > 1) != is_many and low(end) != "half"):
            return None
        if end == place and low(end + 1) == "-" and not self.unit(end + 2)[0]:
            return None  # half-hearted
        is_sure = low(end) not in ("quarter", "half") or low(end + 1) == "of" or count > 1
        amount, last = self._made(
            place, end + 1, Value(count * share, SHARE), is_required=is_sure or low(end) == "half", is_sure=is_sure
        )
        if count > 1 or low(end) not in ("half", "quarter"):
            amount = replace(amount, parts=(Amount("", (Value(count),)), Amount("", (Value(round(1 / share)),))))
        return self._of_unit(place, amount, last)

    def _of_unit(self, place: int, amount: Amount, end: int) -> tuple[Amount, int]:
        """Return a fraction of a unit, as half an hour, in that unit."""
        after = end + (self.low(end) == "of")
        after += self.low(after) in ("a", "an", "-")
        units, last = self.unit(after)
        scale = _SCALES.get(self.low(after))
        share = amount.values[0].number
        if scale is not None:
            return self._made(place, after + 1, Value(share * scale), scale=scale)
        if not units or units[0].dimension == "share" or (after == end + (self.low(end) == "of") and self.low(end) == "of"):
            return amount, end
        return self._made(place, last, *(Value(share, unit) for unit in units), Value(share, SHARE))

    def _measure(self, place: int) -> tuple[Amount, int] | None:
        number = self.number(place)
        if number is None:
            return None
        end, low = number.end, self.low
        minus = (place and low(place - 1) in ("minus", "negative")) or (
            place
            and low(place - 1) == "-"
            and not self.tokens[place].text.startswith("-")
            and self.text[self.tokens[place - 1].start - 1 : self.tokens[place - 1].start] in ("", " ")
        )
        if number.is_ordinal:
            is_fixed = place and low(place - 1) in words().months
            return self._made(
                place, end, Value(number.values[0]), is_required=number.values[0] > 1 or bool(is_fixed), is_sure=False
            )

        units, last = self.unit(end)
        values = number.values
        if units and low(last) == "and" and low(last + 1) in ("a", "one") and low(last + 2) in ("half", "quarter"):
            values, last = tuple(one + _FRACTIONS[low(last + 2)] for one in values), last + 3  # two years and a half
        if units and units[0].dimension in ("degrees", "celsius", "fahrenheit"):
            minus = minus or low(last) == "below"
        elif minus and not units:
            units = (words().english["degrees"][0],) if not place or low(place - 2) != "to" or True else ()
            values, last = values, end
        if minus:
            values = tuple(-one for one in values)
        if (
            units
            and units[0].dimension == "length"
            and low(last - 1) in ("foot", "feet")
            and (inches := self._inches(last)) is not None
        ):
            return self._made(place, inches[1], Value(values[0] + inches[0] / 12, units[0]))

        is_small = len(values) == 1 and values[0] in (0, 1) and (number.is_word or values[0] == 1)
        is_all = values[0] == 100 and bool(units) and units[0].dimension == "share"
        made = [Value(one, unit) for unit in units for one in values] or [Value(one) for one in values]
        return self._made(
            place, last if units else end, *made, is_required=not is_small and not is_all, is_sure=not is_small, scale=number.scale
        )

    def _inches(self, place: int) -> tuple[float, int] | None:
        place += self.low(place) == "-"
        number = self.number(place) if place < len(self.tokens) else None
        if number is None or number.is_ordinal or not 0 < number.values[0] < 12 or self.unit(number.end)[0]:
            return None
        return number.values[0], number.end

    def _single(self, place: int) -> tuple[Amount, int] | None:
        """Read an hour and a half, twice, and `second` as a place in a row."""
        low = self.low(place)
        if low in _TIMES:
            return self._made(place, place + 1, Value(_TIMES[low]), is_sure=False)
        if low in ("second", "first"):
            is_date = self.low(place - 1) in words().months or (
                self.low(place + 1) == "of" and self.low(place + 2) in words().months
            )
            return self._made(place, place + 1, Value(float(_ORDINALS[low])), is_required=is_date, is_sure=False)
        if low not in ("a", "an", "one", "per", "each", "every", "this", "last", "next", "the"):
            return None
        units, end = self.unit(place + 1)
        if not units or units[0].dimension in ("share", "degrees") or self.tokens[place + 1].low == "-":
            return None
        if self.low(end) == "and" and self.low(end + 1) == "a" and self.low(end + 2) in ("half", "quarter"):
            return self._made(place, end + 3, *(Value(1 + _FRACTIONS[self.low(end + 2)], unit) for unit in units))
        return self._made(place, end, *(Value(1.0, unit) for unit in units), is_required=False, is_sure=False)


def _ranged(amounts: Sequence[Amount], text: str) -> list[Amount]:
    """Return amounts in which the first of a range has the unit and the scale of the second: 5 to 10 million miles."""
    found = list(amounts)
    for place, (one, other) in enumerate(pairwise(amounts)):
        between = text[one.end : other.start].lower()
        if not _RANGE.fullmatch(between) or one.unit is not None or one.parts:
            continue
        values, number = one.values, one.values[0].number
        if other.scale > 1 and one.scale == 1 and number < other.values[0].number / other.scale * 10 and number < 1000:
            values = (values[0]._replace(number=number * other.scale), *values)
        units = {value.unit for value in other.values if value.unit is not None and value.unit not in (CLOCK, MONTH, DECADE)}
        if units and "and" not in between:
            values = tuple(value._replace(unit=unit) for value in values for unit in units)
        elif units:
            values += tuple(value._replace(unit=unit) for value in values for unit in units)
        found[place] = replace(one, values=values)
    return found


def _with_shares(amounts: Sequence[Amount], text: str) -> list[Amount]:
    """Return amounts in which `3 in 10` is one share."""
    found, place = list[Amount](), 0
    while place < len(amounts):
        one, other = amounts[place], amounts[place + 1] if place + 1 < len(amounts) else None
        if (
            other is not None and one.unit is None and other.unit is None and not one.parts and not other.parts
            and _IN.fullmatch(text[one.end : other.start]) and 0 < one.values[0].number < other.values[0].number
            and not 1000 < other.values[0].number < 2100
        ):  # fmt: skip
            share = Value(one.values[0].number / other.values[0].number, SHARE)
            found.append(Amount(text[one.start : other.end], (share,), one.start, other.end, (one, other)))
            place += 2
        else:
            found.append(one)
            place += 1
    return found
