"""What a listener hears at once in a voice, and retrieval does not: pitch, noise, clicks. All of speech at 16 kHz.

Harmonicity after Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a
sampled sound" (1993): a stretch whose autocorrelation has a peak of height r has r parts of harmonics to 1 - r parts of noise.
Most figures are to be read beside those of recordings: a whisper has no pitch and is no fault. What they are not: naturalness as
listeners judge it (a mean opinion score).
"""

import math

import numpy as np
from numpy.typing import NDArray

from av2unit.trust import quiet_units, rest_unit
from avcore.arrays import Samples
from avcore.speech.figures import count_clicks
from avcore.speech.pitch import measure_pitch, periodicity
from avcore.timeline import SAMPLE_RATE, SAMPLES_PER_UNIT, samples_to_seconds
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import FigureKind, Measured, Missing, metric, side, sound_of
from netflips.evaluate.needs import EXTRACTOR, SOURCE

_WINDOW, _HOP = 800, 160
_LOWEST_HZ, _HIGHEST_HZ = 65.0, 400.0
_LOUD = 0.25
"""Share of the loudest stretch's root mean square above which a stretch counts: vowels and what is as loud."""
_MOST = 0.999
_QUIET_AROUND = 2
"""Steps of 20 ms to each side of a pause that belong to the speech around it."""
_LEAST_LEVEL = 1e-6
_OCTAVE = 12.0


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
    """Return the median of 10 log10(r / (1 - r)); -30 where there is nothing periodic at all. heights: r, float64 of shape [n]."""
    if not len(heights):
        return -30.0
    r = np.clip(heights, 1e-3, _MOST)
    return float(np.median(10 * np.log10(r / (1 - r))))


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


def quiet_steps(clip: Clip) -> NDArray[np.bool_]:
    """Return which steps of 20 ms say nothing, by the units of the sound: bool [steps]; none where the unit that is quiet most
    often is loud as often: in a sentence without a pause that is a stop, and no silence."""
    frames = clip.heard.frames()
    quiet, rest = quiet_units(frames, clip.speech), rest_unit(frames, clip.speech)
    if rest is None or 2 * (quiet == rest).sum() < (frames == rest).sum():
        return np.zeros(len(frames), np.bool_)
    return np.asarray(frames == rest)


_LISTENED, _BOERSMA = "no mean opinion score: read it beside that of recordings", "Boersma 1993"


@metric(
    FigureKind("harmonicity_db", "harmonicity", "higher", f"{_BOERSMA}, median of loud stretches", _LISTENED, "dB"),
    FigureKind(
        "clicks", "clicks a minute", "lower", "bends of the wave far beyond those around", "plosives may be counted", "1/min"
    ),
    place=22,
)
def _voice(_: Case, outcome: Clip) -> Measured:
    samples = sound_of(outcome)
    minutes = float(samples_to_seconds(len(samples))) / 60
    return {"harmonicity_db": harmonicity_db(periodic_heights(samples)), "clicks": count_clicks(samples) / minutes}


@metric(
    FigureKind("harmonicity_off", "harmonicity less the source's", "near", _BOERSMA, "languages sound different", "dB"),
    FigureKind("f0_off", "median pitch off the source's", "lower", _BOERSMA, "not its melody", "semitones"),
    needs={SOURCE},
    place=23,
)
def _beside_source(case: Case, outcome: Clip) -> Measured:
    """An octave is the distance of sound that has no pitch."""
    made, own = sound_of(outcome), sound_of(side(case.source, "source"))
    pitch, true = measure_pitch(made), measure_pitch(own)
    off = _OCTAVE * abs(math.log2(pitch.hz / true.hz)) if pitch is not None and true is not None else _OCTAVE
    return {
        "harmonicity_off": harmonicity_db(periodic_heights(made)) - harmonicity_db(periodic_heights(own)),
        "f0_off": Missing("the source has no pitch") if true is None else off,
    }


@metric(
    FigureKind(
        "floor_db", "noise between words", "lower", "level in pauses below the loudest 20 ms", "what plays behind counts", "dB"
    ),
    needs={EXTRACTOR},
    place=24,
)
def _pauses(_: Case, outcome: Clip) -> Measured:
    floor = noise_floor_db(sound_of(outcome), quiet_steps(outcome))
    return {"floor_db": Missing("it has no pause of 0.1 s") if floor is None else floor}
