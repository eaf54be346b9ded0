"""What is around a head: neck and shoulders, and the wall behind."""

import cv2
import numpy as np

from avcore.arrays import Floats, Pixels, floats
from workshop.heads.looks import Looks

BODY_SIZE = (1.7, 3.4)
"""Height and width of the layer of the body, in widths of the face."""
BODY_ABOVE_JOINT = -0.01
"""How far the layer begins above the joint of the neck, in widths of the face."""

_PIXELS = 160

_NECK = 0.30
_SHOULDERS = 1.28


def paint_body(looks: Looks, rng: np.random.Generator) -> Floats:
    """Paint neck and shoulders: float32 [h, w, 4], colour times cover, and cover; the neck's top is at its top, in the middle."""
    height, width = (round(side * _PIXELS) for side in BODY_SIZE)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / _PIXELS
    x = x - BODY_SIZE[1] / 2
    along = np.clip((np.abs(x) - _NECK) / (_SHOULDERS - _NECK), 0, 1.2)
    shoulder_top = 0.36 + 0.16 * along + 0.6 * np.clip(along - 0.55, 0, 1) ** 1.5 + 18 * np.clip(along - 0.82, 0, 1) ** 2.5
    collar = 0.50 - 0.55 * np.square(x / _NECK) * 0.3
    neck_half = _NECK * (1 - 0.06 * np.sin(np.clip(y / 0.4, 0, 1) * np.pi)) + 0.25 * np.clip(y - 0.22, 0, 1)
    is_neck = np.clip((neck_half - np.abs(x)) / 0.012, 0, 1) * np.clip((0.62 - y) / 0.02, 0, 1)
    is_cloth = np.clip((y - np.maximum(shoulder_top, np.where(np.abs(x) < _NECK + 0.06, collar, 0))) / 0.012, 0, 1)
    is_cloth *= np.clip((_SHOULDERS + 0.1 - np.abs(x)) / 0.05, 0, 1)
    roundness = 1 - 0.35 * np.square(np.clip(np.abs(x) / neck_half, 0, 1))
    jaw_shadow = 1 - 0.5 * np.exp(-np.square(y / 0.30) - np.square(x / 0.45))
    neck = looks.skin * 0.92 * (roundness * jaw_shadow)[..., None]
    folds = cv2.resize(rng.normal(0, 0.5, (9, 14)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    light = 1.0 - 0.25 * along + 0.12 * looks.light[0] * x + 0.05 * np.clip(folds, -1, 1)
    edge = 1 - 0.35 * np.exp(-np.square((y - collar) / 0.03)) * (np.abs(x) < _NECK + 0.05)
    cloth = looks.clothes * (light * edge)[..., None]
    cover = np.maximum(is_neck, is_cloth)
    colour = neck + (cloth - neck) * is_cloth[..., None]
    return floats(np.concatenate([np.clip(colour, 0, 1) * cover[..., None], cover[..., None]], axis=-1))


def paint_wall(looks: Looks, rng: np.random.Generator, size: tuple[int, int]) -> Pixels:
    """Paint an out-of-focus wall with a few things before it: uint8 [height, width, 3]."""
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
