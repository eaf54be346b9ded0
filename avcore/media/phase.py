"""Channels that cancel when they are mixed: a cable with crossed wires, a wrong setting of a mixer."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Samples

_WINDOW = 2048
"""Samples that are judged together, 40 to 130 ms."""
_CANCELLED = 0.5
"""Power of the mix, as a part of what its loudest channel alone brings into it, below which channels cancel: 3 dB. Channels that
have nothing in common add up to more, and those of wide stereo come to this only where their correlation is below -0.75."""
_FLOOR_DB, _BINS = -75, 80
_LOUD_DB = 20
"""How far below the loudest windows others count."""
_AS_CLEAR_DB = 6
_SIDES = {"FL": "left", "FR": "right"}

Counts = NDArray[np.int64]


class LoneChannel(NamedTuple):
    """A channel that is heard alone: its number from 0, of how many, and its name."""

    number: int
    channels: int
    name: str


def lone_channel(blocks: Iterable[tuple[Samples, Samples]], names: Sequence[str]) -> LoneChannel | None:
    """Return the channel to hear in place of a mix in which channels cancel; None where they do not.

    blocks: samples float32 [channel, time] and their weights [channel] in the mix. The windows of the whole sound vote in which
    two channels are loud; memory holds counts only. Of the channels the one that stands out most from its own noise is taken, of
    equal ones the louder.
    """
    votes, levels = np.zeros((2, _BINS), np.int64), None
    for samples, weights in blocks:
        if levels is None:
            levels = np.zeros((len(samples), _BINS), np.int64)
        if len(samples) != len(levels):
            return None  # channels that change on the way are left to their reader
        if len(samples) > 1:
            _count(samples, weights, votes, levels)
    if levels is None or not votes.sum():
        return None
    loud = _loud(votes.sum(0), 0.95) - _LOUD_DB
    mixed, cancelled = votes[:, max(loud, 1) :].sum(1).tolist()
    if cancelled <= mixed:
        return None
    tops = np.array([_loud(one, 0.95) for one in levels])
    ranges = tops - np.array([_loud(one, 0.1) for one in levels])
    ranges[tops < tops.max() - _LOUD_DB] = -1
    clear = np.flatnonzero(ranges >= ranges.max() - _AS_CLEAR_DB)
    number = int(clear[np.argmax(tops[clear])])
    name = names[number] if number < len(names) else ""
    return LoneChannel(number, len(levels), _SIDES.get(name, f"{number + 1}."))


def _count(samples: Samples, weights: Samples, votes: Counts, levels: Counts) -> None:
    """Count the windows of a block by level (dB above the floor): votes [mixed or cancelled, level], by the level of the second
    loudest channel, since it takes two to cancel, and levels [channel, level].
    """
    for start in range(0, samples.shape[1], _WINDOW):
        part = samples[:, start : start + _WINDOW].astype(np.float64)
        powers = (part**2).mean(1)
        mix = float(((weights @ part) ** 2).mean())
        bins = np.clip(10 * np.log10(np.maximum(powers, 1e-12)) - _FLOOR_DB, 0, _BINS - 1).astype(int)
        levels[np.arange(len(bins)), bins] += 1
        votes[int(mix < _CANCELLED * float((weights**2 * powers).max())), np.sort(bins)[-2]] += 1


def _loud(counts: Counts, share: float) -> int:
    """Return the level that a share of the windows does not reach."""
    total = np.cumsum(counts)
    return int(np.searchsorted(total, share * total[-1]))
