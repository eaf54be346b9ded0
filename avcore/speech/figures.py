"""Measures of speech at 16 kHz: spoken phrases, syllables, clicks, and the level of one voice that leaks through another.

Dubs are checked with them while they are made, and evaluated with them afterwards.
"""

import re

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Doubles, Samples
from avcore.speech.pitch import PITCH_STEP
from avcore.speech.voice_activity import find_speech
from avcore.timeline import SAMPLE_RATE, seconds_to_samples

_SYLLABLE = re.compile(r"[가-힣]|[aeiouyà-öø-ÿ]+|[0-9]", re.IGNORECASE)
"""Hangul writes syllables; elsewhere each group of vowels is one, and a digit counts as one."""
_LEAST_S = 0.3
_CLICK_TIMES = 12.0
"""A click is a bend of the wave that exceeds the usual bend in the 60 ms around it by this factor."""
_CLICK_REACH, _CLICK_OWN, _CLICK_FLOOR = 480, 16, 2e-4
_LEAK_NEAR, _LEAK_FAR = SAMPLE_RATE * 3 // 100, (SAMPLE_RATE // 2, SAMPLE_RATE * 3 // 2)
"""Lags in samples: those by which encoders and mixers shift a sound, and far ones that only measure chance."""
_LEAK_BLOCK = SAMPLE_RATE * 30
_LEAK_FLOOR, _LEAK_SURE = 1e-3, 0.95

Phrase = tuple[int, int]
"""The samples where a phrase begins and ends."""


def syllables(text: str) -> int:
    """Count the syllables of a text in Hangul or Latin letters."""
    return len(_SYLLABLE.findall(text))


def phrases_of(speech: Samples) -> list[Phrase]:
    """Return the stretches of speech float32 [S] that last 0.3 s or longer."""
    regions = (one.samples() for one in find_speech(speech))
    return [region for region in regions if region[1] - region[0] >= seconds_to_samples(_LEAST_S)]


def spoken_seconds(phrases: list[Phrase]) -> float:
    """Return the total length of phrases (s)."""
    return sum(end - start for start, end in phrases) / SAMPLE_RATE


def is_spoken(phrases: list[Phrase], length: int) -> NDArray[np.bool_]:
    """Return which samples belong to a phrase: bool [length]."""
    found = np.zeros(length, bool)
    for start, end in phrases:
        found[start:end] = True
    return found


def count_clicks(samples: Samples) -> int:
    """Count the places where the wave bends far more than around them; those within 5 ms count once."""
    bends = np.abs(np.diff(samples.astype(np.float64), 2))
    if len(bends) <= 2 * _CLICK_REACH:
        return 0

    # The usual bend is the RMS of the 60 ms around, without the 2 ms of the click itself, which would hide it.
    squares = np.concatenate([[0.0], np.cumsum(np.square(np.pad(bends, _CLICK_REACH)))])
    at = np.arange(len(bends)) + _CLICK_REACH
    whole = squares[at + _CLICK_REACH + 1] - squares[at - _CLICK_REACH]
    own = squares[at + _CLICK_OWN + 1] - squares[at - _CLICK_OWN]
    usual = np.sqrt(np.maximum(whole - own, 0) / (2 * (_CLICK_REACH - _CLICK_OWN)))
    places = np.flatnonzero(bends > _CLICK_TIMES * (usual + _CLICK_FLOOR))
    return int(len(places) and 1 + (np.diff(places) > PITCH_STEP).sum())


def leak(made: Samples, source: Samples) -> float:
    """Return how loud a source's speech still is in a dub, as a share of its level; 0 = no more than by chance.

    made, source: float32 [S] at 16 kHz. Least squares of the dub on the source's speech, at the best lag within 30 ms;
    frequencies are weighted by the root of their power, so that pitch repeats itself less. Equal ranges of far lags measure what
    chance reaches in 19 of 20.
    """
    length = min(len(made), len(source))
    spoken = np.where(is_spoken(phrases_of(source), len(source)), source, 0)[:length]
    # A power of two, in which no lag that is looked at meets the other end of the sound.
    size = 1 << (min(length, _LEAK_BLOCK) + 2 * _LEAK_FAR[1]).bit_length()
    cross, power = np.zeros(size // 2 + 1, np.complex128), np.zeros(size // 2 + 1)
    for start in range(0, length, _LEAK_BLOCK):
        blocks = (one[start : min(start + _LEAK_BLOCK, length)].astype(np.float64) for one in (made, spoken))
        ours, theirs = (np.fft.rfft(np.diff(block, prepend=0.0), size) for block in blocks)  # a hum is no speech
        cross += ours * np.conj(theirs)
        power += np.square(np.abs(theirs))

    if not power.any():
        return 0.0

    weights = 1 / np.sqrt(power + _LEAK_FLOOR * power.mean())
    gains = np.abs(np.fft.irfft(cross * weights, size)) * (size / 2) / (power * weights).sum()
    found = [_loudest(gains, start) for start in range(-_LEAK_FAR[1], _LEAK_FAR[1], 2 * _LEAK_NEAR) if abs(start) > _LEAK_FAR[0]]
    best = _loudest(gains, -_LEAK_NEAR)
    return best if best > np.quantile(found, _LEAK_SURE) else 0.0


def _loudest(gains: Doubles, start: int) -> float:
    """Return the largest gain among the 60 ms of lags from `start` on."""
    return float(np.take(gains, range(start, start + 2 * _LEAK_NEAR), mode="wrap").max())
