"""The melody of speech from its units: how far above or below the speaker's usual pitch each step of 20 ms is.

The contour is free of the speaker: z = (ln F0 - median) / spread. What is known of a step beside the units around it is where
it stands in the utterance and in its phrase, and how fast is spoken there.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from avcore.speech.pitch import Pitch

FEATURES = 10
"""Rows of `places`."""
_PHRASE_PAUSE = 6
"""Steps of silence that part two phrases: 120 ms, longer than the closure of a plosive."""
_NEAR_STEPS = 50
_RATE_STEPS = 75
"""Steps around each over which the rate of speech is counted: 1.5 s."""
_USUAL_RUN = 4.0
"""Usual length of a unit in steps; a rate is said relative to it."""
_WIDEST = 2.5
"""The contour stays within so many spreads of the median: beyond, the predictor was hardly ever taught anything."""
_PIECE = 2000
_DECIDED, _DOUBT = 3.0, 1.5
"""How fast voice gives way to noise as its log odds fall, and the log odds at which half is left."""


class PitchPredictor(nn.Module):
    """z and voicing of each step from units with durations; the usual pitch of a voice from its vector."""

    def __init__(self, num_units: int, unit_dim: int, width: int, layers: int, speaker_dim: int) -> None:
        super().__init__()
        self.dict = nn.Embedding(num_units, unit_dim)
        self.pre = nn.Conv1d(unit_dim + FEATURES, width, 5, padding=2)
        self.convs = nn.ModuleList(nn.Conv1d(width, width, 5, padding=2 << k, dilation=1 << k) for k in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.proj = nn.Conv1d(width, 2, 1)
        self.of_voice = nn.Linear(speaker_dim, 2)

    def forward(self, frame_ids: Tensor, where: Tensor) -> Tensor:
        """int64 [batch, time] and float32 [batch, 10, time] of `places` to float32 [batch, 2, time]: z, logit of voicing."""
        x: Tensor = self.pre(torch.cat([self.dict(frame_ids).transpose(1, 2), where], 1))
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = x + F.gelu(conv(norm(x.transpose(1, 2)).transpose(1, 2)))
        found: Tensor = self.proj(x)
        return found

    @property
    def halo(self) -> int:
        """Steps to each side that a step's values depend on."""
        return 2 + sum(2 << k for k in range(len(self.convs)))

    def usual_pitch(self, voice: Tensor) -> Pitch:
        """Return the pitch that a voice, float32 of shape [speaker_dim], most likely has."""
        median, log_spread = self.of_voice(voice).tolist()
        return Pitch(median, math.exp(log_spread))

    def of_steps(self, frame_ids: Tensor, where: Tensor) -> Tensor:
        """As `forward` of one utterance, int64 [time] and float32 [10, time] to float32 [2, time], a piece at a time."""
        parts = []
        for first, left, right in _pieces(len(frame_ids), self.halo):
            found = self(frame_ids[None, left:right], where[None, :, left:right])[0]
            parts.append(found[:, first - left : first - left + _PIECE])
        return torch.cat(parts, 1)[:, : len(frame_ids)]

    def fit_usual_pitch(self, voices: NDArray[np.float32], pitches: list[Pitch], ridge: float = 0.3) -> None:
        """Set `of_voice` to the ridge regression of pitches on voices, float32 [n, speaker_dim]."""
        x = voices.astype(np.float64)
        y = np.array([[one.median, math.log(one.spread)] for one in pitches])
        centre, middle = x.mean(0), y.mean(0)
        x = x - centre
        weight = np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ (y - middle)).T
        with torch.no_grad():
            self.of_voice.weight.copy_(torch.from_numpy(weight))
            self.of_voice.bias.copy_(torch.from_numpy(middle - weight @ centre))


def _pieces(length: int, halo: int) -> Iterator[tuple[int, int, int]]:
    """Beginnings of pieces, and from where to where each is looked at."""
    for first in range(0, length, _PIECE):
        yield first, max(0, first - halo), min(length, first + _PIECE + halo)


def log_f0_of(z: Tensor, pitch: Pitch, lowest_hz: float, highest_hz: float) -> Tensor:
    """ln F0 every 5 ms of a contour every 20 ms: float of shape [T] to float64 [4 T], within the bounds of the voice."""
    steps = z.double().clamp(-_WIDEST, _WIDEST) * pitch.spread + pitch.median
    return _finer(steps).clamp(math.log(lowest_hz), math.log(highest_hz))


def _finer(steps: Tensor) -> Tensor:
    """Values every 5 ms of those every 20 ms, in a straight line between them: float of shape [T] to [4 T]."""
    return F.interpolate(steps[None, None], scale_factor=4, mode="linear", align_corners=False)[0, 0]


def voiced_of(logits: Tensor) -> Tensor:
    """Return how voiced each 5 ms is, 0 to 1, of logits every 20 ms: float32 of shape [T] to float32 [4 T].

    Where the predictor is in doubt there is voice: a vowel that loses half of its pulses sounds hoarse.
    """
    return _finer(torch.sigmoid(_DECIDED * (logits + _DOUBT)))


def places(frames: NDArray[np.int64], silence: int | None) -> NDArray[np.float32]:
    """Return where each step of int64 [T] stands: float32 [10, T].

    Three rows tell where it is in the utterance (share, steps from its beginning, steps to its end), three the same of its
    phrase, which is what stands between two pauses; then the place inside its unit, the unit's length, whether it is silence,
    and the rate of speech around it. silence: the unit of pauses, None = there are none.
    """
    spoken = np.ones(len(frames), bool) if silence is None else frames != silence
    edges = np.flatnonzero(np.diff(frames, prepend=-1))
    run = np.searchsorted(edges, np.arange(len(frames)), "right") - 1
    lengths = np.diff(np.append(edges, len(frames)))
    inside = (np.arange(len(frames)) - edges[run] + 0.5) / lengths[run]
    rows = [*_within(_whole(spoken)), *_within(_phrases(spoken, run, lengths)), inside, np.log(lengths[run]) - 1.5, ~spoken]
    return np.asarray(np.stack([*rows, _rate(spoken, edges)]), np.float32)


def _whole(spoken: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last step of the utterance without silence at its ends, for each step."""
    at = np.flatnonzero(spoken)
    first, last = (at[0], at[-1]) if len(at) else (0, len(spoken) - 1)
    return np.full(len(spoken), first), np.full(len(spoken), last)


def _phrases(
    spoken: NDArray[np.bool_], run: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last step of each step's phrase; a step in a pause belongs to the phrase before it, if there is one."""
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
    behind, before = (np.clip(part, -10, 2 * _NEAR_STEPS) / _NEAR_STEPS for part in (steps - first, last - steps))
    return np.clip((steps - first) / np.maximum(last - first, 1), -0.5, 1.5), behind, before


def _rate(spoken: NDArray[np.bool_], edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """Logarithm of the rate of spoken units around each step, 0 = as usual."""
    begins = np.zeros(len(spoken))
    begins[edges[spoken[edges]]] = 1
    ones = np.ones(_RATE_STEPS)
    runs, steps = (np.convolve(part, ones)[_RATE_STEPS // 2 :][: len(spoken)] for part in (begins, spoken.astype(float)))
    return np.log((runs + 1) / (steps / _USUAL_RUN + 1))
