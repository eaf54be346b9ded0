"""A text as sentences to be said: each normalised, none too long for a model to take at once."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from avcore.errors import InputError, LanguageError
from avcore.units import meant_language, normalise_language
from text2unit.cleaning import clean_text, without_pictures
from text2unit.english import read_english
from text2unit.korean.signs import require_readable, unreadable
from text2unit.normalise import MARKS, PAUSE, WrittenOut, is_syllable, written_out

LANGUAGES = ("ko", "en")
"""Languages that have a text front end."""
MOST_SYLLABLES = 200
"""Of a sentence that is said in one piece."""
_LETTERS_A_SYLLABLE = 3
"""Of English, about."""
_ENDS = re.compile(r"(?<=[.?]) ")
_PAUSES = re.compile(r"(?<=,) ")
_SAYABLE = re.compile(r"[0-9A-Za-z가-힣ㄱ-ㅣ\u1100-\u11ff\u00bc-\u00be\u2150-\u218b\u3400-\u9fff]")


@dataclass(frozen=True)
class SpokenScript:
    """sentences: as they are said. spelt: words in Latin letters that are spelt letter by letter. left_out: what is not said."""

    sentences: tuple[str, ...]
    spelt: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def script_of(text: str, language: str = "ko", path: str | Path | None = None) -> SpokenScript:
    """Read a text and cut it at the ends of sentences and lines; what nobody says is left out (see `text2unit.cleaning`).

    path: the file it is from, for messages. Raises LanguageError for a language that has no front end, and InputError for signs
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
    cleaned = clean_text(text)
    if wanted == "en":
        lines = [line for line in cleaned.text.splitlines() if _SAYABLE.search(line)]
        english = [read_english(line, path) for line in lines] or [read_english(cleaned.text, path)]
        return SpokenScript(tuple(_cut(english, path)), (), cleaned.left_out)
    if any(unreadable(cleaned.text)):
        require_readable(without_pictures(text), path)  # which names places in the text as it was given
    require_readable(cleaned.text, path)
    if cleaned.left_out and not _SAYABLE.search(cleaned.text):
        raise InputError("there is nothing to say in the text", path=path, expected="a word", found=repr(text[:40]))
    readings = [written_out(line, path) for line in cleaned.text.splitlines() if _SAYABLE.search(line)] or [
        written_out(cleaned.text, path)
    ]
    spelt = dict.fromkeys(word for one in readings for word in one.spelt)
    return SpokenScript(tuple(_cut(readings, path)), tuple(spelt), cleaned.left_out)


def _cut(readings: Sequence[WrittenOut], path: str | Path | None) -> Iterator[str]:
    for one in readings:
        for sentence in _ENDS.split(one.text):
            yield from shorten(sentence, path) if _length(sentence) > MOST_SYLLABLES else (sentence,)


def shorten(sentence: str, path: str | Path | None = None, most: int = MOST_SYLLABLES) -> Iterator[str]:
    """Cut a sentence that is too long at commas, and what is too long still between words.

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
    """Return whether a piece ends within a sentence, where the pause behind it is short."""
    return not sentence or sentence[-1] == PAUSE or sentence[-1] not in MARKS
