"""Measures of a mouth in an image: the edges of the lips, the sharpness of edges, and the light on the face."""

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
    smoothstep,
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
_SEAM, _LEAST_SEAM, _SEAM_SHADE = 0.004, 0.6, 0.45
"""Width of the shadow between closed lips in widths of the face, its least width in pixels, and its darkness."""
_PLACES = (0, 0.4, 1, 3, 9, 11, 11.6, 12)
"""Positions along the line between the corners of the mouth, in points of the line: corners, inner corners, and lips."""
_SEAM_SHARES = np.array([0.0, 0.24, 0.6, 1, 1, 0.6, 0.24, 0.0])
"""Darkness of the shadow at these positions, and how much is repaired there."""
_MENDED = 0.014
"""Distance from the line within which specks are repaired, in widths of the face: a moustache begins behind it, and is as dark."""
_TOO_BRIGHT, _TOO_DARK = 1.12, 0.72
"""Brightness relative to the lip's, beyond which a pixel beside the line belongs to the former inside of the mouth."""
_CHEEKS = [50, 280, 205, 425, 36, 266]
_SKIN = np.array([0.80, 0.60, 0.50])
"""Colour of skin of medium brightness in white light."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_NO_COLOUR, _ALL_COLOURS = 0.006, 0.03
"""Deviation of a face's colours from one tone, relative to its light, in an image without colours and in one with all."""
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


def join_lips(image: Pixels, points: Points, scale: float, soft: float, share: float) -> None:
    """Repair the line between lips that were open in the image and are closed now, in place.

    The former inside of the mouth remains as white or dark specks; pixels that differ too much from the lip get the lip's colour.
    image: uint8 [height, width, 3]; points: present points of the face, [468, 2]; scale: pixels in a width of the face; soft:
    blur of the image's edges, in pixels. share: 0..1, strength of the repair.
    """
    line = (points[list(INNER_UPPER)] + points[list(INNER_LOWER)]) / 2
    ends = points[list(OUTER_CORNERS)], points[list(MOUTH_CORNERS)]
    line = np.concatenate([[ends[0][0], ends[1][0]], line, [ends[1][1], ends[0][1]]])
    reach = max(_MENDED * scale, 1.5)
    most = 2 * reach
    low = np.maximum(np.floor(line.min(axis=0) - most), 0).astype(int)
    high = np.minimum(np.ceil(line.max(axis=0) + most) + 1, image.shape[1::-1]).astype(int)
    part = image[low[1] : max(high[1], 0), low[0] : max(high[0], 0)]
    if min(part.shape[:2]) < 2:
        return

    place, beside = _along(line - low, part.shape[:2])
    upper, lower = (_lip_colours(image, points, rings) for rings in (UPPER_LIP, LOWER_LIP))

    below = np.clip(beside / reach + 0.5, 0, 1)[..., None].astype(np.float32)
    columns = np.arange(len(line), dtype=np.float32)
    above, under = (np.stack([np.interp(place, columns, one) for one in colours.T], axis=-1) for colours in (upper, lower))
    lip = (above + (under - above) * below).astype(np.float32)

    seam = np.exp(-np.square(beside / np.hypot(max(_SEAM * scale, _LEAST_SEAM), soft)))
    wanted = lip * (1 - _SEAM_SHADE * seam[..., None]).astype(np.float32)

    off = part.sum(axis=-1, dtype=np.float32) / np.maximum(wanted.sum(axis=-1), 1)
    strange = np.maximum(smoothstep((off - _TOO_BRIGHT) / 0.1), smoothstep((_TOO_DARK - off) / 0.15))
    strange = np.maximum(strange, seam) * np.interp(place, _PLACES, _SEAM_SHARES)
    weight = share * strange * (1 - smoothstep((np.abs(beside) - reach) / reach))
    soft = cv2.GaussianBlur(weight.astype(np.float32), (0, 0), 0.7)[..., None]
    part[:] = np.rint(part + (wanted - part) * soft).astype(np.uint8)


def _along(line: Points, size: tuple[int, ...]) -> tuple[Points, Points]:
    """Return for each pixel its position along a line [n, 2], 0 to n - 1, and its distance below it, [height, width] each."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float64)
    place = np.interp(x, line[:, 0], np.arange(len(line)))
    return place, y - np.interp(x, line[:, 0], line[:, 1])


def _lip_colours(image: Pixels, points: Points, rings: tuple[tuple[int, ...], ...]) -> NDArray[np.float32]:
    """Return the colour of a lip in its nine columns and at both ends, measured from its middle outwards: float32 [13, 3]."""
    height, width = image.shape[:2]
    seen = []
    for share in (0.25, 0.5, 0.75):
        x, y = np.rint(points[list(rings[1])] + share * (points[list(rings[-1])] - points[list(rings[1])])).astype(int).T
        seen.append(image[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)])

    colours = np.median(np.stack(seen), axis=0)
    middle = np.median(colours, axis=0)
    colours = cv2.GaussianBlur(np.minimum(np.maximum(colours, 0.75 * middle), 1.2 * middle).astype(np.float32), (1, 5), 1.0)
    # The ends may be in the shadow of a corner.
    ends = [np.repeat(np.maximum(end, 0.9 * middle), 2, axis=0) for end in (colours[:1], colours[-1:])]
    return np.asarray(np.concatenate([ends[0], colours, ends[1]]), np.float32)


def light_on(image: Pixels, points: Points) -> NDArray[np.float32]:
    """Estimate the colour of the light on a face from its cheeks, assuming skin of medium brightness.

    image: uint8 [height, width, 3]; points: of the mesh, float64 [468, 3], in its pixels. Returns float32 [3] in 0.2..1.
    """
    height, width = image.shape[:2]
    x, y = np.rint(points[_CHEEKS, :2]).astype(int).T
    skin = np.median(image[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)], axis=0) / 255
    light = skin / _SKIN
    light = 0.75 * light + 0.25 * light.mean()
    return np.asarray(np.clip(light / max(float(light.max()), 1.0), 0.2, 1.0), np.float32)


class Tint(NamedTuple):
    """The colours of an image."""

    share: float
    """saturation relative to usual images; 0 = no colours"""
    tone: NDArray[np.float32]
    """tone of its grey, float32 [3]"""

    def on(self, colours: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return colours float32 [..., 3] with the saturation and tone of the image."""
        if self.share >= 1:
            return colours
        grey = (colours @ _LUMA)[..., None] * self.tone
        return np.asarray(grey + self.share * (colours - grey), np.float32)


NATURAL = Tint(1.0, np.ones(3, np.float32))


def tint_of(image: Pixels, points: Points) -> Tint:
    """Return the colours of a face in an image uint8 [height, width, 3]. points: of the mesh, [468, 3], in its pixels.

    In a black-and-white or toned image all points of a face have one colour, lighter or darker; in a colour image lips, skin
    and eyes differ by 4 % of its light or more (130 photographs).
    """
    height, width = image.shape[:2]
    x, y = np.rint(points[:, :2]).astype(int).T
    seen = image[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)].astype(np.float32)

    light = seen @ _LUMA
    tone = seen.sum(axis=0) / max(float(light.sum()), 1.0)
    apart = float(np.sqrt(np.square(seen - light[:, None] * tone).mean())) / max(float(light.mean()), 1.0)
    return Tint(float(smoothstep((apart - _NO_COLOUR) / (_ALL_COLOURS - _NO_COLOUR))), np.asarray(tone, np.float32))


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
