"""Find faces and their landmarks, with mediapipe's networks (nothing is downloaded).

Two models, because neither does alone: the full-range detector finds small faces in large pictures, but
misses faces that fill the picture; the mesh has a detector of its own, which sees near faces only. LiteRT's C++ writes a start-up
note straight to file descriptor 2, which no Python logger stops: lines that are known to say nothing are dropped, every other one
is passed on.
"""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from typing import Self

import cv2
import numpy as np

from avcore.arrays import Pixels
from avcore.faces.crop import Box
from avcore.faces.geometry import Landmarks
from avcore.faces.networks import FULL_RANGE, BlazeFace, FaceMesh

_CHATTER = re.compile(
    rb"INFO: Created TensorFlow Lite"
    rb"|WARNING: All log messages before absl::InitializeLog"
    rb"|I\d{4} \d\d:"  # absl's information level
)
_STDERR = 2
_PADDED_SIDE = 256
"""Pixels of the black square on which a picture is tried again, at half that size, when nothing is found: its near
faces look as far away as the full-range detector wants them."""

_TILE_OVERLAP = 1 / 3
_MOST_TILES = 8
"""Enough for pictures six times as wide as high; in narrower ones tiles are not square, so that a strip takes no longer."""


@contextmanager
def without_chatter() -> Iterator[None]:
    """Hold back what is written to file descriptor 2 meanwhile; at the end pass on all lines but known chatter."""
    sys.stderr.flush()
    original = os.dup(_STDERR)
    with tempfile.TemporaryFile() as held:
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
    """Both models, loaded once; use it as a context manager, or close it."""

    def __init__(self) -> None:
        with without_chatter():
            self._detector = BlazeFace(FULL_RANGE)
            # Each picture stands for itself: tracking inside the mesh is no better on a clip of a real speaker, and a
            # result that does not depend on the pictures before can be computed again from anywhere.
            self._mesh = FaceMesh()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free both models."""
        del self._detector, self._mesh

    def boxes(self, picture: Pixels) -> list[Box]:
        """Find the faces in a picture uint8 [height, width, 3] (RGB).

        Returns a box float32 [4] (x1, y1, x2, y2 in pixels) from brows to chin for each, the surest first. Faces lower
        than a seventh of the longer side may be missed; see `far_boxes`.
        """
        return self._detect(picture) or self._near_boxes(picture)

    def far_boxes(self, picture: Pixels) -> list[Box]:
        """Find smaller faces too, in up to 8 square tiles that overlap; a face on two tiles may be found twice.

        On drawn heads in 1920x1080 this finds all of 40 faces 80 pixels high and 8 of 10 that are 60 pixels high, where
        `boxes` finds half and a tenth of them; it takes as many times longer as there are tiles (3 at 16:9).
        """
        height, width = picture.shape[:2]
        side = max(min(height, width), ceil(max(height, width) / (1 + (_MOST_TILES - 1) * (1 - _TILE_OVERLAP))))
        found = []
        for start in _tile_starts(max(height, width), side):
            top, left = (start, 0) if height > width else (0, start)
            tile = np.ascontiguousarray(picture[top : top + side, left : left + side])
            found += [box + np.array([left, top, left, top], dtype=np.float32) for box in self._detect(tile)]
        return found

    def _near_boxes(self, picture: Pixels) -> list[Box]:
        """Find faces that fill the picture."""
        height, width = picture.shape[:2]
        scale = _PADDED_SIDE / 2 / max(height, width)
        small = cv2.resize(picture, (max(round(width * scale), 1), max(round(height * scale), 1)), interpolation=cv2.INTER_AREA)
        padded = np.zeros((_PADDED_SIDE, _PADDED_SIDE, 3), dtype=np.uint8)
        top, left = (_PADDED_SIDE - small.shape[0]) // 2, (_PADDED_SIDE - small.shape[1]) // 2
        padded[top : top + small.shape[0], left : left + small.shape[1]] = small
        corner = np.array([left, top, left, top], dtype=np.float32)
        return [((box - corner) / scale).astype(np.float32) for box in self._detect(padded)]

    def mesh(self, picture: Pixels) -> Landmarks | None:
        """Find the landmarks of the face that a picture uint8 [height, width, 3] (RGB) is about.

        Returns float32 [468, 3]: x and y in pixels from the left and the top, z in the same measure, smaller = nearer
        to the camera; None when no face is seen.
        """
        return self._mesh.landmarks(picture)

    def _detect(self, picture: Pixels) -> list[Box]:
        return [face.box for face in self._detector.detect(picture)]


def _tile_starts(length: int, side: int) -> list[int]:
    """Return where tiles of a side begin so that they cover a length and overlap by a third or more; none if one is all of it."""
    if length <= side:
        return []
    num_tiles = 1 + ceil((length - side) / (side * (1 - _TILE_OVERLAP)))
    return [round(number * (length - side) / (num_tiles - 1)) for number in range(num_tiles)]
