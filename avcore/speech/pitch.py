"""The pitch of speech: its fundamental frequency (F0) every 5 ms, and a speaker's pitch.

The tracker follows Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a
sampled sound" (1993). The autocorrelation of a windowed stretch, divided by that of the window, has a peak at the period. A few
peaks a stretch are candidates, another candidate stands for no voice, and the best path through all of them is the track.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.timeline import SAMPLE_RATE

PITCH_STEP = 80
"""Samples at 16 kHz between two values of a track: 5 ms."""
_WINDOW, _FFT, _FINER = 800, 2048, 2
_LOWEST_HZ, _HIGHEST_HZ = 60.0, 420.0
_CANDIDATES = 5
_VOICELESS = 0.45
"""Height of an autocorrelation peak (1 = perfectly periodic) below which a stretch counts as voiceless."""
_OCTAVE_COST = 0.02
"""Subtracted from a peak for each octave below the highest pitch: sound also repeats after two periods, and one is meant."""
_JUMP_COST, _SWITCH_COST = 0.35, 0.07
"""Costs on the path: of a jump by an octave, and of voicing that begins or ends."""
_LOUD = 0.03
"""Share of the loudest stretch's root mean square below which nothing is voiced."""
_BLOCK = 1000
"""Stretches analysed at once. Memory grows with it, not with the length of the speech."""
_FAR_OCTAVES = 0.7
"""How far a value may lie from the median; a value beyond it is an error of the tracker."""
_LEAST_VALUES = 20
_LEAST_SPREAD = 0.03
_NEUTRAL_HZ = 120.0
_OUT = -9.0

Track = NDArray[np.float32]


@dataclass(frozen=True)
class Pitch:
    """A speaker's pitch."""

    median: float
    """Of ln F0 (F0 in Hz)."""
    spread: float
    """Standard deviation of ln F0."""

    @property
    def hz(self) -> float:
        """The median F0 in Hz."""
        return math.exp(self.median)


