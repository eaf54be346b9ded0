"""Boxes and landmarks as numbers; needs no image library.

Boxes can follow the head and not the chin. From 3-D landmarks: where a head looks (head pose) and how far its mouth is open.
"""

from collections.abc import Iterator, Sequence
from math import atan2
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from avcore.faces.crop import Box


NUM_LANDMARKS = 468
"""Points of mediapipe's face mesh."""

Landmarks = NDArray[np.float32]
"""float32 [468, 2 or 3]: x, y in pixels from the left and the top; z in the same measure, smaller = nearer to the camera."""
_CHEEKS = 234, 454
_FOREHEAD, _CHIN = 10, 152
_OUTER_EYES = 33, 263
_INNER_LIPS = 13, 14
FillPolicy = Literal["keep", "forward", "nearest"]
FILL_POLICIES: tuple[str, ...] = get_args(FillPolicy)
_LEAST_OVERLAP = 0.5
"""Of boxes of one face in neighbouring pictures."""


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


class HeadAngles(NamedTuple):
    """Radians: yaw > 0 looks to the picture's right, pitch > 0 down, roll > 0 leans clockwise as seen."""

    yaw: float
    pitch: float
    roll: float


def head_pose(landmarks: Landmarks) -> HeadAngles:
    """Estimate where the head looks from landmarks float32 [468, 3]."""
    across = landmarks[_CHEEKS[1]] - landmarks[_CHEEKS[0]]
    down = landmarks[_CHIN] - landmarks[_FOREHEAD]
    return HeadAngles(
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


def steady_boxes(boxes: Sequence["Box | None"], reach: int) -> list["Box | None"]:
    """Average boxes over `reach` pictures on either side, as far as the same face is there in each picture between.

    A box around a whole face goes down with the chin: where it is cut exactly, the crop tells how wide the mouth is open even
    with the mouth masked. reach: 0 = as they are; 12 (half a second) leaves the head's movement and takes the chin's.
    """
    steady: list[Box | None] = list(boxes)
    for start, stop in _same_face(boxes) if reach else ():
        run = np.stack([box for box in boxes[start:stop] if box is not None]).astype(np.float64)
        sums = np.concatenate([np.zeros((1, 4)), run.cumsum(axis=0)])
        place = np.arange(len(run))
        first, last = np.maximum(place - reach, 0), np.minimum(place + reach + 1, len(run))
        steady[start:stop] = list(((sums[last] - sums[first]) / (last - first)[:, None]).astype(np.float32))
    return steady


def _same_face(boxes: Sequence["Box | None"]) -> Iterator[tuple[int, int]]:
    """Where boxes follow one another without a gap or a jump: start, stop of each stretch."""
    start: int | None = None
    for place, box in enumerate(boxes):
        before = boxes[place - 1] if place else None
        if start is not None and (box is None or before is None or overlap(before, box) < _LEAST_OVERLAP):
            yield start, place
            start = None
        if start is None and box is not None:
            start = place
    if start is not None:
        yield start, len(boxes)
