"""Noise in sound."""

from pathlib import Path

import numpy as np

from av2unit.training.noise import coloured_noise, mix
from avcore.arrays import Samples
from avcore.media import read_speech, write_speech

_INT16 = 32768


def noisy_copy(samples: Samples, snr_db: float, path: Path, seed: int) -> Samples:
    """Write float32 [S] with white noise at a ratio of root mean squares (dB) as a sound file, and read that again."""
    noise = coloured_noise(len(samples), 0.0, np.random.default_rng([seed, 9]))
    mixed = mix(samples.astype(np.float64) * _INT16, noise, snr_db) / _INT16
    write_speech(path, mixed.astype(np.float32))
    return read_speech(path)
