"""How a face moves from one picture to the next, by its own pixels (optical flow).

Points all over the upper face are followed (Lucas-Kanade), and one similarity is fitted to all of them. Where there is little
texture, a point goes where the coder of the video put it: such points count less. Where points disagree, so small a roll or growth
of the face as may be their error is believed less.

Below the nose, where a face that talks bends, each point goes its own way, as the pixels around it do (Kroeger et al. 2016, "Fast
optical flow using dense inverse search").
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pixels
from unit2av.lipsync.mesh.face_shape import Points
from unit2av.lipsync.mesh.head_frame import FOLLOWED, UPPER_FACE

_WIDTH, _MARGIN = 160, 0.15
"""Pixels that a face is looked at in at most, and what is cut out beside it, in widths of the face."""
_WINDOW, _LEVELS = 17, 2
_MOST_RETURN = 0.5
_LEAST_FOLLOWED = 12
_UNLIKE_OTHERS, _FITS = 1.0, 4
"""Pixels from which on a point that moves unlike the others counts less than half, and how often that is judged anew."""
_TEXTURE_POWER, _LEAST_WITHIN, _LEAST_TRUST = 0.4, 0.8, 1e-6
"""How fast a point gains weight with its texture, how much of what is looked at must be of the face, and what every point has."""
_ALIKE = 20.0
"""Points that err together: their windows overlap, and so do the blocks of a coder."""
_USUAL_ROLL, _USUAL_GROWTH = 0.0015, 0.0008
"""Of a face from one picture to the next: radians, and a share of its size."""
_LOWER_FROM, _LOWER_MARGIN = 0.35, 0.08
"""Share of a face's height below which points are followed one by one, and what is seen beside it, in widths of the face."""
_LOWER_WIDTH, _MOST_GROWN = 192, 4.0
"""Pixels that the lower face is looked at in, and how much a small one is enlarged for that at most."""
_STRIDE, _LEAST_SIDE = 4, 24
"""Pixels from one patch that is followed to the next, and the smallest side of a part in which patches fit."""


def flow(before: Pixels, after: Pixels, mesh: Points, mesh_after: Points) -> Points:
    """Return how the upper face moves from one picture to the next: x, y, roll (radians), logarithm of the growth.

    before, after: uint8 [height, width, 3]. mesh, mesh_after: where the face was found, [468, 3]; they count where too few points
    can be followed.
    """
    low, high = mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)
    margin = _MARGIN * (high[0] - low[0])
    left, top = np.maximum(low - margin, 0).astype(int).tolist()
    right, bottom = np.maximum(high + margin, 0).astype(int).tolist()
    scale = min(1.0, _WIDTH / max(float(high[0] - low[0]), 1.0))
    small = [_grey(picture[top:bottom, left:right], scale) for picture in (before, after)]
    middle = mesh[UPPER_FACE, :2].mean(axis=0)
    everywhere = np.ones(len(FOLLOWED))
    if min(small[0].shape) < _WINDOW or small[0].shape != small[1].shape:
        return similarity(mesh[FOLLOWED, :2] - middle, mesh_after[FOLLOWED, :2] - middle, everywhere)
    face = ((mesh[:, :2] - [left, top]) * scale).astype(np.float32)
    start = face[FOLLOWED, None]
    end, is_good = _followed(small[0], small[1], start)
    if is_good.sum() < _LEAST_FOLLOWED:
        return similarity(mesh[FOLLOWED, :2] - middle, mesh_after[FOLLOWED, :2] - middle, everywhere)
    origin = (middle - [left, top]) * scale
    one, other = (points[is_good, 0].astype(np.float64) - origin for points in (start, end))
    step = similarity(one, other, _trust(small[0], start[is_good], face))
    return np.asarray(step / [scale, scale, 1, 1], np.float64)


def surface_flow(before: Pixels, after: Pixels, mesh: Points, mesh_after: Points) -> Points:
    """Return how far each point of the lower face goes from one picture to the next, by the pixels around it: float64 [468, 2], in
    pixels.

    before, after: uint8 [height, width, 3]. mesh, mesh_after: where the face was found, [468, 3]. Points of the upper face go with
    those of the lower one that are nearest to them. A face too small to be looked at goes as the mesh does.
    """
    both = np.concatenate([mesh[:, :2], mesh_after[:, :2]])
    low, high = both.min(axis=0), both.max(axis=0)
    low[1] += _LOWER_FROM * (high[1] - low[1])
    margin = _LOWER_MARGIN * (high[0] - low[0])
    left, top = np.maximum(np.floor(low - margin), 0).astype(int).tolist()
    right, bottom = np.maximum(np.ceil(high + margin), 0).astype(int).tolist()
    scale = min(_LOWER_WIDTH / max(min(right, before.shape[1]) - left, 1), _MOST_GROWN)
    one, other = (_grey(picture[top:bottom, left:right], scale) for picture in (before, after))
    if min(one.shape) < _LEAST_SIDE or one.shape != other.shape:
        return np.asarray((mesh_after - mesh)[:, :2], np.float64)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setPatchStride(_STRIDE)
    search.setVariationalRefinementIterations(0)  # it costs as much again, and mouths are moved no better
    way = search.calc(one, other, None)
    x, y = (((mesh[:, axis] - start + 0.5) * scale - 0.5).astype(np.float32) for axis, start in enumerate((left, top)))
    return np.asarray(cv2.remap(way, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0] / scale, np.float64)


