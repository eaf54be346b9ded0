"""Stages and sizes of the measurements, and synthetic input: noise takes as long as real speech and faces."""

import numpy as np
from numpy.typing import NDArray

from avcore.timeline import FRAME_RATE, SAMPLE_RATE, UNIT_RATE
from avcore.units import Units

STAGES = ("av2unit", "unit2unit", "vocoder", "lips")
BEAM = 20
KOX_LENGTHS = {5: (91, 51), 50: (235, 205), 95: (533, 487)}
"""English and Korean units of a Ko-X sentence without repeats, by percentile of its 150,660 training pairs."""
SENTENCE_STEPS = 150
"""Steps of the search in earlier measurements; its source has as many units."""

KOX_SENTENCES = (91, 129, 161, 187, 221, 253, 293, 343, 409, 533)
"""English units of Ko-X's sentences at percentiles 5, 15 and so on to 95."""
KOX_RATIO = 0.87
"""Korean units per English unit, over all pairs."""
SPOKEN_UNITS = 35
"""English units without repeats in a second of speech, an estimate: Ko-X's median sentence takes 6 to 7 s."""
PAUSE_S = 0.6


def sentences(seconds: float) -> list[float]:
    """Return the lengths of a talk's sentences (s): distributed as Ko-X's, and with `PAUSE_S` after each they fill `seconds`."""
    usual = np.array(KOX_SENTENCES) / SPOKEN_UNITS
    number = max(round(seconds / (usual.mean() + PAUSE_S)), 1)
    lengths = np.quantile(usual, (np.arange(number) + 0.5) / number)
    np.random.default_rng(5).shuffle(lengths)
    return list(lengths * (seconds - number * PAUSE_S) / lengths.sum())


def spoken(found: Units) -> Units:
    """Replace the units of a random encoder by as many as speech of the same length has."""
    names = np.random.default_rng(3).permutation(1000)
    return Units(names[np.arange(round(len(found.frames()) / UNIT_RATE * SPOKEN_UNITS)) % len(names)])


def speech(seconds: float) -> NDArray[np.float32]:
    """Return noise with a syllable-like envelope, float32 [S] at 16 kHz."""
    samples = round(seconds * SAMPLE_RATE)
    noise = np.random.default_rng(0).standard_normal(samples)
    return np.asarray(0.1 * noise * (1 + np.sin(np.arange(samples) / 700)), dtype=np.float32)


def lips(seconds: float) -> NDArray[np.uint8]:
    """Return frames of noise, uint8 [T, 96, 96]."""
    return np.random.default_rng(1).integers(0, 256, (round(seconds * FRAME_RATE), 96, 96), dtype=np.uint8)


def faces(seconds: float) -> NDArray[np.uint8]:
    """Return crops of noise, uint8 [T, 96, 96, 3]."""
    return np.random.default_rng(2).integers(0, 256, (round(seconds * FRAME_RATE), 96, 96, 3), dtype=np.uint8)


def units(seconds: float, mean_steps: int = 3) -> Units:
    """Return units whose durations add up to `seconds`."""
    generator = np.random.default_rng(3)
    frames = np.repeat(generator.integers(0, 1000, round(seconds * UNIT_RATE)), mean_steps)[: round(seconds * UNIT_RATE)]
    return Units.from_frames(frames)


def voice(size: int) -> NDArray[np.float32]:
    """Return a unit vector, float32 [size]."""
    vector = np.abs(np.random.default_rng(4).standard_normal(size))
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)
