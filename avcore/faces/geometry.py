"""Boxes and landmarks as numbers; needs no image library."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from avcore.faces.crop import Box

NUM_LANDMARKS = 468
"""Points of mediapipe's face mesh."""

Landmarks = NDArray[np.float32]
"""float32 [468, 2 or 3]: x, y in pixels from the left and the top; z in the same measure, smaller = nearer to the camera."""


def hull(landmarks: Landmarks) -> "Box":
    """The smallest box float32 [4] (x1, y1, x2, y2) around landmarks [468, 2 or 3]."""
    return np.concatenate([landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)])


def overlap(one: "Box", other: "Box") -> float:
    """Intersection over union of two boxes [4] (x1, y1, x2, y2)."""
    size = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    if min(size) <= 0:
        return 0.0
    shared = float(size[0] * size[1])
    return shared / (_area(one) + _area(other) - shared)


def _area(box: "Box") -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))
