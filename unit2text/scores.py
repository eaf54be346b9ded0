"""How texts are compared: made alike first, then errors in words and characters are counted (Levenshtein distance, by jiwer)."""

import unicodedata
from typing import Any, NamedTuple

from avcore.errors import InputError
from avcore.provenance import pip_line

VERSION = "netflips-text-1"
"""NFKC; lower case (casefold); all but letters, their marks, digits and apostrophes within words become single blanks."""

_APOSTROPHE, _LIKE_IT = "'", ("\u2019", "\u02bc")
_KEPT = ("L", "M", "N")
"""General categories of Unicode that words are made of."""


def normalise_for_reading(text: str) -> str:
    """A text as it is compared (see VERSION). What is shown to people is never this."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    for sign in _LIKE_IT:
        plain = plain.replace(sign, _APOSTROPHE)
    kept = [letter if _is_kept(plain, place) else " " for place, letter in enumerate(plain)]
    return unicodedata.normalize("NFC", " ".join("".join(kept).split()))


def _is_kept(text: str, place: int) -> bool:
    letter = text[place]
    if letter == _APOSTROPHE:
        around = text[max(0, place - 1) : place] + text[place + 1 : place + 2]
        return len(around) == 2 and all(unicodedata.category(one)[0] in _KEPT for one in around)
    return unicodedata.category(letter)[0] in _KEPT


class Count(NamedTuple):
    """errors: fewest insertions, deletions and substitutions. length: of the reference, in words or characters."""

    errors: int
    length: int


def word_errors(reference: str, found: str) -> Count:
    """Errors in words, which blanks divide. Raises InputError where jiwer is not installed."""
    words = reference.split()
    if not words:
        return Count(len(found.split()), 0)
    counted = _jiwer().process_words(reference, found)
    return Count(counted.substitutions + counted.deletions + counted.insertions, len(words))


def character_errors(reference: str, found: str) -> Count:
    """Errors in characters (of Hangul: syllables), without blanks, which are judged by the words."""
    wanted, given = "".join(reference.split()), "".join(found.split())
    if not wanted:
        return Count(len(given), 0)
    counted = _jiwer().process_characters(wanted, given)
    return Count(counted.substitutions + counted.deletions + counted.insertions, len(wanted))


def _jiwer() -> Any:
    try:
        import jiwer  # an extra: only measuring needs it
    except ModuleNotFoundError as error:
        raise InputError("jiwer, which counts errors, is not installed", hint=pip_line("text")) from error
    return jiwer
