"""Geometry of boxes and landmarks; needs no image library.

Steady boxes that follow the head, not the chin. From 3-D landmarks: head pose and mouth opening. A mouth that is cut off by the
edge of the frame is not drawn: the mesh would place one above the edge, beside the real one.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import atan2, inf
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from avcore.notes import Note, NoteKind

Box = NDArray[np.float32]
"""A box [4]: x1, y1, x2, y2 in pixels."""
TransitionKind = Literal["dissolve", "fade"]
"""How one shot becomes another where there is no cut."""
Landmarks = NDArray[np.float32]
"""Points of mediapipe's face mesh, float32 [468, 2 or 3]: x, y in pixels from the left and the top; z in the same scale, smaller =
nearer to the camera."""
_CHEEKS = 234, 454
_FOREHEAD, _CHIN = 10, 152
_OUTER_EYES = 33, 263
_INNER_LIPS = 13, 14
_OUTER_LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
CUT_BELOW, WHOLE_FROM = 0.05, 0.08
"""Margins of the lips: below the first a mouth is cut off, until it reaches the second again. Lips that are cut off are detected at
most 0.04 within the frame, and the margin of lips at 0.05 is right to 0.02 (two videos of people, a photograph, drawn heads)."""
CUT_OFF = "mouth cut off"
"""The reason in reports why such a mouth is not drawn."""
BLEND = 4
"""Frames over which a drawn mouth fades in and out beside frames without one."""
SHORTEST_DRAWN = 5
"""Shorter stretches of frames between cut-off mouths are not drawn either: a mouth would only flicker."""
_BOX_LIPS = np.array([0.3, 0.6, 0.7, 0.81], np.float32)
"""Place of the lips in a face's box, in shares of its width and height: x1, y1, x2, y2."""
_LEAST_OVERLAP = 0.5
"""Least overlap of boxes of one face in neighbouring frames."""

MOUTH_CUT = NoteKind(
    "mouth_cut", "the mouth is cut off by the edge of the frame in {count} of {total:#frame}: it stays as it is there"
)
MOUTH_HIDDEN = NoteKind("mouth_hidden", "something is before the mouth in {count} of {total:#frame}: it stays as it is there")


def hull(landmarks: Landmarks) -> Box:
    """Return the smallest box float32 [4] (x1, y1, x2, y2) around landmarks [468, 2 or 3]."""
    return np.concatenate([landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)])


def overlap(one: Box, other: Box) -> float:
    """Return the intersection over union of two boxes [4] (x1, y1, x2, y2)."""
    size = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    if min(size) <= 0:
        return 0.0
    shared = float(size[0] * size[1])
    areas = sum(float((box[2] - box[0]) * (box[3] - box[1])) for box in (one, other))
    return shared / (areas - shared)


class HeadAngles(NamedTuple):
    """Head pose in radians: yaw > 0 looks to the frame's right, pitch > 0 down, roll > 0 leans clockwise as seen."""

    yaw: float
    pitch: float
    roll: float


def head_pose(landmarks: Landmarks) -> HeadAngles:
    """Estimate the head pose from landmarks float32 [468, 3]."""
    across = landmarks[_CHEEKS[1]] - landmarks[_CHEEKS[0]]
    down = landmarks[_CHIN] - landmarks[_FOREHEAD]
    return HeadAngles(
        yaw=atan2(across[2], float(np.hypot(across[0], across[1]))),
        pitch=atan2(down[2], float(np.hypot(down[0], down[1]))),
        roll=atan2(across[1], across[0]),
    )


def mouth_opening(landmarks: Landmarks) -> float:
    """Return the gap between the lips of landmarks float32 [468, 3], in distances between the outer corners of the eyes.

    Measured in space, so that turning the head does not change it.
    """
    upper, lower = landmarks[list(_INNER_LIPS)]
    left, right = landmarks[list(_OUTER_EYES)]
    return float(np.linalg.norm(lower - upper)) / max(float(np.linalg.norm(right - left)), 1e-6)


def steady_boxes(boxes: Sequence[Box | None], reach: int) -> list[Box | None]:
    """Average boxes over `reach` frames on either side, within stretches in which the same face is present.

    A box around a whole face follows the chin: an exact crop would reveal how wide the mouth is open even with the mouth masked.
    reach: 0 = unchanged; 12 (half a second) keeps the head's movement and removes the chin's.
    """
    steady: list[Box | None] = list(boxes)
    for start, stop in _same_face(boxes) if reach else ():
        run = np.stack([box for box in boxes[start:stop] if box is not None]).astype(np.float64)
        # Sums from the beginning on: the time does not depend on `reach`.
        sums = np.concatenate([np.zeros((1, 4)), run.cumsum(axis=0)])
        place = np.arange(len(run))
        first, last = np.maximum(place - reach, 0), np.minimum(place + reach + 1, len(run))
        steady[start:stop] = list(((sums[last] - sums[first]) / (last - first)[:, None]).astype(np.float32))
    return steady


