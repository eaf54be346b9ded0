"""The parts of a harmonic voice: the pitch contour, a pulse train at F0, white noise, and filters that change every 5 ms.

The contour is predicted from units. It does not depend on the speaker: for each step of 20 ms it gives z = (ln F0 - median) /
spread, the distance from the speaker's usual pitch. Other inputs are the position of a step in its utterance and in its phrase, and
the rate of speech around it.

Pulses and noise depend on the position in the utterance alone, so any piece can be made without those before it. Values of F0 every
5 ms belong to the edges between control frames of 80 samples: K frames have K + 1 edges.

Filters have minimum phase, are given as log amplitudes of bands, and are applied in the STFT. Minimum phase follows from the log
amplitudes by the cepstrum folded onto its causal half (Oppenheim and Schafer, "Discrete-Time Signal Processing"). That is a linear
map, so it is stored as a second matrix, and no cepstrum is computed at run time.
"""

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from avcore.speech.pitch import PITCH_STEP, Pitch
from avcore.timeline import SAMPLE_RATE

FEATURES = 10
"""Rows of `places`."""
_PHRASE_PAUSE = 6
"""Steps of silence that separate two phrases: 120 ms, longer than the closure of a plosive."""
_NEAR_STEPS = 50
_RATE_STEPS = 75
"""Window around each step over which the rate of speech is measured: 1.5 s."""
_USUAL_RUN = 4.0
"""Usual length of a unit in steps; the rate is relative to it."""
_WIDEST = 2.5
"""Largest distance of the contour from the median, in spreads: there are hardly any training data beyond."""
_PIECE = 2000
_DECIDED, _DOUBT = 3.0, 1.5
"""The slope of voicing over its log odds, and minus the log odds at which half of the voice is left."""


class PitchPredictor(nn.Module):
    """Predicts z and voicing of each step from units with durations, and the usual pitch of a voice from its vector."""

    def __init__(self, num_units: int, unit_dim: int, width: int, layers: int, speaker_dim: int) -> None:
        super().__init__()
        self.dict = nn.Embedding(num_units, unit_dim)
        self.pre = nn.Conv1d(unit_dim + FEATURES, width, 5, padding=2)
        self.convs = nn.ModuleList(nn.Conv1d(width, width, 5, padding=2 << k, dilation=1 << k) for k in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.proj = nn.Conv1d(width, 2, 1)
        self.of_voice = nn.Linear(speaker_dim, 2)

    def forward(self, frame_ids: Tensor, where: Tensor) -> Tensor:
        """int64 [batch, time] and `places`, float32 [batch, 10, time], to float32 [batch, 2, time]: z and the logit of voicing."""
        x: Tensor = self.pre(torch.cat([self.dict(frame_ids).transpose(1, 2), where], 1))
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = x + F.gelu(conv(norm(x.transpose(1, 2)).transpose(1, 2)))
        found: Tensor = self.proj(x)
        return found

    @property
    def halo(self) -> int:
        """Steps on each side that the values of a step depend on."""
        return 2 + sum(2 << k for k in range(len(self.convs)))

    def usual_pitch(self, voice: Tensor) -> Pitch:
        """Return the most likely pitch of a voice, float32 of shape [speaker_dim]."""
        median, log_spread = self.of_voice(voice).tolist()
        return Pitch(median, math.exp(log_spread))

    def of_steps(self, frame_ids: Tensor, where: Tensor) -> Tensor:
        """Run `forward` on one utterance, a piece at a time: int64 [time] and float32 [10, time] to float32 [2, time]."""
        parts = []
        for first, left, right in _pieces(len(frame_ids), self.halo):
            found = self(frame_ids[None, left:right], where[None, :, left:right])[0]
            parts.append(found[:, first - left : first - left + _PIECE])
        return torch.cat(parts, 1)[:, : len(frame_ids)]

    def fit_usual_pitch(self, voices: NDArray[np.float32], pitches: list[Pitch], ridge: float = 0.3) -> None:
        """Set `of_voice` to the ridge regression of pitches on voices, float32 [n, speaker_dim]."""
        x = voices.astype(np.float64)
        y = np.array([[pitch.median, math.log(pitch.spread)] for pitch in pitches])
        # Centred, so that the ridge shrinks the slopes and leaves the mean alone.
        centre, middle = x.mean(0), y.mean(0)
        x = x - centre
        weight = np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ (y - middle)).T

        with torch.no_grad():
            self.of_voice.weight.copy_(torch.from_numpy(weight))
            self.of_voice.bias.copy_(torch.from_numpy(middle - weight @ centre))


