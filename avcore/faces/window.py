"""A square window on a picture: what the face mesh looks at, and what lips are cut from.

Its picture is at most `MAX_SIDE` pixels wide whatever the size of the video, so a face under way costs the same memory
at 4K as at 224 pixels, and large faces are averaged down before they are warped instead of being undersampled.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pixels
from avcore.faces.crop import Box

MAX_SIDE = 384
"""Pixels. A face fills half of the window, which is more than the mesh model (192) and the lip crop (124) use of it."""


@dataclass(frozen=True)
class CropWindow:
    """A square of `side` pixels whose corner lies at (x, y) of the picture; it may reach beyond the picture."""

    x: int
    y: int
    side: int

    @classmethod
    def around(cls, box: Box, widen: float) -> "CropWindow":
        """Return the square around the centre of a box [4] (x1, y1, x2, y2), `widen` times as long as its longer side."""
        x1, y1, x2, y2 = (float(value) for value in box)
        side = max(round(widen * max(x2 - x1, y2 - y1)), 1)
        return cls(round((x1 + x2 - side) / 2), round((y1 + y2 - side) / 2), side)

    @property
    def scale(self) -> float:
        """Pixels of the picture that one pixel of the window's picture stands for, 1 or more."""
        return max(self.side / MAX_SIDE, 1.0)

    def cut(self, picture: Pixels) -> Pixels:
        """Cut the window out of a picture uint8 [height, width, 3]; black beyond its borders.

        Returns uint8 [s, s, 3], s = min(side, MAX_SIDE), averaged down where the window is larger.
        """
        height, width = picture.shape[:2]
        left, top = min(max(self.x, 0), width), min(max(self.y, 0), height)
        right, bottom = max(min(self.x + self.side, width), left), max(min(self.y + self.side, height), top)
        inside = picture[top:bottom, left:right]
        if inside.shape[:2] != (self.side, self.side):
            square = np.zeros((self.side, self.side, 3), dtype=np.uint8)
            square[top - self.y : bottom - self.y, left - self.x : right - self.x] = inside
            inside = square
        if self.side > MAX_SIDE:
            # Averaging by a factor below 2 is slow and no better than interpolating.
            how = cv2.INTER_AREA if self.side >= 2 * MAX_SIDE else cv2.INTER_LINEAR
            return np.asarray(cv2.resize(inside, (MAX_SIDE, MAX_SIDE), interpolation=how), dtype=np.uint8)
        return np.ascontiguousarray(inside)

    def to_picture(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert landmarks, float32 [n, 2] or [n, 3], from pixels of the window's picture to pixels of the picture."""
        moved = points * np.float32(self.scale)
        moved[:, :2] += np.array([self.x, self.y], dtype=np.float32)
        return moved

    def from_picture(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert positions [n, 2] from pixels of the picture to pixels of the window's picture, for a warp.

        Positions count from the centre of a pixel, as in OpenCV, so the half pixel scales with them.
        """
        offset = np.array([self.x, self.y], dtype=np.float32) - np.float32(0.5)
        return (points - offset) / np.float32(self.scale) - np.float32(0.5)
