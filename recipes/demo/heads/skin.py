"""Looks of a drawn person, all from one seed, and the texture of their skin: lips, lids, brows, pores.

All heads share the layout of the neutral mesh, so every mark lies where the neutral face has it.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats, floats
from recipes.demo.heads.geometry import LEFT_BROW, RIGHT_BROW, UV_REACH, neutral_mesh
from unit2av.lipsync.mesh.shape import (
    INNER_UPPER,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    MOUTH_CORNERS,
    OUTER_CORNERS,
    OUTER_LOWER,
    OUTER_UPPER,
    OVAL,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
)
from unit2av.lipsync.mesh.warp import SUBPIXEL_BITS, fixed_point

Colour = Floats
"""float32 [3], red, green, blue, 0 to 1."""

_SKINS = ((0.96, 0.80, 0.70), (0.91, 0.71, 0.58), (0.82, 0.61, 0.46), (0.66, 0.46, 0.34), (0.46, 0.31, 0.23), (0.34, 0.23, 0.18))
_HAIRS = ((0.09, 0.07, 0.06), (0.17, 0.11, 0.08), (0.30, 0.19, 0.12), (0.45, 0.31, 0.18), (0.66, 0.50, 0.30), (0.55, 0.54, 0.53))
_IRISES = ((0.27, 0.17, 0.10), (0.36, 0.24, 0.14), (0.33, 0.36, 0.24), (0.30, 0.40, 0.50))
_CLOTHES = ((0.22, 0.27, 0.42), (0.45, 0.18, 0.20), (0.20, 0.33, 0.28), (0.62, 0.60, 0.56), (0.17, 0.17, 0.19), (0.50, 0.42, 0.60))
_WALLS = ((0.62, 0.66, 0.70), (0.42, 0.48, 0.55), (0.70, 0.65, 0.58), (0.36, 0.42, 0.40), (0.55, 0.50, 0.56), (0.25, 0.29, 0.35))


@dataclass(frozen=True)
class Looks:
    """The looks of a person, apart from the shape of the head."""

    skin: Colour
    lips: Colour
    hair: Colour
    iris: Colour
    clothes: Colour
    wall: Colour
    has_long_hair: bool
    hairline: float
    """Start of the hair on the forehead, as a share of the way from the middle of the face to its outline."""
    parting: float
    """Side of the parting, -1 to 1."""
    stubble: float
    blush: float
    folds: float
    """Depth of the lines of age, 0 to 1."""
    brows: float
    """Thickness of the brows, around 1."""
    light: Floats
    """float32 [3], unit vector towards the light."""
    key: Colour
    ambient: Colour


def make_looks(rng: np.random.Generator) -> Looks:
    """Draw colours and styles that go together."""
    tone = float(rng.uniform(0, len(_SKINS) - 1))
    skin = np.clip(_between(_SKINS, tone) * floats(rng.uniform(0.96, 1.04, 3)), 0, 1)
    darkest = 2 if tone > 2.5 else len(_HAIRS) - 1
    has_long_hair = bool(rng.random() < 0.5)
    warmth = float(rng.uniform(-0.06, 0.06))
    light = np.array([rng.uniform(-0.75, 0.75), rng.uniform(-0.75, -0.3), -1.0])

    return Looks(
        skin=skin,
        lips=np.clip(skin * floats([0.84, 0.58, 0.61]) + floats([0.04, 0.0, 0.01]) * float(rng.uniform(0, 2)), 0, 1),
        hair=_between(_HAIRS, float(rng.uniform(0, darkest))),
        iris=_between(_IRISES, float(rng.uniform(0, 1 if tone > 2.5 else len(_IRISES) - 1))),
        clothes=_pick(_CLOTHES, rng),
        wall=_pick(_WALLS, rng),
        has_long_hair=has_long_hair,
        hairline=float(rng.uniform(0.84, 0.97)),
        parting=float(rng.uniform(-1, 1)),
        stubble=0.0 if has_long_hair else float(rng.uniform(0, 0.8)),
        blush=float(rng.uniform(0.3, 1)),
        folds=float(rng.uniform(0.1, 0.8)),
        brows=float(rng.uniform(0.75, 1.25)),
        light=floats(light / np.linalg.norm(light)),
        key=floats([0.70 + warmth, 0.70, 0.70 - warmth]) * float(rng.uniform(0.9, 1.1)),
        ambient=floats([0.34 - warmth, 0.34, 0.35 + warmth]) * float(rng.uniform(0.9, 1.15)),
    )


def _between(colours: tuple[tuple[float, float, float], ...], place: float) -> Colour:
    """Return a colour of a scale, mixed from the two nearest."""
    first = min(int(place), len(colours) - 2)
    one, other = floats(colours[first]), floats(colours[first + 1])
    return one + (other - one) * (place - first)


def _pick(colours: tuple[tuple[float, float, float], ...], rng: np.random.Generator) -> Colour:
    colour = floats(colours[int(rng.integers(len(colours)))])
    return floats(np.clip(colour * rng.uniform(0.85, 1.15, 3), 0, 1))


# The texture

SIDE = 560
"""Pixels of the texture's side."""


