"""Cut faces out of pictures, to the pixel as the published renderer does, and put rendered ones back.

A face is put back with its lower half and a soft edge, or whole exactly as published. Nothing outside the box changes in either
way. The network saw the *visible* part of the box scaled to a square, so the patch that matches it is the whole patch scaled to
that visible part, also where the box reaches beyond the picture.
"""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pixels

Box = NDArray[np.float32]
FEATHER = 0.1
"""Width of the soft edge as a share of the box's side."""
UPPER = 0.5
"""Share of the box's height that stays the picture's own: the network is shown it as it is, and draws it again only worse."""

_JAW_MIDDLE, _JAW_WIDTH, _JAW_HEIGHT, _JAW_SOFT = 0.45, 0.97, 0.56, 1.5
"""Half an ellipse that a jaw fills in the box around a face: where it begins from above, its half width in half widths of the box,
how far it reaches down in heights of the box, and how soft it is, in soft edges."""


def visible_part(box: Box, height: int, width: int) -> tuple[slice, slice] | None:
    """Return the rows and columns of a picture that a box covers, or None when none are left.

    box: [4], x1, y1, x2, y2 in pixels; coordinates are truncated toward zero.
    """
    x1, y1 = (max(int(value), 0) for value in box[:2])
    x2, y2 = min(int(box[2]), width), min(int(box[3]), height)
    if x2 <= x1 or y2 <= y1:
        return None
    return slice(y1, y2), slice(x1, x2)


def crop_face(picture: Pixels, box: Box, size: int = 96) -> Pixels:
    """Cut the visible part of a box out of a picture and scale it, bilinear and without keeping its shape.

    picture: uint8 [height, width, 3]; box: [4], x1, y1, x2, y2 in pixels, may reach beyond the picture. Returns uint8
    [size, size, 3]; black when the box covers nothing.
    """
    part = visible_part(box, *picture.shape[:2])
    if part is None:
        return np.zeros((size, size, 3), dtype=np.uint8)
    return scale_face(picture[part], size)


def scale_face(face: Pixels, size: int = 96) -> Pixels:
    """Scale a crop uint8 [height, width, 3] to uint8 [size, size, 3], bilinear; a crop of that size is returned as it is."""
    if face.shape[:2] == (size, size):
        return face
    return np.asarray(cv2.resize(face, (size, size), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def paste_face(picture: Pixels, patch: Pixels, box: Box, feather: float = FEATHER, upper: float = UPPER) -> Pixels:
    """Blend a patch into its box, the edge soft and inside the box; where the picture cuts the box there is no edge.

    picture: uint8 [height, width, 3]; patch: uint8 [h, w, 3], scaled to the visible part of the box; box: [4], x1, y1,
    x2, y2 in pixels; feather: width of the edge as a share of the side, 0 = hard; upper: share of the visible part's
    height, from its top, that is left as it is. What lies beside the jaw stays the picture's own too: a network that draws
    faces tints what is behind them. Returns a new picture; pixels outside the box are those of `picture`.
    """
    pasted = picture.copy()
    part = visible_part(box, *picture.shape[:2])
    if part is None:
        return pasted
    rows, columns = part
    scaled = _scale(patch, columns.stop - columns.start, rows.stop - rows.start)
    top, bottom = int(box[1]), int(box[3])
    start = rows.start + round(upper * (rows.stop - rows.start)) if upper else top
    down = _ramp(start, bottom, rows.start, rows.stop, feather * (bottom - top))
    left, right = int(box[0]), int(box[2])
    across = _ramp(left, right, columns.start, columns.stop, feather * (right - left))
    weight = (down[:, None] * across * _jaw((left, top, right, bottom), part, feather))[..., None]
    below = picture[part].astype(np.float32)
    pasted[part] = np.rint(below + (scaled - below) * weight).astype(np.uint8)
    return pasted


def _jaw(box: tuple[int, int, int, int], part: tuple[slice, slice], feather: float) -> NDArray[np.float32]:
    """Return how much of a patch belongs to the face, by the outline of a jaw in a box around it: float32 [rows, columns], 0 to
    1."""
    x1, y1, x2, y2 = box
    across = (np.arange(part[1].start, part[1].stop, dtype=np.float32) + 0.5 - (x1 + x2) / 2) / max((x2 - x1) / 2, 1)
    down = (np.arange(part[0].start, part[0].stop, dtype=np.float32) + 0.5 - y1) / max(y2 - y1, 1) - _JAW_MIDDLE
    if feather <= 0:
        return np.ones((len(down), len(across)), np.float32)
    away = np.hypot(across / _JAW_WIDTH, np.maximum(down, 0)[:, None] / _JAW_HEIGHT)
    return np.asarray((1 - np.cos(np.pi * np.clip((1 - away) / (_JAW_SOFT * feather), 0, 1))) / 2, np.float32)


def paste_face_hard(picture: Pixels, patch: Pixels, box: Box) -> Pixels:
    """Overwrite the whole box with a patch, to the pixel as published.

    Arguments as in `paste_face`. A box without width or height leaves the picture as it is. For a box that reaches
    beyond the right or lower border the patch is scaled twice, to the box and then to its visible part, which blurs it
    a little: that too is as published.
    """
    pasted = picture.copy()
    part = visible_part(box, *picture.shape[:2])
    if part is None:
        return pasted
    rows, columns = part
    scaled = _scale(patch, int(box[2]) - columns.start, int(box[3]) - rows.start)
    if scaled.shape[:2] != (rows.stop - rows.start, columns.stop - columns.start):
        scaled = _scale(scaled, columns.stop - columns.start, rows.stop - rows.start)
    pasted[part] = scaled
    return pasted


def _scale(patch: Pixels, width: int, height: int) -> Pixels:
    return np.asarray(cv2.resize(patch, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


@lru_cache(maxsize=64)
def _ramp(start: int, stop: int, visible_start: int, visible_stop: int, edge: float) -> NDArray[np.float32]:
    """Return the weights 0..1 along one side of a patch, for its visible pixels: float32 [visible_stop - visible_start].

    edge: width of the soft edges, in pixels.
    """
    edge = max(edge, 1e-6)
    centres = np.arange(visible_start, visible_stop, dtype=np.float32) + 0.5
    nearest = np.minimum(centres - start, stop - centres)
    # A raised cosine has no corners, so that the end of the ramp cannot be seen either.
    weights: NDArray[np.float32] = (1 - np.cos(np.pi * np.clip(nearest / edge, 0, 1))) / 2
    return weights.astype(np.float32)
