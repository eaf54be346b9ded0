"""Detect faces, their landmarks and people with mediapipe's networks, run by LiteRT (nothing is downloaded).

Two detectors are needed: the full-range one finds small faces in large frames, but misses faces that fill the frame; the detector
of the mesh finds only near faces.

The networks are Google's, published with mediapipe under Apache-2.0, and are in `models/`. Pre- and postprocessing (padding to a
square, anchors, merging of boxes) follow mediapipe's graphs `face_detection_short_range` and `face_detection_full_range`: boxes
are the same to a hundredth of a pixel. The mesh sees a square around the face, turned so that the eyes are level, as in mediapipe's
graph `face_landmark_front` in still-image mode: 468 landmarks.

LiteRT's C++ writes a start-up note to file descriptor 2, which no Python logger can stop: known lines without meaning are dropped,
all others are passed on.
"""

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from threading import Lock
from typing import Self

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from avcore.arrays import Floats, Pixels
from avcore.faces.geometry import Box, Landmarks

_FOLDER = Path(__file__).resolve().parent / "models"
_WHITE = 255.0
_JOINED_OVERLAP = 0.3
"""Intersection over union above which two boxes are one face."""
_MAX_LOGIT = 80.0
_MESH_SIDE = 192
_MARGIN = 1.5
"""Side of the mesh's input square, as a share of the longer side of the face's box."""
_MIN_PRESENCE = 0.5


@dataclass(frozen=True)
class TurnedSquare:
    """A turned square in a frame."""

    centre: Floats
    """x, y in pixels."""
    side: float
    """In pixels."""
    angle: float = 0.0
    """Clockwise, in radians."""


def load_network(file: str) -> Callable[[Floats], tuple[Floats, ...]]:
    """Load a network of `models/` with one input and one or more outputs; it runs on one core, so that several run in parallel."""
    network = Interpreter(str(_FOLDER / file), num_threads=1)
    network.allocate_tensors()
    (given,), made = network.get_input_details(), network.get_output_details()

    def run(frame: Floats) -> tuple[Floats, ...]:
        network.set_tensor(given["index"], frame[None])
        network.invoke()
        return tuple(np.asarray(network.get_tensor(one["index"]), dtype=np.float32) for one in made)

    return run


def whole_frame(frame: Pixels) -> TurnedSquare:
    """Return the square around a whole frame, with the same centre."""
    height, width = frame.shape[:2]
    return TurnedSquare(np.array([width / 2, height / 2], dtype=np.float32), float(max(height, width)))


def cut_region(frame: Pixels, region: TurnedSquare, side: int, low: float, border: int | None) -> Floats:
    """Scale a square of a frame uint8 [height, width, 3] to float32 [side, side, 3], from `low` (black) to 1 (white).

    border: value of pixels outside of the frame; None repeats its edge.
    """
    cosine, sine = np.cos(region.angle) * region.side / 2, np.sin(region.angle) * region.side / 2
    across, down = np.array([cosine, sine]), np.array([-sine, cosine])
    corners = np.array([-across + down, -across - down, across - down, across + down]) + region.centre
    square = np.array([[0, side], [0, 0], [side, 0], [side, side]], dtype=np.float32)
    transform = cv2.getPerspectiveTransform(corners.astype(np.float32), square)
    mode = cv2.BORDER_REPLICATE if border is None else cv2.BORDER_CONSTANT
    seen = cv2.warpPerspective(
        frame, transform, (side, side), flags=cv2.INTER_LINEAR, borderMode=mode, borderValue=(border or 0,) * 3
    )
    return np.asarray(seen.astype(np.float32) * np.float32((1 - low) / _WHITE) + np.float32(low), dtype=np.float32)


@dataclass(frozen=True)
class DetectorGraph:
    """A detector's settings in mediapipe's graph."""

    file: str
    """Its network."""
    side: int
    """Side of its input, in pixels."""
    grids: tuple[tuple[int, int], ...]
    """Side of each grid of anchors, and anchors per cell."""
    min_score: float
    """Least score of a face, 0..1."""


SHORT_RANGE = DetectorGraph("face_detection_short_range.tflite", 128, ((16, 2), (8, 6)), 0.5)
FULL_RANGE = DetectorGraph("face_detection_full_range_sparse.tflite", 192, ((48, 1),), 0.6)


@dataclass(frozen=True)
class Detection:
    """A detected face, in pixels of the frame."""

    box: Floats
    """float32 [4] (x1, y1, x2, y2), from brows to chin."""
    points: Floats
    """float32 [6, 2]; the first two are the eyes."""
    score: float
    """0..1."""


