"""Noise and rooms in sound."""

from pathlib import Path

import numpy as np

from av2unit.training.microphone import Channel, pass_through
from av2unit.training.noise import coloured_noise, mix
from avcore.audio import Samples
from avcore.media import read_speech, write_speech

_INT16 = 32768


def noisy_copy(samples: Samples, snr_db: float, path: Path, seed: int) -> Samples:
    """Write float32 [S] with white noise at a ratio of root mean squares (dB) as a sound file, and read that again."""
    noise = coloured_noise(len(samples), 0.0, np.random.default_rng([seed, 9]))
    mixed = mix(samples.astype(np.float64) * _INT16, noise, snr_db) / _INT16
    write_speech(path, mixed.astype(np.float32))
    return read_speech(path)


def across_a_room(speech: Samples, seed: int) -> Samples:
    """Speech as a microphone across the room hears it: echo of half a second, 3 dB below the voice, and pink noise of 10 dB.

    speech: float32 [S] at 16 kHz; the same seed gives the same room.
    """
    rng = np.random.default_rng([seed, 9])
    heard = pass_through(speech.astype(np.float64) * _INT16, Channel(reverb_s=0.5, direct_db=3.0), rng)
    return np.asarray(mix(heard, coloured_noise(len(heard), 1.0, rng), 10.0) / _INT16, dtype=np.float32)
