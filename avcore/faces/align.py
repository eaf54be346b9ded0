"""From landmarks to face boxes and lip crops, with the published numbers.

The lip crop is that of Auto-AVSR (Ma et al., ICASSP 2023): a similarity transform takes stable points of the face onto
a mean face in a 256x256 picture, and a window is cut around the mouth.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.faces.crop import Box
from avcore.faces.geometry import Landmarks, hull

LIP_SIDE = 96
"""Pixels of a lip crop's side."""

_MEAN_FACE_SIDE = 256
_STABLE = np.array([195, 2, 33, 133, 362, 263, 61, 291])
"""Bridge and base of the nose, corners of the eyes (outer, inner, inner, outer) and of the mouth, left to right as seen."""
_STABLE_ON_MEAN_FACE = np.array(
    [
        [128.489, 106.925],
        [128.870, 137.303],
        [92.522, 94.369],
        [112.772, 94.944],
        [145.525, 94.535],
        [166.677, 93.566],
        [107.168, 157.196],
        [152.193, 156.987],
    ],
    dtype=np.float32,
)
_MOUTH = np.array([61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91, 78, 81, 13, 311, 308, 402, 14, 178])
_MOUTH_OFFSET = np.array([1.6, 0.9], dtype=np.float32)
"""Makes up for mediapipe's mouth points not being the iBUG points that the published crop was centred on."""
_BOX_MARGINS = np.array([0.015, -0.060, -0.021, 0.006], dtype=np.float32)
"""What to add to the hull of the landmarks, in its widths and heights, to get the published detector's box; fitted on
one clip."""


def face_box(landmarks: Landmarks) -> Box:
    """Return the box float32 [4] (x1, y1, x2, y2 in pixels) that the published face detector would draw around landmarks [468,
    2]."""
    x1, y1, x2, y2 = box = hull(landmarks)
    size = np.array([x2 - x1, y2 - y1], dtype=np.float32)
    return box + _BOX_MARGINS * np.tile(size, 2)


def smooth_landmarks(window: Landmarks) -> Landmarks:
    """Average landmarks over time and put the result where the middle picture's are.

    window: float32 [2 k + 1, 468, 2], pictures i - k to i + k. Returns float32 [468, 2], with the centroid of picture i.
    """
    mean = window.mean(axis=0, dtype=np.float32)
    shift = window[len(window) // 2].mean(axis=0) - mean.mean(axis=0)
    return np.asarray(mean + shift, dtype=np.float32)


def crop_lips(gray: NDArray[np.uint8], landmarks: Landmarks) -> NDArray[np.uint8] | None:
    """Cut the aligned mouth out of a gray picture.

    gray: uint8 [height, width]; landmarks: float32 [468, 2] in its pixels, smoothed. Returns uint8 [96, 96], or None
    when the landmarks are too degenerate to align.
    """
    placed = _place_lips(landmarks)
    if placed is None:
        return None
    transform, left, top = placed
    aligned = cv2.warpAffine(gray, transform, (_MEAN_FACE_SIDE, _MEAN_FACE_SIDE), flags=cv2.INTER_LINEAR)
    return np.ascontiguousarray(aligned[top : top + LIP_SIDE, left : left + LIP_SIDE], dtype=np.uint8)


def lip_corners(landmarks: Landmarks) -> NDArray[np.float32] | None:
    """Return where the corners of the lip crop lie in the picture: float32 [4, 2] in pixels; None where `crop_lips` gives none."""
    placed = _place_lips(landmarks)
    if placed is None:
        return None
    transform, left, top = placed
    corners = np.array([(left + x, top + y) for y in (0, LIP_SIDE) for x in (0, LIP_SIDE)]) - transform[:, 2]
    return np.asarray(np.linalg.solve(transform[:, :2], corners.T).T, dtype=np.float32)


def _place_lips(landmarks: Landmarks) -> tuple[NDArray[np.float64], int, int] | None:
    """Return the transform of the picture to the mean face, float64 [2, 3], and the left and top of the crop there."""
    transform, _ = cv2.estimateAffinePartial2D(landmarks[_STABLE], _STABLE_ON_MEAN_FACE, method=cv2.LMEDS)
    if transform is None:
        return None
    mouth = (landmarks[_MOUTH] @ transform[:, :2].T + transform[:, 2]).mean(axis=0) + _MOUTH_OFFSET
    left, top = np.clip(np.rint(mouth - LIP_SIDE / 2).astype(int), 0, _MEAN_FACE_SIDE - LIP_SIDE).tolist()
    return np.asarray(transform, dtype=np.float64), left, top
