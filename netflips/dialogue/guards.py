"""Content filter: a list of words that are neither answered nor spoken, found even if their letters are spaced or replaced.

# one word a line; a line that begins with ! allows a word that one of the others is a part of
바보
!바보온달
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

from avcore.errors import InputError
from avcore.texts import iter_lines

_INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_FINALS = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_PARTS = {
    "ㄲ": "ㄱㄱ", "ㄸ": "ㄷㄷ", "ㅃ": "ㅂㅂ", "ㅆ": "ㅅㅅ", "ㅉ": "ㅈㅈ",
    "ㄳ": "ㄱㅅ", "ㄵ": "ㄴㅈ", "ㄶ": "ㄴㅎ", "ㄺ": "ㄹㄱ", "ㄻ": "ㄹㅁ", "ㄼ": "ㄹㅂ",
    "ㄽ": "ㄹㅅ", "ㄾ": "ㄹㅌ", "ㄿ": "ㄹㅍ", "ㅀ": "ㄹㅎ", "ㅄ": "ㅂㅅ",
    "ㅘ": "ㅗㅏ", "ㅙ": "ㅗㅐ", "ㅚ": "ㅗㅣ", "ㅝ": "ㅜㅓ", "ㅞ": "ㅜㅔ", "ㅟ": "ㅜㅣ", "ㅢ": "ㅡㅣ",
}  # fmt: skip
"""Jamo that consist of two others."""
_ROWS = ((0x1100, _INITIALS), (0x1161, _VOWELS), (0x11A8, _FINALS))
_SILENT = "\u110b"
"""The circle before a vowel. It is silent and left out, so that 십알, which sounds like 시발, has the same letters."""
_KEPT = ("L", "M", "N")
_COMMENT, _ALLOWED = "#", "!"
_MOST_WORDS = 20_000
_AS_JAMO = str.maketrans({"l": "ㅣ", "i": "ㅣ", "1": "ㅣ", "|": "ㅣ", "o": "ㅇ", "0": "ㅇ"})
"""Signs that are typed for jamo of a similar look."""
_AS_LATIN = str.maketrans({"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i"})
_HANGUL = re.compile("[가-힣\u1100-\u11ff]")
_DIGITS = str.maketrans(dict.fromkeys("0123456789"))


class Typed(NamedTuple):
    """A letter of a text."""

    name: str
    """a single jamo, a Latin letter or a digit"""
    place: int
    """number of the character that it is a part of, from 0"""
    word: int
    """number of its word, from 0"""


def folded(text: str) -> str:
    """Normalise a text (NFKC): one width, small letters, single jamo joined to syllables if possible, no invisible characters."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    seen = "".join(sign for sign in plain if unicodedata.category(sign) != "Cf")
    # Again: jamo that invisible characters kept apart can now be joined.
    return unicodedata.normalize("NFKC", seen)


def typed(text: str) -> tuple[Typed, ...]:
    """Return the letters of a text that `folded` returned. Blanks divide words; punctuation within a word is ignored."""
    found, place = list[Typed](), -1
    for word, signs in enumerate(text.split()):
        for sign in signs:
            if unicodedata.category(sign)[0] in _KEPT and (strokes := _strokes(sign)):
                place += 1
                found += [Typed(stroke, place, word) for stroke in strokes]
    return tuple(found)


def names(text: str) -> str:
    """Return the names of a text's letters, joined; the text may be in any form."""
    return "".join(letter.name for letter in typed(folded(text)))


@cache
def _strokes(sign: str) -> str:
    apart = unicodedata.normalize("NFKD", sign)
    # Without accents, so that they hide no word.
    return "".join(_plain(part) for part in apart if unicodedata.category(part) != "Mn")


def _plain(part: str) -> str:
    if part == _SILENT:
        return ""
    for first, row in _ROWS:
        if first <= ord(part) < first + len(row):
            jamo = row[ord(part) - first]
            return _PARTS.get(jamo, jamo)
    return part


