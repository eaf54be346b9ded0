"""The inside of an open mouth: teeth, tongue and darkness, drawn with the person's own teeth if a frame shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats, Pixels
from unit2av.lipsync.mesh.seen import NATURAL, Tint
from unit2av.lipsync.mesh.shape import (
    INNER_LOWER,
    INNER_UPPER,
    LOWER_TEETH,
    MOUTH_CORNERS,
    NUM_ARCH,
    NUM_FACE,
    TONGUE,
    UPPER_TEETH,
    HeadPose,
    Points,
    smoothstep,
)
from unit2av.lipsync.mesh.warp import SUBPIXEL_BITS, fixed_point

_CAVITY = np.array([0.17, 0.055, 0.05])
_TONGUE = np.array([0.60, 0.28, 0.27])
_ENAMEL = np.array([0.88, 0.83, 0.74])
_LIGHTEST_CAVITY = np.array([0.28, 0.17, 0.16])
_LEAST_DARK_GAP, _LEAST_DARK_PIXELS, _DARKEST = 0.03, 12, 15
"""Least gap and number of pixels in it to measure how dark a mouth is, and the percentage of darkest pixels that are used."""
_GLOW = np.array([0.30, 0.12, 0.10])
"""Light in a mouth that is hardly open, which comes through the lips and is reflected by them."""
_UPPER_SHADE, _LOWER_SHADE = 0.80, 0.58
_TOOTH_EDGES = (-0.098, -0.058, 0.0, 0.058, 0.098)
"""Borders between teeth, in widths of the face from the middle: four incisors and the beginning of the canines."""
_ROW_END = 0.115
_TOOTH_MIDDLES = (-0.107, -0.078, -0.029, 0.029, 0.078, 0.107)
_ROUNDED = np.array([0.09, 0.02, 0.0, 0.02, 0.09])
"""How far a tooth's edge is rounded at points from one side to the other, in heights of the tooth."""
_PER_TOOTH = len(_ROUNDED)
_GAP_SHADE, _ROOT_SHADE = 0.74, 0.86
_DETAIL_FROM, _DETAIL_OVER, _LEAST_GAPS = 120.0, 110.0, 0.4
"""Width of a face (pixels) above which corners of teeth are rounded, the range over which this sets in, and the share of the shade
between teeth that smaller faces also get. There, rounded and separate teeth would look like a row of dots."""
_TOOTH_BLURS = 0.0025, 0.001
"""Softness of shades and of edges in sharp frames, in widths of the face; the blur of the frame is added."""
_DEPTH_SHADES, _LIT_DEPTH_GAP = (0.2, 0.6), 0.12
"""Shares by which the depth is darker under the upper lip and lighter above the lower lip, and the gap at which this is
complete."""
_LOWER_TEETH_GAP = 0.05, 0.05
"""Gap above which the lower teeth are visible, and the range over which they appear."""
_SHUT_LIGHT, _LIT_GAP = (0.35, 0.6), 0.085
"""Share of the light on teeth behind lips that hardly part (drawn teeth, the person's own), and the gap at or above which they get
all of it: a narrow gap filled with bright teeth looks closed."""
_GRAIN_SIDE, _GRAIN_SHARE, _GRAIN_MOST = 0.12, 0.7, 1.5
"""Side of the patch of a cheek that grain is measured on, in widths of the face, the share of the grain on teeth, and its largest
value in standard deviations, which excludes moles."""
_CHEEKS = 50, 280
_EDGE_LIGHT = 0.5, 0.75
"""Share of the light that is left beside the lips, on drawn teeth and on the person's own."""
_LEAST_TEETH_GAP = 0.02
_PATCH = 320, 160
"""Width and height of an image of teeth, which covers 0.4 widths of the face."""
_REACH = 0.4
_LEAST_SHARE = 0.25
_FRONT, _ROW_SHARE = slice(104, 216), 0.85
"""Columns of the front teeth in that image, and the share of them in which upper teeth must be visible to form a row."""


