"""How somebody who talks moves without meaning to: slow waves of the head, and blinks, all from a seed."""

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


def wander(rng: np.random.Generator, seconds: Values) -> Values:
    """A sum of slow waves with standard deviation 1, slow ones larger, at times (s): [frames]."""
    frequency = np.exp(rng.uniform(log(_FREQUENCIES[0]), log(_FREQUENCIES[1]), _NUM_WAVES))
    weight = frequency**-0.5
    weight /= np.sqrt(np.square(weight).sum() / 2)
    phase = rng.uniform(0, 2 * np.pi, _NUM_WAVES)
    return np.asarray(np.sin(2 * np.pi * np.outer(seconds, frequency) + phase) @ weight, dtype=np.float64)


def blinks(rng: np.random.Generator, num_frames: int) -> Values:
    """How far the lids are closed in pictures at 25 fps, 0 to 1: [frames]."""
    closed = np.zeros(num_frames + len(_BLINK))
    start = frame_at(rng.uniform(0.3, _BLINK_GAPS[1]))
    while start < num_frames:
        closed[start : start + len(_BLINK)] = _BLINK
        start += frame_at(rng.uniform(*_BLINK_GAPS))
    return closed[:num_frames]
