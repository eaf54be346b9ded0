"""Small pictures for the page: close-ups of the speaker's face, or the whole picture, as JPEG within a limit of bytes."""

from base64 import b64encode

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Region = tuple[float, float, float, float]

_AROUND_FACE = 1.7
"""Side of a close-up in sides of the face's box."""
_TRIALS = ((224, 80), (224, 62), (192, 45), (144, 35), (96, 30))
"""Longer side in pixels and JPEG quality, until the picture is small enough."""


def still(rgb: Pixels, face: Region | None, most_bytes: int) -> str:
    """A picture uint8 [height, width, 3] as a data URI, cut to the face (x1, y1, x2, y2) where there is one.

    The last and smallest trial is taken even where it is larger than `most_bytes`.
    """
    part = rgb if face is None else _close_up(rgb, face)
    encoded = b""
    for side, quality in _TRIALS:
        encoded = _jpeg(part, side, quality)
        if len(encoded) <= most_bytes:
            break
    return "data:image/jpeg;base64," + b64encode(encoded).decode("ascii")


def _close_up(rgb: Pixels, face: Region) -> Pixels:
    """A square around a face, moved to lie within the picture."""
    height, width = rgb.shape[:2]
    x1, y1, x2, y2 = face
    side = int(min(max(_AROUND_FACE * max(x2 - x1, y2 - y1), 16), height, width))
    left = int(min(max((x1 + x2 - side) / 2, 0), width - side))
    top = int(min(max((y1 + y2 - side) / 2, 0), height - side))
    return rgb[top : top + side, left : left + side]


def _jpeg(rgb: Pixels, side: int, quality: int) -> bytes:
    scale = min(side / max(rgb.shape[:2]), 1.0)
    size = max(round(rgb.shape[1] * scale), 1), max(round(rgb.shape[0] * scale), 1)
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return encoded.tobytes()
