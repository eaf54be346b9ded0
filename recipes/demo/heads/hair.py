"""Hair of a drawn person: how it grows on the head, hairs that stand off short hair, and long hair before and behind the head."""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats, Pixels, floats
from recipes.demo.heads.camera import JOINT, PERSPECTIVE, Camera
from recipes.demo.heads.geometry import SKULL_CENTRE
from recipes.demo.heads.light import Lamps, unit
from recipes.demo.heads.raster import Sprite
from recipes.demo.heads.skin import SIDE, Canvas, Looks, noise
from unit2av.lipsync.mesh.warp import SUBPIXEL_BITS, fixed_point

LONG_HAIR_CORNERS = floats([[-0.72, -0.90, 0.5], [0.72, -0.90, 0.5], [-0.72, 0.93, 0.5]])
"""Top left, top right and bottom left of the layer of long hair on the head, in widths of the face."""
_TOP, _SIDE, _BOTTOM = -1.10, 0.80, 0.90
"""Top, half of the width, and bottom of long hair before the head, in widths of the face."""
_LONG_HAIR_SHAPE = (408, 320)
_LOCKS_PIXELS = 200
"""In a width of the face."""
_EAR = 1.55
"""Radians from straight up at which short hair ends: just above the ear."""
_TEMPLE = 0.85
"""Radians from straight up from which the hairline recedes towards the ear."""
_LEAN = 1.0
"""Radians between the strands on the head and straight outwards."""
_STRETCH = 1.2
"""How long a step outwards is, beside one around the head."""
_STRANDS = 250, 1700
"""Thick ones below, and fine ones above."""
_LOCKS = 46
"""Number of locks: their strands lie alike."""
_POINTS = 10
"""Along a strand."""
_FINE = 2
"""Strands are drawn this many times larger and averaged down."""
_THICK = 3
"""Of the strands below, in pixels of the layer."""
_OVERLAP = 3
"""Of both layers in the middle, in pixels."""
_CROWN = -0.70, -0.54
"""Height at which the crown of long hair begins to end, and at which it has ended."""
_FAR = 0.05, 0.28
"""Sine of the head's turn at which long hair on the far side begins to vanish behind the head, and at which it has vanished."""
_LOOSE = 1200
"""Hairs that stand off short hair."""
_LOOSE_SIDE = 1.5
"""Side of their layer, in widths of the face."""


@dataclass(frozen=True)
class Growth:
    """How hair grows on the head, at each pixel of the texture."""

    cover: Floats
    """float32 [s, s], 0 skin to 1 hair"""
    shadow: Floats
    """float32 [s, s], shade of the hair on the skin near it"""
    brightness: Floats
    """float32 [s, s], of the strands, around 1"""
    relief: Floats
    """float32 [s, s], height of locks and strands, in widths of the face"""
    reach: Floats
    """float32 [s, s], that of the canvas"""
    parting: float
    """radians from straight up"""
    seed: int
    """of its locks"""


