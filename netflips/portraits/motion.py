"""Movements of a talking person, from a seed: slow waves of the head, blinks, and nods and raised brows at stressed syllables.

Nods and brows follow the stress (Munhall et al. 2004, "Visual prosody and speech intelligibility").
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
"""How far the lids close in a blink, frame by frame at 25 fps."""

_SMOOTHED, _AROUND = 3, 21
"""Frames over which loudness is averaged: for a syllable, and for its surroundings."""
_STRESSED, _APART = 0.2, 7
"""How much louder a stressed syllable is than its surroundings (natural log), and least frames from one to the next."""
_FLOOR = 3.0
"""How far below the loudest a stressed syllable may be (natural log)."""
_NODS, _RAISES = 0.85, 0.3
"""Shares of stressed syllables at which the head nods, and the brows go up."""
_DOWN, _UP = 4, 6
"""Frames in which the head goes down for a nod, and up again; the syllable is loudest just before the lowest point."""


def wander(rng: np.random.Generator, seconds: Values) -> Values:
    """Return a sum of waves at times (s), with standard deviation 1, slower waves larger: [frames]."""
    frequency = np.exp(rng.uniform(log(_FREQUENCIES[0]), log(_FREQUENCIES[1]), _NUM_WAVES))
    weight = frequency**-0.5  # the power of the waves falls as 1/f
    weight /= np.sqrt(np.square(weight).sum() / 2)  # a sine has a variance of 1/2
    phase = rng.uniform(0, 2 * np.pi, _NUM_WAVES)
    return np.asarray(np.sin(2 * np.pi * np.outer(seconds, frequency) + phase) @ weight, dtype=np.float64)


def blinks(rng: np.random.Generator, num_frames: int) -> Values:
    """Return how far the lids are closed in each frame at 25 fps, 0 to 1: [frames]."""
    closed = np.zeros(num_frames + len(_BLINK))
    start = frame_at(rng.uniform(0.3, _BLINK_GAPS[1]))
    while start < num_frames:
        closed[start : start + len(_BLINK)] = _BLINK
        start += frame_at(rng.uniform(*_BLINK_GAPS))
    return closed[:num_frames]


def accents(rng: np.random.Generator, levels: NDArray[np.float32], num_frames: int) -> tuple[Values, Values]:
    """Return how far the head nods and the brows are raised with the speech, 0 to 1: [frames] each.

    levels: loudness of each frame at 25 fps, see `avcore.faces.select.loudness`; beyond them there is silence.
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
    """Return values from near 0 to 1 in so many steps, which begin and end smoothly."""
    return np.asarray((1 - np.cos(np.pi * np.arange(1, steps + 1) / steps)) / 2, np.float64)


def _stressed(levels: Values) -> list[tuple[int, float]]:
    """Return the frames in which a stressed syllable is loudest, with how much louder it is than its surroundings."""
    if len(levels) < _SMOOTHED:
        return []
    smooth, around = (np.convolve(np.pad(levels, n // 2, mode="edge"), np.ones(n) / n, "valid") for n in (_SMOOTHED, _AROUND))
    out = np.where(smooth > smooth.max() - _FLOOR, smooth - around, 0.0)

    found = list[tuple[int, float]]()
    # Loudest first: of two syllables that are too near to each other, the stronger one keeps its accent.
    for place in np.argsort(-out, kind="stable").tolist():
        if out[place] < _STRESSED:
            break
        if all(abs(place - other) >= _APART for other, _ in found):
            found.append((place, float(out[place])))
    return sorted(found)
