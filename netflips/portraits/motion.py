"""How somebody who talks moves: slow waves of the head, blinks, and nods and brows at stressed syllables, all from a seed.

Nods and brows go with what is stressed (Munhall et al. 2004, "Visual prosody and speech intelligibility").
"""

from math import log

import numpy as np
from numpy.typing import NDArray

from avcore.timeline import frame_at

Values = NDArray[np.float64]

_NUM_WAVES = 4
_FREQUENCIES = 0.08, 0.8
"""Hz, slowest and fastest turn of the head."""
_BLINK_GAPS = 1.8, 5.0
"""Seconds between blinks."""
_BLINK = (0.5, 1.0, 1.0, 0.6, 0.2)
"""A blink, picture by picture at 25 fps."""

_SMOOTHED, _AROUND = 3, 21
"""Pictures over which loudness is averaged, and of which a syllable must stick out."""
_STRESSED, _APART = 0.2, 7
"""By how much the logarithm of its level does, and pictures from one stressed syllable to the next."""
_FLOOR = 3.0
"""How far below the loudest a syllable may be, natural log."""
_NODS, _RAISES = 0.85, 0.3
"""Shares of stressed syllables at which the head nods, and the brows go up."""
_DOWN, _UP = 4, 6
"""Pictures in which a head goes down for a nod, and up again; the syllable is loudest just before the lowest."""


def wander(rng: np.random.Generator, seconds: Values) -> Values:
    """Return a sum of slow waves with standard deviation 1, slow ones larger, at times (s): [frames]."""
    frequency = np.exp(rng.uniform(log(_FREQUENCIES[0]), log(_FREQUENCIES[1]), _NUM_WAVES))
    weight = frequency**-0.5
    weight /= np.sqrt(np.square(weight).sum() / 2)
    phase = rng.uniform(0, 2 * np.pi, _NUM_WAVES)
    return np.asarray(np.sin(2 * np.pi * np.outer(seconds, frequency) + phase) @ weight, dtype=np.float64)


def blinks(rng: np.random.Generator, num_frames: int) -> Values:
    """Return how far the lids are closed in pictures at 25 fps, 0 to 1: [frames]."""
    closed = np.zeros(num_frames + len(_BLINK))
    start = frame_at(rng.uniform(0.3, _BLINK_GAPS[1]))
    while start < num_frames:
        closed[start : start + len(_BLINK)] = _BLINK
        start += frame_at(rng.uniform(*_BLINK_GAPS))
    return closed[:num_frames]


def accents(rng: np.random.Generator, levels: NDArray[np.float32], num_frames: int) -> tuple[Values, Values]:
    """Return how far the head nods and the brows are raised with the speech, 0 to 1: [frames] each.

    levels: loudness of each picture at 25 fps, see `avcore.faces.select.loudness`; silence beyond them.
    """
    nods, raises = np.zeros(num_frames + _DOWN + _UP), np.zeros(num_frames + _DOWN + _UP)
    shape = np.concatenate([_eased(_DOWN), _eased(_UP)[::-1]])
    for place, stress in _stressed(levels[:num_frames].astype(np.float64)):
        nod, raised, size = rng.random() < _NODS, rng.random() < _RAISES, rng.uniform(0.6, 1.0) * min(stress, 1.0)
        begin = max(place + 1 - _DOWN, 0)
        for values, happens in ((nods, nod), (raises, raised)):
            if happens:
                part = values[begin : begin + len(shape)]
                np.maximum(part, size * shape[: len(part)], out=part)
    return nods[:num_frames], raises[:num_frames]


def _eased(steps: int) -> Values:
    """From near 0 to 1 in so many steps, without a jerk."""
    return np.asarray((1 - np.cos(np.pi * np.arange(1, steps + 1) / steps)) / 2, np.float64)


def _stressed(levels: Values) -> list[tuple[int, float]]:
    """Pictures in which a stressed syllable is loudest, each with by how much it sticks out of what is around it."""
    if len(levels) < _SMOOTHED:
        return []
    smooth, around = (np.convolve(np.pad(levels, n // 2, mode="edge"), np.ones(n) / n, "valid") for n in (_SMOOTHED, _AROUND))
    out = np.where(smooth > smooth.max() - _FLOOR, smooth - around, 0.0)
    found = list[tuple[int, float]]()
    for place in np.argsort(-out, kind="stable").tolist():
        if out[place] < _STRESSED:
            break
        if all(abs(place - other) >= _APART for other, _ in found):
            found.append((place, float(out[place])))
    return sorted(found)