class BlazeFace:
    """One of the two detectors."""

    def __init__(self, layout: DetectorGraph) -> None:
        self._layout = layout
        self._network = load_network(layout.file)
        self._anchors = np.concatenate([_anchors(side, per_cell) for side, per_cell in layout.grids])

    def detect(self, frame: Pixels) -> list[Detection]:
        """Detect the faces in a frame uint8 [height, width, 3] (RGB), the highest score first."""
        side = self._layout.side
        square = whole_frame(frame)
        values, logits = self._network(cut_region(frame, square, side, low=-1.0, border=0))
        # float32 overflows in exp at 88 and above.
        scores = 1 / (1 + np.exp(-np.clip(logits.reshape(-1), -_MAX_LOGIT, _MAX_LOGIT)))
        sure = np.flatnonzero(scores >= self._layout.min_score)
        places = self._places(values.reshape(len(scores), -1)[sure], sure)
        faces = []
        for place, score in _joined(places, scores[sure]):
            pixels = np.asarray((place - 0.5) * square.side + square.centre, dtype=np.float32)
            faces.append(Detection(pixels[:2].reshape(4), pixels[2:], score))
        return faces

    def _places(self, values: Floats, which: NDArray[np.int64]) -> Floats:
        """Return box corners and six points, float32 [n, 8, 2] in shares of the square, from the network's values at anchors."""
        pairs = (values / self._layout.side).reshape(len(which), 8, 2)
        anchors = self._anchors[which][:, None]
        centre, half = pairs[:, :1] + anchors, pairs[:, 1:2] / 2
        return np.concatenate([centre - half, centre + half, pairs[:, 2:] + anchors], axis=1)


def _anchors(side: int, per_cell: int) -> Floats:
    """Return the centres of anchors, float32 [side * side * per_cell, 2] in shares of the square, row by row."""
    centres = (np.arange(side, dtype=np.float32) + 0.5) / side
    y, x = np.meshgrid(centres, centres, indexing="ij")
    return np.repeat(np.stack([x, y], axis=-1).reshape(-1, 2), per_cell, axis=0).astype(np.float32)


def _joined(places: Floats, scores: Floats) -> list[tuple[Floats, float]]:
    """Return one place per face: the mean, weighted by score, of the places that overlap the one with the highest score."""
    left = np.argsort(-scores, kind="stable")
    faces = []
    while len(left):
        same = _overlaps(places[left[0]], places[left]) > _JOINED_OVERLAP
        # A box without area overlaps nothing, not even itself, and this would never end.
        same[0] = True
        weights = scores[left[same]]
        mean = (places[left[same]] * weights[:, None, None]).sum(axis=0) / weights.sum()
        faces.append((mean, float(scores[left[0]])))
        left = left[~same]

    return faces


def _overlaps(one: Floats, others: Floats) -> Floats:
    """Return the intersection over union of one place's box with each of others."""
    size = np.maximum(np.minimum(one[1], others[:, 1]) - np.maximum(one[0], others[:, 0]), 0)
    shared = size[:, 0] * size[:, 1]
    union = np.prod(one[1] - one[0]) + np.prod(others[:, 1] - others[:, 0], axis=1) - shared
    return np.where(union > 0, shared / np.where(union > 0, union, 1), 0).astype(np.float32)


class FaceMesh:
    """The short-range detector, followed by the mesh."""

    def __init__(self) -> None:
        self._detector = BlazeFace(SHORT_RANGE)
        self._network = load_network("face_landmark.tflite")

    def landmarks(self, frame: Pixels) -> Landmarks | None:
        """Find the landmarks of the face with the highest score in a frame uint8 [height, width, 3] (RGB).

        Returns float32 [468, 3]: x and y in pixels from the left and the top, z in the same scale, smaller = nearer
        to the camera; None when no face is found.
        """
        found = self._detector.detect(frame)
        if not found:
            return None

        # The square around the face, turned so that the eyes are level.
        right, down = found[0].points[1] - found[0].points[0]
        low, high = found[0].box.reshape(2, 2)
        region = TurnedSquare((low + high) / 2, float(max(high - low)) * _MARGIN, float(np.arctan2(down, right)))
        points, presence = self._network(cut_region(frame, region, _MESH_SIDE, low=0.0, border=None))
        if 1 / (1 + np.exp(-float(presence.reshape(-1)[0]))) < _MIN_PRESENCE:
            return None

        shares = points.reshape(-1, 3) / _MESH_SIDE - np.array([0.5, 0.5, 0], dtype=np.float32)
        cosine, sine = np.cos(region.angle), np.sin(region.angle)
        x, y, z = shares.T * region.side
        turned = (cosine * x - sine * y + region.centre[0], sine * x + cosine * y + region.centre[1], z)
        return np.asarray(np.stack(turned, axis=1), dtype=np.float32)


_CHATTER = re.compile(
    rb"INFO: Created TensorFlow Lite"
    rb"|WARNING: All log messages before absl::InitializeLog"
    rb"|I\d{4} \d\d:"  # absl's information level
)
_STDERR, _HOLDING = 2, Lock()
_PADDED_SIDE = 256
"""Pixels of the black square in which a frame is tried again at half that size when nothing is found: then near faces are as small
as the full-range detector expects."""

_TILE_OVERLAP = 1 / 3
_MOST_TILES = 8
"""Enough for frames six times as wide as high; for a longer strip tiles are not square, so that it takes no longer."""


