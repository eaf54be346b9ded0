"""Errors of what was read: words and characters inserted, left out or taken for others (Levenshtein distance, by jiwer)."""

from typing import Any, NamedTuple

from avcore.errors import InputError
from avcore.provenance import pip_line


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
