"""Loops: what a model writes that repeats itself, or that nobody can say in its time."""

import unicodedata
import zlib
from typing import Any

import numpy as np

_MOST_COMPRESSED, _MOST_LETTERS_A_SECOND = 2.4, 35.0
"""Compression ratio (zlib) above which Whisper's authors take a text for a loop (Radford et al. 2023, section 4.5); and most
letters a second, Hangul counted in jamo: people speak 10 to 25."""
_LEAST_TIMES, _LEAST_LETTERS = 4, 20
"""Fewest repetitions in a row, and letters in all, of a repeated stretch of text."""


def is_loop(text: str, seconds: float | None = None) -> bool:
    """Return whether a model looped on a text: it compresses too well, repeats a stretch, or nobody says it in its time.

    seconds: length of the speech that was recognized as it, None = it was not recognized.
    """
    written = text.encode()
    if len(written) > _MOST_COMPRESSED * len(zlib.compress(written)) or (seconds is not None and is_too_long(text, seconds)):
        return True

    letters = np.array([ord(sign) for sign in text.casefold() if sign.isalnum()], np.int64)
    for period in range(1, len(letters) // _LEAST_TIMES + 1):
        run = longest_run(letters[period:] == letters[:-period]) + period
        # Half of the letters or more: a refrain within a longer text is no loop.
        if run >= max(_LEAST_TIMES * period, _LEAST_LETTERS, len(letters) // 2):
            return True
    return False


def is_too_long(text: str, seconds: float) -> bool:
    """Return whether nobody can say a text in a time, by its letters."""
    strokes = sum(sign.isalpha() for sign in unicodedata.normalize("NFD", text))
    return strokes > _MOST_LETTERS_A_SECOND * max(seconds, 1.0)


def longest_run(same: "np.ndarray[Any, np.dtype[np.bool_]]") -> int:
    """Return the length of the longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))