@dataclass(frozen=True)
class Canvas:
    """Coordinates of the texture's pixels, float32 [560, 560] each."""

    x: Floats
    """in widths of the face, 0 in its middle"""
    y: Floats
    """likewise, down"""
    reach: Floats
    """1 on the outline of the face, larger outside"""
    angle: Floats
    """radians from straight up, positive to the right"""

    @classmethod
    def make(cls) -> "Canvas":
        """Lay out the canvas for the neutral mesh."""
        axis = ((np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE - 0.5) * (2 * UV_REACH)
        x, y = np.meshgrid(axis, axis)
        outline = (neutral_mesh().uv[list(OVAL)] - 0.5) * (2 * UV_REACH)
        angles = np.arctan2(outline[:, 0], -outline[:, 1])
        order = np.argsort(angles)
        angle = np.arctan2(x, -y)
        radius = np.interp(angle, angles[order], np.linalg.norm(outline, axis=1)[order], period=2 * np.pi)
        return cls(x, y, floats(np.hypot(x, y) / radius), floats(angle))

    def blob(self, x: float, y: float, width: float, height: float) -> Floats:
        """Return a soft spot, 1 in its middle: float32 [560, 560]."""
        return floats(np.exp(-np.square((self.x - x) / width) - np.square((self.y - y) / height)))

    def pair(self, x: float, y: float, width: float, height: float) -> Floats:
        """Return the same spot on both sides of the face."""
        return self.blob(-x, y, width, height) + self.blob(x, y, width, height)


def canvas_place(index: int) -> tuple[float, float]:
    """Return the position of a vertex on the canvas: x, y in widths of the face."""
    x, y = (neutral_mesh().uv[index] - 0.5) * (2 * UV_REACH)
    return float(x), float(y)


@dataclass(frozen=True)
class Skin:
    """The skin of a head on the texture."""

    colour: Floats
    """float32 [560, 560, 3], 0 to 1"""
    relief: Floats
    """float32 [560, 560], folds, creases and pores, in widths of the face"""
    gloss: Floats
    """float32 [560, 560], how much it reflects, about 0 to 2"""


def paint_skin(canvas: Canvas, looks: Looks, rng: np.random.Generator) -> Skin:
    """Paint skin, lips and brows."""
    pores, blotches = noise(rng, 250), noise(rng, 22)
    shade: Floats = 1 + 0.025 * noise(rng, 12) + 0.02 * blotches + 0.02 * noise(rng, 140)
    shade -= 0.10 * canvas.pair(*_outer(_middle(LEFT_EYE_UPPER), -0.035), 0.11, 0.05)
    shade -= 0.10 * looks.folds * canvas.pair(*_outer(_middle(LEFT_EYE_LOWER), 0.045), 0.09, 0.025)
    shade -= 0.06 * canvas.blob(*_below(17, 0.045), 0.09, 0.022)
    nostrils = canvas.pair(*_outer(canvas_place(98), -0.004, inwards=0.030), 0.022, 0.011)
    shade -= 0.62 * nostrils
    corners = canvas.pair(abs(canvas_place(MOUTH_CORNERS[0])[0]) + 0.010, canvas_place(MOUTH_CORNERS[0])[1], 0.020, 0.013)
    shade -= 0.22 * corners
    skin = looks.skin * np.clip(shade, 0.1, 1.2)[..., None]

    # Blood shows on cheeks, nose, ears and chin; less on the forehead, and below the eyes it is bluish.
    red = 0.55 * looks.blush * canvas.pair(0.28, 0.08, 0.15, 0.11) + 0.55 * canvas.blob(*canvas_place(4), 0.09, 0.06)
    red += 0.25 * canvas.blob(*_below(17, 0.10), 0.10, 0.06) + 0.35 * canvas.pair(*_outer(canvas_place(98), 0), 0.03, 0.03)
    red += 0.10 * blotches
    skin *= 1 - np.clip(red, -0.2, 1)[..., None] * floats([0.0, 0.13, 0.12])
    skin *= 1 - canvas.pair(*_outer(_middle(LEFT_EYE_LOWER), 0.05), 0.10, 0.04)[..., None] * floats([0.07, 0.05, 0.02])
    freckles = np.clip(noise(rng, 180) - 0.55, 0, 1) * canvas.blob(0, 0.02, 0.34, 0.14) * (0.6 if looks.blush > 0.6 else 0.0)
    skin *= 1 - freckles[..., None] * floats([0.22, 0.36, 0.40])
    beard = looks.stubble * canvas.blob(0, 0.42, 0.36, 0.30) * (1 - canvas.blob(0, 0.14, 0.30, 0.10)) * (canvas.y > 0.05)
    skin = _mix(skin, looks.hair * 0.5 + looks.skin * 0.35, np.clip(0.42 * beard * (0.75 + 0.9 * noise(rng, 280)), 0, 1))
    skin, lips, creases = _paint_lips(skin, looks, rng)
    skin = _paint_eyelids(skin, looks)
    for brow in (LEFT_BROW, RIGHT_BROW):
        skin = _mix(skin, looks.hair * 0.55, _brow_cover(brow, looks.brows, rng))

    relief = _folds(canvas, looks) - 0.012 * nostrils - 0.005 * corners + 0.008 * cv2.GaussianBlur(lips, (0, 0), 4)
    relief += 0.0003 * (pores + noise(rng, 60)) * (1 - lips) + 0.0004 * creases * lips
    gloss = (_oil(canvas) + 0.25 * pores) * (1 - 0.5 * np.clip(beard, 0, 1)) * (1 - lips) + (1.3 + 0.3 * creases) * lips
    return Skin(np.clip(skin, 0, 1), floats(relief), floats(np.clip(gloss, 0.1, 2.2)))


def _folds(canvas: Canvas, looks: Looks) -> Floats:
    """Return the height of lines of age, of the folds of the upper lids, and of the groove above the lips: float32 [560, 560]."""
    cheeks = stroke([(0.105, 0.075), (0.15, 0.14), (0.19, 0.235)], 0.016)
    forehead = stroke([(0.03, -0.50), (0.16, -0.512)], 0.010) + stroke([(0.03, -0.56), (0.16, -0.572)], 0.010)
    lids = _line(list(LEFT_EYE_UPPER), 2, 1.6, (0, -0.030)) + _line(list(RIGHT_EYE_UPPER), 2, 1.6, (0, -0.030))
    groove = canvas.blob(*_below(164, 0), 0.012, 0.035) - 0.6 * canvas.pair(0.026, _below(164, 0)[1], 0.012, 0.035)
    return floats(-looks.folds * (0.006 * cheeks + 0.004 * forehead) - 0.007 * lids - 0.004 * groove)


def _oil(canvas: Canvas) -> Floats:
    """Return how much skin shines: most on forehead, nose and chin: float32 [560, 560]."""
    nose = canvas.blob(0, 0.0, 0.05, 0.14) + canvas.blob(*canvas_place(4), 0.05, 0.04)
    forehead, chin = canvas.blob(0, -0.48, 0.24, 0.12), canvas.blob(*_below(17, 0.13), 0.06, 0.04)
    cheeks, lids = canvas.pair(0.27, -0.02, 0.10, 0.07), canvas.pair(*_outer(_middle(LEFT_EYE_UPPER), -0.02), 0.07, 0.03)
    return floats(0.55 + 0.9 * nose + 0.5 * forehead + 0.3 * chin + 0.35 * cheeks + 0.4 * lids)


def noise(rng: np.random.Generator, cells: int) -> Floats:
    """Return smooth noise, about -1 to 1, with `cells` cells along a side: float32 [560, 560]."""
    coarse = np.clip(0.5 * rng.standard_normal((cells, cells), dtype=np.float32), -1, 1)
    return floats(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC))


