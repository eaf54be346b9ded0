"""What is around a drawn head: ears, neck, clothes, and an out-of-focus wall."""

import cv2
import numpy as np

from avcore.arrays import Floats, Pixels, floats
from recipes.demo.heads.light import Lamps, unit
from recipes.demo.heads.skin import Looks

BODY_SIZE = (2.0, 3.4)
"""Height and width of the layer of the body, in widths of the face."""
BODY_ABOVE_JOINT = 0.29
"""How far the layer begins above the joint of the neck, in widths of the face."""
EAR_CORNERS = floats([[0.450, -0.215, 0.35], [0.580, -0.215, 0.50], [0.435, 0.085, 0.33]])
"""Top left, top right and bottom left of the layer of the right ear, in widths of the face."""

_PIXELS = 160
_NECK = 0.30
_NAPE = 0.30
"""How far the neck reaches up behind the jaw of a turned head."""
_SHOULDERS = 1.28
_EAR_SHAPE = (96, 36)


def paint_body(looks: Looks, lamps: Lamps, rng: np.random.Generator) -> Floats:
    """Paint neck and shoulders: float32 [h, w, 4], colour times cover, and cover; the neck's top is at its top, in the middle."""
    height, width = (round(side * _PIXELS) for side in BODY_SIZE)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / _PIXELS
    x, y = x - BODY_SIZE[1] / 2, y - _NAPE
    along = np.clip((np.abs(x) - _NECK) / (_SHOULDERS - _NECK), 0, 1.2)
    shoulder_top = 0.36 + 0.16 * along + 0.6 * np.clip(along - 0.55, 0, 1) ** 1.5 + 18 * np.clip(along - 0.82, 0, 1) ** 2.5
    collar = 0.50 - 0.55 * np.square(x / _NECK) * 0.3
    neck_half = _NECK * (1 - 0.06 * np.sin(np.clip(y / 0.4, 0, 1) * np.pi)) + 0.25 * np.clip(y - 0.22, 0, 1)
    is_neck = np.clip((neck_half - np.abs(x)) / 0.012, 0, 1) * np.clip((0.62 - y) / 0.02, 0, 1)
    top = np.maximum(shoulder_top, np.where(np.abs(x) < _NECK + 0.06, collar, 0))
    is_cloth = np.clip((y - top) / 0.012, 0, 1)
    is_cloth *= np.clip((_SHOULDERS + 0.1 - np.abs(x)) / 0.05, 0, 1)

    neck = _light_neck(x, y, neck_half, looks, lamps)
    cloth = _light_cloth(x, y, (shoulder_top, collar, along), looks, lamps, rng)
    cover = np.maximum(is_neck, is_cloth)
    colour = neck + (cloth - neck) * is_cloth[..., None]
    return floats(np.concatenate([np.clip(colour, 0, 1) * cover[..., None], cover[..., None]], axis=-1))


def _light_neck(x: Floats, y: Floats, half: Floats, looks: Looks, lamps: Lamps) -> Floats:
    """Light a round neck in the shadow of the jaw."""
    across = np.clip(x / half, -0.98, 0.98)
    # The muscles from behind the ears to the collarbone, the hollow between their ends, and the throat.
    muscle = np.exp(-np.square((np.abs(x) - 0.24 + 0.36 * y) / 0.05)) * np.clip(y / 0.15, 0, 1)
    hollow = np.exp(-np.square(x / 0.06) - np.square((y - 0.46) / 0.07))
    throat = 0.5 * np.exp(-np.square(x / 0.07) - np.square((y - 0.2) / 0.12))
    relief = cv2.GaussianBlur(floats(0.020 * muscle - 0.022 * hollow + 0.012 * throat), (0, 0), 2)
    down, right = np.gradient(relief, 1 / _PIXELS)
    normals = unit(floats(np.dstack([across * 0.95 - right, 0.10 - down, -np.sqrt(1 - np.square(across))])))
    away = x + 0.16 * looks.light[0]
    jaw = np.exp(-np.square(np.maximum(y - 0.17, 0) / 0.13) - np.square(away / 0.42))
    occluded = np.clip((1 - 0.68 * jaw) * (1 - 0.35 * np.exp(-np.square((y - 0.5) / 0.06))), 0, 1)
    # Half shadows on skin are redder than they are dark.
    shade = np.stack([occluded**0.85, occluded**1.08, occluded**1.15], axis=-1)
    return floats(lamps.flat(normals, looks.skin * 0.95) * np.sqrt(shade))