@dataclass(frozen=True, eq=False)
class Teeth:
    """A person's teeth from a frame, in the head frame."""

    patch: Pixels
    """uint8 [160, 320, 3]"""
    upper: Floats
    """cover of upper teeth, float32 [160, 320], 0 to 1"""
    lower: Floats
    """cover of lower teeth, likewise"""
    corner: Points
    """x, y and depth of the patch"""
    gap: float
    """between the lips in that frame, in widths of the face"""
    score: float
    """how much of the teeth is visible"""
    colour: Floats
    """float32 [3]"""
    is_row: bool
    """whether enough is visible to show them; otherwise only their colour is used, for drawn teeth"""

    def lay(self, layer: "_Layer", pose: HeadPose, part: Points, fine: int, lit: float, gap: float) -> None:
        """Paste the teeth into a mouth's inside, which is `fine` times as large as the part of the frame that begins at `part` (x,
        y).

        lit: share of the light. gap: present gap between the lips, with which the lower teeth move.
        """
        inside = layer.pixels
        # Upper teeth last: they stand before the lower ones.
        for share, down in ((self.lower, gap - self.gap), (self.upper, 0.0)):
            if share.any():
                place = _placed(pose, self.corner + np.array([0, down, 0]), part, fine)
                size = inside.shape[1], inside.shape[0]
                colour = cv2.warpAffine(self.patch, place, size, flags=cv2.INTER_LINEAR).astype(np.float32)
                cover = cv2.warpAffine(share, place, size, flags=cv2.INTER_LINEAR)[..., None]
                inside += (colour * lit + 255 * _GLOW.astype(np.float32) * (1 - lit) - inside) * cover


@dataclass(frozen=True, eq=False)
class Appearance:
    """Appearance of the inside of a mouth in a shot."""

    light: Floats
    """colour of the light on the face, float32 [3]"""
    dark: Floats
    """colour of the depth of the mouth, float32 [3], 0..255"""
    soft: float
    """blur of edges, pixels"""
    teeth: Teeth | None
    """the person's own; None = no frame shows them"""
    tint: Tint = NATURAL
    """colours of the image"""


