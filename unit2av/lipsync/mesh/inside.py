"""The inside of an open mouth: teeth, tongue and darkness, in the colours of the face, with the person's own teeth if they show."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from avcore.arrays import Floats, Pixels
from unit2av.lipsync.mesh.seen import softness
from unit2av.lipsync.mesh.shape import (
    INNER_LOWER,
    INNER_UPPER,
    LOWER_LIP,
    LOWER_TEETH,
    MOUTH_CORNERS,
    NUM_ARCH,
    NUM_FACE,
    TONGUE,
    UPPER_LIP,
    UPPER_TEETH,
    HeadPose,
    Points,
    smoothstep,
)
from unit2av.lipsync.mesh.warp import SUBPIXEL_BITS, fixed_point

_CHEEKS = [50, 280, 205, 425, 36, 266]
_LIPS = [point for rings in (UPPER_LIP, LOWER_LIP) for point in rings[1]]
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_CAVITY, _TONGUE, _SEAM = 0.24, 0.85, 0.45
"""Brightness of the depth, of the tongue and of the line between closed lips, as shares of the lips'."""
_REDDER, _ENAMEL, _PALER, _MOST = 1.7, 1.04, 0.45, 165
"""How much more colour the inside has than the lips; brightness of teeth as a share of the skin's, their share of its colour, and
the brightest skin that counts. Of a grey face all of it is grey."""
_LOWER, _SHUT, _LIT_GAP = 0.7, 0.45, 0.085
"""Light on the lower teeth, on teeth behind lips that hardly part, and the gap from which they get all of it, in widths of the
face: a narrow gap filled with bright teeth looks closed."""
_BARED = 0.05, 0.05
"""Gap above which the lower teeth are visible, and the range over which they appear."""
_EDGE_LIGHT = 0.65
"""Share of the light that is left beside the lips."""
_LINE = 0.006
"""Width of the line between closed lips, in widths of the face."""
_LEAST_TEETH_GAP, _LEAST_SHARE = 0.02, 0.25
_PATCH, _REACH = (320, 160), 0.4
"""Width and height of an image of teeth, and its width in widths of the face."""
_FRONT, _ROW_SHARE = slice(104, 216), 0.85
"""Columns of the front teeth in that image, and the share of them in which teeth must be visible to form a row."""


@dataclass(frozen=True, eq=False)
class Teeth:
    """A row of a person's teeth from a frame, in the head frame."""

    patch: Pixels
    """uint8 [160, 320, 3]"""
    cover: Floats
    """float32 [160, 320], 0 to 1"""
    corner: Points
    """x, y and depth of the patch"""


@dataclass(frozen=True, eq=False)
class Appearance:
    """Colours of a face, float32 [3] from 0 to 255, the blur of its edges in pixels, and its teeth if a frame shows them."""

    skin: Floats
    lip: Floats
    soft: float
    teeth: Teeth | None = None

    @classmethod
    def of(cls, frames: Sequence[tuple[Pixels, Points, Points, HeadPose]]) -> "Appearance":
        """Measure it in frames.

        Of each: the image uint8 [height, width, 3], the face's points [468, 3] in it and in the head frame, and the head's pose.
        """
        skin, lip = (
            np.asarray(np.median([_colour(image, points[which]) for image, points, *_ in frames], axis=0), np.float32)
            for which in (_CHEEKS, _LIPS)
        )
        soft = float(np.median([softness(image, points) for image, points, *_ in frames]))
        widest = max(frames, key=lambda seen: float(seen[2][INNER_LOWER[4], 1] - seen[2][INNER_UPPER[4], 1]))
        return cls(skin, lip, soft, find_teeth(*widest))


def _colour(image: Pixels, points: Points) -> Floats:
    x, y = np.clip(np.rint(points[:, :2]).astype(int), 0, [image.shape[1] - 1, image.shape[0] - 1]).T
    return np.asarray(np.median(image[y, x], axis=0), np.float32)


def _coloured(colour: Floats, share: float) -> Floats:
    """Return a colour with a share of its saturation."""
    grey = colour @ _LUMA
    return np.asarray(grey + share * (colour - grey), np.float32)


