"""Paint hair: on the texture of a head, and the long hair that hangs behind it."""

import cv2
import numpy as np

from avcore.arrays import Floats
from workshop.heads.arrays import floats
from workshop.heads.looks import Looks
from workshop.heads.skin import SIDE, Canvas

LONG_HAIR_CORNERS = floats([[-0.675, -0.86, 0.5], [0.675, -0.86, 0.5], [-0.675, 0.89, 0.5]])
"""Top left, top right and bottom left of the layer of long hair on the head, in widths of the face."""

_LONG_HAIR_SHAPE = (385, 297)
_EAR = 1.55
"""Radians from straight up at which short hair ends: just above the ear."""


def paint_hair(skin: Floats, canvas: Canvas, looks: Looks, rng: np.random.Generator) -> Floats:
    """Paint the hair that grows on the head over its skin: float32 [560, 560, 3]."""
    strands = _strands(canvas, looks, rng)
    line = looks.hairline + 0.05 * np.cos(3 * canvas.angle) + 0.10 * _beside_parting(canvas, looks)
    end = 1.9 if looks.has_long_hair else _EAR
    away = np.clip((np.abs(canvas.angle) - (end - 0.45)) / 0.45, 0, 1)
    line = line + away * (1.02 - line) + 2.0 * np.clip((np.abs(canvas.angle) - end) / 0.25, 0, 1)
    ragged = 0.02 * (strands - 0.5) + 0.012 * rng.standard_normal((SIDE, SIDE), dtype=np.float32)
    cover = np.clip((canvas.reach - line + ragged) / 0.05, 0, 1)
    shadow = np.clip(1 + (canvas.reach - line) / 0.10, 0, 1)
    painted = skin * (1 - 0.40 * np.square(shadow)[..., None])
    colour = looks.hair * (0.55 + 0.9 * strands[..., None])
    cover = floats(cv2.GaussianBlur(floats(cover), (0, 0), 0.8))
    return floats(painted + (colour - painted) * cover[..., None])


def paint_long_hair(looks: Looks, rng: np.random.Generator) -> Floats:
    """Paint the hair behind head and neck: float32 [h, w, 4], colour times cover, and cover; the head's top is at its top."""
    height, width = _LONG_HAIR_SHAPE
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = (x / width - 0.5) * 2, y / height
    half = np.where(y < 0.42, np.sqrt(np.clip(1 - np.square((0.42 - y) / 0.42), 0, 1)), 1 - 0.18 * np.clip((y - 0.5) / 0.5, 0, 1))
    wave = 0.03 * np.sin(9 * y + 2 * np.sign(x))
    tips = 0.95 + 0.04 * cv2.resize(rng.standard_normal((1, 40), dtype=np.float32), (width, height))
    cover = np.clip((0.9 * half + wave - np.abs(x)) / 0.03, 0, 1) * np.clip((tips - y) / 0.05, 0, 1)
    fine = cv2.resize(rng.random((10, 150), dtype=np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    bend = cv2.remap(fine, (x * 0.5 / np.maximum(half, 0.2) + 0.5) * (width - 1), y * (height - 1), cv2.INTER_LINEAR)
    depth = 0.55 + 0.45 * np.clip(np.abs(x) * 1.4 - 0.35, 0, 1)
    colour = looks.hair * ((0.5 + 0.8 * bend) * depth)[..., None]
    return floats(np.concatenate([np.clip(colour, 0, 1) * cover[..., None], cover[..., None]], axis=-1))


def _strands(canvas: Canvas, looks: Looks, rng: np.random.Generator) -> Floats:
    """Brightness of the strands, 0 to 1: fine across them, long along them, swept to one side."""
    fine = rng.random((6, 420), dtype=np.float32)
    broad = rng.random((4, 60), dtype=np.float32)
    sweep = canvas.angle + 0.35 * np.sign(looks.parting) * np.clip(canvas.reach - 1, -0.3, 0.6)
    across = (sweep / (2 * np.pi) + 0.5) % 1
    along = np.clip((canvas.reach - 0.7) / 0.9, 0, 1)
    layers = [
        cv2.remap(grid, floats(across * (grid.shape[1] - 1)), floats(along * (grid.shape[0] - 1)), cv2.INTER_LINEAR)
        for grid in (fine, broad)
    ]
    return floats(0.6 * layers[0] + 0.4 * layers[1])


def _beside_parting(canvas: Canvas, looks: Looks) -> Floats:
    """1 at the parting, where the forehead reaches higher, 0 away from it."""
    return floats(np.exp(-np.square((canvas.angle - 0.5 * looks.parting) / 0.3)))