def find_dark(image: Pixels, points: Points, gap: float) -> Floats | None:
    """Return the darkest colour between the lips in an image uint8 [height, width, 3], float32 [3]; None if the gap is too small.

    points: [468, 3], in the image. gap: between the lips, in widths of the face.
    """
    outline = mouth_outline(points)[:, :2]
    low = np.maximum(np.floor(outline.min(axis=0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(outline.max(axis=0)).astype(int) + 2, image.shape[1::-1])
    if gap < _LEAST_DARK_GAP or np.any(high <= low):
        return None

    cover = soft_cover(outline - low, (high[1] - low[1], high[0] - low[0]))
    colours = image[low[1] : high[1], low[0] : high[0]][cover > 0.95]
    if len(colours) < _LEAST_DARK_PIXELS:
        return None
    brightness = colours.sum(axis=1, dtype=np.int32)
    return np.asarray(colours[brightness <= np.percentile(brightness, _DARKEST)].mean(axis=0), np.float32)


def usual_dark(found: Sequence[Floats], light: Floats) -> Floats:
    """Return the colour of the depth of a mouth, float32 [3], from dark colours of several frames, or an estimate without them."""
    guess = _CAVITY * 255 * light
    if not found:
        return np.asarray(guess, np.float32)

    darkest = sorted(found, key=lambda colour: float(colour.sum()))[: max(1, len(found) // 2)]
    return np.asarray(np.clip(np.median(darkest, axis=0), guess, _LIGHTEST_CAVITY * 255 * light), np.float32)


def find_teeth(image: Pixels, points: Points, head: Points, pose: HeadPose, least: float = 0.0) -> Teeth | None:
    """Extract the teeth that an image uint8 [height, width, 3] shows between the lips; None if it shows few.

    points, head: [468, 3], in the image and in the head frame. Teeth are bright and hardly red; gums and lips are red. least: the
    score that is needed; a mouth that is too small for it is skipped.
    """
    gap = float(head[INNER_LOWER[4], 1] - head[INNER_UPPER[4], 1])
    if gap < _LEAST_TEETH_GAP:
        return None

    depth = float(head[[INNER_UPPER[4], INNER_LOWER[4]], 2].mean() + 0.03)
    corner = np.array([-_REACH / 2, head[INNER_UPPER[4], 1] - 0.04, depth])
    place = _placed(pose, corner, np.zeros(2), 1)
    back = cv2.invertAffineTransform(place)
    outline = mouth_outline(points)[:, :2] @ back[:, :2].T + back[:, 2]
    within = cv2.erode((soft_cover(outline, _PATCH[::-1]) > 0.5).astype(np.uint8), np.ones((5, 5), np.uint8))
    if within.sum() < 50 or float(within.mean()) <= least:
        return None

    patch = cv2.warpAffine(image, place, _PATCH, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)
    lab = cv2.cvtColor(patch, cv2.COLOR_RGB2LAB).astype(np.float32)
    is_tooth = smoothstep((lab[..., 0] - 95) / 45) * (1 - smoothstep((lab[..., 1] - 128 - 12) / 10)) * within
    share = float(is_tooth.sum() / within.sum())
    if share < _LEAST_SHARE:
        return None

    # The dark gaps between teeth belong to the row.
    whole = cv2.morphologyEx(is_tooth.astype(np.float32), cv2.MORPH_CLOSE, np.ones((9, 9))) * within
    soft = cv2.GaussianBlur(whole, (0, 0), 2.5).astype(np.float32)
    split = _between_rows(is_tooth.sum(axis=1))
    upper, lower = soft.copy(), soft.copy()
    upper[split:], lower[:split] = 0, 0

    colour = np.asarray(np.median(patch[is_tooth >= 0.5 * is_tooth.max()], axis=0), np.float32)
    is_row = bool((upper[:, _FRONT].max(axis=0) > 0.5).mean() > _ROW_SHARE)
    return Teeth(patch, upper, lower, corner, gap, share * float(within.mean()), colour, is_row)


def _between_rows(by_row: NDArray[np.float64]) -> int:
    """Return the row of a patch between upper and lower teeth: a valley between two peaks, or the end if there is none."""
    smooth = np.convolve(by_row, np.ones(5) / 5, "same")
    above, below = np.maximum.accumulate(smooth), np.maximum.accumulate(smooth[::-1])[::-1]
    depth = np.minimum(above, below) - smooth
    valley = int(depth.argmax())
    return valley if depth[valley] > 0.5 * min(above[valley], below[valley]) > 0 else len(by_row)


def draw_inside(image: Pixels, target: Points, inside: Points, pose: HeadPose, look: Appearance, strength: float) -> None:
    """Draw the inside of the mouth into an image uint8 [height, width, 3], in place.

    target: the face's points [468, 3] in the image; inside: points inside the mouth [54, 3]. strength: opacity, 0..1.
    """
    light, teeth = look.light, look.teeth
    outline = mouth_outline(target)[:, :2]
    margin = 3 + int(0.02 * pose.scale)
    left, top = np.maximum(np.floor(outline.min(axis=0)).astype(int) - margin, 0).tolist()
    right, bottom = np.minimum(np.ceil(outline.max(axis=0)).astype(int) + margin, image.shape[1::-1]).tolist()
    if right <= left or bottom <= top:
        return

    part, size = np.array([left, top], np.float64), (bottom - top, right - left)
    cover = soft_cover(outline - part, size, max(0.003 * pose.scale, look.soft))
    gap = float(np.linalg.norm(target[INNER_LOWER[4], :2] - target[INNER_UPPER[4], :2])) / pose.scale
    # A small mouth is drawn at twice its size and averaged, for smooth edges; a large one would cost too much and gain little.
    fine = 1 if size[0] * size[1] > 30000 else 2
    detail = float(smoothstep((pose.scale - _DETAIL_FROM) / _DETAIL_OVER))
    layer = _Layer(np.empty((size[0] * fine, size[1] * fine, 3), np.float32), light, pose.scale * fine, look.soft * fine, detail)

    darker, lighter = (float(smoothstep(gap / _LIT_DEPTH_GAP)) * share for share in _DEPTH_SHADES)
    layer.pixels[:] = look.dark * np.linspace(1 - darker, 1 + lighter, len(layer.pixels), dtype=np.float32)[:, None, None]
    flat = (inside[:, :2] - part + 0.5) * fine - 0.5
    layer.fill(_rows(flat, TONGUE), _TONGUE * min(0.6 + 2.4 * gap, 0.95), 0.012)

    is_own = teeth is not None and teeth.is_row
    lit = _SHUT_LIGHT[is_own] + (1 - _SHUT_LIGHT[is_own]) * float(smoothstep(gap / _LIT_GAP))
    shade, enamel = (1.0, _ENAMEL) if teeth is None else (1 / _UPPER_SHADE, teeth.colour / 255 / light)
    bared = float(smoothstep((gap - _LOWER_TEETH_GAP[0]) / _LOWER_TEETH_GAP[1]))
    layer.teeth(_rows(flat, LOWER_TEETH), _LOWER_SHADE * shade, lit, enamel, bared)
    layer.teeth(_rows(flat, UPPER_TEETH), _UPPER_SHADE * shade, lit, enamel)

    if teeth is not None and is_own:
        teeth.lay(layer, pose, part, fine, lit, gap)

    shown = layer.pixels if fine == 1 else cv2.resize(layer.pixels, size[::-1], interpolation=cv2.INTER_AREA)
    # Light falls off towards the lips, and the blurred cover tells how far inside a pixel lies.
    depth = cv2.GaussianBlur(cover, (0, 0), max(0.018 * pose.scale, 0.6))[..., None]
    least = _EDGE_LIGHT[is_own]
    seen = image[top:bottom, left:right]
    shaded = look.dark + (shown - look.dark) * (least + (1 - least) * depth)
    if not is_own:  # the person's own teeth already have grain
        shaded = shaded * (1 + _grain(image, target, pose.scale, size))
    shaded = np.clip(look.tint.on(shaded.astype(np.float32)), 0, 255)
    seen[:] = np.rint(seen + (shaded - seen) * (strength * cover[..., None])).astype(np.uint8)


def _grain(image: Pixels, points: Points, scale: float, size: tuple[int, int]) -> Floats:
    """Return the grain of an image relative to its brightness, from a cheek: float32 [height, width, 1]; zeros without a cheek."""
    side = int(_GRAIN_SIDE * scale)
    for cheek in _CHEEKS:
        left, top = np.rint(points[cheek, :2] - side / 2).astype(int).tolist()
        if side < 4 or left < 0 or top < 0 or left + side > image.shape[1] or top + side > image.shape[0]:
            continue

        skin = cv2.cvtColor(image[top : top + side, left : left + side], cv2.COLOR_RGB2GRAY).astype(np.float32)
        smooth = cv2.GaussianBlur(skin, (0, 0), 1.5)
        grain = (skin - smooth) / np.maximum(smooth, 8)
        # 1.48 times the median of absolute values is the standard deviation of normal noise; moles hardly move a median.
        most = _GRAIN_MOST * 1.48 * float(np.median(np.abs(grain)))
        grain = _GRAIN_SHARE * np.clip(grain, -most, most)

        # Reflected, not repeated: copies side by side would show their seams.
        beyond = [(0, max(length - side, 0)) for length in size]
        return np.asarray(np.pad(grain, beyond, mode="reflect")[: size[0], : size[1], None], np.float32)
    return np.zeros((*size, 1), np.float32)


@dataclass(frozen=True, eq=False)
class _Layer:
    """The inside of the mouth while it is drawn."""

    pixels: Floats
    """float32 [h, w, 3], 0..255"""
    light: Floats
    scale: float
    """its pixels in a width of the face"""
    soft: float
    """blur of the image's own edges, in its pixels"""
    detail: float
    """0..1, how clearly single teeth are drawn"""

    def fill(self, outline: Points, colour: Points, blur: float) -> None:
        """Fill a polygon [n, 2] with a soft edge of `blur` widths of the face."""
        mask = np.zeros(self.pixels.shape[:2], np.float32)
        cv2.fillPoly(mask, [fixed_point(outline)], 1.0, cv2.LINE_8, SUBPIXEL_BITS)
        mask = cv2.GaussianBlur(mask, (0, 0), max(blur * self.scale, 0.5))[..., None]
        self.pixels[:] += ((colour * 255 * self.light).astype(np.float32) - self.pixels) * mask

    def teeth(self, row: Points, shade: float, lit: float, enamel: Points | Floats, share: float = 1.0) -> None:
        """Draw a row of teeth [18, 2], whose first edge is the visible one, as single teeth that are darker to the sides and gums.

        share: opacity.
        """
        low, high = (_stations() @ side for side in (row[:NUM_ARCH], row[NUM_ARCH:]))
        size = self.pixels.shape[:2]
        mask, tone = np.zeros(size, np.float32), np.ones(size, np.float32)
        for number, place in enumerate(_TOOTH_MIDDLES):
            own = slice(number * _PER_TOOTH, (number + 1) * _PER_TOOTH)
            edge, gum = low[own], high[own]
            rounded = edge + self.detail * _ROUNDED[:, None] * (gum - edge)  # its corners
            outline, root = (np.concatenate([begin, gum[::-1]]) for begin in (rounded, edge + 0.6 * (gum - edge)))
            away = 1 - 0.35 * (place / _ROW_END) ** 2
            for polygon, value in ((outline, away), (root, away * _ROOT_SHADE)):
                cv2.fillPoly(tone, [fixed_point(polygon)], value, cv2.LINE_8, SUBPIXEL_BITS)
            cv2.fillPoly(mask, [fixed_point(outline)], 1.0, cv2.LINE_8, SUBPIXEL_BITS)

        between = slice(_PER_TOOTH, len(low), _PER_TOOTH)  # each tooth begins where the one before ends
        gaps = list(fixed_point(np.stack([low[between], high[between]], axis=1)))
        gap_shade = 1 - (1 - _GAP_SHADE) * (_LEAST_GAPS + (1 - _LEAST_GAPS) * self.detail)
        cv2.polylines(tone, gaps, False, gap_shade, max(1, round(0.004 * self.scale)), cv2.LINE_8, SUBPIXEL_BITS)

        blurs = [float(np.hypot(max(width * self.scale, 0.25), self.soft)) for width in _TOOTH_BLURS]
        tone, mask = (cv2.GaussianBlur(one, (0, 0), blur)[..., None] for one, blur in zip((tone, mask), blurs, strict=True))
        colour = ((enamel * shade * lit + _GLOW * (1 - lit)) * 255 * self.light).astype(np.float32)
        self.pixels[:] += (colour * tone - self.pixels) * (mask * share)


@cache
def _stations() -> Points:
    """Return the matrix, float64 [30, 9], from an edge of a row of teeth [9, 2] to the points of its teeth, five for each."""
    ends = pairwise((-_ROW_END, *_TOOTH_EDGES, _ROW_END))
    places = np.concatenate([np.linspace(first, last, _PER_TOOTH) for first, last in ends])
    arch = np.linspace(-_ROW_END, _ROW_END, NUM_ARCH)
    return np.stack([np.interp(places, arch, one) for one in np.eye(NUM_ARCH)], axis=1)


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


def _rows(flat: Points, part: slice) -> Points:
    return flat[part.start - NUM_FACE : part.stop - NUM_FACE]


def _placed(pose: HeadPose, corner: Points, part: Points, fine: int) -> Floats:
    """Return the affine map from pixels of a teeth patch to those of a part of an image: float32 [2, 3]."""
    across = pose.scale * pose.turn[:2, :2] * (_REACH / _PATCH[0])
    start = pose.scale * pose.turn[:2] @ corner + pose.shift[:2] - part
    return np.asarray(np.concatenate([across, start[:, None]], axis=1) * fine, np.float32)