def _same_face(boxes: Sequence[Box | None]) -> Iterator[tuple[int, int]]:
    """Yield start and stop of each stretch of boxes without a gap or a jump."""
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


class MouthsToDraw(NamedTuple):
    """The mouths of one face that may be drawn, frame by frame."""

    boxes: list[Box | None]
    """float32 [4] each, None where nothing is drawn."""
    strengths: NDArray[np.float32]
    """float32 [T], opacity of the drawn mouth, 0 to 1."""
    is_cut: NDArray[np.bool_]
    """bool [T], True where there is a face whose mouth is cut off by the edge of the frame."""

    @classmethod
    def of(cls, boxes: Sequence[Box | None]) -> "MouthsToDraw":
        """Return the mouths of all boxes, without a check whether they are cut off."""
        return cls(list(boxes), np.ones(len(boxes), np.float32), np.zeros(len(boxes), bool))

    @property
    def note(self) -> Note | None:
        """The note on mouths that are cut off, None where there are none."""
        return MOUTH_CUT(count=int(self.is_cut.sum()), total=len(self.is_cut)) if self.is_cut.any() else None


def lip_margin(landmarks: Landmarks, size: tuple[int, int]) -> float:
    """Return the distance of the lips from the edge of the frame, in widths of the face; below 0 = beyond the edge.

    landmarks: [468, 2 or 3]. size: of the frame, height and width.
    """
    lips = landmarks[list(_OUTER_LIPS), :2]
    width = float(np.ptp(landmarks[:, 0]))
    return _margin(np.concatenate([lips.min(axis=0), lips.max(axis=0)]), width, size)


def box_lip_margin(box: Box, size: tuple[int, int]) -> float:
    """Estimate `lip_margin` from a face's box [4], where no landmarks are known."""
    corner, extent = np.tile(box[:2], 2), np.tile(box[2:] - box[:2], 2)
    return _margin(corner + _BOX_LIPS * extent, float(extent[0]), size)


def _margin(lips: Box, width: float, size: tuple[int, int]) -> float:
    inside = min(*lips[:2].tolist(), size[1] - float(lips[2]), size[0] - float(lips[3]))
    return float(inside) / max(width, 1e-6)


def cut_mouths(margins: NDArray[np.floating]) -> NDArray[np.bool_]:  # type: ignore[type-arg]
    """Return which mouths are cut off by the edge of the frame, bool [T]. margins: [T], of the lips of one tracked face."""
    # Two thresholds: a margin around a single one would switch the drawn mouth on and off.
    is_cut = np.zeros(len(margins), bool)
    for place, margin in enumerate(margins):
        is_cut[place] = margin < (WHOLE_FROM if place and is_cut[place - 1] else CUT_BELOW)
    return is_cut


def ramps(length: int, has_before: bool, has_after: bool) -> NDArray[np.float32]:
    """Return the opacity of a drawn mouth in a stretch of frames, float32 [length].

    It fades in where frames without a drawn mouth come before, and fades out where such frames follow.
    """
    steps = np.arange(1, length + 1, dtype=np.float32) / (BLEND + 1)
    rising = steps if has_before else np.ones(length, np.float32)
    falling = steps[::-1] if has_after else np.ones(length, np.float32)
    return np.minimum(np.minimum(rising, falling), 1)


def mouths_in_boxes(boxes: Sequence[Box | None], size: tuple[int, int]) -> MouthsToDraw:
    """As `mouths_to_draw`, from boxes alone. size: of the frames, height and width."""
    return mouths_to_draw(boxes, [inf if box is None else box_lip_margin(box, size) for box in boxes])


def mouths_to_draw(boxes: Sequence[Box | None], margins: Sequence[float]) -> MouthsToDraw:
    """Find the mouths of a face that may be drawn. boxes: None where it is not found. margins: of its lips, see `lip_margin`."""
    strengths, is_cut = np.zeros(len(boxes), np.float32), np.zeros(len(boxes), bool)
    for start, stop in _same_face(boxes):
        is_cut[start:stop] = cut_mouths(np.asarray(margins[start:stop], np.float64))
        edges = [start, *(start + 1 + np.flatnonzero(np.diff(is_cut[start:stop]))).tolist(), stop]
        for first, last in pairwise(edges):
            is_whole = start == first and last == stop
            if not is_cut[first] and (is_whole or last - first >= SHORTEST_DRAWN):
                strengths[first:last] = ramps(last - first, first > start, last < stop)
            elif not is_cut[first]:
                is_cut[first:last] = True

    shown = [box if strength > 0 else None for box, strength in zip(boxes, strengths.tolist(), strict=True)]
    return MouthsToDraw(shown, strengths, is_cut)
