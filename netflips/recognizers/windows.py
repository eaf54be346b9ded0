"""Stretches of sound that are recognised together, and the words of each given back by their times.

A recognizer such as Whisper takes 30 s at once, whatever there is in them, and hears a sentence better among its neighbours.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

import numpy as np

from avcore.arrays import Samples
from avcore.contracts import Transcript
from avcore.timeline import samples_to_seconds

WINDOW_S: Final = 28.0
"""Seconds that are recognised together at most."""
_WELL_FILLED = 0.65
"""A window ends at the longest pause behind so much of it: a sentence seldom goes on there."""


class WindowPart(NamedTuple):
    """A stretch of sound in a window, with what is around it."""

    samples: Samples
    """float32 [S] at 16 kHz."""
    start_s: float
    """The time of its first sample, on the clock that its words are to have."""


def packed(lengths: Sequence[float], pauses: Sequence[float] | None = None) -> list[range]:
    """Return which stretches are recognised together: neighbours, as many as a window holds.

    lengths: in a window (s), of all stretches in order. pauses: behind each of them in the recording (s), None = all alike.
    What comes before a stretch decides of its window, and what comes after the window does not.
    """
    found, first = list[range](), 0
    while first < len(lengths):
        filled = list(accumulate(lengths[first:]))
        count = max(sum(seconds <= WINDOW_S for seconds in filled), 1)
        if count < len(filled) and pauses is not None:
            ends = [k for k in range(count) if filled[k] >= _WELL_FILLED * WINDOW_S] or [count - 1]
            count = 1 + max(ends, key=lambda k: (pauses[first + k], k))
        found.append(range(first, first + count))
        first += count
    return found


def recognised_together(pieces: Sequence[WindowPart], recognise: Callable[[Samples], Transcript]) -> list[Transcript]:
    """Return what each of some pieces says, recognised as one sound. A word belongs to the piece that its middle lies in.

    Where the recognizer wrote a loop, all of them have it: nobody knows in which it was.
    """
    heard = recognise(np.concatenate([one.samples for one in pieces]))
    ends = [float(samples_to_seconds(stop)) for stop in accumulate(len(one.samples) for one in pieces)]
    found = list[Transcript]()
    for piece, (start, end) in zip(pieces, pairwise([0.0, *ends[:-1], float("inf")]), strict=True):
        own = [word for word in heard.words if start <= (word.start_s + word.end_s) / 2 < end]
        moved = tuple(
            word._replace(start_s=word.start_s - start + piece.start_s, end_s=word.end_s - start + piece.start_s) for word in own
        )
        found.append(Transcript(" ".join(word.text for word in own), heard.language, moved, heard.has_loop))
    return found
