"""Delivery: how far loudness and pitch rise and fall as in the source, phrase by phrase.

Phrases are stretches of speech (`avcore.speech.voice_activity`); where both have as many, each is compared with its own, else all
that is said is one. A contour is brought to the same number of points, so that a phrase may be longer than its source. What it is
not: right for the language; a question may rise in one and fall in another.
"""

import itertools

import numpy as np

from avcore.arrays import Doubles, Samples
from avcore.speech.figures import Phrase, phrases_of
from avcore.speech.pitch import PITCH_STEP, filled_log, pitch_track, without_jumps
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import FigureKind, Measured, Missing, metric, side, sound_of
from netflips.evaluate.needs import SOURCE

FIGURES = ("loudness_follows", "pitch_follows")
_POINTS = 20
"""Of a contour: a phrase of 2 s has one each 0.1 s."""
_FLOOR_DB = 40.0
"""Below the loudest: what is quieter counts as so loud."""


def delivery(made: Samples, source: Samples) -> Measured:
    """Correlations of the contours, -1 to 1, mean over phrases by their length; sounds float32 [S] at 16 kHz."""
    ours, theirs = phrases_of(made), phrases_of(source)
    if not ours or not theirs:
        return dict.fromkeys(FIGURES, Missing("one of them says nothing"))
    if len(ours) != len(theirs):
        ours, theirs = [(ours[0][0], ours[-1][1])], [(theirs[0][0], theirs[-1][1])]
    found: dict[str, float | Missing] = {}
    for name, own, true in zip(FIGURES, _contours(made), _contours(source), strict=True):
        likeness, weights = list[float](), list[int]()
        for ours_one, theirs_one in zip(ours, theirs, strict=True):
            left, right = _points(own, ours_one), _points(true, theirs_one)
            if min(left.std(), right.std()) >= 1e-6:
                likeness.append(float(np.corrcoef(left, right)[0, 1]))
                weights.append(theirs_one[1] - theirs_one[0])
        found[name] = float(np.average(likeness, weights=weights)) if weights else Missing("it does not rise or fall")
    return found


def _contours(speech: Samples) -> tuple[Doubles, Doubles]:
    """Loudness in dB and pitch in ln Hz, every 5 ms: float64 [T] each."""
    count = len(speech) // PITCH_STEP
    power = np.square(speech[: count * PITCH_STEP].astype(np.float64)).reshape(count, PITCH_STEP).mean(1)
    loudness = 10 * np.log10(np.maximum(power, power.max() * 10 ** (-_FLOOR_DB / 10) + 1e-12))
    pitch, _ = filled_log(without_jumps(pitch_track(speech)))
    return loudness, pitch.astype(np.float64)


def _points(contour: Doubles, phrase: Phrase) -> Doubles:
    """Means of equal parts of a phrase: float64 [20]."""
    edges = np.linspace(phrase[0] / PITCH_STEP, min(phrase[1] / PITCH_STEP, len(contour)), _POINTS + 1)
    return np.array([contour[int(start) : max(int(end), int(start) + 1)].mean() for start, end in itertools.pairwise(edges)])


_IS_NOT = "not right for the language: one may rise where another falls"


@metric(
    FigureKind("loudness_follows", "delivery: loudness as the source's", "higher", "correlation phrase by phrase", _IS_NOT),
    FigureKind("pitch_follows", "delivery: pitch as the source's", "higher", "correlation phrase by phrase", _IS_NOT),
    needs={SOURCE},
    place=35,
)
def _delivery(case: Case, outcome: Clip) -> Measured:
    return delivery(sound_of(outcome), sound_of(side(case.source, "source")))
