"""What a harmonic voice is made of, a pulse train at F0 and white noise, and the filters that change them every 5 ms.

Pulses and noise are functions of the place in an utterance alone, so that a piece of it is made without what stands before. Values
of F0 every 5 ms stand on the edges between control frames of 80 samples: K frames have K + 1 of them.

Filters are given as log amplitudes of bands, of minimum phase, and applied in the STFT. Minimum phase follows from the log
amplitudes alone, by the cepstrum folded onto its causal half (Oppenheim and Schafer, "Discrete-Time Signal Processing"): as a
linear map it is one more matrix, and needs no cepstrum at run time.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from avcore.speech.pitch import PITCH_STEP
from avcore.timeline import SAMPLE_RATE

_NOISE_BLOCK = 16_000
_LEAST_SHARE = 1e-4
"""What is left of the voice at least, and of the noise: there is no logarithm of nothing."""
_NEAR_PULSE = 1e-4
"""Turns around a pulse within which the closed form of the sum divides by nothing; its limit is taken instead."""


def to_edges(values: Tensor) -> Tensor:
    """Values of frames, [..., K], as those of the edges between them, [..., K + 1]: means of neighbours."""
    inner = (values[..., 1:] + values[..., :-1]) / 2
    return torch.cat([values[..., :1], inner, values[..., -1:]], -1)


def turns_at_edges(f0: Tensor) -> Tensor:
    """Return how many periods have passed at each edge, without whole ones: F0 in Hz, float64 [..., K + 1], to float64 [..., K +
    1]."""
    passed = torch.cumsum((f0[..., 1:] + f0[..., :-1]) * (PITCH_STEP / 2 / SAMPLE_RATE), -1)
    return torch.nn.functional.pad(passed, (1, 0)).remainder(1.0)


def at_samples(f0: Tensor, turns: Tensor) -> tuple[Tensor, Tensor]:
    """F0 and phase of each sample from those of edges: float64 [..., K + 1] twice to float32 [..., 80 K] twice.

    F0 goes from edge to edge in a straight line. The phase, in turns of -0.5 to 0.5, is summed up in float64: float32 would
    have lost it after some seconds.
    """
    place = torch.arange(PITCH_STEP, dtype=torch.float64, device=f0.device)
    start, rise = f0[..., :-1, None], (f0[..., 1:] - f0[..., :-1])[..., None]
    hz = start + rise * place / PITCH_STEP
    phase = turns[..., :-1, None] + (place * start + rise * place**2 / (2 * PITCH_STEP)) / SAMPLE_RATE
    return hz.flatten(-2).float(), (phase - torch.round(phase)).flatten(-2).float()


def pulse_train(f0: Tensor, turns: Tensor, top_hz: float) -> Tensor:
    """Return all harmonics below `top_hz` with one amplitude and phase: F0 and phase of `at_samples` to float32 [..., S].

    Band-limited by being the closed form of a sum of cosines. Its power does not change with F0: the amplitude goes with the
    root of F0, as the number of harmonics goes with 1 / F0. The uppermost harmonic fades, where it would click as F0 moves.
    """
    count = (top_hz / f0).clamp(min=1)
    whole = torch.floor(count)
    half_sine = torch.sin(math.pi * turns)
    is_pulse = half_sine.abs() < _NEAR_PULSE
    divisor = 2 * torch.where(is_pulse, torch.ones_like(half_sine), half_sine)
    total = torch.where(is_pulse, whole, torch.sin((2 * whole + 1) * math.pi * turns) / divisor - 0.5)
    fading = (count - whole) * torch.cos(2 * math.pi * (whole + 1) * turns)
    return (total + fading) * torch.sqrt(f0 / SAMPLE_RATE) * 2


def white_noise(start: int, count: int, seed: int) -> Tensor:
    """Noise of unit power of samples `start` to `start + count` of an utterance: float32 of shape [count].

    It is drawn in blocks of a second, each by a generator of its own, so any stretch is the same in any piece.
    """
    first, last = start // _NOISE_BLOCK, (start + count - 1) // _NOISE_BLOCK
    blocks = [
        np.random.default_rng((seed, block)).standard_normal(_NOISE_BLOCK, dtype=np.float32) for block in range(first, last + 1)
    ]
    offset = start - first * _NOISE_BLOCK
    return torch.from_numpy(np.concatenate(blocks)[offset : offset + count])


def unvoiced_as_noise(tone: Tensor, noise: Tensor, voiced: Tensor) -> tuple[Tensor, Tensor]:
    """Log amplitudes of both filters, float32 [batch, bands, K + 1], with the tone's power given to the noise where no voice is.

    Spectra do not tell a hiss from pulses that are filtered like one, so a network makes some of its hisses of pulses, each of
    which is heard as a click. Pulses and noise of one amplitude have the same power. voiced: float32 [batch, K], 0 to 1.

    All is done at the edges, where filters apply: between them a network's frames may go up and down, which no sound tells and no
    loss sees, and the power of the louder ones would be given away.
    """
    share = to_edges(voiced.clamp(_LEAST_SHARE, 1 - _LEAST_SHARE).log())[:, None]
    given = torch.logaddexp(2 * noise, 2 * tone + torch.log(-torch.expm1(share))) / 2
    return tone + share / 2, given


def filtered(source: Tensor, log_amplitudes: Tensor, fft: int) -> Tensor:
    """Filter sound by log amplitudes of bands at edges; returns the shape of the sound.

    source: float32 [batch, 80 K] at 16 kHz; log_amplitudes: float32 [batch, bands, K + 1]; fft: samples.
    """
    amplitude, angle, window = _matrices(log_amplitudes.shape[1], fft, source.device)
    spectrum = torch.stft(source, fft, PITCH_STEP, fft, window, return_complex=True)  # its frame k stands at sample 80 k, an edge
    response = torch.polar((amplitude @ log_amplitudes).exp(), angle @ log_amplitudes)
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
