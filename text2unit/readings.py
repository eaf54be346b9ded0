"""Words with the reading that a user gives them, in a text file of lines `word<TAB>reading` or `word, reading`."""

import re
from collections.abc import Mapping
from pathlib import Path
from unicodedata import normalize

from avcore.errors import InputError
from avcore.texts import read_pairs
from text2unit.korean.particles import PAIR_OF, fitting
from text2unit.normalise import noun_as_said
from text2unit.script import LANGUAGES, script_of

_PARTICLE = r"(은|는|이|가|을|를|과|와)(?![가-힣])|(으로|로)(?=[^가-힣]|$|서|써|는|도|만|부터)"
_LATIN, _HANGUL = "A-Za-z0-9\u00c0-\u024f", "가-힣"


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
        said = noun_as_said(noun)
    except InputError:
        return text
    return re.sub(f"{re.escape(noun)}(?:{_PARTICLE})", lambda found: f"{noun}{fitting(PAIR_OF[found[1] or found[2]], said)}", text)