def pitch_track(samples: NDArray[np.floating[Any]]) -> Track:
    """Return F0 of float samples [S] at 16 kHz: float32 [S // 80] in Hz between 60 and 420, 0 where unvoiced.

    Value k belongs to the middle of samples 80 k to 80 k + 79.
    """
    count = len(samples) // PITCH_STEP
    if not count:
        return np.zeros(0, np.float32)

    half = _WINDOW // 2
    padded = np.pad(np.asarray(samples, np.float64), (half - PITCH_STEP // 2, half))
    stretches = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[: count * PITCH_STEP : PITCH_STEP]
    levels = np.concatenate([np.sqrt(np.square(stretches[at : at + _BLOCK]).mean(1)) for at in range(0, count, _BLOCK)])
    found = [_candidates(stretches[at : at + _BLOCK]) for at in range(0, count, _BLOCK)]
    hz, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
    scores[(levels <= _LOUD * levels.max()) | (levels <= 0), :-1] = _OUT
    return _best_path(hz, scores)


def periodicity(stretches: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the normalised autocorrelation of stretches, float64 [n, 800]: [n, 1600] by lag in half samples, 1 = exact repeat.

    Half samples, because the peak of a high voice is narrow and may lie between two lags.
    """
    own = _autocorrelation(np.hanning(_WINDOW)[None])
    normal = _autocorrelation((stretches - stretches.mean(1, keepdims=True)) * np.hanning(_WINDOW))
    # At long lags the window's own autocorrelation nears 0: divided by that, noise would become a peak.
    result: NDArray[np.float64] = normal / np.maximum(normal[:, :1], 1e-12) / np.maximum(own / own[:, :1], 0.02)
    return result


def _autocorrelation(windowed: NDArray[np.float64]) -> NDArray[np.float64]:
    power = np.abs(np.fft.rfft(windowed, _FFT)) ** 2
    return np.asarray(np.fft.irfft(power, _FFT * _FINER)[:, : _WINDOW * _FINER])


def _candidates(stretches: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return F0 (Hz) and score of each stretch's best peaks, the last one for no voice (0 Hz): two arrays float64 [n, 6]."""
    heights, rate = periodicity(stretches), SAMPLE_RATE * _FINER
    shortest, longest = int(rate / _HIGHEST_HZ), int(rate / _LOWEST_HZ) + 1
    inner = heights[:, shortest:longest]
    # Strictly on one side alone: two equal values at the top are one peak.
    is_peak = (inner > heights[:, shortest - 1 : longest - 1]) & (inner >= heights[:, shortest + 1 : longest + 1])
    lags = np.arange(shortest, longest)
    scores = np.where(is_peak, inner - _OCTAVE_COST * np.log2(lags / shortest), _OUT)
    best = np.argpartition(-scores, _CANDIDATES - 1, axis=1)[:, :_CANDIDATES]
    rows, at = np.arange(len(heights))[:, None], best + shortest
    before, top, behind = heights[rows, at - 1], heights[rows, at], heights[rows, at + 1]

    # The top of the parabola through a peak and its neighbours.
    bend = np.minimum(before - 2 * top + behind, -1e-9)
    shift = np.clip(0.5 * (before - behind) / bend, -0.5, 0.5)
    found = np.take_along_axis(scores, best, 1) - 0.25 * (before - behind) * shift
    silent = np.zeros((len(heights), 1))
    return (np.concatenate([rate / (at + shift), silent], axis=1), np.concatenate([found, silent + _VOICELESS], axis=1))


def _best_path(hz: NDArray[np.float64], scores: NDArray[np.float64]) -> Track:
    """Return the track through candidates float64 [n, 6] with the highest sum of scores minus costs (Viterbi)."""
    octaves = np.log2(np.maximum(hz, 1.0))
    came_from = np.zeros(hz.shape, np.int64)
    total = scores[0].copy()
    for now in range(1, len(hz)):
        cost = _JUMP_COST * np.minimum(np.abs(octaves[now][:, None] - octaves[now - 1][None]), 1.0)
        cost[-1, :] = cost[:, -1] = _SWITCH_COST
        cost[-1, -1] = 0.0
        reached = total[None] - cost
        came_from[now] = reached.argmax(1)
        total = reached.max(1) + scores[now]

    path = [int(total.argmax())]
    for now in range(len(hz) - 1, 0, -1):
        path.append(int(came_from[now][path[-1]]))
    return hz[np.arange(len(hz)), path[::-1]].astype(np.float32)


def without_jumps(track: Track) -> Track:
    """Set the values of a track to 0 that lie more than 0.7 octaves from its median."""
    voiced = track > 0
    if not voiced.any():
        return track
    distance = np.abs(np.log2(np.maximum(track, 1.0) / np.median(track[voiced])))
    return np.where(voiced & (distance < _FAR_OCTAVES), track, 0).astype(np.float32)


def pitch_of(track: Track) -> Pitch | None:
    """Return the pitch of a track (Hz, 0 = unvoiced); None where less than 0.1 s of it is voiced."""
    values = without_jumps(track)
    logs = np.log(values[values > 0])
    if len(logs) < _LEAST_VALUES:
        return None
    return Pitch(float(np.median(logs)), float(max(logs.std(), _LEAST_SPREAD)))


def measure_pitch(samples: NDArray[np.floating[Any]]) -> Pitch | None:
    """Return the pitch of speech, float of shape [S] at 16 kHz; None where less than 0.1 s of it is voiced."""
    return pitch_of(pitch_track(samples))


def filled_log(track: Track) -> tuple[Track, NDArray[np.bool_]]:
    """Return ln F0 with the gaps of a track filled linearly, float32 [T], and where it was voiced, bool [T].

    track: in Hz, 0 where unvoiced. A track without any voice counts as 120 Hz.
    """
    voiced = track > 0
    if not voiced.any():
        return np.full(len(track), math.log(_NEUTRAL_HZ), np.float32), voiced
    at = np.flatnonzero(voiced)
    return np.interp(np.arange(len(track)), at, np.log(track[at])).astype(np.float32), voiced