def _light_cloth(
    x: Floats, y: Floats, lines: tuple[Floats, Floats, Floats], looks: Looks, lamps: Lamps, rng: np.random.Generator
) -> Floats:
    """Light a shirt with a ribbed collar and folds."""
    shoulder_top, collar, along = lines
    height, width = x.shape
    noise = [
        cv2.resize(rng.normal(0, 0.5, cells).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
        for cells in ((7, 12), (14, 20))
    ]
    # Folds run from the shoulders towards the chest.
    slant = (np.abs(x) * 0.85 + y * 0.55) * 9 + 2.2 * noise[0]
    folds = np.sin(slant) * np.clip(0.25 + 0.5 * noise[1] + 0.5 * along, 0, 1) * np.clip((y - collar - 0.08) / 0.2, 0, 1)
    from_collar = np.where(np.abs(x) < _NECK + 0.16, y - collar, 1.0)
    band = np.clip((0.075 - from_collar) / 0.008, 0, 1)
    relief = cv2.GaussianBlur(floats(0.016 * folds + 0.010 * noise[0] + 0.012 * band), (0, 0), 1.2)
    relief += floats(0.0006 * np.sin(x * _PIXELS * 1.6) * band)
    down, right = np.gradient(relief, 1 / _PIXELS)
    edge = np.exp(-np.maximum(y - shoulder_top, 0) / 0.13)
    to_side = 0.55 * np.clip(x, -1.4, 1.4) - right
    normals = unit(floats(np.dstack([to_side, -0.25 - 0.85 * edge * np.clip(along * 3, 0, 1) - down, np.full_like(x, -1)])))
    weave = 1 + 0.05 * cv2.GaussianBlur(rng.standard_normal((height, width), dtype=np.float32), (0, 0), 0.7)
    below = 1 - 0.4 * np.exp(-np.square((from_collar - 0.085) / 0.02)) - 0.35 * np.exp(-np.square(from_collar / 0.012))
    head = 1 - 0.35 * np.exp(-np.square((x + 0.25 * looks.light[0]) / 0.5) - np.square((y - 0.4) / 0.28))
    shade = np.clip(below * head * (1 - 0.3 * np.clip(y - 0.7, 0, 1)), 0.1, 1)
    return floats(lamps.flat(normals, looks.clothes * weave[..., None], shade))


def paint_ear(looks: Looks, lamps: Lamps, side: int) -> Floats:
    """Paint an ear: float32 [h, w, 4], colour times cover, and cover; its outer edge is to the right. side: 1 right, -1 left."""
    height, width = _EAR_SHAPE
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) + 0.5
    x, y = x / width, y / height
    upper = np.sqrt(np.clip(1 - np.square((np.minimum(y, 0.62) - 0.40) / 0.40), 0, 1))
    wide = 0.92 * upper * (1 - 0.55 * np.square(np.maximum(y - 0.62, 0) / 0.38))
    wide = np.where(y > 0.9, wide * np.sqrt(np.clip(1 - np.square((y - 0.9) / 0.1), 0, 1)), wide)
    cover = np.clip((wide - x) / 0.06, 0, 1) * np.clip(x / 0.25, 0, 1)  # grows out of the side of the head
    share = x / np.maximum(wide, 0.05)
    helix = np.exp(-np.square((share - 0.86) / 0.13)) * np.clip((0.78 - y) / 0.2, 0, 1)
    inner = np.exp(-np.square((share - 0.50) / 0.14)) * np.clip((0.66 - y) / 0.15, 0, 1) * np.clip((y - 0.15) / 0.15, 0, 1)
    bowl = np.exp(-np.square((x - 0.16) / 0.20) - np.square((y - 0.48) / 0.15))
    lobe = np.exp(-np.square((x - 0.30) / 0.25) - np.square((y - 0.86) / 0.10))
    relief = cv2.GaussianBlur(floats(0.10 * helix + 0.05 * inner - 0.12 * bowl + 0.06 * lobe), (0, 0), 1.5)
    down, right = np.gradient(relief, 1 / width)
    normals = unit(floats(np.dstack([side * (0.45 + 0.5 * share - right), -0.15 - down, np.full_like(x, -1)])))
    groove = np.exp(-np.square((share - 0.68) / 0.08)) * np.clip((0.7 - y) / 0.2, 0, 1)
    occluded = np.clip(1 - 0.65 * bowl - 0.35 * groove - 0.35 * np.exp(-x / 0.15), 0.15, 1)
    colour = lamps.flat(normals, looks.skin * floats([1.0, 0.90, 0.88]), occluded)
    return floats(np.concatenate([np.clip(colour, 0, 1) * cover[..., None], cover[..., None]], axis=-1))


def paint_wall(looks: Looks, rng: np.random.Generator, size: tuple[int, int]) -> Pixels:
    """Paint an out-of-focus wall with a few objects in front: uint8 [height, width, 3]."""
    height, width = size
    small = (max(round(72 * height / max(size)), 2), max(round(72 * width / max(size)), 2))
    y, x = np.mgrid[0 : small[0], 0 : small[1]].astype(np.float32)
    x, y = x / small[1], y / small[0]
    side = float(np.sign(looks.light[0]))
    wall = looks.wall * (0.95 + 0.25 * side * (x - 0.5) - 0.25 * (y - 0.3))[..., None]
    for _ in range(int(rng.integers(2, 6))):
        left, top, wide, high = rng.uniform(-0.1, 0.9), rng.uniform(-0.1, 0.7), rng.uniform(0.08, 0.35), rng.uniform(0.15, 0.7)
        is_inside = ((x > left) & (x < left + wide) & (y > top) & (y < top + high))[..., None]
        colour = looks.wall * rng.uniform(0.65, 1.25) + rng.normal(0, 0.05, 3)
        wall = np.where(is_inside, wall * 0.4 + colour * 0.6, wall)
    large = cv2.resize(cv2.GaussianBlur(floats(wall), (0, 0), 2.0), (width, height), interpolation=cv2.INTER_CUBIC)
    # A little grain keeps the soft gradients from banding.
    grain = 0.006 * rng.standard_normal((height, width, 1), dtype=np.float32)
    return np.asarray(np.clip((large + grain) * 255, 0, 255), dtype=np.uint8)
