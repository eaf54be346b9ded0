"""Crop faces and lips from frames, as published, and paste rendered faces back.

A window is at most `MAX_SIDE` pixels wide whatever the size of the video, so a tracked face costs the same memory at 4K as at 224
pixels, and large faces are averaged down before they are warped instead of being undersampled. The lip crop is that of Auto-AVSR
(Ma et al., ICASSP 2023): a similarity transform maps stable points of the face onto a mean face in a 256x256 image, and a window
is cut around the mouth.

No network for face recognition comes with the models that are used here. A small portrait (face, hair and some of the
surroundings) distinguishes the people of one recording: by the colours of skin and hair, and by the pattern of light and dark. A
trained network is better where people look alike, or where the light changes between shots.

A face is pasted with its lower half and a soft edge, or whole exactly as published. Nothing outside the box changes in either
case. The network saw the *visible* part of the box scaled to a square, so its whole patch is scaled to that visible part, also
where the box reaches beyond the frame.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pixels
from avcore.faces.geometry import Box, Landmarks, hull

FEATHER = 0.1
"""Width of the soft edge as a share of the box's side."""
UPPER = 0.5
"""Share of the box's height, from its top, that is not pasted: the network sees it unmasked, and only redraws it worse."""

_JAW_MIDDLE, _JAW_WIDTH, _JAW_HEIGHT, _JAW_SOFT = 0.45, 0.97, 0.56, 1.5
"""Half an ellipse for the jaw in the box around a face: its top, in heights of the box; its half width, in half widths of the box;
its height, in heights of the box; and the width of its soft edge, in soft edges of the box."""


def visible_part(box: Box, height: int, width: int) -> tuple[slice, slice] | None:
    """Return the rows and columns of a frame of `height` and `width` that a box covers, None when it covers none.

    box: [4], x1, y1, x2, y2 in pixels; coordinates are truncated toward zero.
    """
    x1, y1 = (max(int(value), 0) for value in box[:2])
    x2, y2 = min(int(box[2]), width), min(int(box[3]), height)
    if x2 <= x1 or y2 <= y1:
        return None
    return slice(y1, y2), slice(x1, x2)


def crop_face(frame: Pixels, box: Box, size: int = 96) -> Pixels:
    """Crop the visible part of a box and scale it to a square, bilinear.

    frame: uint8 [height, width, 3]. box: [4], x1, y1, x2, y2 in pixels, may reach beyond the frame. Returns uint8
    [size, size, 3]; black when the box covers nothing.
    """
    part = visible_part(box, *frame.shape[:2])
    if part is None:
        return np.zeros((size, size, 3), dtype=np.uint8)
    return scale_face(frame[part], size)


