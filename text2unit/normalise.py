"""Korean text as it is said: numbers, dates, money, units, Latin letters and signs become Hangul (text normalization).

    normalise("3시 30분에 커피 2잔 주세요!")    # 세 시 삼십 분에 커피 두 잔 주세요.

What comes out holds composed Hangul syllables, single blanks and the marks , . ? alone.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from avcore.errors import InputError
from text2unit.cleaning import without_pictures
from text2unit.korean.counting import read_numbers
from text2unit.korean.english_forms import read_english_forms
from text2unit.korean.forms import read_forms
from text2unit.korean.particles import PAIR_OF, TOPIC, fitting, marked, parted, unmarked
from text2unit.korean.signs import clean, lone_jamo, read_addresses, read_known_words, read_words, require_readable
from text2unit.korean.tables import alternatives, tables

READING = 3
"""Counted up when the rules read a text otherwise, so that units that were kept for it are made anew."""
STOP, QUESTION, PAUSE = ".", "?", ","
MARKS = PAUSE + STOP + QUESTION
"""What is left of punctuation."""
_LAUGH = re.compile("[ㅋㅎ]{2,}")
_LONE = re.compile("[ㄱ-ㅣ]")
_JAMO_WORD_FROM_VOWEL = 0x314F
_WORDS_OF_NOUN = 3
_FIRST_VOWEL = ord("아")
_VOWEL_STEP = 28
_EQUALS = re.compile(r"(?<=\S)\s?=+(?=\s?\S)")
_STRENGTH = f" {PAUSE}{STOP}{QUESTION}"
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
    plain = read_numbers(read_forms(read_known_words(read_english_forms(read_addresses(marked(clean(text)))))))
    said = _punctuated(unmarked(_EQUALS.sub(rf"{TOPIC} ", _lone_letters(read_words(plain, spelt)))))
    if not any(is_syllable(sign) for sign in said):
        raise InputError("there is nothing to say in the text", path=path, expected="a word", found=repr(text[:40]))
    return WrittenOut(said, tuple(dict.fromkeys(spelt)))


def noun_as_said(noun: str) -> str:
    """Return a word as it is said, where the particle behind it goes by that. Raises InputError for one that nobody can say."""
    return noun if is_syllable(noun[-1:]) else written_out(noun).text


def with_particles(text: str) -> str:
    """Choose each particle that is written with both forms, as (이/가) or 을(를), by how the words before it are said.

    Raises InputError for one behind what nobody can say.
    """
    done = ""
    for piece, pair in parted(marked(text)):
        done += piece
        done += fitting(pair, noun_as_said(" ".join(done.split()[-_WORDS_OF_NOUN:]))) if pair else ""
    return done


def is_syllable(sign: str) -> bool:
    """Return whether a sign is a Hangul syllable."""
    return "가" <= sign <= "힣"


@cache
def _of_messages() -> re.Pattern[str]:
    """Return what messages write for words: ㄱㅅ, ㅇㅇ, and either with laughter behind."""
    words, repeated = alternatives(tables().chat), "".join(tables().repeated)
    return re.compile(rf"(?<![ㄱ-ㅎ])(?:(?:{words})+|([{repeated}])\1+)(?=[ㅋㅎ]*(?![ㄱ-ㅎ]))")


def _read_message(found: re.Match[str]) -> str:
    known, letters = tables(), found[0]
    if found[1]:
        return known.repeated[found[1]] * len(letters)
    return re.sub(alternatives(known.chat), lambda word: known.chat[word[0]], letters)


def _lone_letters(text: str) -> str:
    """Jamo that stand alone by their names (기역), vowels by their sound; laughter as it sounds, and what messages shorten."""
    known = tables()
    text = _of_messages().sub(_read_message, text)
    text = _LAUGH.sub(lambda found: "".join(known.repeated[letter] for letter in found[0]), text)

    def name(found: re.Match[str]) -> str:
        letter = found[0]
        if ord(letter) < _JAMO_WORD_FROM_VOWEL:
            return known.consonants.get(letter, "")
        return chr(_FIRST_VOWEL + (ord(letter) - _JAMO_WORD_FROM_VOWEL) * _VOWEL_STEP)

    return _LONE.sub(name, text) if any(map(lone_jamo, text)) else text


@cache
def _particle_of_brackets() -> re.Pattern[str]:
    return re.compile(rf"[)\]}}」』】〉》>]+((?:{alternatives(tables().particles)}){{1,3}})(?![가-힣])")


def _fitted(particle: str, said: str) -> str:
    """Return a particle as it fits behind what was said in brackets: no pause is before it."""
    return fitting(PAIR_OF[particle], said) if particle in PAIR_OF else particle


def _punctuated(text: str) -> str:
    """Signs by their names, marks as , . ? with one blank behind, nothing else that is no syllable."""
    known = tables()
    kinds = {sign: f" {name} " for sign, name in known.signs.items()}
    groups = ((known.pauses, PAUSE), (known.stops, STOP), (known.questions, QUESTION), (known.silent, " "), (known.quotes, ""))
    for signs, mark in groups:
        kinds |= dict.fromkeys(signs, mark)
    text = _particle_of_brackets().sub(lambda found: _fitted(found[1], found.string[: found.start()]), text)
    plain = "".join(sign if is_syllable(sign) else kinds.get(sign, " ") for sign in text)
    return with_single_marks(plain)


def with_single_marks(text: str) -> str:
    """Return a text with the strongest mark of each row of them, one blank behind, and none at its beginning."""
    runs = _RUN_OF_MARKS.sub(lambda found: f"{max(found[1], key=_STRENGTH.find)} ", " ".join(text.split()))
    return " ".join(runs.split()).lstrip(f"{MARKS} ")
