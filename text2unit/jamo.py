"""Letters that a speller reads: Hangul taken apart (NFD jamo) or Latin ones, a blank, and the marks that the normaliser leaves."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avcore.errors import CheckpointError
from avcore.units import Ids
from text2unit.normalise import MARKS

PADDING = 0
_INITIALS = range(0x1100, 0x1113)
_VOWELS = range(0x1161, 0x1176)
_FINALS = range(0x11A8, 0x11C3)
SYMBOLS = (" ", *MARKS, *map(chr, (*_INITIALS, *_VOWELS, *_FINALS)))
"""Of Korean. The letter of number n + 1 stands at place n; number 0 is padding."""
ALPHABETS = {"ko": SYMBOLS, "en": (" ", *MARKS, "'", *map(chr, range(ord("a"), ord("z") + 1)))}
"""By language."""
KEY = "known_letters"
"""Of a checkpoint's configuration, where the letters in a row that it learnt are stored."""
_EDGE, _WIDTH = "^", 3
_NO_MARKS = str.maketrans(dict.fromkeys(MARKS, " "))
_NUMBERS = {name: {symbol: number for number, symbol in enumerate(symbols, 1)} for name, symbols in ALPHABETS.items()}


def letters_of(said: str, alphabet: str = "ko") -> Ids:
    """Numbers of the letters of a text as its language is normalised: int64 [J]. Raises ValueError for any other sign."""
    apart = unicodedata.normalize("NFD", said)
    try:
        return np.array([_NUMBERS[alphabet][sign] for sign in apart], dtype=np.int64)
    except KeyError as error:
        raise ValueError(f"{error.args[0]!r} is no letter of normalised text") from error


@dataclass(frozen=True)
class KnownLetters:
    """What a speller learnt: all rows of three letters within words, "^" before and behind a word.

    How Korean is read depends on the letters beside; a word all of whose rows were learnt is read as it was learnt. The mean score
    of a sentence does not tell it: of 40 sentences that are none of the demo's, 19 score as its own do.
    """

    rows: frozenset[str]

    @classmethod
    def of(cls, sentences: Iterable[str]) -> "KnownLetters":
        """Those of sentences as `text2unit.script` gives them."""
        return cls(frozenset(row for sentence in sentences for word in _words(sentence) for row in _rows(word)))

    @classmethod
    def from_config(cls, config: Mapping[str, Any], path: Path) -> "KnownLetters | None":
        """Read those of a checkpoint, None where it names none. Raises CheckpointError."""
        stored = config.get(KEY)
        if stored is None:
            return None
        if not isinstance(stored, str) or any(len(row) != _WIDTH for row in stored.split()):
            raise CheckpointError("its known letters cannot be read", path=path, expected=f"rows of {_WIDTH} letters")
        return cls(frozenset(stored.split()))

    def to_config(self) -> str:
        """Return what a checkpoint's configuration holds under `known_letters`."""
        return " ".join(sorted(self.rows))

    def unknown_words(self, sentence: str) -> list[str]:
        """Return the words of a sentence, as `text2unit.script` gives it, that were not learnt."""
        return [word for word in _words(sentence) if not self.rows.issuperset(_rows(word))]

    def share(self, sentences: Iterable[str]) -> float:
        """Return the share of the words of sentences that were learnt, 0 to 1."""
        said = list(sentences)
        count = sum(len(_words(one)) for one in said)
        return 1 - sum(len(self.unknown_words(one)) for one in said) / max(count, 1)


def _words(sentence: str) -> list[str]:
    return sentence.translate(_NO_MARKS).split()


def _rows(word: str) -> Iterator[str]:
    letters = f"{_EDGE}{unicodedata.normalize('NFD', word)}{_EDGE}"
    return (letters[start : start + _WIDTH] for start in range(len(letters) - _WIDTH + 1))
