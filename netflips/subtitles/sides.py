"""Which side subtitles are of, by their letters: of the source or of the target language, or line by line of both."""

import re
from collections.abc import Iterable, Sequence

from netflips.subtitles.beside import SOURCE, TARGET
from text2unit.stage import LANGUAGES

_LATIN = "A-Za-z\u00c0-\u024f"
_LETTERS = {
    "ko": "\uac00-\ud7a3", "ja": "\u3041-\u30ff", "zh": "\u4e00-\u9fff",
    "el": "\u0370-\u03ff", "he": "\u0590-\u05ff", "hi": "\u0900-\u097f",
    **dict.fromkeys(("ru", "uk", "bg", "sr", "mk", "be"), "\u0400-\u04ff"), **dict.fromkeys(("ar", "fa", "ur"), "\u0600-\u06ff"),
    "th": "\u0e00-\u0e7f",
}  # fmt: skip
"""Letters by language; all other languages have Latin ones."""


def script_letters(language: str) -> str:
    """Return the letters of a language, as within a set of a regular expression."""
    return _LETTERS.get(language, _LATIN)


def side_of(texts: Iterable[str], source: str, target: str) -> str:
    """Return the side of texts by their letters: SOURCE, or TARGET if that language can be spoken here; "" = unknown."""
    source_letters, target_letters = _letters(" ".join(texts), source, target)
    if target_letters > source_letters:
        return TARGET if target in LANGUAGES else ""
    return SOURCE if source_letters else ""


def _letters(text: str, source: str, target: str) -> tuple[int, int]:
    """Count a text's letters of the source and of the target language; those that are not Latin count twice. 0 and 0 if both
    languages have the same letters."""
    letters = [script_letters(language) for language in (source, target)]
    if not source or not target or letters[0] == letters[1]:
        return 0, 0
    source_letters, target_letters = (len(re.findall(f"[{letter}]", text)) * (1 if letter == _LATIN else 2) for letter in letters)
    return source_letters, target_letters


def side_of_line(line: str, source: str, target: str) -> str:
    """Return the side of a line by its letters, "" = unknown. Other letters weigh more than Latin ones, because names in Latin
    letters stand in lines of other letters, but hardly the other way round."""
    source_letters, target_letters = _letters(line, source, target)
    latin = [language not in _LETTERS for language in (source, target)]
    source_letters, target_letters = source_letters * (1 + 2 * latin[1]), target_letters * (1 + 2 * latin[0])
    return "" if source_letters == target_letters else TARGET if target_letters > source_letters else SOURCE


def _parts(text: str, source: str, target: str) -> dict[str, str]:
    """Return a cue's lines, joined by side. A line without letters goes with the line before it, at the beginning with the next."""
    lines = text.split("\n")
    sides = [side_of_line(line, source, target) for line in lines]
    side, found = next(filter(None, sides), ""), dict[str, list[str]]()
    for line, own in zip(lines, sides, strict=True):
        side = own or side
        found.setdefault(side, []).append(line)
    return {side: " ".join(rows) for side, rows in found.items()}


def by_side(texts: Sequence[str], source: str, target: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the side of texts, and each text as one line, with that of the source language beside it.

    Texts are parted by language if half of them or more have lines of both; else there is nothing beside them.
    """
    parts = [_parts(text, source, target) for text in texts]
    num_both = sum({SOURCE, TARGET} <= one.keys() for one in parts)
    if not num_both or num_both * 2 < sum(any(one.values()) for one in parts):
        return side_of(texts, source, target), [(text.replace("\n", " "), "") for text in texts]
    side = TARGET if target in LANGUAGES else SOURCE
    return side, [(part.get(side, ""), part.get(SOURCE, "") if side == TARGET else "") for part in parts]