def grow(canvas: Canvas, looks: Looks, rng: np.random.Generator) -> Growth:
    """Lay hair over the head, combed from a parting to the sides."""
    parting = 0.5 * looks.parting
    beside = canvas.angle - parting + 0.05 * noise(rng, 7)
    side = np.where(beside < 0, -1, 1).astype(np.float32)
    outwards = _STRETCH * np.log(np.maximum(canvas.reach, 0.4)) + 0.03 * noise(rng, 9)
    across = beside * np.cos(_LEAN) - side * outwards * np.sin(_LEAN)
    along = np.abs(beside) * np.sin(_LEAN) + outwards * np.cos(_LEAN)
    fine, middle, broad = (_strands(across + 0.03 * side, along, rng, *cells) for cells in ((900, 7), (240, 6), (60, 4)))

    line = looks.hairline + 0.01 + 0.03 * np.cos(3 * canvas.angle) + 0.03 * np.exp(-np.square(beside / 0.35))
    end = 1.9 if looks.has_long_hair else _EAR
    away = np.clip((np.abs(canvas.angle) - _TEMPLE) / (end - _TEMPLE), 0, 1)
    line = line + away * (1.02 - line) + 2.0 * np.clip((np.abs(canvas.angle) - end) / 0.25, 0, 1)
    ragged = 0.04 * (fine - 0.5) + 0.02 * (middle - 0.5)
    inside = np.clip((canvas.reach - line + ragged) / 0.12, 0, 1)
    cover = inside * inside * (3 - 2 * inside)

    is_parted = cover * np.exp(-np.square(beside * canvas.reach / 0.030))
    deep = 1 - 0.22 * np.exp(-np.square((canvas.reach - line) / 0.12))  # roots lie in the shade of the hair before them
    brightness = (0.52 + 0.38 * fine + 0.36 * middle + 0.30 * broad) * deep * (1 - 0.25 * is_parted)
    relief = 0.010 * cv2.GaussianBlur(broad, (0, 0), 3) + 0.0045 * cv2.GaussianBlur(middle, (0, 0), 1.2) + 0.0010 * fine
    relief = relief * cover + 0.02 * cover - 0.006 * is_parted

    below = cv2.warpAffine(floats(cover), floats([[1, 0, -6 * looks.light[0]], [0, 1, 7]]), (SIDE, SIDE))
    shadow = np.clip(cv2.GaussianBlur(np.maximum(below, cover), (0, 0), 6), 0, 1) * (1 - cover)
    seed = int(rng.integers(1 << 30))
    return Growth(floats(cover), floats(shadow), floats(brightness), floats(relief), canvas.reach, parting, seed)


def _strands(across: Floats, along: Floats, rng: np.random.Generator, number: int, length: int) -> Floats:
    """Return noise 0 to 1 that changes quickly across strands and slowly along them: number of strands around the head."""
    grid = rng.random((length, number), dtype=np.float32)
    grid = np.concatenate([grid, grid[:, :1]], axis=1)
    x, y = floats((across / (2 * np.pi) + 0.5) % 1 * number), floats(np.clip((along + 0.3) / 2.6, 0, 1) * (length - 1))
    return floats(np.clip(cv2.remap(grid, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), 0, 1))


def paint_long_hair(looks: Looks, lamps: Lamps, rng: np.random.Generator) -> Floats:
    """Paint the hair behind head and neck: float32 [h, w, 4], colour times cover, and cover; the head's top is at its top."""
    height, width = _LONG_HAIR_SHAPE
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = (x / width - 0.5) * 2, y / height
    half = np.where(y < 0.42, np.sqrt(np.clip(1 - np.square((0.42 - y) / 0.42), 0, 1)), 1 - 0.14 * np.clip((y - 0.5) / 0.5, 0, 1))
    wave = 0.025 * np.sin(9 * y + 2 * np.sign(x)) + 0.012 * np.sin(23 * y + x)
    place = (x + wave) * 0.5 / np.maximum(half, 0.2)
    fine, middle, broad = (_hanging(place, y, rng, number) for number in (230, 70, 22))
    ragged = 0.05 * (broad - 0.5) + 0.06 * (middle - 0.5) + 0.03 * (fine - 0.5)
    cover = np.clip((0.88 * half + ragged + wave - np.abs(x)) / 0.03, 0, 1) * np.clip((0.93 + ragged - y) / 0.05, 0, 1)
    depth = 0.40 + 0.60 * np.clip(np.maximum(np.abs(x) * 1.5 - 0.45, (0.30 - y) / 0.15), 0, 1)
    return _lit_strands(x, y, (fine, middle, broad), cover, depth, looks, lamps)


class Comb(NamedTuple):
    """How the strands of a haircut lie: curves with four control points on the layer, in widths of the face."""

    curves: Floats
    """float32 [n, 4, 2], in the order in which they are drawn"""
    locks: Floats
    """float32 [n], brightness of the lock of each, around 1"""


