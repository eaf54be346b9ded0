"""Noise in sound."""

from pathlib import Path

from avcore.arrays import Samples
from avcore.media import read_speech, write_speech
from netflips.evaluate.noise import at_snr, white_noise


def noisy_copy(samples: Samples, snr_db: float, path: Path, seed: int) -> Samples:
    """Write float32 [S] with white noise at a ratio of root mean squares (dB) as a sound file, and read that again."""
    write_speech(path, at_snr(samples, white_noise(len(samples), seed), snr_db))
    return read_speech(path)
