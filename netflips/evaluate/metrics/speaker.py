"""Whose voice a dub has: cosines of voice vectors to the source's, to other people's, and to the reference's, as of a teacher.

Vectors are of the speaker encoder in use (GE2E, Wan et al. 2018, where it is the one that comes with NetfLips); `--judge
speaker=FILE` adds an encoder from outside, such as WavLM's for speaker verification: an ONNX file that takes sound at 16 kHz,
float32 [1, S], and answers with a vector [1, E]. A cosine alone says little, for all voices are somewhat alike: those to others
stand beside it. What it is not: how natural a voice is, nor a judgement from outside where the same encoder steered the vocoder.
"""

from collections.abc import Sequence

import numpy as np

from avcore.arrays import Floats
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import Kind, Measured, Metric, Missing, side, sound_of
from netflips.evaluate.needs import OTHERS, REFERENCE, SOURCE, SPEAKER, user_judge
from netflips.evaluate.onnx_judge import asked

_OUTSIDE = user_judge("speaker")


def speaker_likeness(made: Floats, source: Floats, others: Sequence[Floats]) -> Measured:
    """`speaker_cosine` to the source, -1 to 1, `speaker_others`, the mean to others, and `speaker`, the former less the latter.

    All are float [E]; they need not be of unit length. others: voices of other people, of the same set.
    """
    own, to_others = cosine(made, source), [cosine(made, other) for other in others]
    known = [one for one in to_others if not isinstance(one, Missing)]
    usual = float(np.mean(known)) if known else Missing("there is no other voice to compare with")
    lost = next((one for one in (own, usual) if isinstance(one, Missing)), None)
    return {"speaker": lost or float(own) - float(usual), "speaker_cosine": own, "speaker_others": usual}  # type: ignore[arg-type]


def cosine(left: Floats, right: Floats) -> float | Missing:
    """The cosine of two vectors, float [E]."""
    lengths = float(np.linalg.norm(left)) * float(np.linalg.norm(right))
    if not lengths:
        return Missing("a voice vector is zero")
    return float(np.dot(np.asarray(left, np.float64), np.asarray(right, np.float64))) / lengths


def _measure(case: Case, outcome: Clip) -> Measured:
    return speaker_likeness(outcome.voice, side(case.source, "source").voice, case.other_voices)


def _alone(case: Case, outcome: Clip) -> Measured:
    return {"speaker_cosine": cosine(outcome.voice, side(case.source, "source").voice)}


def _reference(case: Case, outcome: Clip) -> Measured:
    return {"speaker_reference": cosine(outcome.voice, side(case.reference, "reference").voice)}


def _outside(case: Case, outcome: Clip) -> Measured:
    path = case.model(_OUTSIDE)
    vectors = [asked(path, sound_of(clip)) for clip in (outcome, side(case.source, "source"))]
    return {"speaker_outside": cosine(*vectors)}


_ENCODER, _ALIKE = "vectors of the speaker encoder", "all voices are alike: read it beside that to others"
METRICS = (
    Metric(
        _measure,
        frozenset({SOURCE, SPEAKER, OTHERS}),
        {
            "speaker": Kind("speaker: cosine to source less others", "", "higher", _ENCODER, "not naturalness"),
            "speaker_others": Kind("speaker: cosine to others", "", "lower", _ENCODER, _ALIKE),
        },
        place=30,
    ),
    Metric(
        _alone,
        frozenset({SOURCE, SPEAKER}),
        {"speaker_cosine": Kind("speaker: cosine to source", "", "higher", _ENCODER, _ALIKE)},
        place=31,
    ),
    Metric(
        _reference,
        frozenset({REFERENCE, SPEAKER}),
        {"speaker_reference": Kind("speaker: cosine to the reference's voice", "", "near", _ENCODER, _ALIKE)},
        place=32,
    ),
    Metric(
        _outside,
        frozenset({SOURCE, _OUTSIDE}),
        {"speaker_outside": Kind("speaker: cosine to source, by --judge", "", "higher", "vectors of the ONNX file", _ALIKE)},
        place=33,
    ),
)
