"""Whose voice a dub has: the cosine of voice vectors, to the source's and to other people's.

Vectors are of the speaker encoder in use (GE2E, Wan et al. 2018, where it is the one that comes with NetfLips). The cosine alone
says little, for all voices are somewhat alike: the mean to others is taken off. What it is not: how natural a voice is, nor a
judgement from outside where the same encoder steered the vocoder.
"""

from collections.abc import Sequence

import numpy as np

from avcore.arrays import Floats
from netflips.evaluate.metrics.figures import Measured, Missing

FIGURES = ("speaker", "speaker_cosine")


def speaker_likeness(dub: Floats, source: Floats, others: Sequence[Floats]) -> Measured:
    """`speaker_cosine` to the source, -1 to 1, and `speaker`, that less the mean cosine to others.

    All are float [E]; they need not be of unit length. others: voices of other people, of the same set.
    """
    cosine = _cosine(dub, source)
    if isinstance(cosine, Missing):
        return dict.fromkeys(FIGURES, cosine)
    to_others = [one for one in (_cosine(dub, other) for other in others) if not isinstance(one, Missing)]
    if not to_others:
        return {"speaker": Missing("there is no other voice to compare with"), "speaker_cosine": cosine}
    return {"speaker": cosine - float(np.mean(to_others)), "speaker_cosine": cosine}


def _cosine(left: Floats, right: Floats) -> float | Missing:
    lengths = float(np.linalg.norm(left)) * float(np.linalg.norm(right))
    if not lengths:
        return Missing("a voice vector is zero")
    return float(np.dot(np.asarray(left, np.float64), np.asarray(right, np.float64))) / lengths
