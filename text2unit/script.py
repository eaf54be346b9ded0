"""A text as sentences to be said: each normalised, none too long for a model to take at once.

A user gives words with their reading in a text file of lines `word<TAB>reading` or `word, reading`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

from avcore.encodings import undone
from avcore.errors import InputError, LanguageError
from avcore.texts import read_pairs
from avcore.units import meant_language, normalise_language
from text2unit.cleaning import clean_text, without_pictures
from text2unit.english import read_english
from text2unit.korean.particles import PAIR_OF, fitting
from text2unit.korean.signs import require_readable, unreadable
from text2unit.normalise import MARKS, PAUSE, WrittenOut, is_syllable, noun_reading, written_out

LANGUAGES = ("ko", "en")
"""Languages that have a text front end."""
MOST_SYLLABLES = 200
"""Of a sentence that is said in one piece."""
_LETTERS_A_SYLLABLE = 3
"""Of English, about."""
_ENDS = re.compile(r"(?<=[.?]) ")
_PAUSES = re.compile(r"(?<=,) ")
_SAYABLE = re.compile(r"[0-9A-Za-z가-힣ㄱ-ㅣ\u1100-\u11ff\u00bc-\u00be\u2150-\u218b\u3400-\u9fff]")
_PARTICLE = r"(은|는|이|가|을|를|과|와)(?![가-힣])|(으로|로)(?=[^가-힣]|$|서|써|는|도|만|부터)"
_LATIN, _HANGUL = "A-Za-z0-9\u00c0-\u024f", "가-힣"


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
    if meant := undone(text):
        raise InputError(
            "the text was saved in a wrong encoding", path=path, found=text.strip()[:20], hint=f"it says: {meant.text.strip()[:20]}"
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


def read_readings(path: Path, language: str) -> dict[str, str]:
    """Read how words are said, by the words in small letters. Raises what `read_pairs` raises, and InputError for a reading that
    cannot be read aloud in the language."""
    readings = read_pairs(path, "the file of readings", "word, reading", apart="\t,")
    for word, reading in readings.items() if language in LANGUAGES else ():
        try:
            script_of(reading, language)
        except InputError as error:
            what = f"the reading of {word!r} cannot be said: {error.what}"
            raise InputError(what, path=path, expected=error.expected, found=reading[:60], hint=error.hint) from error
    return readings


def as_pronounced(text: str, readings: Mapping[str, str]) -> str:
    """Put readings in place of words, the longest first, and behind each the Korean particle that fits to it.

    A word is found whatever the case of its letters. Latin ones stand alone; behind Hangul, particles may follow.
    """
    plain = normalize("NFC", text)
    folded = plain.lower()
    there = sorted((word for word in readings if word in folded), key=lambda word: (-len(word), word))
    if not there:
        return text
    said = re.sub("|".join(map(_alone, there)), lambda found: readings[found[0].lower()], plain, flags=re.IGNORECASE)
    for reading in dict.fromkeys(readings[word] for word in there):
        said = with_fitting_particles(said, reading)
    return said


def _alone(word: str) -> str:
    before = next((letters for letters in (_LATIN, _HANGUL) if re.match(f"[{letters}]", word)), "")
    behind = _LATIN if re.search(f"[{_LATIN}]$", word) else ""
    return f"{f'(?<![{before}])' if before else ''}{re.escape(word)}{f'(?![{behind}])' if behind else ''}"


def with_fitting_particles(text: str, noun: str) -> str:
    """Put the form of 은/는, 이/가, 을/를, 과/와 and 으로/로 behind a noun that fits to how it is said."""
    try:
        said = noun_reading(noun)
    except InputError:
        return text
    return re.sub(f"{re.escape(noun)}(?:{_PARTICLE})", lambda found: f"{noun}{fitting(PAIR_OF[found[1] or found[2]], said)}", text)
