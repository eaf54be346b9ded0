"""Speaker similarity: cosines of a dub's voice vector to the source's, to those of other people, and to the reference's, such as a
teacher's.

The vectors are those of the speaker encoder in use (GE2E, Wan et al. 2018, for the one that comes with NetfLips). `--judge
speaker=PATH` adds an independent encoder, such as WavLM's for speaker verification: an ONNX file, or a folder with one, that takes
sound at 16 kHz, float32 [1, S], and returns a vector [1, E]. A cosine alone says little, because all voices are somewhat alike:
those to others stand beside it. These figures do not show how natural a voice is, and are not independent where the same encoder
steered the vocoder.
"""

import numpy as np

from avcore.arrays import Floats
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.judges import asked
from netflips.evaluate.metric import FigureKind, Measured, Missing, metric, sound_of

_ENCODER, _ALIKE = "vectors of the speaker encoder", "all voices are alike: read it beside that to others"


def cosine(left: Floats, right: Floats) -> float | Missing:
    """Return the cosine of two vectors, float [E]."""
    lengths = float(np.linalg.norm(left)) * float(np.linalg.norm(right))
    if not lengths:
        return Missing("a voice vector is zero")
    return float(np.dot(np.asarray(left, np.float64), np.asarray(right, np.float64))) / lengths


@metric(
    FigureKind("speaker", "speaker: cosine to source less others", "higher", _ENCODER, "not naturalness"),
    FigureKind("speaker_others", "speaker: cosine to others", "lower", _ENCODER, _ALIKE),
    needs={"source", "speaker", "others"},
    place=30,
)
def _among_others(case: Case, outcome: Clip) -> Measured:
    """Return the cosine to the source less the mean of the cosines to others, and that mean."""
    own, to_others = cosine(outcome.voice, case.source.voice), [cosine(outcome.voice, other) for other in case.other_voices]
    known = [one for one in to_others if not isinstance(one, Missing)]
    usual = float(np.mean(known)) if known else Missing("there is no other voice to compare with")
    lost = next((one for one in (own, usual) if isinstance(one, Missing)), None)
    return {"speaker": lost or float(own) - float(usual), "speaker_others": usual}  # type: ignore[arg-type]


@metric(
    FigureKind("speaker_cosine", "speaker: cosine to source", "higher", _ENCODER, _ALIKE), needs={"source", "speaker"}, place=31
)
def _alone(case: Case, outcome: Clip) -> Measured:
    return {"speaker_cosine": cosine(outcome.voice, case.source.voice)}


@metric(
    FigureKind("speaker_reference", "speaker: cosine to the reference's voice", "near", _ENCODER, _ALIKE),
    needs={"reference", "speaker"},
    place=32,
)
def _reference(case: Case, outcome: Clip) -> Measured:
    return {"speaker_reference": cosine(outcome.voice, case.reference.voice)}


@metric(
    FigureKind("speaker_outside", "speaker: cosine to source, by --judge", "higher", "vectors of the ONNX file", _ALIKE),
    needs={"source", "judge:speaker"},
    place=33,
)
def _outside(case: Case, outcome: Clip) -> Measured:
    made, own = (asked(case.model("judge:speaker"), sound_of(clip)) for clip in (outcome, case.source))
    return {"speaker_outside": cosine(made, own)}
