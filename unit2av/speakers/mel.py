"""Mel filters on Slaney's scale, which the speaker encoder and the vocoder's training were made with."""

import numpy as np
from numpy.typing import NDArray

_HZ_PER_MEL = 200 / 3
_LOG_FROM_HZ = 1000.0
_LOG_FROM_MEL = _LOG_FROM_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27


def slaney_filters(num_mels: int, fft_size: int, sample_rate: int, max_hz: float) -> NDArray[np.float32]:
    """Triangular filters from 0 to max_hz, each of area 1: float32 [num_mels, fft_size // 2 + 1].

    The scale of Slaney's Auditory Toolbox (1998): linear up to 1 kHz, logarithmic above. Multiply a power spectrum
    [fft_size // 2 + 1] with it.
    """
    edges = _mel_to_hz(np.linspace(0.0, _hz_to_mel(max_hz), num_mels + 2))
    bins = np.linspace(0.0, sample_rate / 2, fft_size // 2 + 1)
    widths = np.diff(edges)
    ramps = edges[:, None] - bins[None, :]
    rising = -ramps[:-2] / widths[:-1, None]
    falling = ramps[2:] / widths[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    areas = 2.0 / (edges[2:] - edges[:-2])
    return np.asarray(triangles * areas[:, None], dtype=np.float32)


def _hz_to_mel(hz: float) -> float:
    if hz < _LOG_FROM_HZ:
        return hz / _HZ_PER_MEL
    return float(_LOG_FROM_MEL + np.log(hz / _LOG_FROM_HZ) / _LOG_STEP)


def _mel_to_hz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    logarithmic = _LOG_FROM_HZ * np.exp(_LOG_STEP * (mels - _LOG_FROM_MEL))
    return np.where(mels < _LOG_FROM_MEL, mels * _HZ_PER_MEL, logarithmic)
