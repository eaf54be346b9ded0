"""Warp the pixels of a face with the points of its mesh, and change the shadows on them.

Each triangle of the mesh moves from its source to its target. No triangle lies between the lips, so an open, closed or smiling
mouth is warped by one resampling. Rings of points around the lower outline let the movement fall off to zero: slowly below the
chin, because the neck moves along, and quickly beside the jaw, where the background may be anything.

Warped pixels keep the shadows that they had. Shading is added for a jaw that goes down, which turns the skin below the lip away
from the light, and for a cheek that folds when it is compressed.
"""

from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats, Pixels
from unit2av.lipsync.mesh.shape import (
    INNER_UPPER,
    NUM_FACE,
    OUTER_CORNERS,
    OUTER_LOWER,
    OUTER_UPPER,
    OVAL,
    HeadPose,
    Points,
    neutral_face,
    smoothstep,
)

Part = tuple[slice, slice]
SUBPIXEL_BITS = 4
"""Fractional bits of OpenCV's fixed-point positions."""
_RINGS = ((0.05, 0.80), (0.13, 0.38), (0.24, 0.10), (0.36, 0.0))
"""Distance of each ring from the outline, in widths of the face, and its share of the outline's movement."""
_RING_DEPTH = 0.2
"""Depth of each ring behind the one before it."""
_OUTLINE_FROM = -0.12
_LEAST_MOVE = 0.02
"""Triangles that move by fewer pixels are not drawn."""
_LEAST_AREA = -0.02
_MOST_NEIGHBOURS = 5.5


class _Outline(NamedTuple):
    """The lower outline of the face."""

    points: NDArray[np.int64]
    outward: Points
    """outward directions [n, 2]; their lengths scale the distances of rings"""


class Map(NamedTuple):
    """Source positions of the pixels in a part of an image."""

    part: Part
    x: Floats
    """float32 [h, w]"""
    y: Floats
    """float32 [h, w]"""
    hit: NDArray[np.uint8]
    """uint8 [h, w], 1 at pixels that are warped"""


