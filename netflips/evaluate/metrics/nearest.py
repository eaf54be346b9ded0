"""Which of all sentences of a bundle a recogniser hears in a dub: the nearest by letters.

The sentence that should be said is one of them, also where the bundle does not have it. Letters of Hangul are jamo, blanks and
marks count for nothing, and a tie with another sentence is wrong. What it is not: a figure of free speech, which is like none of
the sentences whatever is wrong with it.
"""

import unicodedata

import numpy as np

from avcore.units import Ids, edit_distances
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import FigureKind, Measured, metric
from netflips.evaluate.needs import PHRASEBOOK, RECOGNIZER, REFERENCE_TEXT
from unit2text.text import normalise_for_reading

_IS_NOT = "a choice among the bundle's sentences: no measure of free speech"


@metric(
    FigureKind("right", "right sentence recognised", "higher", "edit distance", _IS_NOT, is_share=True),
    needs={REFERENCE_TEXT, RECOGNIZER, PHRASEBOOK},
    place=12,
    suits=(),
)
def _by_text(case: Case, outcome: Clip) -> Measured:
    heard, wanted = _letters(outcome.text), _letters(case.reference_text or "")
    others = [one for one in map(_letters, case.model(PHRASEBOOK)) if not np.array_equal(one, wanted)]
    known = [wanted, *others]
    lengths = np.array([len(one) for one in known])
    distances = edit_distances(heard, known) / np.maximum(np.maximum(lengths, len(heard)), 1)
    return {"right": float(bool((distances[0] < distances[1:]).all() and distances[0] < 1))}


def _letters(text: str) -> Ids:
    """Return the letters of a text, without blanks, as int64 [letters]."""
    return np.array([ord(one) for one in unicodedata.normalize("NFD", "".join(normalise_for_reading(text).split()))], np.int64)
