"""Reads the numbers of an English text, in digits and in words: 1.2 billion, a hundred and fifty, twenty twenty-four, the third."""

import re
from collections.abc import Iterator, Sequence
from math import inf
from typing import Literal, NamedTuple

SMALL = {
    "zero": 0.0, "one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "six": 6.0, "seven": 7.0, "eight": 8.0,
    "nine": 9.0, "ten": 10.0, "eleven": 11.0, "twelve": 12.0, "thirteen": 13.0, "fourteen": 14.0, "fifteen": 15.0, "sixteen": 16.0,
    "seventeen": 17.0, "eighteen": 18.0, "nineteen": 19.0,
}  # fmt: skip
_TENS = {
    "twenty": 20.0, "thirty": 30.0, "forty": 40.0, "fifty": 50.0, "sixty": 60.0, "seventy": 70.0, "eighty": 80.0, "ninety": 90.0,
}  # fmt: skip
COUNTS = SMALL | _TENS
SCALES = {"hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12, "dozen": 12.0, "grand": 1e3}
_SUFFIXES = {"k": 1e3, "m": 1e6, "mn": 1e6, "b": 1e9, "bn": 1e9, "t": 1e12, "tn": 1e12}
ORDINALS = {
    "first": 1.0, "second": 2.0, "third": 3.0, "fourth": 4.0, "fifth": 5.0, "sixth": 6.0, "seventh": 7.0, "eighth": 8.0,
    "ninth": 9.0, "tenth": 10.0, "eleventh": 11.0, "twelfth": 12.0, "hundredth": 100.0, "thousandth": 1000.0, "millionth": 1e6,
    **{f"{word}th": value for word, value in SMALL.items() if value > 12},
    **{f"{word[:-1]}ieth": value for word, value in _TENS.items()},
}  # fmt: skip
_DECADES = {f"{word[:-1]}ies": value for word, value in _TENS.items()}
_SIGNS = "$£€₩¥₹₽"

_WORDS = "|".join(sorted((*COUNTS, *SCALES, *ORDINALS, "point", "oh"), key=len, reverse=True))
_RUN = re.compile(rf"\b(?:(?:an? )?(?=(?:{'|'.join(SCALES)})\b))?(?:{_WORDS})\b(?:(?:[ -]| and )(?:{_WORDS})\b)*")
_DIGITS = re.compile(r"(?<![\w.])(?P<number>(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?P<behind>'?[a-z\u00d7]*)")
_NAME = re.compile(r"(?<![\w$])(?:[A-Za-z]+|[A-Z][A-Za-z]*-)(\d+(?:\.\d+)?)(?!\d*'?s\b)")
_HUNDREDS = re.compile(rf"\b(?:(nineteen|eighteen|seventeen)[ -])?({'|'.join(_DECADES)})\b")
_MORE = re.compile(r" and (?:an?|one|(three|two)) (half|quarters?|thirds)\b| ([1-9])/([1-9])\b")
_SCALE = re.compile(rf"[ -](?:of a )?({'|'.join(SCALES)})\b(?!-)")
_HALF = re.compile(rf"\bhalf (?:an? )?({'|'.join(SCALES)})\b")


class Number(NamedTuple):
    """A number in a text."""

    start: int
    end: int
    values: tuple[float, ...]
    """any of them may be meant"""
    kind: Literal["count", "ordinal", "decade", "name"] = "count"
    """name: it is within one, as 5G and B12"""
    scale: float = 1.0
    """of its last word: of 5 million a million"""
    is_word: bool = False


def numbers_in(text: str) -> Iterator[Number]:
    """Yield the numbers of a text in their order; names of units and of months are left to others."""
    low, place = text.lower(), 0
    while place < len(text):
        found = _number_at(text, low, place)
        if found is not None:
            yield found
        place = place + 1 if found is None else max(found.end, place + 1)


def _number_at(text: str, low: str, place: int) -> Number | None:
    if (name := _NAME.match(text, place)) is not None:
        return Number(name.start(1), name.end(), (float(name[1]),), "name")
    if (decade := _HUNDREDS.match(low, place)) is not None:
        return Number(place, decade.end(), (100 * SMALL.get(decade[1] or "", 0.0) + _DECADES[decade[2]],), "decade", is_word=True)
    if (half := _HALF.match(low, place)) is not None:
        return Number(place, half.end(), (SCALES[half[1]] / 2,), is_word=True)
    if (digits := _DIGITS.match(low, place)) is not None:
        return _in_digits(text, low, digits)
    run = _RUN.match(low, place)
    return None if run is None else _in_words(low, run)


def _in_digits(text: str, low: str, found: re.Match[str]) -> Number:
    value, end, behind = float(found["number"].replace(",", "")), found.end("number"), found["behind"]
    is_money = text[max(found.start() - 1, 0)] in _SIGNS
    if behind in ("st", "nd", "rd", "th"):
        return Number(found.start(), found.end(), (value,), "ordinal")
    if behind in ("s", "'s") and value % 10 == 0 and value:
        return Number(found.start(), found.end(), (value,), "decade")
    if behind in _SUFFIXES:
        scale = _SUFFIXES[behind]
        values = (value * scale,) if is_money else (value * scale, value)
        is_scale = is_money or text[found.start("behind") : found.end()] != "m"  # 5m are meters, too
        return Number(found.start(), found.end() if is_scale else end, values, scale=scale)
    if behind in ("x", "\u00d7", "fold"):
        return Number(found.start(), found.end(), (value,))
    if text[: found.start()].endswith("'") and 10 <= value < 100:  # '68
        return Number(found.start(), end, (value, 1900 + value, 2000 + value))
    return _with_more(low, Number(found.start(), end, (value,)))


def _in_words(low: str, run: re.Match[str]) -> Number | None:
    parts = [*re.finditer("[a-z]+", run[0])]
    counted, value, scale, is_ordinal = _value_of([one[0] for one in parts])
    if not counted or (counted == 1 and run[0].startswith(("a ", "an "))):
        return None
    found = Number(run.start(), run.start() + parts[counted - 1].end(), (value,), "ordinal" if is_ordinal else "count", scale, True)
    return found if is_ordinal else _with_more(low, found)


def _with_more(low: str, number: Number) -> Number:
    """Return a number with what stands behind it: two and a half million, 2 1/2."""
    values, end, scale = number.values, number.end, number.scale
    if more := _MORE.match(low, end):
        share = int(more[3]) / int(more[4]) if more[3] else {"h": 0.5, "q": 0.25, "t": 1 / 3}[more[2][0]]
        count = {"three": 3, "two": 2}.get(more[1] or "", 1)
        values, end = tuple(value + count * share * scale for value in values), more.end()
    while large := _SCALE.match(low, end):
        values, scale, end = tuple(value * SCALES[large[1]] for value in values), scale * SCALES[large[1]], large.end()
    return number._replace(values=values, end=end, scale=scale)


def _value_of(said: Sequence[str]) -> tuple[int, float, float, bool]:
    """Return how many words are one number, its value, the scale of its last word, and whether it is an ordinal."""
    digits = next((k for k, word in enumerate(said) if SMALL.get(word, 0.0 if word == "oh" else inf) > 9), len(said))
    if digits >= 3:  # nine one one
        return digits, float("".join(f"{SMALL.get(word, 0.0):.0f}" for word in said[:digits])), 1.0, False

    # What may still be added is below `room`: behind twenty the ones, behind a hundred what is less than it.
    total, group, room, scale, counted, is_year = 0.0, 0.0, inf, 1.0, 0, False
    for k, word in enumerate(said):
        small = COUNTS.get(word)
        if word in ("a", "an"):
            group, room = 1.0, 0.0
        elif word == "and":
            if not 100 <= room < inf:
                break
            continue
        elif word in ORDINALS and (ORDINALS[word] < room and (k or word not in ("first", "second"))):
            return k + 1, total + group + ORDINALS[word], scale, True
        elif word in ORDINALS and ORDINALS[word] >= 100 and group:
            return k + 1, total + group * ORDINALS[word], scale, True
        elif small is not None and small < room and (small or not k):
            group, room = group + small, 10.0 if small >= 20 else 0.0
        elif small is not None and small >= 10 and not total and 10 <= group < 100 and not is_year:  # twenty twenty-four
            group, room, is_year = 100 * group + small, 10.0 if small >= 20 else 0.0, True
        elif word == "oh" and 10 <= group < 100:
            group, room, is_year = 100 * group, 10.0, True
        elif word == "hundred" and 0 < group < 100:
            group, room, scale = 100 * group, 100.0, 100.0
        elif word in SCALES and word != "hundred" and (group or total):
            total, scale = (total + group * SCALES[word], SCALES[word]) if group else (total * SCALES[word], scale * SCALES[word])
            group, room = 0.0, SCALES[word]
        elif word == "point" and said[k + 1 : k + 2] and said[k + 1] in (*SMALL, "oh"):
            rest = said[k + 1 :]
            last = next((place for place, one in enumerate(rest) if one not in (*SMALL, "oh")), len(rest))
            behind = "".join(f"{SMALL.get(one, 0.0):.0f}" for one in rest[:last])
            return k + 1 + last, total + group + float(f"0.{behind}"), 1.0, False
        else:
            break
        counted = k + 1
    return counted, total + group, scale, False
