"""What a listener hears at once in a voice, and retrieval does not: pitch, noise, hisses, clicks, ends. All of speech at 16 kHz.

Harmonicity after Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a
sampled sound" (1993): a stretch whose autocorrelation has a peak of height r has r parts of harmonics to 1 - r parts of noise.
Most figures are to be read beside those of recordings: a whisper has no pitch and is no fault. What they are not: naturalness as
listeners judge it (a mean opinion score).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Samples
from avcore.speech.pitch import PITCH_STEP, periodicity, pitch_track, without_jumps
from avcore.timeline import SAMPLE_RATE, SAMPLES_PER_UNIT

_WINDOW, _HOP = 800, 160
_LOWEST_HZ, _HIGHEST_HZ = 65.0, 400.0
_LOUD = 0.25
"""Share of the loudest stretch's root mean square above which a stretch counts: vowels and what is as loud."""
_PERIODIC = 0.5
_MOST = 0.999
_QUIET_AROUND = 2
"""Steps of 20 ms to each side of a pause that belong to the speech around it."""
_LEAST_LEVEL = 1e-6
_CLICK_TIMES = 12.0
"""A click is a bend of the wave that so many times exceeds the usual one of the 60 ms around it."""
_CLICK_REACH, _CLICK_OWN, _CLICK_FLOOR = 480, 16, 2e-4
_CLIPPED = 0.999
_END_S = 0.01
_OCTAVE = 12.0
_EDGE_BLOCK, _EDGE_REACH = 80, 8
"""Samples of a block (5 ms), and blocks to each side of an edge among which the largest jump is looked for."""
_EDGE_FLOOR_DB = -60.0
"""Below the loudest block: what is quieter counts as so loud."""
_HISS_HZ, _HISS_FRAME = 4000.0, 512
_HISS_FLOOR = 1e-4
"""Of the loudest frame's power: what is below is no hiss that anybody hears."""


@dataclass(frozen=True)
class VoiceQuality:
    """harmonicity_db: median over loud stretches of 50 ms; periodic: share of them that repeat themselves. clicks: of an
    utterance. clipped: whether a sample touches full scale. begins, ends: root mean square of the first and the last 10 ms as a
    share of the highest sample. f0_hz: median, None = no pitch found."""

    harmonicity_db: float
    periodic: float
    clicks: int
    clipped: bool
    begins: float
    ends: float
    f0_hz: float | None


def voice_quality(samples: Samples) -> VoiceQuality:
    """Measure an utterance, float32 [S]."""
    heights = periodic_heights(samples)
    track = without_jumps(pitch_track(samples))
    begins, ends = end_levels(samples)
    return VoiceQuality(
        harmonicity_db=harmonicity_db(heights),
        periodic=float((heights > _PERIODIC).mean()) if len(heights) else 0.0,
        clicks=count_clicks(samples),
        clipped=bool((np.abs(samples) >= _CLIPPED).any()),
        begins=begins,
        ends=ends,
        f0_hz=float(np.median(track[track > 0])) if (track > 0).any() else None,
    )


def periodic_heights(samples: Samples) -> NDArray[np.float64]:
    """Height of the autocorrelation's highest peak between 65 and 400 Hz in each loud stretch: float64 of shape [n], 0 to 0.999."""
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
    """The median of 10 log10(r / (1 - r)); -30 where there is nothing periodic at all. heights: r, float64 of shape [n]."""
    if not len(heights):
        return -30.0
    r = np.clip(heights, 1e-3, _MOST)
    return float(np.median(10 * np.log10(r / (1 - r))))


def count_clicks(samples: Samples) -> int:
    """How often the wave bends far more than around: once for all that lies within 5 ms."""
    bends = np.abs(np.diff(samples.astype(np.float64), 2))
    if len(bends) <= 2 * _CLICK_REACH:
        return 0
    squares = np.concatenate([[0.0], np.cumsum(np.square(np.pad(bends, _CLICK_REACH)))])
    at = np.arange(len(bends)) + _CLICK_REACH
    whole = squares[at + _CLICK_REACH + 1] - squares[at - _CLICK_REACH]
    own = squares[at + _CLICK_OWN + 1] - squares[at - _CLICK_OWN]
    usual = np.sqrt(np.maximum(whole - own, 0) / (2 * (_CLICK_REACH - _CLICK_OWN)))
    places = np.flatnonzero(bends > _CLICK_TIMES * (usual + _CLICK_FLOOR))
    return int(len(places) and 1 + (np.diff(places) > PITCH_STEP).sum())


def end_levels(samples: Samples) -> tuple[float, float]:
    """Root mean square of the first and of the last 10 ms, as shares of the highest sample."""
    highest = float(np.abs(samples).max(initial=0.0))
    if highest <= 0:
        return 0.0, 0.0
    length = round(_END_S * SAMPLE_RATE)
    parts = samples[:length], samples[-length:]
    first, last = (math.sqrt(float(np.square(part.astype(np.float64)).mean())) / highest for part in parts)
    return first, last


