"""Which of all sentences that a bundle knows a dub says: the nearest by units.

Nothing here is told what should have been said. What it is not: a figure of free speech, which is none of the sentences.
"""

from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import FigureKind, Measured, metric
from netflips.evaluate.needs import EXTRACTOR, PHRASEBOOK, REFERENCE_TEXT
from unit2text.scores import normalise_for_reading

_IS_NOT = "for sentences that the bundle knows only; no outside judge"


@metric(
    FigureKind("right", "right sentence, by nearest units", "higher", "the units", _IS_NOT, is_share=True),
    needs={REFERENCE_TEXT, EXTRACTOR, PHRASEBOOK},
    place=12,
    suits=(),
)
def _by_units(case: Case, outcome: Clip) -> Measured:
    found = case.model(PHRASEBOOK).of_units(outcome.heard)
    return {"right": float(normalise_for_reading(found) == normalise_for_reading(case.reference_text or ""))}
