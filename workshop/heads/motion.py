"""Head movements of somebody who speaks: slow turns, nods and blinks, all from a seed."""

from dataclasses import replace
from math import log

import numpy as np
from numpy.typing import NDArray

from avcore.timeline import frame_at, frames_to_seconds
from workshop.heads.camera import Pose

_NUM_WAVES = 4
_FREQUENCIES = 0.08, 0.8
"""Hz, slowest and fastest turn of the head."""
_YAW, _PITCH, _ROLL, _SHIFT, _SCALE = 0.16, 0.07, 0.05, 0.012, 0.012
"""Size of the movements: radians, shares of the picture's side, share of the head's size."""
_BLINK_GAPS = 1.8, 5.0
"""Seconds between blinks."""
_BLINK = (0.5, 1.0, 1.0, 0.6, 0.2)
"""A blink, picture by picture."""


def motion(seed: int, num_frames: int, around: Pose | None = None, amount: float = 1.0) -> list[Pose]:
    """Move a head smoothly around a pose at 25 fps.

    The same seed gives the same movement, and a shorter one is the beginning of a longer one. amount: 0 = blinks only,
    1 = as in talk. The shift and scale are in shares, as in `Pose`.
    """
    rest = around or Pose()
    seconds = np.array([float(frames_to_seconds(frame)) for frame in range(num_frames)])
    rng = np.random.default_rng([seed, 2])
    yaw, pitch, roll, right, down, size = (
        amount * reach * _wander(rng, seconds) for reach in (_YAW, _PITCH, _ROLL, _SHIFT, _SHIFT, _SCALE)
    )
    blinks = _blinks(np.random.default_rng([seed, 3]), num_frames)
    return [
        replace(
            rest,
            yaw=rest.yaw + float(yaw[frame]),
            pitch=rest.pitch + float(pitch[frame]),
            roll=rest.roll + float(roll[frame]),
            shift=(rest.shift[0] + float(right[frame]), rest.shift[1] + float(down[frame])),
            scale=rest.scale * (1 + float(size[frame])),
            blink=max(rest.blink, float(blinks[frame])),
        )
        for frame in range(num_frames)
    ]


def _wander(rng: np.random.Generator, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """A sum of slow waves with standard deviation 1, slow ones larger: [frames]."""
    frequency = np.exp(rng.uniform(log(_FREQUENCIES[0]), log(_FREQUENCIES[1]), _NUM_WAVES))
    weight = frequency**-0.5
    weight /= np.sqrt(np.square(weight).sum() / 2)
    phase = rng.uniform(0, 2 * np.pi, _NUM_WAVES)
    return np.asarray(np.sin(2 * np.pi * np.outer(seconds, frequency) + phase) @ weight, dtype=np.float64)


def _blinks(rng: np.random.Generator, num_frames: int) -> NDArray[np.float64]:
    """How far the lids are closed, 0 to 1: [frames]."""
    closed = np.zeros(num_frames + len(_BLINK))
    start = frame_at(rng.uniform(0.3, _BLINK_GAPS[1]))
    while start < num_frames:
        closed[start : start + len(_BLINK)] = _BLINK
        start += frame_at(rng.uniform(*_BLINK_GAPS))
    return closed[:num_frames]