def find_teeth(image: Pixels, points: Points, head: Points, pose: HeadPose) -> Teeth | None:
    """Cut the teeth out that an image uint8 [height, width, 3] shows between the lips; None if they form no row.

    points, head: [468, 3], in the image and in the head frame. Teeth are bright and hardly red; gums and lips are red.
    """
    if head[INNER_LOWER[4], 1] - head[INNER_UPPER[4], 1] < _LEAST_TEETH_GAP:
        return None
    depth = float(head[[INNER_UPPER[4], INNER_LOWER[4]], 2].mean() + 0.03)
    corner = np.array([-_REACH / 2, head[INNER_UPPER[4], 1] - 0.04, depth])
    place = _placed(pose, corner, np.zeros(2), 1)
    back = cv2.invertAffineTransform(place)
    outline = mouth_outline(points)[:, :2] @ back[:, :2].T + back[:, 2]
    within = cv2.erode((soft_cover(outline, _PATCH[::-1]) > 0.5).astype(np.uint8), np.ones((5, 5), np.uint8))

    patch = cv2.warpAffine(image, place, _PATCH, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)
    lab = cv2.cvtColor(patch, cv2.COLOR_RGB2LAB).astype(np.float32)
    is_tooth = smoothstep((lab[..., 0] - 95) / 45) * (1 - smoothstep((lab[..., 1] - 128 - 12) / 10)) * within
    # The dark gaps between teeth belong to the row.
    whole = cv2.morphologyEx(is_tooth.astype(np.float32), cv2.MORPH_CLOSE, np.ones((9, 9))) * within
    is_row = (whole[:, _FRONT].max(axis=0) > 0.5).mean() > _ROW_SHARE and is_tooth.sum() > _LEAST_SHARE * within.sum()
    return Teeth(patch, cv2.GaussianBlur(whole, (0, 0), 2.5).astype(np.float32), corner) if is_row else None


def draw_inside(image: Pixels, target: Points, inside: Points, pose: HeadPose, look: Appearance, strength: float) -> None:
    """Draw the inside of the mouth into an image uint8 [height, width, 3], in place.

    target: the face's points [468, 3] in the image; inside: points inside the mouth [54, 3]. strength: opacity, 0..1.
    """
    outline, margin = mouth_outline(target)[:, :2], 3 + int(0.02 * pose.scale)
    left, top = np.maximum(np.floor(outline.min(axis=0)).astype(int) - margin, 0).tolist()
    right, bottom = np.minimum(np.ceil(outline.max(axis=0)).astype(int) + margin, image.shape[1::-1]).tolist()
    if right <= left or bottom <= top:
        return

    part, size = np.array([left, top], np.float64), (bottom - top, right - left)
    cover = soft_cover(outline - part, size, max(0.003 * pose.scale, look.soft))
    gap = float(np.linalg.norm(target[INNER_LOWER[4], :2] - target[INNER_UPPER[4], :2])) / pose.scale
    # A small mouth is drawn at twice its size and averaged, for smooth edges; a large one would cost too much and gain little.
    fine = 1 if size[0] * size[1] > 30000 else 2
    layer, red = np.empty((size[0] * fine, size[1] * fine, 3), np.float32), np.clip(_coloured(look.lip, _REDDER), 0, 255)
    dark = _CAVITY * red
    layer[:] = dark * np.linspace(0.85, 1.4, len(layer), dtype=np.float32)[:, None, None]

    def fill(points: Points, colour: Floats, blur: float, share: float = 1.0) -> None:
        mask = np.zeros(layer.shape[:2], np.float32)
        cv2.fillPoly(mask, [fixed_point((points - part + 0.5) * fine - 0.5)], share, cv2.LINE_8, SUBPIXEL_BITS)
        blur = float(np.hypot(max(blur * pose.scale, 0.25), look.soft)) * fine
        layer[:] += (colour - layer) * cv2.GaussianBlur(mask, (0, 0), blur)[..., None]

    lit = _SHUT + (1 - _SHUT) * float(smoothstep(gap / _LIT_GAP))
    enamel = _ENAMEL * lit * min(_MOST / max(float(look.skin @ _LUMA), 1.0), 1.0) * _coloured(look.skin, _PALER)
    fill(_row(inside, TONGUE), _TONGUE * min(0.6 + 2.4 * gap, 0.95) * red, 0.012)
    fill(_row(inside, LOWER_TEETH), _LOWER * enamel, 0.0025, float(smoothstep((gap - _BARED[0]) / _BARED[1])))
    if look.teeth is None:
        fill(_row(inside, UPPER_TEETH), enamel, 0.0025)
    else:
        place = _placed(pose, look.teeth.corner, part, fine)
        colour, share = (cv2.warpAffine(one, place, layer.shape[1::-1]) for one in (look.teeth.patch, look.teeth.cover))
        layer += (colour.astype(np.float32) * lit + dark * (1 - lit) - layer) * share[..., None]

    shown = layer if fine == 1 else cv2.resize(layer, size[::-1], interpolation=cv2.INTER_AREA)
    # Light falls off towards the lips, and the blurred cover tells how far inside a pixel lies.
    depth = cv2.GaussianBlur(cover, (0, 0), max(0.018 * pose.scale, 0.6))[..., None]
    shaded = np.clip(dark + (shown - dark) * (_EDGE_LIGHT + (1 - _EDGE_LIGHT) * depth), 0, 255)
    seen = image[top:bottom, left:right]
    seen[:] = np.rint(seen + (shaded - seen) * (strength * cover[..., None])).astype(np.uint8)


