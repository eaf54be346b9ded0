"""A text as sentences to speak: each normalised, and none too long for a model.

Users give readings of words in a text file of lines `word<TAB>reading` or `word, reading`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

from avcore.encodings import undone
from avcore.errors import InputError, LanguageError, Message
from avcore.texts import read_pairs
from avcore.units import meant_language, normalise_language
from text2unit.cleaning import clean_text, without_emoji
from text2unit.english import read_english
from text2unit.korean.signs import addresses_in, read_addresses, require_readable, unreadable
from text2unit.normalise import MARKS, PAUSE, WrittenOut, is_syllable, written_out
from text2unit.nouns import put, stands_in
from text2unit.stage import LANGUAGES

MOST_SYLLABLES = 200
"""Syllables of the longest sentence that is spoken in one piece."""
_LETTERS_A_SYLLABLE = 3
"""English letters to a syllable, about."""
_ENDS = re.compile(r"(?<=[.?]) ")
_PAUSES = re.compile(r"(?<=,) ")
_SAYABLE = re.compile(r"[0-9A-Za-z가-힣ㄱ-ㅣ\u1100-\u11ff\u00bc-\u00be\u2150-\u218b\u3400-\u9fff]")


@dataclass(frozen=True)
class SpokenScript:
    """A text, ready to be spoken."""

    sentences: tuple[str, ...]
    """as they are spoken"""
    spelled_out: tuple[str, ...] = ()
    """words in Latin letters that are spelled letter by letter"""
    left_out: tuple[str, ...] = ()
    """parts of the text that are not spoken"""


def script_of(text: str, language: str = "ko", path: str | Path | None = None) -> SpokenScript:
    """Normalise a text and cut it at the ends of sentences and lines, without parts that nobody reads aloud (`text2unit.cleaning`).

    path: its file, for messages. Raises LanguageError for a language without a front end, and InputError for signs
    without a reading (named with their place), for a text without words, and for a word that is too long.
    """
    wanted = normalise_language(language)
    if wanted not in LANGUAGES:
        raise LanguageError(
            "text of this language cannot be read aloud",
            expected=", ".join(LANGUAGES),
            found=wanted,
            hint=meant_language(wanted, LANGUAGES),
        )
    if meant := undone(text):
        raise InputError(
            "the text was saved in a wrong encoding",
            path=path,
            found=text.strip()[:20],
            hint=Message("it says: {words}", words=meant.text.strip()[:20]),
        )

    cleaned = clean_text(text)
    if wanted == "en":
        lines = [line for line in cleaned.text.splitlines() if _SAYABLE.search(line)]
        english = [read_english(line, path) for line in lines] or [read_english(cleaned.text, path)]
        return SpokenScript(tuple(_cut(english, path)), (), cleaned.left_out)

    if any(unreadable(cleaned.text)):
        require_readable(without_emoji(text), path)  # this names places in the given text, not in the cleaned one
    require_readable(cleaned.text, path)
    if cleaned.left_out and not _SAYABLE.search(cleaned.text):
        raise InputError("there is nothing to say in the text", path=path, expected="a word", found=repr(text[:40]))

    readings = [written_out(line, path) for line in cleaned.text.splitlines() if _SAYABLE.search(line)] or [
        written_out(cleaned.text, path)
    ]
    spelled_out = dict.fromkeys(word for reading in readings for word in reading.spelled_out)
    return SpokenScript(tuple(_cut(readings, path)), tuple(spelled_out), cleaned.left_out)


def _cut(readings: Sequence[WrittenOut], path: str | Path | None) -> Iterator[str]:
    for reading in readings:
        for sentence in _ENDS.split(reading.text):
            yield from shorten(sentence, path) if _length(sentence) > MOST_SYLLABLES else (sentence,)


def shorten(sentence: str, path: str | Path | None = None, most: int = MOST_SYLLABLES) -> Iterator[str]:
    """Cut a long sentence at commas, and parts that are still too long between words.

    Yields pieces of at most `most` syllables. Raises InputError for a single word that is longer.
    """
    for clause in _PAUSES.split(sentence):
        piece: list[str] = []
        for word in clause.split(" "):
            if _length(word) > most:
                raise InputError(
                    "a word of the text is too long to be said",
                    path=path,
                    expected=f"{most} syllables at most",
                    found=f"{_length(word)}: {word[:20]}...",
                    hint="put blanks between its words",
                )
            if piece and _length(" ".join([*piece, word])) > most:
                yield " ".join(piece)
                piece = []
            piece.append(word)
        yield " ".join(piece)


def _length(text: str) -> int:
    return sum(map(is_syllable, text)) + sum(map(str.islower, text)) // _LETTERS_A_SYLLABLE


def ends_softly(sentence: str) -> bool:
    """Return whether a piece ends within its sentence, so that a short pause follows."""
    return not sentence or sentence[-1] == PAUSE or sentence[-1] not in MARKS


def read_readings(path: Path, language: str) -> dict[str, str]:
    """Read the readings of words, by the words in lower case.

    Raises the errors of `read_pairs`, and InputError for a reading that cannot be read aloud in the language.
    """
    readings = read_pairs(path, "the file of readings", "word, reading", apart="\t,")
    for word, reading in readings.items() if language in LANGUAGES else ():
        try:
            script_of(reading, language)
        except InputError as error:
            what = Message("the reading of {word} cannot be said: {error}", word=f"{word!r}", error=error.what)
            raise InputError(what, path=path, expected=error.expected, found=reading[:60], hint=error.hint) from error
    return readings


def as_pronounced(text: str, readings: Mapping[str, str]) -> str:
    """Replace words by their readings, each with the Korean particle that fits it (`text2unit.nouns`).

    readings: by words in small letters. An address that has one of them is read with its signs named.
    """
    plain = normalize("NFC", text)
    there = {word: readings[word] for word in readings if word in plain.lower()}
    for start, stop in reversed(addresses_in(plain) if there else ()):
        named = read_addresses(plain[start:stop])
        if any(stands_in(named, word) for word in there):
            plain = plain[:start] + named + plain[stop:]
    return put(plain, there).text if there else text