def stroke(points: list[tuple[float, float]], width: float) -> Floats:
    """Draw a soft line through points of the right side of the face, mirrored to the left: float32 [560, 560], 0 to 1."""
    drawn = np.zeros((SIDE, SIDE), dtype=np.float32)
    for side in (-1, 1):
        line = _pixels(floats([(side * x, y) for x, y in points]))
        cv2.polylines(drawn, [line], False, 1.0, max(round(width / (2 * UV_REACH) * SIDE), 1), cv2.LINE_8, SUBPIXEL_BITS)
    return floats(cv2.GaussianBlur(drawn, (0, 0), width / (2 * UV_REACH) * SIDE))


def _paint_lips(skin: Floats, looks: Looks, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Paint the lips: the skin with them, how much of each pixel they cover, and the height of their creases, -1 to 1."""
    outline = [OUTER_CORNERS[0], *OUTER_UPPER, OUTER_CORNERS[1], *reversed(OUTER_LOWER)]
    drawn = np.zeros((SIDE, SIDE), dtype=np.float32)
    cv2.fillPoly(drawn, [_pixels(floats([canvas_place(index) for index in outline]))], 1.0, cv2.LINE_8, SUBPIXEL_BITS)
    cover = floats(cv2.GaussianBlur(drawn, (0, 0), 2.4))
    creases = cv2.resize(0.6 * rng.standard_normal((8, 230), dtype=np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    creases = floats(np.clip(creases, -1, 1))
    colour = looks.lips * np.clip(1 + 0.07 * creases + 0.03 * noise(rng, 40), 0.8, 1.15)[..., None]
    # Redder and darker inwards, where they are wet; paler towards their edge.
    inner = [MOUTH_CORNERS[0], *INNER_UPPER, MOUTH_CORNERS[1]]
    near = _line(inner, 8, 5.0)
    colour = colour * (1 - near[..., None] * floats([0.10, 0.22, 0.18]))
    skin = _mix(skin, colour, 0.92 * cover)
    return floats(skin * (1 - 0.42 * _line(inner, 3, 1.4))[..., None]), cover, creases


def _paint_eyelids(skin: Floats, looks: Looks) -> Floats:
    for upper, lower in ((LEFT_EYE_UPPER, LEFT_EYE_LOWER), (RIGHT_EYE_UPPER, RIGHT_EYE_LOWER)):
        skin = skin * (1 - floats([0.22, 0.30, 0.30]) * _line(list(upper), 3, 1.8, (0, -0.028))[..., None])
        skin = _mix(skin, looks.hair * 0.4, 0.55 * _line(list(upper), 3, 1.4, (0, -0.003)))
        skin = _mix(skin, looks.lips * 0.9, 0.45 * _line(list(lower), 2, 1.0, (0, 0.003)))
        skin = _mix(skin, looks.hair * 0.5, 0.22 * _line(list(lower)[:6], 2, 1.6, (0, 0.010)))
    return skin


def _brow_cover(brow: tuple[int, ...], thickness: float, rng: np.random.Generator) -> Floats:
    """Draw many short hairs along the brow: float32 [560, 560], 0 to 1."""
    outline = floats([canvas_place(index) for index in brow])
    lower, upper = outline[:5], outline[9:4:-1]
    drawn = np.zeros((2 * SIDE, 2 * SIDE), dtype=np.uint8)
    away = np.sign(outline[0, 0])
    along = np.linspace(0, 1, 330)
    edges = [np.stack([np.interp(along * 4, range(5), edge[:, axis]) for axis in (0, 1)], axis=-1) for edge in (lower, upper)]
    middle = (edges[0] + edges[1]) / 2
    across = rng.uniform(-0.6, 0.8, len(along)) * thickness * (0.35 + 0.65 * np.sqrt(along))
    roots = middle + (edges[0] - middle) * across[:, None]
    lean = np.stack([away * (0.9 - 0.5 * along), 0.25 - 0.85 * along], axis=-1)
    tips = roots + lean * rng.uniform(0.015, 0.034, (len(along), 1))
    lines = fixed_point(floats((np.stack([roots, tips], axis=1) / (2 * UV_REACH) + 0.5) * (2 * SIDE) - 0.5))
    for line, dark in zip(lines, rng.uniform(120, 255, len(lines)), strict=True):
        cv2.polylines(drawn, [line], False, int(dark), 1, cv2.LINE_AA, SUBPIXEL_BITS)
    hairs = cv2.resize(drawn, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return floats(np.clip(0.75 * hairs + 0.85 * cv2.GaussianBlur(hairs, (0, 0), 2.2), 0, 0.80))


def _line(indices: list[int], width: int, blur: float, shift: tuple[float, float] = (0, 0)) -> Floats:
    drawn = np.zeros((SIDE, SIDE), dtype=np.float32)
    points = floats([canvas_place(index) for index in indices]) + floats(shift)
    cv2.polylines(drawn, [_pixels(points)], False, 1.0, width, cv2.LINE_8, SUBPIXEL_BITS)
    return floats(cv2.GaussianBlur(drawn, (0, 0), blur))


def _pixels(points: Floats) -> NDArray[np.int32]:
    """Return canvas positions [n, 2] as OpenCV's fixed-point pixels."""
    return fixed_point(floats((points / (2 * UV_REACH) + 0.5) * SIDE - 0.5))


def _mix(below: Floats, colour: Floats, cover: Floats) -> Floats:
    return floats(below + (colour - below) * cover[..., None])


def _middle(indices: tuple[int, ...]) -> tuple[float, float]:
    return canvas_place(indices[len(indices) // 2])


def _outer(point: tuple[float, float], down: float, inwards: float = 0.0) -> tuple[float, float]:
    """Move a point down and inwards; returns its distance from the middle of the face, and its height: for `Canvas.pair`."""
    return abs(point[0]) - inwards, point[1] + down


def _below(index: int, down: float) -> tuple[float, float]:
    return canvas_place(index)[0], canvas_place(index)[1] + down
