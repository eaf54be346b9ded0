"""Texts as the letters that they are typed in: Hangul taken apart to single jamo, so that 시 발, ㅅㅣ발 and 십알 are alike."""

import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

_INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_FINALS = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_PARTS = {
    "ㄲ": "ㄱㄱ", "ㄸ": "ㄷㄷ", "ㅃ": "ㅂㅂ", "ㅆ": "ㅅㅅ", "ㅉ": "ㅈㅈ",
    "ㄳ": "ㄱㅅ", "ㄵ": "ㄴㅈ", "ㄶ": "ㄴㅎ", "ㄺ": "ㄹㄱ", "ㄻ": "ㄹㅁ", "ㄼ": "ㄹㅂ",
    "ㄽ": "ㄹㅅ", "ㄾ": "ㄹㅌ", "ㄿ": "ㄹㅍ", "ㅀ": "ㄹㅎ", "ㅄ": "ㅂㅅ",
    "ㅘ": "ㅗㅏ", "ㅙ": "ㅗㅐ", "ㅚ": "ㅗㅣ", "ㅝ": "ㅜㅓ", "ㅞ": "ㅜㅔ", "ㅟ": "ㅜㅣ", "ㅢ": "ㅡㅣ",
}  # fmt: skip
"""Jamo that are typed in two strokes."""
_ROWS = ((0x1100, _INITIALS), (0x1161, _VOWELS), (0x11A8, _FINALS))
_SILENT = "\u110b"
"""The circle before a vowel: it is not heard, and 십알 sounds as 시발 does."""
_KEPT = ("L", "M", "N")


class Typed(NamedTuple):
    """A letter of a text. name: a single jamo, a Latin letter, a digit. place: number of the sign it is of. word: its number."""

    name: str
    place: int
    word: int


def folded(text: str) -> str:
    """Return a text in one form: no widths, no capitals, lone jamo joined to syllables where they can be, nothing invisible."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    seen = "".join(sign for sign in plain if unicodedata.category(sign) != "Cf")
    return unicodedata.normalize("NFKC", seen)


def typed(text: str) -> tuple[Typed, ...]:
    """Return the letters of a text as `folded` gives it; punctuation within a word counts for nothing, blanks divide words."""
    return tuple(_typed(text))


def names(text: str) -> str:
    """The same letters alone, of any text."""
    return "".join(letter.name for letter in typed(folded(text)))


def _typed(text: str) -> Iterator[Typed]:
    place = -1
    for word, signs in enumerate(text.split()):
        for sign in signs:
            if unicodedata.category(sign)[0] in _KEPT and (strokes := _strokes(sign)):
                place += 1
                yield from (Typed(one, place, word) for one in strokes)


@cache
def _strokes(sign: str) -> str:
    apart = unicodedata.normalize("NFKD", sign)
    return "".join(_plain(part) for part in apart if unicodedata.category(part) != "Mn")


def _plain(part: str) -> str:
    if part == _SILENT:
        return ""
    for first, row in _ROWS:
        if first <= ord(part) < first + len(row):
            jamo = row[ord(part) - first]
            return _PARTS.get(jamo, jamo)
    return part
