"""Draw triangles and layers: the few operations of computer graphics that drawn heads need."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats, Pixels, floats
from unit2av.lipsync.mesh.warp import SUBPIXEL_BITS, fixed_point

_THINNEST = 0.15
"""Pixels: height of the thinnest triangles that are drawn."""


@dataclass(frozen=True)
class Surface:
    """The visible surface of a mesh in a part of a frame."""

    top: int
    """first row of the part"""
    left: int
    """first column of the part"""
    coordinates: Floats
    """float32 [h, w, c], an attribute of the vertices at each pixel"""
    cover: Floats
    """float32 [h, w], 0 = nothing there, 1 = inside, in between at the outline"""

    @property
    def part(self) -> tuple[slice, slice]:
        """Rows and columns of the frame."""
        height, width = self.cover.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def draw_mesh(
    positions: Floats, depth: Floats, triangles: NDArray[np.int64], attributes: Floats, size: tuple[int, int]
) -> Surface | None:
    """Draw the triangles that face the viewer, near ones over far ones, and interpolate attributes over them.

    positions: float32 [n, 2], x and y in pixels (0 = centre of the first pixel). depth: float32 [n]. triangles: [m, 3].
    attributes: float32 [n, c]. size: height and width of the frame. Returns None when nothing lies in the frame.
    """
    area = bounds(positions, size)
    if area is None:
        return None
    top, left, height, width = area

    corners = floats(positions - floats([left, top]))[triangles]
    side, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    twice_area = side[:, 0] * other[:, 1] - side[:, 1] * other[:, 0]
    is_inside = (corners.max(axis=1) > -1).all(axis=1) & (corners.min(axis=1) < floats([width, height])).all(axis=1)
    # What is seen edge-on is thinner than a pixel: its attributes change too quickly to be looked up.
    longest = np.maximum(np.abs(side).max(axis=1), np.abs(other).max(axis=1))
    facing = np.flatnonzero((twice_area < -_THINNEST * longest) & is_inside)
    order = facing[np.argsort(-depth[triangles[facing]].mean(axis=1), kind="stable")]
    if len(order) == 0:
        return None

    # Twice as fine as the frame, so that the outline has no steps.
    fine = np.zeros((2 * height, 2 * width), dtype=np.int16)
    for number, polygon in enumerate(fixed_point(floats(2 * corners[order] + 1)), 1):
        cv2.fillConvexPoly(fine, polygon, number, cv2.LINE_8, SUBPIXEL_BITS)
    numbers = np.ascontiguousarray(fine[1::2, 1::2])

    planes = _planes(corners[order], attributes[triangles[order]])
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    which = np.maximum(numbers, 1) - 1
    channels = [along_x.take(which) * x + along_y.take(which) * y + start.take(which) for along_x, along_y, start in planes]
    return Surface(top, left, floats(cv2.merge(channels)), _soft_cover(fine) * (numbers > 0))


def _soft_cover(fine: NDArray[np.int16]) -> Floats:
    """Soften the outline of what is drawn twice as fine [2 h, 2 w] inwards, so that no colour from outside is needed: [h, w]."""
    filled = (fine > 0).view(np.uint8) * np.uint8(255)
    cover = cv2.resize(filled, (fine.shape[1] // 2, fine.shape[0] // 2), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(cover, (3, 3), 0).astype(np.float32)
    return floats(np.clip(blurred * np.float32(2 / 255) - 1, 0, 1))


def _planes(corners: Floats, values: Floats) -> Floats:
    """Return coefficients a, b, c of a x + b y + c for each attribute of each triangle: float32 [channels, 3, m]."""
    side, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    rise, other_rise = values[:, 1] - values[:, 0], values[:, 2] - values[:, 0]
    area = (side[:, 0] * other[:, 1] - side[:, 1] * other[:, 0])[:, None]
    along_x = (rise * other[:, 1:] - other_rise * side[:, 1:]) / area
    along_y = (other_rise * side[:, :1] - rise * other[:, :1]) / area
    start = values[:, 0] - along_x * corners[:, 0, :1] - along_y * corners[:, 0, 1:]
    return np.ascontiguousarray(np.stack([along_x.T, along_y.T, start.T], axis=1), dtype=np.float32)


def bounds(positions: Floats, size: tuple[int, ...], margin: int = 2) -> tuple[int, int, int, int] | None:
    """Return the part of a frame of `size` (height, width) around points [n, 2]: top, left, height, width; None = outside of it."""
    left, top = np.maximum(np.floor(positions.min(axis=0)).astype(int) - margin, 0).tolist()
    right, bottom = np.ceil(positions.max(axis=0)).astype(int).tolist()
    right, bottom = min(right + margin + 1, size[1]), min(bottom + margin + 1, size[0])
    return (top, left, bottom - top, right - left) if right > left and bottom > top else None


def blend(image: Pixels, part: tuple[slice, slice], colour: Floats, cover: Floats) -> None:
    """Blend colour, float32 [h, w, 3] (0 to 255), over a part of a frame, by cover, float32 [h, w] (0 to 1)."""
    below = cv2.multiply(image[part], spread(floats(1 - cover)), dtype=cv2.CV_32F)
    image[part] = cv2.add(below, cv2.multiply(colour, spread(cover)), dtype=cv2.CV_8U)


def spread(values: Floats) -> Floats:
    """Repeat values [h, w] for three colours, float32 [h, w, 3]; broadcasting over colours takes five times as long."""
    return floats(cv2.merge([values, values, values]))


class Sprite:
    """A painted layer with smaller copies of itself, so that it can be drawn at any size without flicker."""

    def __init__(self, layer: Floats, light: Floats | float = 1.0) -> None:
        """layer: float32 [h, w, 4], red, green and blue times cover, and cover, all 0 to 1. light: factors on its colours, [3]."""
        lit = np.concatenate([np.minimum(layer[..., :3] * light, layer[..., 3:]), layer[..., 3:]], axis=-1)
        self._levels = [np.asarray(np.clip(level * 255 + 0.5, 0, 255), dtype=np.uint8) for level in halved(floats(lit))]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the layer in its own pixels."""
        return self._levels[0].shape[0], self._levels[0].shape[1]

    def draw(self, image: Pixels, transform: Floats, strength: float = 1.0) -> None:
        """Draw the layer over a frame.

        transform: float32 [2, 3], from pixels of the layer to those of the frame. strength: how much of it shows, 0 to 1.
        """
        if strength <= 0:
            return
        height, width = self.shape
        frame = floats([[0, 0], [width, 0], [0, height], [width, height]])
        area = bounds(frame @ transform[:, :2].T + transform[:, 2], image.shape)
        if area is None:
            return
        top, left, part_height, part_width = area
        level = level_for(float(np.sqrt(abs(np.linalg.det(transform[:, :2])))), len(self._levels))
        step = 2**level
        scaled = transform.copy()
        scaled[:, 2] += transform[:, :2] @ floats([(step - 1) / 2] * 2) - floats([left, top])
        scaled[:, :2] *= step
        drawn = cv2.warpAffine(self._levels[level], scaled, (part_width, part_height), flags=cv2.INTER_LINEAR)
        if strength < 1:
            drawn = cv2.convertScaleAbs(drawn, alpha=strength)
        part = slice(top, top + part_height), slice(left, left + part_width)
        kept = cv2.cvtColor(cv2.bitwise_not(cv2.extractChannel(drawn, 3)), cv2.COLOR_GRAY2RGB)
        below = cv2.multiply(image[part], kept, scale=1 / 255)
        image[part] = cv2.add(below, cv2.cvtColor(drawn, cv2.COLOR_RGBA2RGB))


def halved(layer: Floats) -> list[Floats]:
    """Return a layer float32 [h, w, c] and copies of it, each half as large as the one before."""
    levels = [np.ascontiguousarray(layer, dtype=np.float32)]
    while min(levels[-1].shape[:2]) >= 32:
        height, width = levels[-1].shape[:2]
        levels.append(floats(cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA)))
    return levels


def level_for(scale: float, num_levels: int) -> int:
    """Return which of the `halved` copies to use where the first would be scaled by `scale`."""
    return int(np.clip(np.floor(0.25 - np.log2(max(scale, 1e-6))), 0, num_levels - 1))
