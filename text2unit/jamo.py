"""Letters that a speller reads: Hangul taken apart (NFD jamo), a blank, and the marks that the normaliser leaves."""

import unicodedata

import numpy as np

from avcore.units import Ids
from text2unit.normalise import MARKS

PADDING = 0
_INITIALS = range(0x1100, 0x1113)
_VOWELS = range(0x1161, 0x1176)
_FINALS = range(0x11A8, 0x11C3)
SYMBOLS = (" ", *MARKS, *map(chr, (*_INITIALS, *_VOWELS, *_FINALS)))
"""The letter of number n + 1 stands at place n; number 0 is padding."""
_NUMBERS = {symbol: number for number, symbol in enumerate(SYMBOLS, 1)}


def letters_of(said: str) -> Ids:
    """Numbers of the letters of a text as `normalise` gives it: int64 [J]. Raises ValueError for any other sign."""
    apart = unicodedata.normalize("NFD", said)
    try:
        return np.array([_NUMBERS[sign] for sign in apart], dtype=np.int64)
    except KeyError as error:
        raise ValueError(f"{error.args[0]!r} is no letter of normalised text") from error