_ENDINGS = frozenset(map(names, ["", *"야아들는은이가를을도만의에네다요냐니", "들아", "같은", "이야", "이다", "예요", "입니다"]))
"""What may follow a blocked word that is spread over several words."""


class AnswerGuard(Protocol):
    """Checks questions and answers. A model may be used in place of the list of words."""

    def refuses(self, text: str) -> str:
        """Return in a few words why a text is refused; "" = it is not."""


class WordList:
    """An `AnswerGuard` with a list of words."""

    def __init__(self, blocked: Sequence[str], allowed: Sequence[str] = ()) -> None:
        """blocked, allowed: words in any spelling, of one letter or more; those within an allowed word are not refused."""
        self._blocked = [(word, names(word)) for word in blocked]
        self._allowed = [names(word) for word in allowed]

    @classmethod
    def read(cls, path: Path) -> "WordList":
        """Read a list. Raises InputError if it is no text, has no blocked words or too many, or a line without letters."""
        words: dict[bool, list[str]] = {True: [], False: []}
        for number, line in iter_lines(path, "the list of blocked words"):
            word = line.strip()
            if not word or word.startswith(_COMMENT):
                continue
            if not names(word):
                raise InputError(f"line {number} of the list of blocked words has no letters", path=path, found=repr(word[:40]))
            words[word.startswith(_ALLOWED)].append(word.removeprefix(_ALLOWED))

        count = sum(map(len, words.values()))
        if not words[False] or count > _MOST_WORDS:
            raise InputError(
                "this is no list of blocked words", path=path, expected=f"1 to {_MOST_WORDS} words, one a line", found=f"{count}"
            )
        return cls(words[False], words[True])

    def refuses(self, text: str) -> str:
        """See `AnswerGuard.refuses`; the reason names the word as it is in the list."""
        plain = folded(text)
        # Each reading once: of most texts, all of them are the same.
        for reading in dict.fromkeys((plain, *_other_readings(plain))):
            letters = typed(reading)
            if found := self._found_in(letters):
                return f"the word {found!r}"
        return ""

    def _found_in(self, letters: tuple[Typed, ...]) -> str:
        whole = "".join(letter.name for letter in letters)
        free = [span for word in self._allowed for span in _spans(word, whole, letters)]
        for word, strokes in self._blocked:
            for start, stop in _spans(strokes, whole, letters):
                if not any(first <= start and stop <= last for first, last in free):
                    return word
        return ""


_CONTRACT: type[AnswerGuard] = WordList
"""Checked by mypy: the class keeps the protocol."""


def _spans(strokes: str, whole: str, letters: tuple[Typed, ...]) -> Iterator[tuple[int, int]]:
    """Yield where a word is in a text: the index of its first letter and that after its last.

    It must begin and end with whole characters. If it is spread over several words of the text, it must take all of the first and
    of the last except an ending: 바 보야 counts as 바보, but neither 역시 발이 nor 시 발표 as 시발.
    """
    start = whole.find(strokes)
    while start >= 0:
        stop = start + len(strokes)
        first, last = letters[start], letters[stop - 1]
        before = letters[start - 1] if start else None
        behind = letters[stop] if stop < len(letters) else None

        has_signs = (before is None or before.place != first.place) and (behind is None or behind.place != last.place)
        begins = before is None or before.word != first.word
        rest = "".join(letter.name for letter in letters[stop:] if letter.word == last.word)
        if has_signs and (first.word == last.word or (begins and rest in _ENDINGS)):
            yield start, stop

        start = whole.find(strokes, start + 1)


def _other_readings(plain: str) -> Iterator[str]:
    """Yield a text without its digits, and with characters replaced by the letters that they look like."""
    words = plain.split()
    yield folded(" ".join(word.translate(_DIGITS) for word in words))
    yield folded(" ".join(word.translate(_AS_JAMO) if _HANGUL.search(word) else word for word in words))
    yield folded(" ".join(word.translate(_AS_LATIN) if any("a" <= sign <= "z" for sign in word) else word for word in words))
