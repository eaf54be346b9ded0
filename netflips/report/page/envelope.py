"""The outline of a sound: lowest and highest sample of each 20 ms, read as a stream."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.media import iter_speech_blocks
from avcore.timeline import SAMPLES_PER_UNIT, seconds_to_units
from netflips.report.page.story import Hold

Envelope = NDArray[np.float32]
"""[T, 2]: lowest and highest sample of each 20 ms, -1 to 1."""

NOTHING: Envelope = np.zeros((0, 2), np.float32)


def read_envelope(path: str | Path) -> Envelope:
    """The outline of a file's sound; raises InputError or MediaError as `iter_speech_blocks` does."""
    pieces = list(_outlines(iter_speech_blocks(path)))
    return np.concatenate(pieces) if pieces else NOTHING


def _outlines(blocks: Iterable[NDArray[np.float32]]) -> Iterator[Envelope]:
    rest = np.zeros(0, np.float32)
    for block in blocks:
        joined = np.concatenate([rest, block])
        whole = len(joined) - len(joined) % SAMPLES_PER_UNIT
        rest = joined[whole:]
        if whole:
            steps = joined[:whole].reshape(-1, SAMPLES_PER_UNIT)
            yield np.stack([steps.min(axis=1), steps.max(axis=1)], axis=1)
    if len(rest):
        yield np.array([[rest.min(), rest.max()]], np.float32)


def between(outline: Envelope, start_s: float, stop_s: float) -> Envelope:
    """The part between two times, filled up with silence where the sound ends before."""
    first, last = max(seconds_to_units(start_s), 0), max(seconds_to_units(stop_s), 0)
    part = outline[first:last]
    return np.pad(part, ((0, max(last - first - len(part), 0)), (0, 0)))


def as_played(outline: Envelope, start_s: float, holds: Sequence[Hold]) -> Envelope:
    """A recording's outline on the clock of the output: from the part's start on, with silence where the picture is held."""
    pieces, position = [], seconds_to_units(start_s)
    for hold in holds:
        at = seconds_to_units(hold.at)
        pieces += [outline[position:at], np.zeros((seconds_to_units(hold.seconds), 2), np.float32)]
        position = max(at, position)
    return np.concatenate([*pieces, outline[position:]])


def thinned(outline: Envelope, num_bins: int) -> Envelope:
    """At most `num_bins` lowest and highest values of equal parts."""
    if len(outline) <= num_bins:
        return outline
    edges = np.linspace(0, len(outline), num_bins + 1).astype(int)[:-1]
    return np.stack([np.minimum.reduceat(outline[:, 0], edges), np.maximum.reduceat(outline[:, 1], edges)], axis=1)