class Locks:
    """Long hair before the head: two layers, which slope back from the middle of the forehead to the temples."""

    def __init__(self, looks: Looks, growth: Growth, lamps: Lamps, rng: np.random.Generator) -> None:
        layer = _paint_locks(looks, growth, lamps, rng)
        half = layer.shape[1] // 2 - _OVERLAP
        self._halves = {1: Sprite(layer[:, half:]), -1: Sprite(np.ascontiguousarray(layer[:, ::-1][:, half:]))}
        y = _TOP + np.arange(len(layer), dtype=np.float32)[:, None, None] / _LOCKS_PIXELS
        crown = floats(layer * np.clip((_CROWN[1] - y) / (_CROWN[1] - _CROWN[0]), 0, 1))
        self._crowns = {1: Sprite(crown[:, half:]), -1: Sprite(np.ascontiguousarray(crown[:, ::-1][:, half:]))}
        inside = -_SIDE * _OVERLAP / (layer.shape[1] // 2)
        corners = [[inside, _TOP], [_SIDE, _TOP], [inside, _BOTTOM]]
        self._corners = floats([_unseen_depth(x, y, 0.02 + 0.90 * x - 0.15 * (y + 0.62)) for x, y in corners])
        self._crown_corners = floats([_unseen_depth(x, y, 0.02 + 0.66 * x - 0.30 * (y + 0.62)) for x, y in corners])

    def draw_behind(self, image: Pixels, camera: Camera) -> None:
        """Draw the hair on the far side of a turned head, which the head covers afterwards."""
        for side, half in self._halves.items():
            if _in_front(side, camera) < 1:
                half.draw(image, camera.plane(self._corners * floats([side, 1, 1]), half.shape))

    def draw(self, image: Pixels, camera: Camera) -> None:
        """Draw the hair that hangs before the head: on the far side only its crown."""
        for side, half in self._halves.items():
            strength = _in_front(side, camera)
            half.draw(image, camera.plane(self._corners * floats([side, 1, 1]), half.shape), strength)
            if strength < 1:
                self._crowns[side].draw(image, camera.plane(self._crown_corners * floats([side, 1, 1]), half.shape))


def _in_front(side: int, camera: Camera) -> float:
    """Return how much of the hair on a side hangs before the head, 0 to 1: less on the side that turns away."""
    turned_away = -side * float(camera.turn[0, 2])
    return float(np.clip((_FAR[1] - turned_away) / (_FAR[1] - _FAR[0]), 0, 1))


def _unseen_depth(x: float, y: float, z: float) -> list[float]:
    """Move a corner that lies far from the head, so that from the front the layer is as large as at the temples."""
    larger = 1 + PERSPECTIVE * (z - 0.35)
    return [JOINT[0] + (x - JOINT[0]) * larger, JOINT[1] + (y - JOINT[1]) * larger, z]


def _paint_locks(looks: Looks, growth: Growth, lamps: Lamps, rng: np.random.Generator) -> Floats:
    """Paint long hair before the head: float32 [h, w, 4], colour times cover, and cover."""
    below, above = (_comb(growth, rng, number) for number in _STRANDS)
    height, width = round((_BOTTOM - _TOP) * _LOCKS_PIXELS), round(2 * _SIDE * _LOCKS_PIXELS)
    drawn = np.zeros((height * _FINE, width * _FINE, 4), dtype=np.uint8)
    for comb, thick, bright in ((below, _THICK * _FINE, 0.55), (above, 1, 1.0)):
        # Strands begin and end at different places, so that they show neither steps nor blunt ends.
        number = len(comb.curves)
        first, last = rng.uniform(0, 0.10, (number, 1)), rng.uniform(0.86, 1.0, (number, 1))
        if thick > 1:
            first, last = first + 0.10, last * 0.88
        steps = first + (last - first) * np.linspace(0, 1, _POINTS)
        weights = np.stack([(1 - steps) ** 3, 3 * steps * (1 - steps) ** 2, 3 * steps**2 * (1 - steps), steps**3])
        points = floats(np.einsum("knp,nkd->npd", weights, comb.curves))
        colours = _light_curves(points, comb.locks * bright, looks, lamps, rng)
        _draw_curves(drawn, points - floats([-_SIDE, _TOP]), colours, thick)
    return floats(cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA)) / 255


