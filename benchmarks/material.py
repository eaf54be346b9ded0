"""What is measured, and made input for it: noise that is neither speech nor face costs as much as the real thing."""

import numpy as np
from numpy.typing import NDArray

from avcore.timeline import FRAME_RATE, SAMPLE_RATE, UNIT_RATE
from avcore.units import Units

STAGES = ("av2unit", "unit2unit", "vocoder", "lips")
BEAM = 20
KOX_LENGTHS = {5: (91, 51), 50: (235, 205), 95: (533, 487)}
"""English and Korean units of a Ko-X sentence without repeats, by percentile of its 150,660 training pairs."""
SENTENCE_STEPS = 150
"""Steps of the search that earlier figures were measured with; its source has as many units."""


def speech(seconds: float) -> NDArray[np.float32]:
    """Noise with a syllable-like envelope, float32 of shape [S] at 16 kHz."""
    samples = round(seconds * SAMPLE_RATE)
    noise = np.random.default_rng(0).standard_normal(samples)
    return np.asarray(0.1 * noise * (1 + np.sin(np.arange(samples) / 700)), dtype=np.float32)


def lips(seconds: float) -> NDArray[np.uint8]:
    """Noise pictures, uint8 [T, 96, 96]."""
    return np.random.default_rng(1).integers(0, 256, (round(seconds * FRAME_RATE), 96, 96), dtype=np.uint8)


def faces(seconds: float) -> NDArray[np.uint8]:
    """Noise crops, uint8 [T, 96, 96, 3]."""
    return np.random.default_rng(2).integers(0, 256, (round(seconds * FRAME_RATE), 96, 96, 3), dtype=np.uint8)


def units(seconds: float, mean_steps: int = 3) -> Units:
    """Units whose durations add up to `seconds`."""
    generator = np.random.default_rng(3)
    frames = np.repeat(generator.integers(0, 1000, round(seconds * UNIT_RATE)), mean_steps)[: round(seconds * UNIT_RATE)]
    return Units.from_frames(frames)


def voice(size: int) -> NDArray[np.float32]:
    """Return a unit vector, float32 of shape [size]."""
    vector = np.abs(np.random.default_rng(4).standard_normal(size))
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)
