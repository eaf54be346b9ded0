"""Korean text as it is said: numbers, dates, money, units, Latin letters and signs become Hangul (text normalization).

    normalise("3시 30분에 커피 2잔 주세요!")    # 세 시 삼십 분에 커피 두 잔 주세요.

What comes out holds composed Hangul syllables, single blanks and the marks , . ? alone.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from avcore.errors import InputError
from text2unit.cleaning import without_pictures
from text2unit.korean.counting import read_numbers
from text2unit.korean.forms import read_forms
from text2unit.korean.latin import read_addresses, read_known_words, read_words
from text2unit.korean.signs import clean, lone_jamo, require_readable
from text2unit.korean.tables import tables

READING = 2
"""Counted up when the rules read a text otherwise, so that units that were kept for it are made anew."""
STOP, QUESTION, PAUSE = ".", "?", ","
MARKS = PAUSE + STOP + QUESTION
"""What is left of punctuation."""
_LAUGH = re.compile("([ㅋㅎ])\\1+")
_LONE = re.compile("[ㄱ-ㅣ]")
_JAMO_WORD_FROM_VOWEL = 0x314F
_FIRST_VOWEL = ord("아")
_VOWEL_STEP = 28
_RUN_OF_MARKS = re.compile(r"\s*([,.?][\s,.?]*)")


@dataclass(frozen=True)
class WrittenOut:
    """text: as it is said. spelt: words in Latin letters that are in no table, and are spelt letter by letter."""

    text: str
    spelt: tuple[str, ...] = ()


def normalise(text: str) -> str:
    """Korean text as it is said. Raises InputError for signs without a reading (named with their place), and without any word."""
    return written_out(text).text


def written_out(text: str, path: str | Path | None = None) -> WrittenOut:
    """Read a text aloud in Hangul; pictures in it are silent. path: the file it is from, for messages.

    Raises InputError as `normalise` does.
    """
    text = without_pictures(text)
    require_readable(text, path)
    spelt: list[str] = []
    plain = read_numbers(read_forms(read_known_words(read_addresses(clean(text)))))
    said = _punctuated(_lone_letters(read_words(plain, spelt)))
    if not any(is_syllable(sign) for sign in said):
        raise InputError("there is nothing to say in the text", path=path, expected="a word", found=repr(text[:40]))
    return WrittenOut(said, tuple(dict.fromkeys(spelt)))


def is_syllable(sign: str) -> bool:
    """Return whether a sign is a Hangul syllable."""
    return "가" <= sign <= "힣"


def _lone_letters(text: str) -> str:
    """Jamo that stand alone by their names (기역), vowels by their sound; laughter as it sounds."""
    known = tables()
    text = _LAUGH.sub(lambda found: known.laughs[found[1]] * len(found[0]), text)

    def name(found: re.Match[str]) -> str:
        letter = found[0]
        if ord(letter) < _JAMO_WORD_FROM_VOWEL:
            return known.consonants.get(letter, "")
        return chr(_FIRST_VOWEL + (ord(letter) - _JAMO_WORD_FROM_VOWEL) * _VOWEL_STEP)

    return _LONE.sub(name, text) if any(map(lone_jamo, text)) else text


def _punctuated(text: str) -> str:
    """Signs by their names, marks as , . ? with one blank behind, nothing else that is no syllable."""
    known = tables()
    kinds = {sign: f" {name} " for sign, name in known.signs.items()}
    groups = ((known.pauses, PAUSE), (known.stops, STOP), (known.questions, QUESTION), (known.silent, " "), (known.quotes, ""))
    for signs, mark in groups:
        kinds |= dict.fromkeys(signs, mark)
    marked = "".join(sign if is_syllable(sign) else kinds.get(sign, " ") for sign in text)
    runs = _RUN_OF_MARKS.sub(lambda found: f"{_strongest(found[1])} ", " ".join(marked.split()))
    return " ".join(runs.split()).lstrip(f"{MARKS} ")


def _strongest(marks: str) -> str:
    return next(mark for mark in (QUESTION, STOP, PAUSE) if mark in marks)
