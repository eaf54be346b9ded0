"""How far apart the resonances of a voice lie: a long vocal tract, as most men have, brings them closer together.

A tube that is closed at one end resonates at odd multiples of half a spacing (Fant 1960, Acoustic theory of speech production).
The resonances are poles of a linear prediction (Markel and Gray 1976, Linear prediction of speech).
"""

import numpy as np

from avcore.arrays import Doubles, Samples
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE

_RATE = 10_000
"""Samples a second: half of them, 5 kHz, have four or five resonances."""
_WINDOW, _HOP, _ORDER, _EMPHASIS = 300, 150, 10, 0.97
_LOUD_SHARE, _STEADY = 0.4, 1.0001
"""The loudest frames are vowels; and what keeps a prediction stable (white noise of -40 dB)."""
_LOWEST_HZ, _WIDEST_HZ = 200.0, 400.0
"""Poles below, or as wide as this, are none of the tract's."""
_COUNTED = 4
"""Resonances of each frame."""


def resonance_spacing(speech: Samples) -> float | None:
    """Return the spacing of the resonances in Hz, the median over the loudest frames; None for speech without any.

    speech: float32 [S] at 16 kHz. A man's is about 1,000, a woman's about 1,150.
    """
    sound = resample(speech, SAMPLE_RATE, _RATE)
    if len(sound) < _WINDOW:
        return None
    sharpened = np.append(sound[0], sound[1:] - _EMPHASIS * sound[:-1]).astype(np.float64)
    frames = np.lib.stride_tricks.sliding_window_view(sharpened, _WINDOW)[::_HOP] * np.hamming(_WINDOW)
    energy = (frames**2).sum(axis=1)
    loud = frames[(energy > 0) & (energy >= np.quantile(energy, 1 - _LOUD_SHARE))]

    odd = 2 * np.arange(1, _COUNTED + 1) - 1
    spacings = [float(np.mean(2 * found[:_COUNTED] / odd)) for found in map(_resonances, loud) if len(found) >= _COUNTED]
    return float(np.median(spacings)) if spacings else None


def _resonances(frame: Doubles) -> Doubles:
    """Return the resonances of a frame, float64 [samples], in Hz, the lowest first."""
    from scipy.linalg import solve_toeplitz  # slow to import: a short clip does without

    correlation = np.correlate(frame, frame, "full")[_WINDOW - 1 :][: _ORDER + 1]
    correlation[0] *= _STEADY
    poles = np.roots(np.concatenate([[1.0], -solve_toeplitz(correlation[:-1], correlation[1:])]))
    poles = poles[poles.imag > 0]
    found = np.angle(poles) * _RATE / (2 * np.pi)
    widths = -np.log(np.abs(poles)) * _RATE / np.pi
    return np.asarray(np.sort(found[(found > _LOWEST_HZ) & (widths < _WIDEST_HZ)]), np.float64)
