"""The face detectors of mediapipe (BlazeFace), run by LiteRT: short range and full range.

The two networks are Google's, published with mediapipe under Apache-2.0, and stand in `models/`. What is done before and
behind them (the square that a picture is laid on, the anchors, the joining of boxes) follows mediapipe's graphs
`face_detection_short_range` and `face_detection_full_range`: same boxes to a hundredth of a pixel.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats
from avcore.faces.crop import Picture
from avcore.faces.litert import Region, cut_region, load_network, whole_picture

_JOINED_OVERLAP = 0.3
"""Intersection over union from which two boxes are one face."""
_MAX_LOGIT = 80.0


@dataclass(frozen=True)
class Layout:
    """What mediapipe's graph says of a detector.

    file: its network. side: of the square that it sees, in pixels. grids: side of each grid of anchors, and anchors a cell.
    min_score: of a face, 0..1.
    """

    file: str
    side: int
    grids: tuple[tuple[int, int], ...]
    min_score: float


SHORT_RANGE = Layout("face_detection_short_range.tflite", 128, ((16, 2), (8, 6)), 0.5)
FULL_RANGE = Layout("face_detection_full_range_sparse.tflite", 192, ((48, 1),), 0.6)


@dataclass(frozen=True)
class Detection:
    """A face. box: float32 [4] (x1, y1, x2, y2), from brows to chin; points: float32 [6, 2], the first two are the eyes; both
    in pixels of the picture. score: 0..1.
    """

    box: Floats
    points: Floats
    score: float


class BlazeFace:
    """One of the two detectors."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._network = load_network(layout.file)
        self._anchors = np.concatenate([_anchors(side, per_cell) for side, per_cell in layout.grids])

    def detect(self, picture: Picture) -> list[Detection]:
        """Find the faces in a picture uint8 [height, width, 3] (RGB), the surest first."""
        side = self._layout.side
        square = whole_picture(picture)
        values, logits = self._network(cut_region(picture, square, side, low=-1.0, border=0))
        scores = 1 / (1 + np.exp(-np.clip(logits.reshape(-1), -_MAX_LOGIT, _MAX_LOGIT)))
        sure = np.flatnonzero(scores >= self._layout.min_score)
        places = self._places(values.reshape(len(scores), -1)[sure], sure)
        return [_in_picture(place, score, square) for place, score in _joined(places, scores[sure])]

    def _places(self, values: Floats, which: NDArray[np.int64]) -> Floats:
        """Corners and six points, float32 [n, 8, 2] as shares of the square, from what the network says at some anchors."""
        pairs = (values / self._layout.side).reshape(len(which), 8, 2)
        anchors = self._anchors[which][:, None]
        centre, half = pairs[:, :1] + anchors, pairs[:, 1:2] / 2
        return np.concatenate([centre - half, centre + half, pairs[:, 2:] + anchors], axis=1)


def _anchors(side: int, per_cell: int) -> Floats:
    """Centres of anchors, float32 [side * side * per_cell, 2] as shares of the square, row by row."""
    centres = (np.arange(side, dtype=np.float32) + 0.5) / side
    y, x = np.meshgrid(centres, centres, indexing="ij")
    return np.repeat(np.stack([x, y], axis=-1).reshape(-1, 2), per_cell, axis=0).astype(np.float32)


def _joined(places: Floats, scores: Floats) -> list[tuple[Floats, float]]:
    """One place a face: the mean, weighted by score, of those that overlap the surest one."""
    left = np.argsort(-scores, kind="stable")
    faces = []
    while len(left):
        same = _overlaps(places[left[0]], places[left]) > _JOINED_OVERLAP
        same[0] = True
        weights = scores[left[same]]
        mean = (places[left[same]] * weights[:, None, None]).sum(axis=0) / weights.sum()
        faces.append((mean, float(scores[left[0]])))
        left = left[~same]
    return faces


def _overlaps(one: Floats, others: Floats) -> Floats:
    """Intersection over union of one place's box with each of others."""
    size = np.maximum(np.minimum(one[1], others[:, 1]) - np.maximum(one[0], others[:, 0]), 0)
    shared = size[:, 0] * size[:, 1]
    union = np.prod(one[1] - one[0]) + np.prod(others[:, 1] - others[:, 0], axis=1) - shared
    return np.where(union > 0, shared / np.where(union > 0, union, 1), 0).astype(np.float32)


def _in_picture(place: Floats, score: float, square: Region) -> Detection:
    pixels = np.asarray((place - 0.5) * square.side + square.centre, dtype=np.float32)
    return Detection(pixels[:2].reshape(4), pixels[2:], score)
