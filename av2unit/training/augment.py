"""Random changes of lips and sound, the same over a whole clip."""

import numpy as np

from av2unit.features import Doubles, Floats, Pictures, log_filterbank
from av2unit.training.config import AugmentConfig
from avtrain.pictures import relight, turn

_WHITE = 255


def augment_lips(pictures: Pictures, size: int, config: AugmentConfig, rng: np.random.Generator) -> Pictures:
    """Turn, scale, cut out, mirror and relight the lips of a training clip.

    pictures: uint8 [time, height, width]. Returns uint8 [time, size, size].
    """
    turned = _turn(pictures, config, rng)
    height, width = turned.shape[1:]
    top, left = (height - size) // 2, (width - size) // 2
    if config.random_crop:
        top, left = int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1))
    cut = turned[:, top : top + size, left : left + size]
    if rng.random() < config.flip_prob:
        cut = cut[:, :, ::-1]
    return _relight(cut, config, rng)


def centre_lips(pictures: Pictures, size: int) -> Pictures:
    """Cut out the middle, as inference does: uint8 [time, height, width] -> [time, size, size]."""
    top, left = ((side - size) // 2 for side in pictures.shape[1:])
    return pictures[:, top : top + size, left : left + size]


def _turn(pictures: Pictures, config: AugmentConfig, rng: np.random.Generator) -> Pictures:
    if not config.rotate_deg and not config.scale:
        return pictures
    angle = float(rng.uniform(-config.rotate_deg, config.rotate_deg))
    return turn(pictures, angle, 1 + float(rng.uniform(-config.scale, config.scale)))


def _relight(pictures: Pictures, config: AugmentConfig, rng: np.random.Generator) -> Pictures:
    if not config.brightness and not config.contrast:
        return np.ascontiguousarray(pictures)
    gain = 1 + rng.uniform(-config.contrast, config.contrast)
    return relight(pictures, gain, _WHITE * rng.uniform(-config.brightness, config.brightness))


def augmented_filterbank(samples: Doubles, config: AugmentConfig, rng: np.random.Generator) -> Floats:
    """The log filterbank of a training clip, with another vocal tract and another slope over the bands.

    samples: float64 [samples] in int16 scale. Returns float32 [rows, 26].
    """
    warp = round(1 + float(rng.uniform(-config.warp, config.warp)), 2) if config.warp else 1.0
    rows = log_filterbank(samples, warp)
    if not config.tilt:
        return rows
    return rows + np.linspace(-1, 1, rows.shape[1], dtype=np.float32) * np.float32(rng.uniform(-config.tilt, config.tilt))