def move_pixels(image: Pixels, source: Points, target: Points, pose: HeadPose) -> None:
    """Warp an image uint8 [height, width, 3], in place, by one cubic resampling.

    source: present positions of the face's points, float64 [468, 2]; target: new positions with depth, [468, 3]. Pixels of
    triangles that do not move, and all pixels outside the face and its rings, are unchanged.
    """
    moved = mapping(image.shape[:2], source, target, pose)
    if moved is None:
        return
    warped = cv2.remap(image, moved.x, moved.y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    cv2.copyTo(warped, moved.hit, image[moved.part])


def mapping(size: tuple[int, ...], source: Points, target: Points, pose: HeadPose) -> Map | None:
    """Return the map of a movement in an image of `size` (height, width); None if nothing in it moves."""
    outline = _outline().points
    flat = np.ascontiguousarray(target[:, :2])
    depth = [target[:, 2], *(target[outline, 2] + pose.scale * _RING_DEPTH * (ring + 1) for ring in range(len(_RINGS)))]
    here = np.concatenate([source, _ring_points(source, pose, None)])
    there = np.concatenate([flat, _ring_points(source, pose, flat - source)])

    triangles = _triangles()
    triangles = triangles[np.abs(there - here).max(axis=1)[triangles].max(axis=1) > _LEAST_MOVE]
    is_ring = (triangles >= NUM_FACE).any(axis=1)
    return rasterised(there, np.concatenate(depth), wound(triangles, there, is_ring), here, size)


@cache
def _outline() -> _Outline:
    face = neutral_face().points
    points = np.array([point for point in OVAL if face[point, 1] > _OUTLINE_FROM])
    outward = face[points, :2] - np.array([0.0, face[INNER_UPPER[4], 1]])
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    return _Outline(points, outward * (0.3 + 0.7 * smoothstep((outward[:, 1:] - 0.5) / 0.45)))


def _ring_points(points: Points, pose: HeadPose, move: Points | None) -> Points:
    """Return the rings around the lower outline of points [468, 2]; move: displacements [468, 2], by which rings move in part."""
    outline = _outline()
    away = pose.scale * outline.outward @ pose.turn[:2, :2].T
    rings = [points[outline.points] + reach * away for reach, _ in _RINGS]
    if move is not None:
        rings = [ring + share * move[outline.points] for ring, (_, share) in zip(rings, _RINGS, strict=True)]
    return np.concatenate(rings)


@cache
def _triangles() -> NDArray[np.int64]:
    """Return the triangles of the face and of the rings around it: int64 [m, 3]."""
    parts, first = [neutral_face().triangles], _outline().points
    for ring in range(len(_RINGS)):
        second = NUM_FACE + ring * len(first) + np.arange(len(first))
        parts += [np.stack([first[:-1], first[1:], second[:-1]], axis=1), np.stack([first[1:], second[1:], second[:-1]], axis=1)]
        first = second
    return np.concatenate(parts)


def wound(triangles: NDArray[np.int64], points: Points, which: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return triangles, int64 [m, 3], of which some are rewound if they do not face the viewer.

    points: float64 [n, 2] in pixels; which: bool [m], triangles that may be rewound.
    """
    is_turned = _twice_area(points[triangles]) > 0
    return np.where((which & is_turned)[:, None], triangles[:, [0, 2, 1]], triangles)


def _twice_area(corners: Points) -> Points:
    side, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return np.asarray(side[:, 0] * other[:, 1] - side[:, 1] * other[:, 0], np.float64)


def rasterised(there: Points, depth: Points, triangles: NDArray[np.int64], here: Points, size: tuple[int, ...]) -> Map | None:
    """Draw the triangles that face the viewer, near ones over far ones, and return the source of each pixel; None if none is drawn.

    there, here: new and source positions of the points [n, 2]; depth: [n], smaller is nearer; size: height and width of the
    image. The outermost pixels are left out, except at the lips.
    """
    if not len(triangles):
        return None
    used = there[np.unique(triangles)]
    left, top = np.maximum(np.floor(used.min(axis=0)).astype(int) - 1, 0).tolist()
    right, bottom = np.minimum(np.ceil(used.max(axis=0)).astype(int) + 2, [size[1], size[0]]).tolist()
    if right <= left or bottom <= top:
        return None

    corners = (there - [left, top])[triangles]
    # Triangles that face away have a positive area. Slivers are left out, too: sources are divided by the area.
    kept = np.flatnonzero(_twice_area(corners) < _LEAST_AREA)
    kept = kept[np.argsort(-depth[triangles[kept]].mean(axis=1), kind="stable")]
    # Only numbers of triangles are drawn. The sources are then computed for all pixels together, without a loop over triangles.
    numbers = np.zeros((bottom - top, right - left), np.int16)
    for number, polygon in enumerate(fixed_point(corners[kept]), 1):
        cv2.fillConvexPoly(numbers, polygon, number, cv2.LINE_8, SUBPIXEL_BITS)

    if not len(kept) or not numbers.any():
        return None
    x, y = _sources(corners[kept], here[triangles[kept]], numbers)
    hit = (numbers > 0).astype(np.uint8)
    # A median filter corrects single wrong pixels, only where enough neighbours are drawn: elsewhere the maps are not set.
    among = (cv2.boxFilter(hit, cv2.CV_32F, (3, 3), normalize=False) > _MOST_NEIGHBOURS).astype(np.uint8)
    for values in (x, y):
        cv2.copyTo(cv2.medianBlur(values, 3), among, values)
    return Map((slice(top, bottom), slice(left, right)), x, y, _without_rim(hit, there - [left, top]))


def _sources(corners: Points, values: Points, numbers: NDArray[np.int16]) -> tuple[Floats, Floats]:
    """Return the source position of each pixel by its triangle, clamped to the source triangle's bounding box.

    Without the clamp, pixels on the edge of a thin triangle would be extrapolated to positions far across the face.
    """
    side, other, area = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], _twice_area(corners)[:, None]
    rise, other_rise = values[:, 1] - values[:, 0], values[:, 2] - values[:, 0]
    along_x = (rise * other[:, 1:] - other_rise * side[:, 1:]) / area
    along_y = (other_rise * side[:, :1] - rise * other[:, :1]) / area
    start = values[:, 0] - along_x * corners[:, 0, :1] - along_y * corners[:, 0, 1:]
    low, high = values.min(axis=1), values.max(axis=1)

    columns, rows = np.arange(numbers.shape[1], dtype=np.float32), np.arange(numbers.shape[0], dtype=np.float32)[:, None]
    # Pixels without a triangle get the sources of the first one, and are never shown.
    which = np.maximum(numbers, 1).astype(np.intp) - 1

    maps = []
    for axis in range(2):
        a, b, c, least, most = (part[:, axis].astype(np.float32).take(which) for part in (along_x, along_y, start, low, high))
        a *= columns
        b *= rows
        a += b
        a += c
        np.maximum(a, least, out=a)
        np.minimum(a, most, out=a)
        maps.append(a)
    return maps[0], maps[1]


def _without_rim(hit: NDArray[np.uint8], points: Points) -> NDArray[np.uint8]:
    """Leave out the outer rim, except at the lips: it does not move, and the clamp would shift it by a pixel."""
    lips = points[[*OUTER_UPPER, *OUTER_LOWER, *OUTER_CORNERS]]
    low, high = np.maximum(lips.min(axis=0).astype(int) - 2, 0), np.maximum(lips.max(axis=0).astype(int) + 3, 0)
    solid = cv2.erode(hit, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    mouth = slice(low[1], high[1]), slice(low[0], high[0])
    solid[mouth] = hit[mouth]
    return np.asarray(solid, np.uint8)


def fixed_point(positions: Points | Floats) -> NDArray[np.int32]:
    """Convert positions in pixels to the fixed-point form of OpenCV's drawing functions, of the same shape."""
    return np.asarray(np.rint(positions * (1 << SUBPIXEL_BITS)), dtype=np.int32)
