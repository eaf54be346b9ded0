"""Acoustic features of sound, as many a second as its labels: the log filterbank, and MFCC with their differences."""

from functools import cache

import numpy as np

from av2unit.features import HOP, NUM_MELS, log_filterbank
from avcore.arrays import Doubles, Floats
from avcore.timeline import UNIT_RATE, units_to_samples

_SMALLEST_DEVIATION = 1e-5
_NUM_CEPSTRA = 13
_LIFTER = 22
_DELTA_REACH = 2
_ROWS_PER_UNIT = units_to_samples(1) // HOP


def filterbank_features(samples: Doubles, label_rate: int) -> Floats:
    """Return the log filterbank of float64 [samples] in int16 scale at 16 kHz, float32 [labels, 26]."""
    return mean_rows(log_filterbank(samples), label_rate)


def mfcc_features(samples: Doubles, label_rate: int) -> Floats:
    """Return MFCC with first and second differences of float64 [samples] in int16 scale at 16 kHz, float32 [labels, 39].

    Cepstra 0 to 12 of the log filterbank (orthonormal DCT-II), liftered with 22 as in HTK; the first features of HuBERT
    (Hsu et al. 2021, section 4.2).
    """
    cepstra = log_filterbank(samples).astype(np.float64) @ _cepstral_matrix()
    slopes = differences(cepstra)
    return mean_rows(np.concatenate([cepstra, slopes, differences(slopes)], axis=1).astype(np.float32), label_rate)


@cache
def _cepstral_matrix() -> Doubles:
    """Return the matrix from log energies to liftered cepstra, float64 [26, 13]."""
    orders = np.arange(_NUM_CEPSTRA)
    bands = np.arange(NUM_MELS) + 0.5
    transform = np.cos(np.pi / NUM_MELS * bands[:, None] * orders) * np.sqrt(2 / NUM_MELS)
    # Orthonormal: the constant row would otherwise be sqrt(2) times as long as the others.
    transform[:, 0] = np.sqrt(1 / NUM_MELS)
    return np.asarray(transform * (1 + _LIFTER / 2 * np.sin(np.pi * orders / _LIFTER)))


def differences(rows: Doubles) -> Doubles:
    """Return the slope of each column by regression over two rows on either side; ends are repeated. Same shape [rows, columns]."""
    padded = np.pad(rows, ((_DELTA_REACH, _DELTA_REACH), (0, 0)), mode="edge")
    length = len(rows)
    # The slope of the regression line, as in HTK: sum of n * (row[t + n] - row[t - n]), divided by 2 * sum of n^2.
    total = sum(
        reach * (padded[_DELTA_REACH + reach :][:length] - padded[_DELTA_REACH - reach :][:length])
        for reach in range(1, _DELTA_REACH + 1)
    )
    return np.asarray(total / (2 * sum(reach**2 for reach in range(1, _DELTA_REACH + 1))))


def mean_rows(rows: Floats, label_rate: int) -> Floats:
    """Average rows, 100 a second, to `label_rate` a second; the last label may have fewer rows."""
    size = _ROWS_PER_UNIT * (UNIT_RATE // label_rate)
    starts = np.arange(0, len(rows), size)
    counts = np.diff(np.append(starts, len(rows)))
    # A reshape to [labels, size] would need a whole last group; `reduceat` sums a shorter one.
    return np.asarray(np.add.reduceat(rows, starts, axis=0) / counts[:, None], dtype=np.float32)


def normalise_columns(rows: Floats) -> Floats:
    """Normalise each column of [rows, columns] to mean 0 and variance 1."""
    # A column of equal values, such as silence, has deviation 0.
    deviation = np.maximum(rows.std(axis=0), _SMALLEST_DEVIATION)
    return np.asarray((rows - rows.mean(axis=0)) / deviation, dtype=np.float32)
