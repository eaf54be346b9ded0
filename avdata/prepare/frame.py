"""Which part of a picture a clip shows, and how large."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from avcore.faces.crop import Box, Picture

_MARGIN = 0.3
"""Room around the face on each side, in sizes of all its boxes together: hair, chin, and what a wide-open mouth needs."""


@dataclass(frozen=True)
class Frame:
    """The pixels left..right - 1, top..bottom - 1 of a picture, shown as `size` = (height, width) pixels, both even."""

    left: int
    top: int
    right: int
    bottom: int
    size: tuple[int, int]

    @classmethod
    def whole(cls, height: int, width: int) -> "Frame":
        """All of a picture."""
        return cls(0, 0, width, height, (height, width))

    @classmethod
    def around(cls, boxes: Sequence[Box], height: int, width: int, max_side: int) -> "Frame":
        """What holds all boxes (x1, y1, x2, y2 in pixels) with room around, made smaller where it is larger than max_side."""
        corners = np.stack(boxes)
        low, high = corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)
        room = _MARGIN * (high - low)
        left, top = (max(int(value), 0) for value in low - room)
        right, bottom = (min(int(value), limit) for value, limit in zip(high + room, (width, height), strict=True))
        right, bottom = max(right, left + 2), max(bottom, top + 2)
        right, bottom = right - (right - left) % 2, bottom - (bottom - top) % 2
        scale = min(1.0, max_side / max(right - left, bottom - top))
        return cls(left, top, right, bottom, (_even((bottom - top) * scale), _even((right - left) * scale)))

    def cut(self, picture: Picture) -> Picture:
        """The part of a picture uint8 [height, width, 3] that is shown, uint8 [*size, 3]."""
        part = picture[self.top : self.bottom, self.left : self.right]
        if part.shape[:2] == self.size:
            return part
        return np.asarray(cv2.resize(part, self.size[::-1], interpolation=cv2.INTER_AREA), dtype=np.uint8)

    def place(self, box: Box) -> Box:
        """A box of the picture, float32 [4], as one of what is shown."""
        scale = np.array([self.size[1] / (self.right - self.left), self.size[0] / (self.bottom - self.top)], np.float32)
        corner = np.array([self.left, self.top], np.float32)
        return np.concatenate([(box[:2] - corner) * scale, (box[2:] - corner) * scale])


def _even(length: float) -> int:
    return max(2, round(length / 2) * 2)