def _pieces(length: int, halo: int) -> Iterator[tuple[int, int, int]]:
    """Yield the start of each piece, and the start and end of the input that it needs."""
    for first in range(0, length, _PIECE):
        yield first, max(0, first - halo), min(length, first + _PIECE + halo)


def log_f0_of(z: Tensor, pitch: Pitch, lowest_hz: float, highest_hz: float) -> Tensor:
    """Return ln F0 every 5 ms for a contour every 20 ms: float of shape [T] to float64 [4 T], within the bounds of the voice."""
    steps = z.double().clamp(-_WIDEST, _WIDEST) * pitch.spread + pitch.median
    return _finer(steps).clamp(math.log(lowest_hz), math.log(highest_hz))


def _finer(steps: Tensor) -> Tensor:
    """Interpolate values every 20 ms linearly to values every 5 ms: float of shape [T] to [4 T]."""
    return F.interpolate(steps[None, None], scale_factor=4, mode="linear", align_corners=False)[0, 0]


def voiced_of(logits: Tensor) -> Tensor:
    """Return voicing every 5 ms, 0 to 1, for logits every 20 ms: float32 of shape [T] to float32 [4 T].

    Where the predictor is in doubt, the step counts as voiced: a vowel that loses half of its pulses sounds hoarse.
    """
    return _finer(torch.sigmoid(_DECIDED * (logits + _DOUBT)))


def places(frames: NDArray[np.int64], silence: int | None) -> NDArray[np.float32]:
    """Return the position of each step of int64 [T] as features, float32 [10, T].

    Rows 0 to 2: position in the utterance (as a share, steps from its beginning, steps to its end). Rows 3 to 5: the same for its
    phrase, the speech between two pauses. Then the position inside its unit, the unit's length, whether it is silence, and the
    rate of speech around it. silence: the unit of pauses, None = there are none.
    """
    spoken = np.ones(len(frames), bool) if silence is None else frames != silence
    edges = np.flatnonzero(np.diff(frames, prepend=-1))
    run = np.searchsorted(edges, np.arange(len(frames)), "right") - 1
    lengths = np.diff(np.append(edges, len(frames)))
    inside = (np.arange(len(frames)) - edges[run] + 0.5) / lengths[run]
    rows = [*_within(_whole(spoken)), *_within(_phrases(spoken, run, lengths)), inside, np.log(lengths[run]) - 1.5, ~spoken]
    return np.asarray(np.stack([*rows, _rate(spoken, edges)]), np.float32)


