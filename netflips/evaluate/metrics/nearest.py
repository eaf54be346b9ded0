"""Which of all sentences that a bundle knows a dub says: the nearest by units, and by what the recognizer writes.

Nothing here is told what should have been said. What it is not: a figure of free speech, which is none of the sentences.
"""

from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import Kind, Measured, metric
from netflips.evaluate.needs import EXTRACTOR, PHRASEBOOK, RECOGNIZER, REFERENCE_TEXT
from unit2text.normalise import normalise

_IS_NOT = "for sentences that the bundle knows only"


def _right(found: str, case: Case) -> float:
    return float(normalise(found) == normalise(case.reference_text or ""))


@metric(
    Kind("right", "right sentence, by nearest units", "higher", "the units", f"{_IS_NOT}; no outside judge", is_share=True),
    needs={REFERENCE_TEXT, EXTRACTOR, PHRASEBOOK},
    place=12,
    suits=(),
)
def _by_units(case: Case, outcome: Clip) -> Measured:
    return {"right": _right(case.model(PHRASEBOOK).of_units(outcome.heard), case)}


@metric(
    Kind("right_heard", "right sentence, by nearest text", "higher", "the recognizer", _IS_NOT, is_share=True),
    needs={REFERENCE_TEXT, RECOGNIZER, PHRASEBOOK},
    place=13,
    suits=(),
)
def _by_text(case: Case, outcome: Clip) -> Measured:
    return {"right_heard": _right(case.model(PHRASEBOOK).of_text(outcome.text), case) if outcome.text.strip() else 0.0}