def draw_line(image: Pixels, target: Points, pose: HeadPose, look: Appearance, strength: float) -> None:
    """Draw the dark line between lips that were open and are closed now, in place: what was between them would stay as specks.

    target: the face's points [468, 3] in the image uint8 [height, width, 3]. strength: opacity, 0..1.
    """
    line = (target[list(INNER_UPPER), :2] + target[list(INNER_LOWER), :2]) / 2
    line = np.stack([target[MOUTH_CORNERS[0], :2], *line, target[MOUTH_CORNERS[1], :2]])
    # As thick as a hair at the corners.
    half = np.sin(np.linspace(0.1, np.pi - 0.1, len(line)))[:, None] * np.array([0.0, _LINE * pose.scale / 2])
    low = np.maximum(np.floor(line.min(axis=0)).astype(int) - 4, 0)
    high = np.minimum(np.ceil(line.max(axis=0)).astype(int) + 5, image.shape[1::-1])
    if np.any(high - low < 2):
        return
    outline = np.concatenate([line - half, (line + half)[::-1]]) - low
    cover = soft_cover(outline, (int(high[1] - low[1]), int(high[0] - low[0])), max(0.003 * pose.scale, look.soft, 0.4))
    part = image[low[1] : high[1], low[0] : high[0]]
    part[:] = np.rint(part + (_SEAM * look.lip - part) * (strength * cover[..., None])).astype(np.uint8)


def mouth_outline(points: Points) -> Points:
    """Return the inner edge of the lips as a polygon [20, ...], from a face's points [468, ...]."""
    return np.asarray(points[[MOUTH_CORNERS[0], *INNER_UPPER, MOUTH_CORNERS[1], *reversed(INNER_LOWER)]], np.float64)


def soft_cover(outline: Points, size: tuple[int, int], blur: float = 0.0) -> Floats:
    """Return how much of each pixel is within an outline [n, 2]: float32 [height, width], 0 to 1, blurred by `blur` pixels."""
    height, width = size
    fine = 4 if height * width < 40000 else 2
    mask = np.zeros((height * fine, width * fine), np.uint8)
    # Centres of small and large pixels do not coincide, hence the offset.
    cv2.fillPoly(mask, [fixed_point(outline * fine + (fine - 1) / 2)], 255, cv2.LINE_8, SUBPIXEL_BITS)
    cover = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return np.asarray(cv2.GaussianBlur(cover, (0, 0), blur) if blur > 0.3 else cover, np.float32)


def _row(inside: Points, part: slice) -> Points:
    """Return the outline of a part of the mouth's inside, [n, 2]; a row of teeth has two edges in the same direction."""
    points = inside[part.start - NUM_FACE : part.stop - NUM_FACE, :2]
    return points if part == TONGUE else np.concatenate([points[:NUM_ARCH], points[NUM_ARCH:][::-1]])


def _placed(pose: HeadPose, corner: Points, part: Points, fine: int) -> Floats:
    """Return the affine map from pixels of a teeth patch to those of a part of an image: float32 [2, 3]."""
    across = pose.scale * pose.turn[:2, :2] * (_REACH / _PATCH[0])
    start = pose.scale * pose.turn[:2] @ corner + pose.shift[:2] - part
    return np.asarray(np.concatenate([across, start[:, None]], axis=1) * fine, np.float32)
