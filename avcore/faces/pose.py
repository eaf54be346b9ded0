"""Where a head looks and how far its mouth is open, from 3-D landmarks."""

from math import atan2
from typing import NamedTuple

import numpy as np

from avcore.faces.geometry import Landmarks

_CHEEKS = 234, 454
_FOREHEAD, _CHIN = 10, 152
_OUTER_EYES = 33, 263
_INNER_LIPS = 13, 14


class HeadPose(NamedTuple):
    """Radians: yaw > 0 looks to the picture's right, pitch > 0 down, roll > 0 leans clockwise as seen."""

    yaw: float
    pitch: float
    roll: float


def head_pose(landmarks: Landmarks) -> HeadPose:
    """Estimate where the head looks from landmarks float32 [468, 3]."""
    across = landmarks[_CHEEKS[1]] - landmarks[_CHEEKS[0]]
    down = landmarks[_CHIN] - landmarks[_FOREHEAD]
    return HeadPose(
        yaw=atan2(across[2], float(np.hypot(across[0], across[1]))),
        pitch=atan2(down[2], float(np.hypot(down[0], down[1]))),
        roll=atan2(across[1], across[0]),
    )


def mouth_opening(landmarks: Landmarks) -> float:
    """Gap between the lips of landmarks float32 [468, 3], in distances between the outer corners of the eyes.

    Measured in space, so that turning the head does not change it.
    """
    upper, lower = landmarks[list(_INNER_LIPS)]
    left, right = landmarks[list(_OUTER_EYES)]
    return float(np.linalg.norm(lower - upper)) / max(float(np.linalg.norm(right - left)), 1e-6)
