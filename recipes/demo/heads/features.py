"""Draw the parts that are not skin: eyes, the inside of the mouth, and ears."""

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats, Pixels, floats
from recipes.demo.heads.camera import Camera
from recipes.demo.heads.geometry import LOWER_TEETH, TONGUE, UPPER_TEETH
from recipes.demo.heads.looks import Colour, Looks
from recipes.demo.heads.raster import Sprite, blend, bounds
from unit2av.lipsync.mesh.shape import (
    INNER_LOWER,
    INNER_UPPER,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    MOUTH_CORNERS,
    NUM_ARCH,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
)
from unit2av.lipsync.mesh.warp import SUBPIXEL_BITS, fixed_point

_FINE = 4
"""Small parts are drawn this much larger and averaged down."""
_EYE_SIDE = 96
_EYE_REACH = 0.13
"""Half the side of the eye's layers, in widths of the face."""
_EYE_LENGTH = 0.2
"""From corner to corner, in widths of the neutral face."""
_IRIS_REACH = 0.047
_LASHES = 0.011
_WHITE = floats([0.88, 0.86, 0.84])
_TEETH = floats([0.90, 0.86, 0.79])
_CAVITY = floats([0.20, 0.06, 0.06])
_TONGUE = floats([0.68, 0.32, 0.31])
_OPEN = 0.006
"""A gap between the lips, in widths of the face, below which nothing is seen inside."""
_EARS = floats([[0.505, -0.06, 0.42], [0.505, -0.19, 0.42], [0.55, -0.06, 0.44]])
"""Middle, top and outer edge of the right ear, in widths of the face."""


class Eyes:
    """Both eyes of a head."""

    def __init__(self, looks: Looks, rng: np.random.Generator) -> None:
        self._lashes = floats(looks.hair * 0.35)
        axis = ((np.arange(_EYE_SIDE, dtype=np.float32) + 0.5) / _EYE_SIDE - 0.5) * (2 * _EYE_REACH)
        x, y = np.meshgrid(axis, axis)
        self._white, self._iris = Sprite(_paint_white(x, y)), Sprite(_paint_iris(x, y, looks, rng))

    def draw(self, picture: Pixels, positions: Floats, scale: float, gaze: tuple[float, float], light: Colour) -> None:
        """Draw both eyes at their lids.

        positions: float32 [n, 2], the head's vertices in pixels; scale: pixels to a width of the face; gaze: where the
        irises look, in widths of the face from the middle of the eye; light: float32 [3].
        """
        for left, right, upper, lower in (
            (33, 133, LEFT_EYE_UPPER, LEFT_EYE_LOWER),
            (362, 263, RIGHT_EYE_UPPER, RIGHT_EYE_LOWER),
        ):
            outline = positions[[*upper, *lower[-2:0:-1]]]
            area = bounds(outline, picture.shape)
            if area is None:
                continue
            top, start, height, width = area
            part, corner = (slice(top, top + height), slice(start, start + width)), floats([start, top])
            across = (positions[right] - positions[left]) / _EYE_LENGTH
            along = floats([-across[1], across[0]]) * (scale / max(float(np.linalg.norm(across)), 1e-6))
            middle = (positions[right] + positions[left]) / 2 - corner
            seen = np.ascontiguousarray(picture[part])
            self._white.draw(seen, _eye_transform(across, along, middle), light)
            self._iris.draw(seen, _eye_transform(across, along, middle + across * gaze[0] + along * gaze[1]), light)
            blend(picture, part, floats(seen), _cover(outline - corner, (height, width)))
            lid = fixed_point(positions[list(upper)])
            paint = (self._lashes * light * 255).tolist()
            cv2.polylines(picture, [lid], False, paint, max(round(_LASHES * scale), 1), cv2.LINE_AA, SUBPIXEL_BITS)


def draw_mouth_inside(picture: Pixels, positions: Floats, scale: float, light: Colour) -> None:
    """Draw the inside of the mouth between the lips.

    positions: float32 [n, 2], the head's vertices in pixels; scale: pixels to a width of the face; light: float32 [3].
    """
    outline = positions[[MOUTH_CORNERS[0], *INNER_UPPER, MOUTH_CORNERS[1], *reversed(INNER_LOWER)]]
    gap = float(np.linalg.norm(positions[INNER_UPPER[4]] - positions[INNER_LOWER[4]])) / scale
    area = bounds(outline, picture.shape)
    if area is None or gap < _OPEN:
        return
    top, left, height, width = area
    corner = floats([left, top])
    inside = np.empty((height * _FINE, width * _FINE, 3), dtype=np.float32)
    inside[:] = _CAVITY
    _fill(inside, positions[TONGUE] - corner, _TONGUE * min(0.55 + 2 * gap, 0.9))
    _draw_teeth(inside, positions[LOWER_TEETH] - corner, 0.62)
    _draw_teeth(inside, positions[UPPER_TEETH] - corner, 0.90)
    cover = _cover(outline - corner, (height, width))
    # Lips throw a shadow inwards: the nearer to them, the darker.
    depth = cv2.GaussianBlur(cover, (0, 0), max(0.02 * scale, 0.6))
    lit = cv2.resize(inside, (width, height), interpolation=cv2.INTER_AREA) * (0.45 + 0.55 * depth[..., None])
    blend(picture, (slice(top, top + height), slice(left, left + width)), floats(lit * (255 * light)), cover)


