"""What a viewer sees at once of drawn lips: that they move while nothing is said, stay open where b, m and p close them, or snap.

Openings are the face mesh's (the gap between the lips over the distance between the eyes' corners). When b, m and p are said is
espeak-ng's time of them in the reference text, carried to the sound by dynamic time warping. What they are not: whether the rest
of the mouth fits, which sync measures tell.
"""

from collections.abc import Sequence

import numpy as np

from avcore.arrays import Floats
from avcore.speech.voice_activity import find_speech
from avcore.timeline import FRAME_RATE
from netflips.aligned import phonemes_in
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import DUBS, FigureKind, Measured, Missing, metric, rate, sound_of
from netflips.evaluate.needs import FACES, REFERENCE_TEXT, package

_LEAK_SUMS, _CLOSURE_SUMS = ("lip_leak_pictures", "lip_leak_quiet"), ("closures_closed", "closures_said")
_AROUND_S = 0.2
"""Before and after speech a mouth opens and closes for it."""
_MOVES = 0.02
"""Change of the opening from one picture to the next that is a movement, and no jitter of the mesh (0.005)."""
_USUAL = 90
"""Percentile of changes of the opening that says how fast lips usually are."""
_CLOSED = 0.03
_REACH_S = 0.04
"""How far from where b, m or p is found the lips may close: one picture, and the error of finding it."""
_LIPS = "bmp"
"""First letters of espeak-ng's names of sounds that close the lips: b, m, p, ph, pp, p-."""


def lip_leak(openings: Floats, spoken: Sequence[tuple[float, float]]) -> Measured:
    """`lip_leak`: the share of pictures in which the mouth moves while nothing is said, with its sums.

    openings: float [T], a picture each 1 / 25 s, NaN where the mouth is not seen. spoken: start and end of what is said, in
    seconds.
    """
    times = (np.arange(len(openings)) + 0.5) / FRAME_RATE
    quiet = np.ones(len(openings), np.bool_)
    for start, end in spoken:
        quiet &= (times < start - _AROUND_S) | (times > end + _AROUND_S)
    moves = np.abs(np.diff(openings, prepend=openings[:1]))
    seen = quiet & np.isfinite(moves)
    return rate("lip_leak", ((moves > _MOVES) & seen).sum(), seen.sum(), "nowhere it is silent", _LEAK_SUMS)


def closures(openings: Floats, said: Sequence[tuple[float, float]]) -> Measured:
    """`closures`: the share of b, m and p for which the lips close, with its sums. said: start and end of each, in seconds."""
    times = (np.arange(len(openings)) + 0.5) / FRAME_RATE
    around = [openings[(times > start - _REACH_S) & (times < end + _REACH_S)] for start, end in said]
    least = np.array([np.nanmin(part) for part in around if np.isfinite(part).any()])
    return rate("closures", (least < _CLOSED).sum(), len(least), "no b, m or p is seen", _CLOSURE_SUMS)


def speed(openings: Floats) -> Measured:
    """`lip_speed` and `lip_snap`: the 90th percentile and the largest change of the opening from one picture to the next."""
    changes = np.abs(np.diff(openings))
    seen = changes[np.isfinite(changes)]
    if not len(seen):
        return dict.fromkeys(("lip_speed", "lip_snap"), Missing("no mouth is seen"))
    return {"lip_speed": float(np.percentile(seen, _USUAL)), "lip_snap": float(seen.max())}


@metric(
    FigureKind(
        "lip_leak", "lips that move in silence (LipLeak)", "lower", "mesh openings, share of silent pictures",
        "a breath or a smile counts", sums=_LEAK_SUMS,
    ),
    needs={FACES}, place=63, suits=(DUBS,), of_pairs=True,
)  # fmt: skip
def _leak(_: Case, outcome: Clip) -> Measured:
    return lip_leak(outcome.openings(), [(one.start_s, one.end_s) for one in find_speech(outcome.speech)])


@metric(
    FigureKind(
        "closures", "b, m and p with closed lips", "higher", "mesh openings at espeak-ng's times, aligned",
        "words that are said otherwise than written are looked for elsewhere", sums=_CLOSURE_SUMS,
    ),
    needs={FACES, REFERENCE_TEXT, package("espeakng_loader")}, place=64, suits=(DUBS,), of_pairs=True,
)  # fmt: skip
def _closures(case: Case, outcome: Clip) -> Measured:
    found = phonemes_in(sound_of(outcome), case.reference_text or "", case.language)
    return closures(outcome.openings(), [(start, end) for name, start, end in found if name[0] in _LIPS])


@metric(
    FigureKind(
        "lip_speed", "change of the opening in 40 ms, 90 % below", "near", "mesh openings, distances of the eyes' corners",
        "a real person's: 0.02 to 0.04; the row of the source tells this one's",
    ),
    FigureKind(
        "lip_snap", "largest change of the opening in 40 ms", "near", "mesh openings, distances of the eyes' corners",
        "a real person's: 0.04 to 0.08; a picture that the mesh reads wrong counts",
    ),
    needs={FACES}, place=65, suits=(DUBS,), of_pairs=False,
)  # fmt: skip
def _speed(_: Case, outcome: Clip) -> Measured:
    return speed(outcome.openings())
