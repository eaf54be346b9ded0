"""Windows: several stretches of sound that are recognized together, after which each gets its words by their times.

A recognizer such as Whisper always processes 30 s at once, and recognizes a sentence better together with its neighbours.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

import numpy as np

from avcore.arrays import Samples
from avcore.contracts import Transcript
from avcore.timeline import samples_to_seconds

WINDOW_S: Final = 28.0
"""Most seconds that are recognized together."""
_WELL_FILLED = 0.65
"""A window that is filled to this share ends at its longest pause from there on, where a sentence seldom goes on."""


class WindowPart(NamedTuple):
    """A stretch of sound in a window, with some sound around it."""

    samples: Samples
    """float32 [S] at 16 kHz"""
    start_s: float
    """time of its first sample, on the clock that its words are to have"""


def packed(lengths: Sequence[float], pauses: Sequence[float] | None = None) -> list[range]:
    """Return which stretches share a window, as ranges of their indices: neighbours, as many as fit.

    lengths: of all stretches in order (s), as they are in a window. pauses: after each of them in the recording (s), None = all
    alike. A window does not depend on any stretch that comes after it, but on those before.
    """
    found, first = list[range](), 0
    while first < len(lengths):
        filled = list(accumulate(lengths[first:]))
        # At least one: a stretch that is longer than a window gets one of its own.
        count = max(sum(seconds <= WINDOW_S for seconds in filled), 1)
        if count < len(filled) and pauses is not None:
            ends = [k for k in range(count) if filled[k] >= _WELL_FILLED * WINDOW_S] or [count - 1]
            count = 1 + max(ends, key=lambda k: (pauses[first + k], k))

        found.append(range(first, first + count))
        first += count
    return found


def recognized_together(pieces: Sequence[WindowPart], recognize: Callable[[Samples], Transcript]) -> list[Transcript]:
    """Recognize pieces as one sound; returns the transcript of each. A word belongs to the piece in which its middle lies.

    If the recognizer wrote a loop, all transcripts have `has_loop`, because it is not known to which piece it belongs.
    """
    whole = recognize(np.concatenate([one.samples for one in pieces]))
    ends = [float(samples_to_seconds(stop)) for stop in accumulate(len(one.samples) for one in pieces)]
    found = list[Transcript]()
    for piece, (start, end) in zip(pieces, pairwise([0.0, *ends[:-1], float("inf")]), strict=True):
        own = [word for word in whole.words if start <= (word.start_s + word.end_s) / 2 < end]
        moved = tuple(
            word._replace(start_s=word.start_s - start + piece.start_s, end_s=word.end_s - start + piece.start_s) for word in own
        )
        found.append(Transcript(" ".join(word.text for word in own), whole.language, moved, whole.has_loop))
    return found
