"""What is measured of a voice beside its pitch: the long-term spectrum in thirds of an octave, and how periodic it is."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.speech.pitch import periodicity
from avcore.timeline import SAMPLE_RATE

_FFT, _STEP = 512, 160
_BELOW_LOUDEST_DB = 35.0
"""Frames that are quieter are pauses."""
THIRDS_HZ = np.geomspace(100.0, 7600.0, 20)
"""Middles of the bands of `long_term_db`."""
_WINDOW, _HOP = 800, 160
_LOWEST_HZ, _HIGHEST_HZ = 65.0, 400.0
_LOUD = 0.25
"""Share of the loudest stretch's root mean square above which a stretch counts as loud."""
_MOST = 0.999


@dataclass(frozen=True)
class Timbre:
    """How a speaker's voice differs from that of a vocoder with the speaker's vector."""

    colour_db: tuple[float, ...]
    """what is added to the spectrum at `THIRDS_HZ`"""
    noise_above_hz: float | None = None
    """where half of the voice's power is noise; None: as the vocoder has it"""
    melody: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
    """distances from the median of ln F0, in spreads: as the vocoder predicts them, and the speaker's of the same rank; empty:
    as the vocoder has them"""


def long_term_db(samples: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the mean power of speech, float [S] at 16 kHz, at `THIRDS_HZ`: float64 [20] in dB. Pauses do not count."""
    padded = np.pad(np.asarray(samples, np.float64), (0, max(0, _FFT - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::_STEP]
    power = np.abs(np.fft.rfft(frames * np.hanning(_FFT))) ** 2
    levels = power.sum(1)
    mean = power[levels > levels.max() * 10 ** (-_BELOW_LOUDEST_DB / 10)].mean(0) if levels.max() > 0 else power.mean(0)

    hz = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE)
    ratio = (THIRDS_HZ[1] / THIRDS_HZ[0]) ** 0.5
    # The lowest bands are narrower than a bin: each takes the nearest one at least.
    bands = [mean[(hz >= middle / ratio) & (hz < middle * ratio)] for middle in THIRDS_HZ]
    nearest = mean[np.abs(hz[None] - THIRDS_HZ[:, None]).argmin(1)]
    means = [band.mean() if len(band) else one for band, one in zip(bands, nearest, strict=True)]
    return np.asarray(10 * np.log10(np.maximum(means, 1e-12)))


def periodic_heights(samples: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the height of the highest peak of the autocorrelation, between 65 and 400 Hz, in each loud stretch of speech at
    16 kHz: float64 [n], 0 to 0.999 (Boersma 1993)."""
    if len(samples) < _WINDOW:
        return np.zeros(0)
    stretches = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), _WINDOW)[::_HOP]
    levels = np.sqrt(np.square(stretches).mean(1))
    loud = stretches[(levels >= _LOUD * levels.max()) & (levels > 0)]
    if not len(loud):
        return np.zeros(0)

    found = periodicity(loud)
    finer = found.shape[1] // _WINDOW
    shortest, longest = (int(SAMPLE_RATE * finer / hz) for hz in (_HIGHEST_HZ, _LOWEST_HZ))
    return np.asarray(np.clip(found[:, shortest:longest].max(1), 0, _MOST))


def harmonicity_db(heights: NDArray[np.float64]) -> float:
    """Return the median of 10 log10(r / (1 - r)), -30 where nothing is periodic. heights: r, float64 [n]."""
    if not len(heights):
        return -30.0
    r = np.clip(heights, 1e-3, _MOST)  # 1e-3 is -30 dB
    return float(np.median(10 * np.log10(r / (1 - r))))
