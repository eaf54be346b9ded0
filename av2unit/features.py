"""Audio input of the unit encoder: stacked log filterbank rows of the speech.

The filterbank is that of AV-HuBERT's data preparation (python_speech_features' log filterbank with its defaults):
Shi et al., "Learning Audio-Visual Speech Representation by Masked Multimodal Cluster Prediction", 2022, section 4.
"""

from functools import lru_cache

import numpy as np
import torch
from torch.nn import functional

from avcore.arrays import Doubles, Floats
from avcore.contracts import require_full_scale
from avcore.errors import InputError, NoSpeechError
from avcore.timeline import SAMPLE_RATE

NUM_MELS = 26
WINDOW = 400
"""Samples, 25 ms."""
HOP = 160
"""Samples, 10 ms: 100 rows a second."""
FFT_SIZE = 512
PREEMPHASIS = 0.97
_NYQUIST = SAMPLE_RATE / 2
_WARPED_BELOW = 4800
"""Hz; formants that matter lie below."""
_INT16_SCALE = 32768
_ROWS_AT_ONCE = 2048
"""Rows of spectrum held at a time, so that memory does not grow with the length of the speech."""


def check_speech(speech: Floats) -> Floats:
    """Return speech after a check: floating-point [samples] at 16 kHz in [-1, 1], finite, not empty.

    Raises InputError for another shape, type or range, and NoSpeechError for no samples.
    """
    speech = np.asarray(speech)
    if speech.ndim != 1 or speech.dtype.kind != "f":
        raise InputError(
            "speech must be one row of samples in [-1, 1]",
            expected="float32 [samples]",
            found=f"{speech.dtype} {list(speech.shape)}",
        )
    if not speech.size:
        raise NoSpeechError("the speech is empty", expected="1 sample or more", found="0 samples")
    if not np.isfinite(speech).all():
        raise InputError("speech must be finite", found="NaN or infinity among the samples")

    require_full_scale(speech)
    return speech


def to_int16_scale(speech: Floats) -> Doubles:
    """Scale speech [samples] in [-1, 1] to whole numbers in -32768..32767, as in a 16-bit file."""
    scaled = np.round(speech.astype(np.float64) * _INT16_SCALE)
    return np.asarray(np.clip(scaled, -_INT16_SCALE, _INT16_SCALE - 1), dtype=np.float64)


def log_filterbank(samples: Doubles, warp: float = 1.0, hop: int = HOP) -> Floats:
    """Return the natural log of 26 mel filter energies, 100 rows a second.

    samples: float64 [samples] at 16 kHz in int16 scale, at least one. warp: for training, 1 = as published (see
    `warp_frequencies`). hop: samples from row to row, for training: more samples give faster speech at the same
    pitch. Returns float32 [rows, 26]. The last, partial window is kept; an energy of exactly 0 counts as the float64
    epsilon.
    """
    emphasised = np.append(samples[:1], samples[1:] - PREEMPHASIS * samples[:-1])
    num_rows = 1 + max(0, -(-(len(samples) - WINDOW) // hop))
    emphasised = np.pad(emphasised, (0, max(0, (num_rows - 1) * hop + WINDOW - len(samples))))
    windows = torch.from_numpy(emphasised).unfold(0, WINDOW, hop)[:num_rows]

    rows = np.empty((num_rows, NUM_MELS), dtype=np.float32)
    for start in range(0, num_rows, _ROWS_AT_ONCE):
        spectrum = torch.fft.rfft(windows[start : start + _ROWS_AT_ONCE], FFT_SIZE).numpy()  # a quarter of NumPy's time
        energies = (np.abs(spectrum) ** 2 / FFT_SIZE) @ mel_filters(warp).T
        energies[energies == 0] = np.finfo(np.float64).eps
        rows[start : start + _ROWS_AT_ONCE] = np.log(energies)
    return rows


@lru_cache(maxsize=128)
def mel_filters(warp: float = 1.0) -> Doubles:
    """Return triangles on whole FFT bins, float64 [26, 257]; edges are floored at (FFT size + 1) bins, as published."""
    top = 2595 * np.log10(1 + _NYQUIST / 700)
    frequencies = 700 * (10 ** (np.linspace(0, top, NUM_MELS + 2) / 2595) - 1)
    if warp != 1:
        frequencies = warp_frequencies(frequencies, warp)
    edges = np.floor((FFT_SIZE + 1) * frequencies / SAMPLE_RATE).astype(int)

    filters = np.zeros((NUM_MELS, FFT_SIZE // 2 + 1))
    for row, (left, peak, right) in zip(filters, zip(edges, edges[1:], edges[2:], strict=False), strict=True):
        row[left:peak] = (np.arange(left, peak) - left) / (peak - left)
        row[peak:right] = (right - np.arange(peak, right)) / (right - peak)
    return filters


def warp_frequencies(frequencies: Doubles, warp: float) -> Doubles:
    """Multiply frequencies (Hz) by `warp` up to about 4.8 kHz; above, the factor changes so that 8 kHz stays in place.

    It simulates another length of the vocal tract, for training: Jaitly and Hinton, "Vocal Tract Length Perturbation (VTLP)
    improves speech recognition", 2013. float64 [n] -> float64 [n].
    """
    bend = _WARPED_BELOW * min(warp, 1.0) / warp
    slope = (_NYQUIST - bend * warp) / (_NYQUIST - bend)
    return np.where(frequencies <= bend, frequencies * warp, _NYQUIST - slope * (_NYQUIST - frequencies))


def stack_rows(rows: Floats, order: int) -> Floats:
    """Join every `order` neighbouring rows [rows, channels] to one [ceil(rows / order), order * channels].

    The last one is padded with zeros, not with the log of silence, as published.
    """
    padded = np.pad(rows, ((0, -len(rows) % order), (0, 0)))
    return padded.reshape(-1, order * rows.shape[1])


def fit_length(rows: Floats, length: int) -> Floats:
    """Cut [time, channels] at the end, or append zero rows, to have `length` rows."""
    return np.pad(rows[:length], ((0, max(0, length - len(rows))), (0, 0)))


def normalise_rows(rows: Floats) -> Floats:
    """Give each row of [time, channels] mean 0 and variance 1 (biased, epsilon 1e-5); all-zero rows stay zero.

    It is computed in float32 by torch like the reference: on a row of equal values the result depends on rounding.
    """
    return functional.layer_norm(torch.from_numpy(rows), rows.shape[1:]).numpy()


def audio_features(speech: Floats, stack_order: int, is_normalised: bool, num_frames: int | None = None) -> Floats:
    """Turn speech into the encoder's rows, 25 a second.

    speech: float32 [samples] at 16 kHz in [-1, 1]. num_frames: number of lip frames to align with, None = the
    speech's own length. Returns float32 [time, 26 * stack_order]. Raises the errors of `check_speech`.
    """
    rows = stack_rows(log_filterbank(to_int16_scale(check_speech(speech))), stack_order)
    if num_frames is not None:
        rows = fit_length(rows, num_frames)
    return normalise_rows(rows) if is_normalised else rows
