"""Measures of a mouth in an image: the edges of the lips, and the sharpness of edges."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pixels
from unit2av.lipsync.mesh.shape import (
    INNER_LOWER,
    INNER_UPPER,
    LIP_CORNERS,
    LOWER_LIP,
    MOUTH_CORNERS,
    OUTER_CORNERS,
    OUTER_LOWER,
    OUTER_UPPER,
    UPPER_LIP,
    Points,
)

_INNER = (*INNER_UPPER, *INNER_LOWER, *MOUTH_CORNERS)
_OUTER = (*OUTER_UPPER, *OUTER_LOWER, *OUTER_CORNERS)
_ERODED = 0.18
"""Share of an open mouth's lip, from its inner edge, that is not used as lip, because the mesh extends a little into the gap."""
_ERODED_BY_COLUMN = np.array([2.2, 1.5, 1.15, 1, 1, 1, 1.15, 1.5, 2.2])
_AT_CORNERS = 3.0
_OPEN_GAP, _LOOKED_AT_GAP = 0.03, 0.015
"""Gaps between the lips, in widths of the face: at the first erosion is complete, above the second the edge is searched for."""
_STEPS = np.linspace(0, 0.75, 16)
_LIP_STEPS = slice(7, 13)
_LAST_STEP = 0.6
_UNLIKE_LIP = 26.0
"""Difference in LAB, with less weight on brightness, above which a colour is not the lip's."""
_SHINE, _SHINE_AFTER = 8.0, 2
"""Levels by which a highlight on a moist lip is at least brighter than the lip, and steps of lip before it. Teeth are as bright,
but have no lip before them."""
_EDGE_PIXELS, _MOST_BLURRED = 1.3, 0.3
"""Width in pixels of an edge, where lip and neighbour are mixed; at most this share of a lip."""
_SHARP_RATIO = 1.2
"""Ratio of gradient to Laplacian at the edges of a sharp image."""


class LipEdges(NamedTuple):
    """Where the lips begin, as shares of the way from the mesh's inner edge to its outer one, by column; corners: one share."""

    upper: Points
    lower: Points
    corners: float


def lip_source(image: Pixels, points: Points, gap: float, most: float = 1.0) -> Points:
    """Return the source positions of a face's points, float64 [468, 2], with the lips moved outwards to their visible edges.

    points: [468, 3] in the image uint8 [height, width, 3]. gap: between the lips, in widths of the face. most: the largest share
    of a lip that is left out.

    The mesh misses the edge of an open mouth by some pixels, and teeth or darkness would be warped over the face like a second
    lip. The middle of a lip moves with its edge, or the inside of the mouth would be folded into the lip.
    """
    source = points[:, :2].copy()
    eroded = float(np.clip(gap / _OPEN_GAP, 0.25, 1)) * _ERODED
    none = np.zeros(len(INNER_UPPER))
    found = lip_edges(image, source) if gap > _LOOKED_AT_GAP else LipEdges(none, none, 0.0)

    for rings, edge in ((UPPER_LIP, found.upper), (LOWER_LIP, found.lower)):
        share = np.minimum(np.maximum(eroded * _ERODED_BY_COLUMN, edge), most)[:, None]
        for ring in rings[:-1]:
            source[list(ring)] += share * (source[list(rings[-1])] - source[list(ring)])

    at_corner = np.clip(max(_AT_CORNERS * eroded, found.corners), 0, min(0.8, most))
    for corner in (LIP_CORNERS[:4], LIP_CORNERS[4:]):
        source[list(corner[:-1])] += at_corner * (source[corner[-1]] - source[list(corner[:-1])])
    return source


def lip_edges(image: Pixels, points: Points) -> LipEdges:
    """Find the lips' inner edges: in each column the outermost colour that differs from the lip's. points: [468, 2]."""
    inner, outer = points[list(_INNER)], points[list(_OUTER)]
    way = inner[:, None] + _STEPS[None, :, None] * (outer - inner)[:, None]
    low = np.maximum(np.floor(way.reshape(-1, 2).min(axis=0)).astype(int) - 2, 0)
    high = np.ceil(way.reshape(-1, 2).max(axis=0)).astype(int) + 3
    part = image[low[1] : max(high[1], 0), low[0] : max(high[0], 0)]
    if not part.size:
        return LipEdges(np.zeros(9), np.zeros(9), 0.0)

    x, y = (np.ascontiguousarray(way[..., axis] - low[axis], np.float32) for axis in range(2))
    lab = cv2.cvtColor(part, cv2.COLOR_RGB2LAB).astype(np.float32)
    seen = cv2.remap(lab, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    blurred = np.minimum(_EDGE_PIXELS / np.maximum(np.linalg.norm(outer - inner, axis=1), 1e-6), _MOST_BLURRED)
    upper, lower = (_edges(seen[part], blurred[part]) for part in (slice(0, 9), slice(9, 18)))
    return LipEdges(upper, lower, float(max(upper[0], upper[-1], lower[0], lower[-1])))


def _edges(seen: NDArray[np.float32], blurred: Points) -> Points:
    """Return the edges of one lip, [9]. seen: colours [9, 16, 3] from the inner edge outwards. blurred: width of edges, as
    shares."""
    lip = np.median(seen[:, _LIP_STEPS].reshape(-1, 3), axis=0)
    is_unlike = (np.linalg.norm((seen - lip) * [0.7, 1, 1], axis=-1) > _UNLIKE_LIP) & (_STEPS < _LAST_STEP)
    is_shine = (seen[..., 0] > lip[0] + _SHINE) & (np.cumsum(~is_unlike, axis=1) > _SHINE_AFTER)
    is_unlike &= ~is_shine

    last = np.where(is_unlike, _STEPS, 0).max(axis=1)
    # An edge in one column alone is a mole or a crack of the lip.
    last = np.median(np.stack([np.pad(last, 1, mode="edge")[start : start + len(last)] for start in range(3)]), axis=0)
    last += np.where(last > 0, blurred, 0)
    # Smoothed over columns, but never inwards: what is taken from inside the mouth would be warped over the face as a second lip.
    return np.asarray(np.maximum(last, np.convolve(np.pad(last, 1, mode="edge"), [1 / 3] * 3, "valid")), np.float64)


def softness(image: Pixels, points: Points) -> float:
    """By how many pixels (standard deviation) a drawn edge is to be blurred to look like the image's own: 0 in a crisp one."""
    low = np.maximum(points[:, :2].min(axis=0).astype(int), 0)
    high = np.maximum(points[:, :2].max(axis=0).astype(int) + 1, 0)
    part = image[low[1] : high[1], low[0] : high[0]]
    if min(part.shape[:2]) < 3:
        return 0.0

    grey = cv2.GaussianBlur(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 0.7)
    # Divided by 8, Sobel's sums are levels for each pixel.
    edges = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=3), cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=3)) / 8
    is_strong = edges > np.percentile(edges, 85)
    laplacian = np.square(cv2.Laplacian(grey, cv2.CV_32F)[is_strong])
    if not laplacian.size or laplacian.mean() <= 0:
        return 0.0
    ratio = float(np.sqrt(np.square(edges[is_strong]).mean() / laplacian.mean()))
    # Variances of blurs add, so the missing blur is the root of a difference of squares.
    return 0.75 * float(np.sqrt(max(0.0, (ratio / _SHARP_RATIO) ** 2 - 1)))
