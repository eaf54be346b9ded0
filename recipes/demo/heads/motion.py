"""Movement of a speaking head: its mouth, from timed phonemes, and slow turns, nods and blinks, all from a seed.

Phonemes are espeak-ng's mnemonics for English and Korean. Each has one target for the mouth, or two (diphthongs). Targets of
neighbours are blended by dominance, after Cohen & Massaro, "Modeling coarticulation in synthetic visual speech" (1993): a lip
consonant dominates its neighbours, a sound made at the back of the mouth takes their shape.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avcore.speech.espeak import Phoneme
from avcore.timeline import frames_to_seconds
from netflips.portraits.motion import blinks, wander
from recipes.demo.heads.camera import Pose

_YAW, _PITCH, _ROLL, _SHIFT, _SCALE = 0.16, 0.07, 0.05, 0.012, 0.012
"""Size of the movements: radians, shares of the frame's side, share of the head's size."""
LOG = logging.getLogger(__name__)


def motion(seed: int, num_frames: int, around: Pose | None = None, amount: float = 1.0) -> list[Pose]:
    """Move a head smoothly around a pose at 25 fps.

    The same seed gives the same movement, and a shorter one is the beginning of a longer one. amount: 0 = blinks only, 1 = as in
    normal speech.
    """
    rest = around or Pose()
    seconds = np.array([float(frames_to_seconds(frame)) for frame in range(num_frames)])
    rng = np.random.default_rng([seed, 2])
    yaw, pitch, roll, right, down, size = (
        amount * reach * wander(rng, seconds) for reach in (_YAW, _PITCH, _ROLL, _SHIFT, _SHIFT, _SCALE)
    )
    closed = blinks(np.random.default_rng([seed, 3]), num_frames)
    return [
        replace(
            rest,
            yaw=rest.yaw + float(yaw[frame]),
            pitch=rest.pitch + float(pitch[frame]),
            roll=rest.roll + float(roll[frame]),
            shift=(rest.shift[0] + float(right[frame]), rest.shift[1] + float(down[frame])),
            scale=rest.scale * (1 + float(size[frame])),
            blink=max(rest.blink, float(closed[frame])),
        )
        for frame in range(num_frames)
    ]


class Viseme(NamedTuple):
    """A target shape of the mouth."""

    opening: float
    """0 to 1"""
    width: float
    """-1 (round) to 1 (spread)"""
    strength: float
    """its weight against the targets of neighbours"""


_SPREAD = 0.05
"""Seconds in which a phoneme's influence falls to a third before and after it. People's lips move by less than 0.15 of their range
in nine of ten frames; with 0.03 these moved by 0.25."""
_CORE = 0.2
"""Share of a phoneme's time with full influence."""
_REST = Viseme(0.0, 0.0, 0.1)
"""Shape of the mouth where no phoneme has influence."""
_UNKNOWN = Viseme(0.25, 0.0, 0.4)

_CONSONANTS: dict[Viseme, str] = {
    Viseme(0.0, 0.0, 5.0): "p b m ph",
    Viseme(0.05, 0.1, 3.0): "f v",
    Viseme(0.05, -0.9, 2.0): "w w#",
    Viseme(0.15, 0.15, 1.0): "T D",
    Viseme(0.13, 0.3, 1.0): "s z",
    Viseme(0.15, 0.2, 0.7): "t d n th t[ d[",
    Viseme(0.20, 0.1, 0.7): "l L *",
    Viseme(0.18, -0.45, 1.2): "S Z tS dZ tSh",
    Viseme(0.20, -0.45, 0.8): "r",
    Viseme(0.15, 0.5, 0.8): "j",
    Viseme(0.28, 0.0, 0.1): "k g N x h kh q ?",
    Viseme(0.0, 0.0, 1.0): "_ _:",
}
_VOWELS_EN: dict[tuple[Viseme, ...], str] = {
    (Viseme(0.95, 0.1, 1.0),): "A: A a aa",
    (Viseme(0.70, 0.0, 1.0),): "V a# VR 0 O2",
    (Viseme(0.65, 0.3, 1.0),): "E",
    (Viseme(0.32, 0.0, 0.6),): "@ @- @2 @5 @L 3 3: IR",
    (Viseme(0.30, 0.5, 0.9),): "I I2 I# i",
    (Viseme(0.22, 0.85, 1.0),): "i:",
    (Viseme(0.65, -0.6, 1.0),): "O O:",
    (Viseme(0.28, -0.6, 1.0),): "U",
    (Viseme(0.20, -0.95, 1.0),): "u:",
    (Viseme(0.90, 0.2, 1.0), Viseme(0.30, 0.5, 0.9)): "aI",
    (Viseme(0.90, 0.1, 1.0), Viseme(0.25, -0.8, 1.0)): "aU",
    (Viseme(0.55, 0.4, 1.0), Viseme(0.25, 0.7, 0.9)): "eI",
    (Viseme(0.55, -0.6, 1.0), Viseme(0.22, -0.9, 1.0)): "oU",
    (Viseme(0.60, -0.7, 1.0), Viseme(0.28, 0.5, 0.9)): "OI",
    (Viseme(0.90, 0.1, 1.0), Viseme(0.32, 0.0, 0.6)): "A@ aI@ aI3",
    (Viseme(0.58, 0.3, 1.0), Viseme(0.32, 0.0, 0.6)): "e@",
    (Viseme(0.28, 0.6, 1.0), Viseme(0.32, 0.0, 0.6)): "i@ i@3",
    (Viseme(0.60, -0.6, 1.0), Viseme(0.32, -0.2, 0.6)): "O@ o@",
    (Viseme(0.25, -0.7, 1.0), Viseme(0.32, -0.1, 0.6)): "U@",
}
_VOWELS_KO: dict[tuple[Viseme, ...], str] = {
    (Viseme(0.90, 0.1, 1.0),): "a",
    (Viseme(0.55, -0.1, 1.0),): "@ V",
    (Viseme(0.42, -0.8, 1.0),): "o",
    (Viseme(0.20, -0.95, 1.0),): "u",
    (Viseme(0.20, 0.4, 1.0),): "u-",
    (Viseme(0.22, 0.8, 1.0),): "i",
    (Viseme(0.50, 0.45, 1.0),): "e E",
}