def draw_ears(picture: Pixels, camera: Camera, skin: Colour, light: Colour) -> None:
    """Draw both ears at the sides of the head, to be partly covered by it."""
    for side in (1, -1):
        (middle, top, edge), _ = camera.project(_EARS * floats([side, 1, 1]))
        axes = floats([np.linalg.norm(edge - middle), np.linalg.norm(top - middle)])
        angle = float(np.degrees(np.arctan2(top[0] - middle[0], middle[1] - top[1])))
        for size, shade in ((1.0, 0.85), (0.6, 0.7)):
            paint, centre, radii = (skin * light * (255 * shade)).tolist(), fixed_point(middle), fixed_point(axes * size)
            cv2.ellipse(picture, centre.tolist(), radii.tolist(), angle, 0, 360, paint, -1, cv2.LINE_AA, SUBPIXEL_BITS)


def _eye_transform(across: Floats, along: Floats, middle: Floats) -> Floats:
    """From pixels of an eye's layer to those of the picture: float32 [2, 3]."""
    turn = np.stack([across, along], axis=1) * (2 * _EYE_REACH / _EYE_SIDE)
    start = middle - turn @ floats([(_EYE_SIDE - 1) / 2] * 2)
    return floats(np.concatenate([turn, start[:, None]], axis=1))


def _paint_white(x: Floats, y: Floats) -> Floats:
    shade = 1 - 0.45 * np.clip(np.abs(x) / _EYE_REACH, 0, 1) ** 2 - 0.35 * np.clip((-y - 0.012) / 0.03, 0, 1)
    return floats(np.concatenate([_WHITE * shade[..., None], np.ones_like(x)[..., None]], axis=-1))


def _paint_iris(x: Floats, y: Floats, looks: Looks, rng: np.random.Generator) -> Floats:
    radius, angle = np.hypot(x, y) / _IRIS_REACH, np.arctan2(y, x)
    rays = np.interp(angle, np.linspace(-np.pi, np.pi, 64), rng.uniform(0.8, 1.25, 64))
    shade = rays * (1.1 - 0.75 * np.clip((radius - 0.75) / 0.25, 0, 1)) * (1 + 0.35 * y / _IRIS_REACH)
    colour = looks.iris * (1.4 * shade)[..., None]
    pupil = np.clip((0.42 - radius) / 0.08, 0, 1)[..., None]
    colour = colour * (1 - pupil) + 0.02 * pupil
    side = float(np.sign(looks.light[0]))
    spark = np.clip(1.2 - np.hypot(x - side * 0.014, y + 0.016) / 0.009, 0, 1)[..., None]
    colour = colour + (0.95 - colour) * spark
    cover = np.clip((1 - radius) / 0.08, 0, 1)[..., None]
    return floats(np.concatenate([np.clip(colour, 0, 1) * cover, cover], axis=-1))


def _draw_teeth(inside: Floats, row: Floats, brightness: float) -> None:
    """Draw a row of teeth, its first edge the visible one: row float32 [18, 2]."""
    edge, gum = row[:NUM_ARCH], row[NUM_ARCH:]
    _fill(inside, np.concatenate([edge, gum[::-1]]), _TEETH * brightness)
    gaps = _fine(np.stack([edge, gum], axis=1)[1:-1])
    cv2.polylines(inside, list(gaps), False, (_TEETH * (brightness * 0.86)).tolist(), 1, cv2.LINE_8, SUBPIXEL_BITS)


def _fill(inside: Floats, outline: Floats, colour: Colour) -> None:
    cv2.fillPoly(inside, [_fine(outline)], colour.tolist(), cv2.LINE_8, SUBPIXEL_BITS)


def _cover(outline: Floats, size: tuple[int, int]) -> Floats:
    """Return how much of each pixel lies within an outline [n, 2]: float32 [height, width], 0 to 1."""
    fine = np.zeros((size[0] * _FINE, size[1] * _FINE), dtype=np.uint8)
    cv2.fillPoly(fine, [_fine(outline)], 255, cv2.LINE_8, SUBPIXEL_BITS)
    return floats(cv2.resize(fine, size[::-1], interpolation=cv2.INTER_AREA)) / 255


def _fine(positions: Floats) -> NDArray[np.int32]:
    """Positions in pixels as fixed-point positions of the larger drawing."""
    return fixed_point(floats((positions + 0.5) * _FINE - 0.5))
