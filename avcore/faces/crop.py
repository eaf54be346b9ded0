"""Cut faces out of pictures, to the pixel as the published renderer does."""

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Box = NDArray[np.float32]


def visible_part(box: Box, height: int, width: int) -> tuple[slice, slice] | None:
    """The rows and columns of a picture that a box covers, or None when none are left.

    box: [4], x1, y1, x2, y2 in pixels; coordinates are truncated toward zero.
    """
    x1, y1 = (max(int(value), 0) for value in box[:2])
    x2, y2 = min(int(box[2]), width), min(int(box[3]), height)
    if x2 <= x1 or y2 <= y1:
        return None
    return slice(y1, y2), slice(x1, x2)


def crop_face(picture: Picture, box: Box, size: int = 96) -> Picture:
    """Cut the visible part of a box out of a picture and scale it, bilinear and without keeping its shape.

    picture: uint8 [height, width, 3]; box: [4], x1, y1, x2, y2 in pixels, may reach beyond the picture. Returns uint8
    [size, size, 3]; black when the box covers nothing.
    """
    part = visible_part(box, *picture.shape[:2])
    if part is None:
        return np.zeros((size, size, 3), dtype=np.uint8)
    return scale_face(picture[part], size)


def scale_face(face: Picture, size: int = 96) -> Picture:
    """Scale a crop uint8 [height, width, 3] to uint8 [size, size, 3], bilinear; a crop of that size is returned as it is."""
    if face.shape[:2] == (size, size):
        return face
    return np.asarray(cv2.resize(face, (size, size), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