def _table(vowels: dict[tuple[Viseme, ...], str]) -> dict[str, tuple[Viseme, ...]]:
    table = {name: (target,) for target, names in _CONSONANTS.items() for name in names.split()}
    return table | {name: targets for targets, names in vowels.items() for name in names.split()}


VISEMES = {"en": _table(_VOWELS_EN), "ko": _table(_VOWELS_KO)}
"""Targets for each mnemonic of a language."""

_MARKS = ";:'%,=|~"
"""Marks that espeak-ng reports as phonemes of their own; they do not move the mouth."""
_VARIANTS = "0123456789#-;:^[]'~%,*"
"""Endings of variants of a phoneme, which look the same."""


@cache
def visemes_of(mnemonic: str, language: str) -> tuple[Viseme, ...]:
    """Return the mouth's targets for a phoneme of a language ("en" or "ko"); none for marks, an average for unknown phonemes."""
    table = VISEMES[language]
    name = mnemonic.lstrip(_MARKS)
    while name and name not in table and name[-1] in _VARIANTS:
        name = name[:-1]
    if not name:
        return ()
    if name not in table:
        LOG.warning("no mouth shape is known for phoneme %r of %s; an average one is used", mnemonic, language)
        return (_UNKNOWN,)
    return table[name]


def mouth_track(
    phonemes: Sequence[Phoneme], num_frames: int, language: str, articulation: float = 1.0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Move the mouth through timed phonemes at 25 fps.

    language: "en" or "ko". articulation: above 1, the mouth opens wider and neighbours blend less, as in clear speech. Returns
    opening (0 to 1) and width (-1 to 1), float32 [num_frames] each, at the times at which the frames appear.
    """
    times = np.array([float(frames_to_seconds(frame)) for frame in range(num_frames)])
    weighted = np.tile(np.array([_REST.opening, _REST.width], dtype=np.float64) * _REST.strength, (num_frames, 1))
    total = np.full(num_frames, _REST.strength)
    spread = _SPREAD / articulation**2
    for target, start, end in _targets(phonemes, language):
        edge = (end - start) * (1 - _CORE) / 2
        first, last = np.searchsorted(times, [start - 6 * spread, end + 6 * spread])
        near = times[first:last]
        outside = np.maximum(np.maximum(start + edge - near, near - end + edge), 0)
        influence = target.strength * np.exp(-outside / spread)
        weighted[first:last] += influence[:, None] * (target.opening, target.width)
        total[first:last] += influence
    opening, width = (weighted / total[:, None]).T.astype(np.float32)
    return np.clip(articulation * opening, 0, 1), np.clip(width, -1, 1)


def _targets(phonemes: Sequence[Phoneme], language: str) -> Iterator[tuple[Viseme, float, float]]:
    """Yield targets with their start and end; a phoneme with two targets divides its time between them."""
    for mnemonic, start, end in phonemes:
        targets = visemes_of(mnemonic, language)
        step = (end - start) / max(len(targets), 1)
        for number, target in enumerate(targets):
            yield target, start + number * step, start + (number + 1) * step