@contextmanager
def without_chatter() -> Iterator[None]:
    """Capture file descriptor 2 in the block; at the end pass on all lines except known chatter. Other threads wait."""
    with _HOLDING, tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        original = os.dup(_STDERR)
        os.dup2(held.fileno(), _STDERR)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(original, _STDERR)
            held.seek(0)
            for line in held:
                if not _CHATTER.match(line):
                    os.write(original, line)
            os.close(original)


class FaceDetector:
    """The full-range detector and the mesh, loaded once. Use it as a context manager, or close it."""

    def __init__(self) -> None:
        with without_chatter():
            self._detector = BlazeFace(FULL_RANGE)
            # No state between frames: tracking inside the mesh is no better on a clip of a real speaker, and results that do
            # not depend on earlier frames can be computed again from anywhere.
            self._mesh = FaceMesh()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free both models."""
        del self._detector, self._mesh

    def boxes(self, frame: Pixels) -> list[Box]:
        """Detect the faces in a frame uint8 [height, width, 3] (RGB).

        Returns a box float32 [4] (x1, y1, x2, y2 in pixels) from brows to chin for each, the highest score first. Faces smaller
        than a seventh of the longer side may be missed; see `far_boxes`.
        """
        return self._detect(frame) or self._near_boxes(frame)

    def far_boxes(self, frame: Pixels) -> list[Box]:
        """Detect smaller faces too, in up to 8 square tiles that overlap; a face on two tiles may be found twice.

        On drawn heads in 1920x1080 this finds all of 40 faces 80 pixels high and 8 of 10 that are 60 pixels high, where
        `boxes` finds half and a tenth of them. The time grows with the number of tiles (3 at 16:9).
        """
        height, width = frame.shape[:2]
        side = max(min(height, width), ceil(max(height, width) / (1 + (_MOST_TILES - 1) * (1 - _TILE_OVERLAP))))
        found = []
        for start in _tile_starts(max(height, width), side):
            top, left = (start, 0) if height > width else (0, start)
            tile = np.ascontiguousarray(frame[top : top + side, left : left + side])
            found += [box + np.array([left, top, left, top], dtype=np.float32) for box in self._detect(tile)]
        return found

    def _near_boxes(self, frame: Pixels) -> list[Box]:
        """Detect faces that fill the frame."""
        height, width = frame.shape[:2]
        scale = _PADDED_SIDE / 2 / max(height, width)
        small = cv2.resize(frame, (max(round(width * scale), 1), max(round(height * scale), 1)), interpolation=cv2.INTER_AREA)
        padded = np.zeros((_PADDED_SIDE, _PADDED_SIDE, 3), dtype=np.uint8)
        top, left = (_PADDED_SIDE - small.shape[0]) // 2, (_PADDED_SIDE - small.shape[1]) // 2
        padded[top : top + small.shape[0], left : left + small.shape[1]] = small
        corner = np.array([left, top, left, top], dtype=np.float32)
        return [((box - corner) / scale).astype(np.float32) for box in self._detect(padded)]

    def mesh(self, frame: Pixels) -> Landmarks | None:
        """Find the landmarks of the main face in a frame uint8 [height, width, 3] (RGB); see `FaceMesh.landmarks`.

        Returns float32 [468, 3]: x and y in pixels from the left and the top, z in the same scale, smaller = nearer
        to the camera; None when no face is found.
        """
        return self._mesh.landmarks(frame)

    def _detect(self, frame: Pixels) -> list[Box]:
        return [face.box for face in self._detector.detect(frame)]


def _tile_starts(length: int, side: int) -> list[int]:
    """Return where tiles begin that cover a length and overlap by a third or more; none where one tile covers all of it."""
    if length <= side:
        return []
    num_tiles = 1 + ceil((length - side) / (side * (1 - _TILE_OVERLAP)))
    return [round(number * (length - side) / (num_tiles - 1)) for number in range(num_tiles)]


_FILE, _MASK_SIDE = "selfie_segmentation.tflite", 256


def segment_person(frame: Pixels, region: TurnedSquare) -> Floats:
    """Return a mask of the person, float32 [height, width] from 0 to 1; beyond the region as at its edge.

    frame: uint8 [height, width, 3] (RGB). region: an upright square with the person's head and shoulders in it.
    """
    with without_chatter():
        network = load_network(_FILE)
    seen = network(cut_region(frame, region, _MASK_SIDE, low=0.0, border=None))[0].reshape(_MASK_SIDE, _MASK_SIDE)
    left, top = region.centre - region.side / 2
    scale = _MASK_SIDE / region.side
    # Maps pixels of the frame to those of the network; both count from the centre of a pixel.
    shift = (scale - 1) / 2
    back = np.array([[scale, 0, shift - left * scale], [0, scale, shift - top * scale]])
    size = frame.shape[1], frame.shape[0]
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(seen, back, size, flags=how, borderMode=cv2.BORDER_REPLICATE), np.float32)
