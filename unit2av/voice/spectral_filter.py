"""Filters that change every 5 ms, given as log amplitudes of bands, of minimum phase, applied in the STFT.

Minimum phase follows from the log amplitudes alone, by the cepstrum folded onto its causal half (Oppenheim and Schafer,
"Discrete-Time Signal Processing"): as a linear map it is one more matrix, and needs no cepstrum at run time.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from avcore.speech.pitch import PITCH_STEP
from avcore.timeline import SAMPLE_RATE
from unit2av.voice.excitation import to_edges


def filtered(source: Tensor, log_bands: Tensor, fft: int) -> Tensor:
    """Filter sound by log amplitudes of bands; returns the shape of the sound.

    source: float32 [batch, 80 K] at 16 kHz; log_bands: float32 [batch, K, bands]; fft: samples.
    """
    amplitude, angle, window = _matrices(log_bands.shape[-1], fft, source.device)
    spectrum = torch.stft(source, fft, PITCH_STEP, fft, window, return_complex=True)
    edges = to_edges(log_bands.transpose(1, 2))  # frame k of the STFT stands at sample 80 k, an edge
    response = torch.polar((amplitude @ edges).exp(), angle @ edges)
    return torch.istft(spectrum * response, fft, PITCH_STEP, fft, window, length=source.shape[1])


@lru_cache(maxsize=8)
def _matrices(bands: int, fft: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """From bands to log amplitude and to minimum phase at each frequency, float32 [fft // 2 + 1, bands], and the window.

    Bands lie at equal distances on the mel scale from 0 Hz to half the sample rate; between two of them the logarithm goes in
    a straight line.
    """
    top = SAMPLE_RATE / 2
    centres = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + top / 700), bands) / 2595) - 1)
    bins = np.linspace(0, top, fft // 2 + 1)
    amplitude = np.stack([np.interp(bins, centres, row) for row in np.eye(bands)])
    fold = np.zeros(fft)
    fold[0], fold[1 : fft // 2], fold[fft // 2] = 1, 2, 1
    angle = np.fft.rfft(np.fft.irfft(amplitude, fft) * fold).imag
    with torch.inference_mode(False):  # kept for training as well
        parts = [torch.from_numpy(np.ascontiguousarray(part.T.astype(np.float32))).to(device) for part in (amplitude, angle)]
        return parts[0], parts[1], torch.hann_window(fft, device=device)