def similarity(before: Points, after: Points, weights: Points) -> Points:
    """Return the similarity that takes points [n, 2] to others: x, y, roll, logarithm of the size.

    weights: [n]. Points unlike the rest count less; the less they agree, the nearer roll and growth are to none.
    """
    one, other = before @ [1, 1j], after @ [1, 1j]
    share, turn, unlike = weights, 1 + 0j, np.zeros(len(one))
    middle, new_middle, reach = 0j, 0j, 1.0
    for _ in range(_FITS):
        share = weights / (1 + np.square(unlike / _UNLIKE_OTHERS))
        share /= share.sum()
        middle, new_middle = complex(share @ one), complex(share @ other)
        away, there = one - middle, other - new_middle
        reach = max(float(share @ np.square(np.abs(away))), 1e-9)
        turn = complex((share * away.conj()) @ there / reach)
        unlike = np.abs(there - turn * away)
    doubt = float(share @ np.square(unlike)) / 2 * float(share @ share) * _ALIKE / reach
    roll = _believed(float(np.angle(turn)), _USUAL_ROLL, doubt)
    growth = _believed(float(np.log(max(abs(turn), 1e-3))), _USUAL_GROWTH, doubt)
    step = complex(new_middle - np.exp(growth + 1j * roll) * middle)
    return np.array([step.real, step.imag, roll, growth])


def _believed(value: float, usual: float, doubt: float) -> float:
    """As much of a value as is likely: one that is usual may be an error as well, a large one hardly. doubt: its variance."""
    trust = usual**2 + value**2
    return value * trust / (trust + doubt)


def _followed(one: Pixels, other: Pixels, start: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return where points [n, 1, 2] of a grey picture are in another one, and which of them are found again from there: bool
    [n]."""
    size = (_WINDOW, _WINDOW)
    end, is_found, _ = cv2.calcOpticalFlowPyrLK(one, other, start, None, winSize=size, maxLevel=_LEVELS)
    back, is_found_back, _ = cv2.calcOpticalFlowPyrLK(other, one, end, None, winSize=size, maxLevel=_LEVELS)
    is_good = (is_found[:, 0] > 0) & (is_found_back[:, 0] > 0) & (np.abs(back - start).max(axis=(1, 2)) < _MOST_RETURN)
    return np.asarray(end, np.float32), np.asarray(is_good, np.bool_)


def _trust(grey: Pixels, points: NDArray[np.float32], face: NDArray[np.float32]) -> Points:
    """Return how much each of the points [n, 1, 2] that are followed in a grey picture says of the face in it, [n].

    More where there is more texture (of the structure tensor the smaller eigenvalue: Shi and Tomasi 1994), nothing where much of
    what is looked at lies beside the face: a background stays, and may have more texture. face: the mesh there, [468, 2].
    """
    within = np.zeros(grey.shape, np.float32)
    cv2.fillConvexPoly(within, np.rint(cv2.convexHull(face)).astype(np.int32), 1.0)
    share, least = cv2.blur(within, (_WINDOW, _WINDOW)), cv2.cornerMinEigenVal(grey, _WINDOW, ksize=3)
    x, y = points[:, 0, 0], points[:, 0, 1]
    inside, texture = (cv2.remap(one, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0] for one in (share, least))
    weights = np.clip((inside - _LEAST_WITHIN) / (1 - _LEAST_WITHIN), 0, 1) * np.maximum(texture, 0) ** _TEXTURE_POWER
    return np.asarray(weights + _LEAST_TRUST, np.float64)


def _grey(part: Pixels, scale: float) -> Pixels:
    """Return a part of a picture in grey, resized: in halves as far as that goes, which is many times as fast; odd rows are left
    out."""
    if not part.size:
        return np.zeros((0, 0), np.uint8)
    grey = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    while scale <= 0.5 and min(grey.shape) > 1:
        grey = cv2.resize(grey[: grey.shape[0] & ~1, : grey.shape[1] & ~1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        scale *= 2
    if scale == 1:
        return np.asarray(grey, np.uint8)
    way = cv2.INTER_LINEAR if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(grey, None, fx=scale, fy=scale, interpolation=way), np.uint8)
