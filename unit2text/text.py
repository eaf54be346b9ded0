"""Text of a reader: its vocabulary of pieces of words (as published) or letters, and how texts are compared.

Texts are normalised first, then errors in words and characters are counted (Levenshtein distance, by jiwer).
"""

import base64
import binascii
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from avcore.checkpoints.stages import Checkpoint
from avcore.errors import CheckpointError, InputError, pip_line, reason
from avcore.units import BEGIN, END, PAD, UNKNOWN, Ids

VERSION = "netflips-text-1"
"""NFKC; lower case (casefold); all but letters, their marks, digits and apostrophes within words become single blanks."""

_APOSTROPHE, _LIKE_IT = "'", ("\u2019", "\u02bc")
_KEPT = ("L", "M", "N")
"""General categories of Unicode that words are made of."""


def normalise_for_reading(text: str) -> str:
    """Return a text normalised for comparison (see VERSION). It is never shown to people."""
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
    """Errors of a text against a reference."""

    errors: int
    """fewest insertions, deletions and substitutions"""
    length: int
    """words or characters of the reference"""


def word_errors(reference: str, found: str) -> Count:
    """Count errors in words, which blanks divide. Raises InputError if jiwer is not installed."""
    words = reference.split()
    if not words:
        return Count(len(found.split()), 0)
    counted = _jiwer().process_words(reference, found)
    return Count(counted.substitutions + counted.deletions + counted.insertions, len(words))


def character_errors(reference: str, found: str) -> Count:
    """Count errors in characters (Hangul: syllables) without blanks, which count in the words."""
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


PIECES, LETTERS = "pieces", "letters"
BLANK = " "
_SPACE = "▁"
"""SentencePiece's sign for the blank before a word."""
_UNSHOWN = (BEGIN, PAD, END)
_CONJOINING = ("ᄀ", "ᇿ")
"""First and last of the jamo that Hangul syllables are composed of."""


@dataclass(frozen=True)
class TextVocabulary:
    """The rows of a unit-to-text model's table."""

    symbols: tuple[str, ...]
    """symbol of each row"""
    spelling: str = PIECES
    """PIECES or LETTERS"""
    tokenizer: bytes | None = None
    """a SentencePiece model; None: there is none"""

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint) -> "TextVocabulary":
        """Read the vocabulary of a unit-to-text model's configuration. Raises CheckpointError if it cannot be read."""
        spelling, stored = checkpoint.config.get("spelling", PIECES), checkpoint.config.get("tokenizer")
        if spelling not in (PIECES, LETTERS):
            raise CheckpointError(
                "the unit-to-text model's spelling is unknown", path=checkpoint.path, expected=(PIECES, LETTERS), found=spelling
            )
        return cls(tuple(checkpoint.config["symbols"]), spelling, None if stored is None else _decoded(stored, checkpoint.path))

    def encode(self, text: str) -> Ids:
        """Return the rows of a text, int64 [N], without start and end; parts that the vocabulary lacks are `<unk>`.

        For pieces, the text is made lower-case first, as published. Raises InputError if SentencePiece is not installed.
        """
        if self.spelling == PIECES:
            pieces: list[str] = self._processor.encode(text.lower(), out_type=str)
            parts = " ".join(pieces).split()
        else:
            parts = list(letters_of_text(text))
        return np.array([self._rows.get(part, UNKNOWN) for part in parts], dtype=np.int64)

    def decode(self, rows: Iterable[int]) -> str:
        """Return the text of rows, without `<s>`, `<pad>` and `</s>` but with other marks. Letters are joined to NFC."""
        shown = [self.symbols[row] for row in rows if row not in _UNSHOWN]
        if self.spelling == LETTERS:
            return composed("".join(shown))
        return "".join(shown).replace(BLANK, "").replace(_SPACE, BLANK).strip()

    def words(self, rows: Sequence[int]) -> list[tuple[str, list[int]]]:
        """Return the words as they are shown, each with the positions of its rows, in order."""
        groups: list[list[int]] = []
        is_between = True
        for position, row in enumerate(rows):
            symbol = self.symbols[row]
            if row in _UNSHOWN:
                continue
            if self.spelling == LETTERS and symbol == BLANK:
                is_between = True
                continue
            if is_between or (self.spelling == PIECES and symbol.startswith(_SPACE)):
                groups.append([])
            groups[-1].append(position)
            is_between = False

        named = [(self.decode([rows[position] for position in group]), group) for group in groups]
        return [(word, group) for word, group in named if word]

    def marks(self, starts: Iterable[int]) -> tuple[int, ...]:
        """Return the rows that no text has: `<s>`, `<unk>`, and the languages' start tokens."""
        return BEGIN, UNKNOWN, *starts

    @cached_property
    def _rows(self) -> dict[str, int]:
        rows: dict[str, int] = {}
        for row, symbol in enumerate(self.symbols):
            rows.setdefault(symbol, row)
        return rows

    @cached_property
    def _processor(self) -> Any:
        if self.tokenizer is None:
            raise InputError("the unit-to-text model's file has no tokenizer, so that text cannot be cut into its pieces")

        try:
            from sentencepiece import SentencePieceProcessor  # an extra: reading does without it
        except ModuleNotFoundError as error:
            raise InputError("sentencepiece, which cuts text into pieces, is not installed", hint=pip_line("text")) from error

        try:
            return SentencePieceProcessor(model_proto=self.tokenizer)
        except RuntimeError as error:
            raise CheckpointError("the unit-to-text model's tokenizer cannot be read", found=reason(error)) from error


def letters_of_text(text: str) -> str:
    """Return a text as letters: NFD (a Hangul syllable is two or three jamo), single blanks, none at the ends."""
    return BLANK.join(unicodedata.normalize("NFD", unicodedata.normalize("NFC", text)).split())


def composed(letters: str) -> str:
    """Return letters as text in NFC, without jamo that belong to no syllable, and with single blanks."""
    whole = unicodedata.normalize("NFC", letters)
    first, last = _CONJOINING
    return BLANK.join("".join(letter for letter in whole if not first <= letter <= last).split())


def _decoded(stored: object, path: Path) -> bytes:
    try:
        return base64.b64decode(str(stored), validate=True)
    except (binascii.Error, ValueError) as error:
        raise CheckpointError("the unit-to-text model's tokenizer cannot be read", path=path, expected="base64") from error
