"""Shadows that come and go as a mouth moves: below the lower lip, and in the folds from the nose to the corners of the mouth.

Moved pixels take the shadows along that they had. A jaw that goes down turns the skin below the lip away from the light, and a
cheek that is pushed together folds.
"""

import cv2
import numpy as np

from avcore.arrays import Floats, Pixels
from unit2av.lipsync.mesh.face_shape import INNER_LOWER, INNER_UPPER, OUTER_CORNERS, OUTER_LOWER, OUTER_UPPER, Points
from unit2av.lipsync.mesh.head_frame import HeadPose
from unit2av.lipsync.mesh.warp import SUBPIXEL_BITS, fixed_point

_BELOW_LIP = (182, 83, 18, 313, 406)
_FOLDS = (((203, 206, 216), (57, 207)), ((423, 426, 436), (287, 427)))
"""A line of points, and two points beside it that come nearer to one another when it folds."""
_BELOW_SHADE, _FOLD_SHADE = 0.08, 0.05
"""Shares of the light that are lost at most."""
_WIDE_OPEN, _WHOLE_FOLD = 0.12, 0.25
"""Change of the gap between the lips, in widths of the face, and of the distance across a fold as a share, that do so."""
_BELOW_BLUR, _FOLD_BLUR = 0.022, 0.018
_LEAST = 0.004


def shade(picture: Pixels, source: Points, target: Points, pose: HeadPose) -> None:
    """Darken what a movement puts into shadow, and lighten what it takes out of it, in a picture uint8 [h, w, 3], in place.

    source: where the points of the face were, float64 [468, 3]; target: where they are now, [468, 3]; both in pixels.
    """
    opened = float(_gap(target) - _gap(source)) / pose.scale / _WIDE_OPEN
    shadows: list[tuple[tuple[int, ...], float, float]] = [(_BELOW_LIP, _BELOW_SHADE * float(np.clip(opened, -1, 1)), _BELOW_BLUR)]
    for line, (inner, outer) in _FOLDS:
        before, after = (np.linalg.norm(points[inner, :2] - points[outer, :2]) for points in (source, target))
        folded = float(1 - after / max(float(before), 1e-6)) / _WHOLE_FOLD
        shadows.append((line, _FOLD_SHADE * float(np.clip(folded, -0.5, 1)), _FOLD_BLUR))
    for along, share, blur in shadows:
        if abs(share) > _LEAST:
            _darken(picture, target, along, share, max(blur * pose.scale, 0.7))


def _darken(picture: Pixels, points: Points, line: tuple[int, ...], share: float, blur: float) -> None:
    """Take a share of the light away along a line of points, and less and less around it; the lips keep theirs."""
    margin = 3 * blur + 2
    low = np.maximum(np.floor(points[list(line), :2].min(axis=0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(points[list(line), :2].max(axis=0) + margin), picture.shape[1::-1]).astype(int)
    part = picture[low[1] : max(high[1], 0), low[0] : max(high[0], 0)]
    if not part.size:
        return
    drawn = np.zeros(part.shape[:2], np.float32)
    cv2.polylines(drawn, [fixed_point(points[list(line), :2] - low)], False, 1.0, 1, cv2.LINE_8, SUBPIXEL_BITS)
    soft = cv2.GaussianBlur(drawn, (0, 0), blur)
    soft *= share / max(float(soft.max()), 1e-6) * _away_from_lips(points - [*low, 0], part.shape[:2], blur / 2)
    soft[np.abs(soft) < _LEAST] = 0
    part[:] = np.rint(np.clip(part * (1 - soft[..., None]), 0, 255)).astype(np.uint8)


def _away_from_lips(points: Points, size: tuple[int, ...], blur: float) -> Floats:
    """1 beside the lips, 0 on them: float32 [height, width]."""
    outline = [OUTER_CORNERS[0], *OUTER_UPPER, OUTER_CORNERS[1], *reversed(OUTER_LOWER)]
    beside = np.ones(size, np.float32)
    cv2.fillPoly(beside, [fixed_point(points[outline, :2])], 0.0, cv2.LINE_8, SUBPIXEL_BITS)
    return np.asarray(np.minimum(beside, cv2.GaussianBlur(beside, (0, 0), blur)), np.float32)


def _gap(points: Points) -> float:
    return float(np.linalg.norm(points[INNER_LOWER[4], :2] - points[INNER_UPPER[4], :2]))