def _whole(spoken: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each step the first and the last step of the utterance without the silence at its ends."""
    at = np.flatnonzero(spoken)
    first, last = (at[0], at[-1]) if len(at) else (0, len(spoken) - 1)
    return np.full(len(spoken), first), np.full(len(spoken), last)


def _phrases(
    spoken: NDArray[np.bool_], run: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each step the first and the last step of its phrase; a pause belongs to the phrase before it, if there is one."""
    steps = np.arange(len(spoken))
    is_pause = ~spoken & (lengths[run] >= _PHRASE_PAUSE)
    starts = np.flatnonzero(~is_pause & np.concatenate([[True], is_pause[:-1]]))
    ends = np.flatnonzero(~is_pause & np.concatenate([is_pause[1:], [True]]))

    if not len(starts):
        return np.zeros_like(steps), np.full_like(steps, len(spoken) - 1)
    number = np.maximum(np.searchsorted(starts, steps, "right") - 1, 0)
    return starts[number], ends[number]


def _within(bounds: tuple[NDArray[np.int64], NDArray[np.int64]]) -> tuple[NDArray[np.float64], ...]:
    first, last = bounds
    steps = np.arange(len(first))
    # Silence before and behind speech lies outside its bounds, and may be long.
    behind, before = (np.clip(part, -10, 2 * _NEAR_STEPS) / _NEAR_STEPS for part in (steps - first, last - steps))
    return np.clip((steps - first) / np.maximum(last - first, 1), -0.5, 1.5), behind, before


def _rate(spoken: NDArray[np.bool_], edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the logarithm of the rate of spoken units around each step; 0 is the usual rate."""
    begins = np.zeros(len(spoken))
    begins[edges[spoken[edges]]] = 1
    ones = np.ones(_RATE_STEPS)
    runs, steps = (np.convolve(part, ones)[_RATE_STEPS // 2 :][: len(spoken)] for part in (begins, spoken.astype(float)))
    # One more of each, so that a window without speech has no logarithm of 0.
    return np.log((runs + 1) / (steps / _USUAL_RUN + 1))


_NOISE_BLOCK = 16_000
_LEAST_SHARE = 1e-4
"""Least share of the voice, and of the noise: 0 has no logarithm."""
_NEAR_PULSE = 1e-4
"""Half sine around a pulse below which the closed form of the sum would divide by almost 0; its limit is taken instead."""


def to_edges(values: Tensor) -> Tensor:
    """Convert values of frames, [..., K], to those of the edges between them, [..., K + 1]: the means of neighbours."""
    inner = (values[..., 1:] + values[..., :-1]) / 2
    return torch.cat([values[..., :1], inner, values[..., -1:]], -1)


def turns_at_edges(f0: Tensor) -> Tensor:
    """Return the phase at each edge, in turns of 0 to 1: F0 in Hz, float64 [..., K + 1], to float64 [..., K + 1]."""
    # F0 is linear between edges, so the mean of two edges is exact.
    passed = torch.cumsum((f0[..., 1:] + f0[..., :-1]) * (PITCH_STEP / 2 / SAMPLE_RATE), -1)
    return torch.nn.functional.pad(passed, (1, 0)).remainder(1.0)


def samples_per_control(rate: int) -> int:
    """Return the samples of 5 ms at a rate in Hz, which is a multiple of 200."""
    return PITCH_STEP * rate // SAMPLE_RATE


def at_samples(f0: Tensor, turns: Tensor, rate: int = SAMPLE_RATE) -> tuple[Tensor, Tensor]:
    """Interpolate F0 and phase from edges to samples: float64 [..., K + 1] twice to float32 [..., 80 K] twice at 16 kHz.

    F0 is linear between edges. The phase, in turns of -0.5 to 0.5, is summed up in float64: float32 loses it after some seconds.
    """
    size = samples_per_control(rate)
    place = torch.arange(size, dtype=torch.float64, device=f0.device)
    start, rise = f0[..., :-1, None], (f0[..., 1:] - f0[..., :-1])[..., None]
    hz = start + rise * place / size
    phase = turns[..., :-1, None] + (place * start + rise * place**2 / (2 * size)) / rate
    return hz.flatten(-2).float(), (phase - torch.round(phase)).flatten(-2).float()


def pulse_train(f0: Tensor, turns: Tensor, top_hz: float, rate: int = SAMPLE_RATE) -> Tensor:
    """Return all harmonics below `top_hz`, equal in amplitude and phase: F0 and phase of `at_samples` to float32 [..., S].

    It is band-limited, as the closed form of a sum of cosines. The number of harmonics goes with 1 / F0 and the amplitude with the
    root of F0, so its power does not depend on F0. The uppermost harmonic fades in and out; otherwise it would click as F0 moves.
    """
    count = (top_hz / f0).clamp(min=1)
    whole = torch.floor(count)

    # Dirichlet's kernel: the sum of cos(2 pi k t) for k = 1..n is sin((2 n + 1) pi t) / (2 sin(pi t)) - 1/2, and n at a pulse.
    half_sine = torch.sin(math.pi * turns)
    is_pulse = half_sine.abs() < _NEAR_PULSE
    divisor = 2 * torch.where(is_pulse, torch.ones_like(half_sine), half_sine)
    total = torch.where(is_pulse, whole, torch.sin((2 * whole + 1) * math.pi * turns) / divisor - 0.5)
    fading = (count - whole) * torch.cos(2 * math.pi * (whole + 1) * turns)
    # The power of n cosines is n / 2 times their squared amplitude: here 2 top_hz / rate, about that of the noise.
    return (total + fading) * torch.sqrt(f0 / rate) * 2


def white_noise(start: int, count: int, seed: int) -> Tensor:
    """Return noise of unit power for samples `start` to `start + count` of an utterance: float32 of shape [count].

    It is drawn in blocks of a second, each from its own generator, so it does not depend on the pieces that are asked for.
    """
    first, last = start // _NOISE_BLOCK, (start + count - 1) // _NOISE_BLOCK
    blocks = [
        np.random.default_rng((seed, block)).standard_normal(_NOISE_BLOCK, dtype=np.float32) for block in range(first, last + 1)
    ]
    offset = start - first * _NOISE_BLOCK
    return torch.from_numpy(np.concatenate(blocks)[offset : offset + count])


def unvoiced_as_noise(tone: Tensor, noise: Tensor, voiced: Tensor, log_share: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return both filters, log amplitudes float32 [batch, bands, K + 1], with the power of the tone moved to the noise where
    speech is unvoiced, and in each band as far as the speaker's voice is noise there.

    Spectra of noise and of pulses filtered like noise look the same, so a network makes some of its hiss from pulses, and each of
    them sounds like a click. Pulses and noise of the same amplitude have the same power. voiced: float32 [batch, K], 0 to 1.
    log_share: float32 [bands], logarithm of the share of voice that stays a tone.

    The filters are changed at the edges, where they apply. A network's frames may alternate between loud and quiet, which neither
    the sound nor a loss shows; at frames, the power of the louder ones would be moved.
    """
    # A share v of the pulses' power stays, 1 - v goes to the noise. Amplitudes are logarithms, hence the halves and doubles.
    share = to_edges(voiced.clamp(_LEAST_SHARE, 1 - _LEAST_SHARE).log())[:, None]
    share = share if log_share is None else share + log_share[:, None]
    given = torch.logaddexp(2 * noise, 2 * tone + torch.log(-torch.expm1(share))) / 2
    return tone + share / 2, given


def filtered(source: Tensor, log_amplitudes: Tensor, fft: int, rate: int = SAMPLE_RATE) -> Tensor:
    """Filter sound by log amplitudes of bands at edges; returns sound of the same shape.

    source: float32 [batch, 80 K] at 16 kHz, as many more at a higher rate; log_amplitudes: float32 [batch, bands, K + 1]; fft:
    window in samples.
    """
    amplitude, angle = _matrices(log_amplitudes.shape[1], fft, rate, source.device)
    response = torch.polar((amplitude @ log_amplitudes).exp(), angle @ log_amplitudes)
    return sound_of(spectrum_of(source, fft, rate) * response, fft, rate, source.shape[1])


def spectrum_of(sound: Tensor, fft: int, rate: int) -> Tensor:
    """Return the spectrum every 5 ms: float32 [batch, samples] to complex64 [batch, fft // 2 + 1, K + 1], frame k at edge k."""
    return torch.stft(sound, fft, samples_per_control(rate), fft, _window(fft, sound.device), return_complex=True)


def sound_of(spectrum: Tensor, fft: int, rate: int, length: int) -> Tensor:
    """Invert `spectrum_of`; returns float32 [batch, length]."""
    return torch.istft(spectrum, fft, samples_per_control(rate), fft, _window(fft, spectrum.device), length=length)


@lru_cache(maxsize=8)
def _window(fft: int, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # kept for training as well
        return torch.hann_window(fft, device=device)


def band_centres(bands: int, rate: int) -> NDArray[np.float64]:
    """Return the middles of bands in Hz, spaced evenly on the mel scale from 0 Hz to half the sample rate: float64 [bands]."""
    mels = np.linspace(0, 2595 * np.log10(1 + rate / 2 / 700), bands)
    return np.asarray(700 * (10 ** (mels / 2595) - 1))


@lru_cache(maxsize=8)
def _matrices(bands: int, fft: int, rate: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the matrices from bands to log amplitude and to minimum phase at each frequency, float32 [fft // 2 + 1, bands].

    Bands are those of `band_centres`; the log amplitude is linear between them.
    """
    centres, bins = band_centres(bands, rate), np.linspace(0, rate / 2, fft // 2 + 1)
    amplitude = np.stack([np.interp(bins, centres, row) for row in np.eye(bands)])

    fold = np.zeros(fft)
    fold[0], fold[1 : fft // 2], fold[fft // 2] = 1, 2, 1
    angle = np.fft.rfft(np.fft.irfft(amplitude, fft) * fold).imag
    with torch.inference_mode(False):  # kept for training as well
        parts = [torch.from_numpy(np.ascontiguousarray(part.T.astype(np.float32))).to(device) for part in (amplitude, angle)]
        return parts[0], parts[1]