def _draw_curves(drawn: Pixels, points: Floats, colours: NDArray[np.uint8], thick: int) -> None:
    """Draw strands on a layer: points [n, p, 2] from its corner, in widths of the face; colours [n, p - 1, 3]; thick: in pixels."""
    pixels = fixed_point(floats(points * (_LOCKS_PIXELS * _FINE) - 0.5))
    for line, paints in zip(pixels.tolist(), colours.tolist(), strict=True):
        for one, other, paint in zip(line[:-1], line[1:], paints, strict=True):
            cv2.line(drawn, one, other, (*paint, 255), thick, cv2.LINE_AA, SUBPIXEL_BITS)


class LooseHairs:
    """Short hairs that stand off the outline of the head, on a layer that always faces the viewer, as an outline does."""

    def __init__(self, looks: Looks, outline: Floats, lamps: Lamps, rng: np.random.Generator) -> None:
        """outline: half of the width and height of the head above its middle, float32 [2]."""
        # Each leans to its side, and most of it lies within the outline.
        place = rng.uniform(-_TEMPLE, _TEMPLE, _LOOSE)
        lift = 0.012 * np.abs(rng.standard_normal(_LOOSE))
        steps = np.linspace(0, 1, _POINTS // 2)
        angle = place[:, None] + (np.sign(place) * rng.uniform(0.05, 0.22, _LOOSE) + rng.normal(0, 0.05, _LOOSE))[:, None] * steps
        reach = 0.93 + (0.05 + lift[:, None]) * np.sqrt(steps)
        points = floats(np.stack([np.sin(angle), -np.cos(angle)], axis=-1) * reach[..., None] * outline)
        colours = _light_curves(points, floats(rng.uniform(0.6, 1.1, _LOOSE)), looks, lamps, rng)
        side = round(_LOOSE_SIDE * _LOCKS_PIXELS)
        drawn = np.zeros((side * _FINE, side * _FINE, 4), dtype=np.uint8)
        _draw_curves(drawn, points + _LOOSE_SIDE / 2, colours, 1)
        self._layer = Sprite(floats(cv2.resize(drawn, (side, side), interpolation=cv2.INTER_AREA)) / 255)

    def draw(self, image: Pixels, camera: Camera) -> None:
        """Draw the hairs, most of which the head covers afterwards."""
        self._layer.draw(image, camera.facing(SKULL_CENTRE, _LOOSE_SIDE, self._layer.shape))


def _comb(growth: Growth, rng: np.random.Generator, number: int) -> Comb:
    """Comb long hair to both sides of a parting. The same `growth` has the same locks."""
    own = rng.normal(0, 0.35, (number, 4, 2))
    locks = np.random.default_rng(growth.seed)
    lock = rng.integers(0, _LOCKS, number)
    shared, place = locks.normal(0, 1, (_LOCKS, 4, 2))[lock], locks.random(_LOCKS)[lock] + rng.normal(0, 0.04, number)
    back = rng.random(number)  # 0 at the hairline, 1 at the outline of the head
    parted = 0.30 * float(np.sin(growth.parting))
    side = np.where(place < 0.5 + parted, -1.0, 1.0)

    curves = [
        [parted - 0.02 * side, -0.64 - 0.30 * back],
        [side * (0.30 + 0.24 * back), -0.80 - 0.13 * back],
        [side * (0.60 + 0.10 * back), -0.30],
        [side * (0.50 + 0.16 * back), 0.72],
    ]
    spread = [[0.004, 0.004], [0.018, 0.012], [0.016, 0.03], [0.035, 0.05]]
    points = np.stack([np.stack(np.broadcast_arrays(x, y), -1) for x, y in curves], axis=1)
    points = points + floats(spread) * (0.8 * shared + own)
    # What hangs at the outline is drawn first, what grows at the hairline last; but locks overlap.
    order = np.argsort(-back + 0.12 * shared[:, 0, 0])
    return Comb(floats(points[order]), floats(1 + 0.20 * shared[order, 0, 0] + 0.6 * own[order, 0, 1]))


def _light_curves(points: Floats, bright: Floats, looks: Looks, lamps: Lamps, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Light strands that lie on a round head, after Kajiya & Kay: points [n, p, 2]; returns colours uint8 [n, p - 1, 3]."""
    x, y = points[..., 0] / 0.70, (points[..., 1] + 0.20) / 0.85
    y = np.where(y > 0, 0.15 * y, y)  # below the head hair hangs straight
    z = -0.7 * np.sqrt(np.clip(1 - np.square(x) - np.square(y), 0.02, 1))
    along = unit(floats(np.diff(np.concatenate([points, z[..., None]], -1), axis=1)))
    middle = floats((np.stack([x, y, z], -1)[:, 1:] + np.stack([x, y, z], -1)[:, :-1]) / 2)
    outwards = unit(middle)
    to_key, to_half = outwards @ lamps.directions[0], along @ lamps.directions[1]
    own = rng.normal(0, 0.10, (len(points), 1)) + 0.5 * (bright[:, None] - 1)
    faces = np.clip((to_key + 0.4) / 1.4, 0, 1)
    diffuse = 0.56 * np.sqrt(np.clip(1 - np.square(along @ lamps.directions[0]), 0, 1)) * faces
    coloured = np.clip(1 - np.square(to_half + 0.12 + own), 0, 1) ** 10 * faces
    white = np.clip(1 - np.square(to_half - 0.05 + own), 0, 1) ** 50 * faces
    root = np.linspace(0.80, 1.06, points.shape[1] - 1)
    shaded = (np.clip(bright, 0.35, 1.7)[:, None] * root)[..., None]
    light = lamps.key * (diffuse + 0.85 * coloured)[..., None] + lamps.sky * (0.75 - 0.35 * outwards[..., 1:2])
    gleam = 0.10 * white * np.clip(bright, 0.3, 1)[:, None]
    colour = np.square(looks.hair * shaded) * light + lamps.key * np.sqrt(looks.hair) * gleam[..., None]
    return np.asarray(np.clip(np.sqrt(colour) * 255, 0, 255), dtype=np.uint8)


def _hanging(place: Floats, y: Floats, rng: np.random.Generator, number: int) -> Floats:
    """Return noise 0 to 1 of strands that hang down: number of them across the layer."""
    grid = rng.random((6, number), dtype=np.float32)
    x = floats(np.clip(place * 0.5 + 0.5, 0, 1) * (number - 1))
    return floats(np.clip(cv2.remap(grid, x, floats(y * 5), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), 0, 1))


def _lit_strands(
    x: Floats, y: Floats, strands: tuple[Floats, Floats, Floats], cover: Floats, depth: Floats, looks: Looks, lamps: Lamps
) -> Floats:
    """Light hanging hair: bright bands where it bends, and a dark inside."""
    fine, middle, broad = strands
    body = (0.40 + 0.36 * fine + 0.40 * middle + 0.40 * broad) * depth
    to_key = np.clip(0.55 + 0.5 * looks.light[0] * np.sign(x) * np.clip(np.abs(x), 0, 1), 0.15, 1)
    band = np.exp(-np.square((y - 0.42 + 0.10 * (middle - 0.5) + 0.12 * (broad - 0.5)) / 0.10))
    band += 0.4 * np.exp(-np.square((y - 0.80 + 0.1 * broad) / 0.08))
    light = lamps.sky * 0.9 + lamps.key * (to_key * (0.55 + 0.9 * band * fine))[..., None]
    colour = np.sqrt(np.square(looks.hair * body[..., None]) * light)
    return floats(np.concatenate([np.clip(colour, 0, 1) * cover[..., None], cover[..., None]], axis=-1))
