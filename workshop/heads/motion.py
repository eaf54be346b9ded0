"""Head movements of somebody who speaks: slow turns, nods and blinks, all from a seed."""

from dataclasses import replace

import numpy as np

from avcore.timeline import frames_to_seconds
from netflips.portrait.motion import blinks, wander
from workshop.heads.camera import Pose

_YAW, _PITCH, _ROLL, _SHIFT, _SCALE = 0.16, 0.07, 0.05, 0.012, 0.012
"""Size of the movements: radians, shares of the picture's side, share of the head's size."""


def motion(seed: int, num_frames: int, around: Pose | None = None, amount: float = 1.0) -> list[Pose]:
    """Move a head smoothly around a pose at 25 fps.

    The same seed gives the same movement, and a shorter one is the beginning of a longer one. amount: 0 = blinks only,
    1 = as in talk. The shift and scale are in shares, as in `Pose`.
    """
    rest = around or Pose()
    seconds = np.array([float(frames_to_seconds(frame)) for frame in range(num_frames)])
    rng = np.random.default_rng([seed, 2])
    yaw, pitch, roll, right, down, size = (
        amount * reach * wander(rng, seconds) for reach in (_YAW, _PITCH, _ROLL, _SHIFT, _SHIFT, _SCALE)
    )
    closed = blinks(np.random.default_rng([seed, 3]), num_frames)
    return [
        replace(
            rest,
            yaw=rest.yaw + float(yaw[frame]),
            pitch=rest.pitch + float(pitch[frame]),
            roll=rest.roll + float(roll[frame]),
            shift=(rest.shift[0] + float(right[frame]), rest.shift[1] + float(down[frame])),
            scale=rest.scale * (1 + float(size[frame])),
            blink=max(rest.blink, float(closed[frame])),
        )
        for frame in range(num_frames)
    ]