def noise_floor_db(samples: Samples, is_silence: NDArray[np.bool_]) -> float | None:
    """Level in pauses relative to the loudest step of 20 ms, in dB; None where there is no pause of 100 ms or more.

    is_silence: bool of shape [T], of each 20 ms, what the speech was made from or is known to say.
    """
    steps = min(len(is_silence), len(samples) // SAMPLES_PER_UNIT)
    if not steps:
        return None
    power = np.square(samples[: steps * SAMPLES_PER_UNIT].astype(np.float64)).reshape(steps, -1).mean(1)
    near_speech = np.convolve(~is_silence[:steps], np.ones(2 * _QUIET_AROUND + 1), "same") > 0
    if near_speech.all() or power.max() <= 0:
        return None
    floor = float(np.median(power[~near_speech]))  # not the mean: where a pause begins is known to a step or two only
    return float(10 * np.log10(max(floor, _LEAST_LEVEL**2) / power.max()))


def edge_jump_db(samples: Samples, is_silence: NDArray[np.bool_]) -> float | None:
    """By how much loudness jumps within 10 ms where speech begins and ends, in dB: mean over all edges; None without any.

    Speech that is cut out hard jumps by up to 60 dB, speech that was recorded with its room by less. Before and after the samples
    there is silence. is_silence: bool of shape [T], of each 20 ms, as of `noise_floor_db`.
    """
    steps = min(len(is_silence), len(samples) // SAMPLES_PER_UNIT)
    per_step = SAMPLES_PER_UNIT // _EDGE_BLOCK
    blocks = np.square(samples[: steps * SAMPLES_PER_UNIT].astype(np.float64)).reshape(-1, _EDGE_BLOCK).mean(1)
    if not steps or blocks.max() <= 0:
        return None
    around = np.pad(blocks, _EDGE_REACH)
    levels = np.maximum(10 * np.log10(np.maximum(around, _LEAST_LEVEL**2) / blocks.max()), _EDGE_FLOOR_DB)
    jumps = np.abs(np.diff(levels))  # jump n lies between blocks n and n + 1 of the padded ones
    edges = np.flatnonzero(np.diff(np.concatenate([[True], is_silence[:steps], [True]])))
    if not len(edges):
        return None
    places = edges * per_step + _EDGE_REACH
    return float(np.mean([jumps[max(place - _EDGE_REACH, 0) : place + _EDGE_REACH].max() for place in places]))


def semitones_between(made_hz: float | None, true_hz: float) -> float:
    """Distance of two pitches in semitones; an octave for sound that has none."""
    return _OCTAVE if made_hz is None else _OCTAVE * abs(math.log2(made_hz / true_hz))


def pitch_errors(made: Samples, recorded: Samples, is_silence: NDArray[np.bool_]) -> tuple[float, float | None]:
    """How a copy of a recording follows its pitch: share of wrong voicing, and the median distance in semitones.

    Voicing counts where something is said: bool of shape [T] says where nothing is, every 20 ms. None where both are never voiced.
    """
    tracks = [without_jumps(pitch_track(one)) for one in (made, recorded)]
    per_step = SAMPLES_PER_UNIT // PITCH_STEP
    spoken = np.repeat(~is_silence, per_step)
    length = min(len(spoken), *(len(one) for one in tracks))
    ours, truth, spoken = tracks[0][:length], tracks[1][:length], spoken[:length]
    wrong = float(((ours > 0) != (truth > 0))[spoken].mean()) if spoken.any() else 0.0
    both = (ours > 0) & (truth > 0)
    return wrong, float(12 * np.median(np.abs(np.log2(ours[both] / truth[both])))) if both.any() else None


def hiss_off_db(made: Samples, recorded: Samples) -> float | None:
    """How much louder the hisses of a copy are than its recording's, in dB, both made equally loud; None where there is none.

    Both are float32 [S] of the same words in the same time. A hiss is a frame of 32 ms in which the recording has more power
    above 4 kHz than below, as in s and ch; only the power above counts.
    """
    copy, truth = _high_and_low(made), _high_and_low(recorded)
    length = min(len(copy), len(truth))
    total = truth.sum(1)
    is_hiss = ((truth[:, 0] > truth[:, 1]) & (total > _HISS_FLOOR * total.max(initial=0.0)))[:length]
    if not is_hiss.any() or copy.sum() <= 0:
        return None
    ours, theirs = (float(one[:length][is_hiss, 0].sum() / one.sum()) for one in (copy, truth))
    return float(10 * np.log10(max(ours, _LEAST_LEVEL) / theirs))


def _high_and_low(samples: Samples) -> NDArray[np.float64]:
    """Power above and below 4 kHz in each frame: float64 of shape [n, 2]."""
    if len(samples) < _HISS_FRAME:
        return np.zeros((0, 2))
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), _HISS_FRAME)[::_HOP]
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(_HISS_FRAME), axis=1)))
    edge = int(_HISS_HZ / SAMPLE_RATE * _HISS_FRAME)
    return np.stack([power[:, edge:].sum(1), power[:, :edge].sum(1)], 1)