def scale_face(face: Pixels, size: int = 96) -> Pixels:
    """Scale a crop uint8 [height, width, 3] to uint8 [size, size, 3], bilinear; a crop of that size is returned as it is."""
    if face.shape[:2] == (size, size):
        return face
    return np.asarray(cv2.resize(face, (size, size), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def paste_face(frame: Pixels, patch: Pixels, box: Box, feather: float = FEATHER, upper: float = UPPER) -> Pixels:
    """Blend a patch into its box, with a soft edge inside the box; there is no edge where the frame cuts the box.

    frame: uint8 [height, width, 3]. patch: uint8 [h, w, 3], is scaled to the visible part of the box. box: [4], x1, y1, x2, y2
    in pixels. feather: width of the edge as a share of the side, 0 = hard. upper: share of the visible part's height, from its
    top, that is not changed. Pixels beside the jaw are not changed either: networks that draw faces tint the background. Returns a
    new frame; pixels outside the box are those of `frame`.
    """
    pasted = frame.copy()
    part = visible_part(box, *frame.shape[:2])
    if part is None:
        return pasted

    rows, columns = part
    scaled = _scale(patch, columns.stop - columns.start, rows.stop - rows.start)
    top, bottom = int(box[1]), int(box[3])
    # With nothing left out, the ramp begins at the box's own top: above the frame there is then no soft edge at its border.
    start = rows.start + round(upper * (rows.stop - rows.start)) if upper else top
    down = _ramp(start, bottom, rows.start, rows.stop, feather * (bottom - top))
    left, right = int(box[0]), int(box[2])
    across = _ramp(left, right, columns.start, columns.stop, feather * (right - left))
    weight = (down[:, None] * across * _jaw((left, top, right, bottom), part, feather))[..., None]
    below = frame[part].astype(np.float32)
    pasted[part] = np.rint(below + (scaled - below) * weight).astype(np.uint8)
    return pasted


def _jaw(box: tuple[int, int, int, int], part: tuple[slice, slice], feather: float) -> NDArray[np.float32]:
    """Return the mask of the face in a patch, by the outline of a jaw in its box: float32 [rows, columns], 0 to 1."""
    x1, y1, x2, y2 = box
    across = (np.arange(part[1].start, part[1].stop, dtype=np.float32) + 0.5 - (x1 + x2) / 2) / max((x2 - x1) / 2, 1)
    down = (np.arange(part[0].start, part[0].stop, dtype=np.float32) + 0.5 - y1) / max(y2 - y1, 1) - _JAW_MIDDLE
    if feather <= 0:
        return np.ones((len(down), len(across)), np.float32)
    away = np.hypot(across / _JAW_WIDTH, np.maximum(down, 0)[:, None] / _JAW_HEIGHT)
    return np.asarray((1 - np.cos(np.pi * np.clip((1 - away) / (_JAW_SOFT * feather), 0, 1))) / 2, np.float32)


def paste_face_hard(frame: Pixels, patch: Pixels, box: Box) -> Pixels:
    """Overwrite the whole box with a patch, exactly as published.

    Arguments as in `paste_face`. A box without width or height changes nothing. For a box that reaches beyond the right or lower
    border the patch is scaled twice, to the box and then to its visible part, which blurs it a little: that too is as published.
    """
    pasted = frame.copy()
    part = visible_part(box, *frame.shape[:2])
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
# Crops correlate with the authors' own of one clip by 0.965 with it, by 0.940 without.
_MOUTH_OFFSET = np.array([1.6, 0.9], dtype=np.float32)
"""Offset between mediapipe's mouth points and the iBUG points that the published crop was centred on."""
_BOX_MARGINS = np.array([0.015, -0.060, -0.021, 0.006], dtype=np.float32)
"""Added to the hull of the landmarks, in its widths and heights, to get the published detector's box; fitted on one clip."""


def face_box(landmarks: Landmarks) -> Box:
    """Return the published face detector's box, float32 [4] (x1, y1, x2, y2 in pixels), estimated from landmarks [468, 2]."""
    x1, y1, x2, y2 = box = hull(landmarks)
    size = np.array([x2 - x1, y2 - y1], dtype=np.float32)
    return box + _BOX_MARGINS * np.tile(size, 2)


def smooth_landmarks(window: Landmarks) -> Landmarks:
    """Average landmarks over time, and move the result to the place of the middle frame's.

    window: float32 [2 k + 1, 468, 2], frames i - k to i + k. Returns float32 [468, 2], with the centroid of frame i.
    """
    mean = window.mean(axis=0, dtype=np.float32)
    shift = window[len(window) // 2].mean(axis=0) - mean.mean(axis=0)
    return np.asarray(mean + shift, dtype=np.float32)


def crop_lips(gray: NDArray[np.uint8], landmarks: Landmarks) -> NDArray[np.uint8] | None:
    """Crop the aligned mouth from a gray frame.

    gray: uint8 [height, width]. landmarks: float32 [468, 2] in its pixels, smoothed. Returns uint8 [96, 96], or None
    when the landmarks are too degenerate to align.
    """
    placed = _place_lips(landmarks)
    if placed is None:
        return None
    transform, left, top = placed
    aligned = cv2.warpAffine(gray, transform, (_MEAN_FACE_SIDE, _MEAN_FACE_SIDE), flags=cv2.INTER_LINEAR)
    return np.ascontiguousarray(aligned[top : top + LIP_SIDE, left : left + LIP_SIDE], dtype=np.uint8)


def lip_corners(landmarks: Landmarks) -> NDArray[np.float32] | None:
    """Return the corners of the lip crop in the frame: float32 [4, 2] in pixels; None where `crop_lips` returns None."""
    placed = _place_lips(landmarks)
    if placed is None:
        return None
    transform, left, top = placed
    corners = np.array([(left + x, top + y) for y in (0, LIP_SIDE) for x in (0, LIP_SIDE)]) - transform[:, 2]
    return np.asarray(np.linalg.solve(transform[:, :2], corners.T).T, dtype=np.float32)


def _place_lips(landmarks: Landmarks) -> tuple[NDArray[np.float64], int, int] | None:
    """Return the transform from the frame to the mean face, float64 [2, 3], and the left and top of the crop there."""
    # Least median of squares, as in Auto-AVSR, which single misplaced points do not move. Where all points fit, least squares gives
    # the same to three digits.
    transform, _ = cv2.estimateAffinePartial2D(landmarks[_STABLE], _STABLE_ON_MEAN_FACE, method=cv2.LMEDS)
    if transform is None:
        return None
    mouth = (landmarks[_MOUTH] @ transform[:, :2].T + transform[:, 2]).mean(axis=0) + _MOUTH_OFFSET
    left, top = np.clip(np.rint(mouth - LIP_SIDE / 2).astype(int), 0, _MEAN_FACE_SIDE - LIP_SIDE).tolist()
    return np.asarray(transform, dtype=np.float64), left, top


SIDE = 24
"""Pixels of a portrait's side."""
SAME_PERSON = 0.40
"""Appearances at a smaller distance count as one person. On drawn heads, in one trial, 1 in 200 pairs of two people were nearer
(more where heads are alike), and half of the pairs of one person, seen from other sides and before other walls, were not."""

_WIDEN, _RAISE = 1.3, 0.12
"""Side of the portrait in heights of the face, and how far its centre lies above the face's, so that hair is included."""
_PATTERN, _BRIGHTNESS, _COLOUR = 2.0, 60.0, 12.0
"""Differences that count as a distance of 1: of light and dark, in their standard deviation; of brightness and of colour, in units
of CIE Lab."""
_SMALLEST_SPREAD = 4.0
_BLUR = 1.5


def portrait(frame: Pixels, face: Box) -> NDArray[np.uint8]:
    """Crop a face with its hair from a frame uint8 [height, width, 3] (RGB): uint8 [SIDE, SIDE, 3].

    face: hull of the landmarks, float32 [4], x1, y1, x2, y2 in pixels. Beyond the frame its border is repeated.
    """
    x1, y1, x2, y2 = (float(value) for value in face)
    step = max(_WIDEN * (y2 - y1), 1.0) / SIDE
    left = (x1 + x2) / 2 - step * SIDE / 2
    top = (y1 + y2) / 2 - _RAISE * (y2 - y1) - step * SIDE / 2

    # The warp samples single pixels, so a large face is averaged first; otherwise its portrait would depend on where they fall.
    smooth = cv2.blur(frame, (max(int(step), 1),) * 2) if step >= 2 else frame
    place = np.array([[step, 0, left + step / 2 - 0.5], [0, step, top + step / 2 - 0.5]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(smooth, place, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def appearance(mean_portrait: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the appearance vector of a portrait, float32 [3 * SIDE * SIDE + 1].

    mean_portrait: float32 [SIDE, SIDE, 3] in 0..255 (RGB), of one frame or the mean of many. Vectors of one person are less than
    `SAME_PERSON` apart (Euclidean). Contrast is normalised, brightness has little weight.
    """
    lab = cv2.GaussianBlur(cv2.cvtColor(np.float32(mean_portrait / 255), cv2.COLOR_RGB2LAB), (0, 0), _BLUR)
    weight = _weights()
    brightness = float(np.average(lab[..., 0], weights=weight))
    pattern = lab[..., 0] - brightness
    # A flat portrait (dark or out of focus) keeps a least spread, or its noise would become the pattern.
    spread = max(float(np.sqrt(np.average(np.square(pattern), weights=weight))), _SMALLEST_SPREAD)
    # Roots, since a Euclidean distance squares them: what it sums is then the weighted mean over the pixels.
    shares = np.sqrt(weight / weight.sum())[..., None]
    planes = np.concatenate([pattern[..., None] / (spread * _PATTERN), lab[..., 1:] / _COLOUR], axis=-1) * shares
    return np.append(planes.ravel(), brightness / _BRIGHTNESS).astype(np.float32)


def face_difference(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the distance of two appearances, in which colours and light count for no more than the pattern of light and dark.

    So another lamp makes no other face: it changes brightness, tint and colours of a portrait, and hardly its pattern. Arguments:
    vectors of `appearance`.
    """
    change = np.asarray(one - other, np.float64)
    planes, weight = change[:-1].reshape(SIDE, SIDE, 3), _weights()
    pattern = float(np.linalg.norm(planes[..., 0]))
    tint = np.tensordot(np.sqrt(weight / weight.sum()), planes[..., 1:], 2)  # the mean colour, as the planes hold roots of weights
    light = float(np.hypot(np.linalg.norm(tint), change[-1]))
    colours = float(np.sqrt(max(np.square(planes[..., 1:]).sum() - tint @ tint, 0.0)))
    return float(np.linalg.norm([pattern, min(colours, pattern), min(light, pattern)]))


@lru_cache(maxsize=1)
def _weights() -> NDArray[np.float64]:
    """Return the weights of a portrait's pixels, float64 [SIDE, SIDE]: an ellipse around face and hair."""
    y, x = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE * 2 - 1
    return np.asarray(np.clip(1.6 - 1.6 * (np.square(x / 0.65) + np.square(y / 0.95)), 0, 1))


MAX_SIDE = 384
"""Pixels. A face fills half of the window: more than the mesh model (192) and the lip crop (124) use."""


@dataclass(frozen=True)
class CropWindow:
    """A square of `side` pixels with its corner at (x, y) of the frame; it may reach beyond the frame."""

    x: int
    y: int
    side: int

    @classmethod
    def around(cls, box: Box, widen: float) -> "CropWindow":
        """Return the square around the centre of a box [4] (x1, y1, x2, y2), `widen` times as long as its longer side."""
        x1, y1, x2, y2 = (float(value) for value in box)
        side = max(round(widen * max(x2 - x1, y2 - y1)), 1)
        return cls(round((x1 + x2 - side) / 2), round((y1 + y2 - side) / 2), side)

    @property
    def scale(self) -> float:
        """Pixels of the frame for each pixel of the cut window, 1 or more."""
        return max(self.side / MAX_SIDE, 1.0)

    def cut(self, frame: Pixels) -> Pixels:
        """Cut the window from a frame uint8 [height, width, 3]; black beyond its borders.

        Returns uint8 [s, s, 3], s = min(side, MAX_SIDE), averaged down where the window is larger.
        """
        height, width = frame.shape[:2]
        left, top = min(max(self.x, 0), width), min(max(self.y, 0), height)
        right, bottom = max(min(self.x + self.side, width), left), max(min(self.y + self.side, height), top)
        inside = frame[top:bottom, left:right]
        if inside.shape[:2] != (self.side, self.side):
            square = np.zeros((self.side, self.side, 3), dtype=np.uint8)
            square[top - self.y : bottom - self.y, left - self.x : right - self.x] = inside
            inside = square

        if self.side > MAX_SIDE:
            # Averaging by a factor below 2 is slow and no better than interpolating.
            how = cv2.INTER_AREA if self.side >= 2 * MAX_SIDE else cv2.INTER_LINEAR
            return np.asarray(cv2.resize(inside, (MAX_SIDE, MAX_SIDE), interpolation=how), dtype=np.uint8)
        return np.ascontiguousarray(inside)

    def to_frame(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert landmarks, float32 [n, 2] or [n, 3], from pixels of the cut window to pixels of the frame."""
        moved = points * np.float32(self.scale)
        moved[:, :2] += np.array([self.x, self.y], dtype=np.float32)
        return moved

    def from_frame(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert positions [n, 2] from pixels of the frame to pixels of the cut window, for a warp.

        Positions count from the centre of a pixel, as in OpenCV, so the half pixel scales with them.
        """
        offset = np.array([self.x, self.y], dtype=np.float32) - np.float32(0.5)
        return (points - offset) / np.float32(self.scale) - np.float32(0.5)
