"""Which of all sentences that a bundle knows a dub says: the nearest by units, and by what the recognizer writes.

Nothing here is told what should have been said. What it is not: a figure of free speech, which is none of the sentences.
"""

from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import Kind, Measured, Metric
from netflips.evaluate.needs import EXTRACTOR, PHRASEBOOK, RECOGNIZER, REFERENCE_TEXT
from unit2text.normalise import normalise


def _right(found: str, case: Case, name: str) -> Measured:
    return {name: float(normalise(found) == normalise(case.reference_text or ""))}


def _by_units(case: Case, outcome: Clip) -> Measured:
    return _right(case.model(PHRASEBOOK).of_units(outcome.heard), case, "right")


def _by_text(case: Case, outcome: Clip) -> Measured:
    if not outcome.text.strip():
        return {"right_heard": 0.0}
    return _right(case.model(PHRASEBOOK).of_text(outcome.text), case, "right_heard")


_IS_NOT = "for sentences that the bundle knows only"
METRICS = (
    Metric(
        _by_units,
        frozenset({REFERENCE_TEXT, EXTRACTOR, PHRASEBOOK}),
        {
            "right": Kind(
                "right sentence, by nearest units",
                "",
                "higher",
                "units of the sound",
                f"{_IS_NOT}; no outside judge",
                is_share=True,
            )
        },
        place=12,
        suits=(),
    ),
    Metric(
        _by_text,
        frozenset({REFERENCE_TEXT, RECOGNIZER, PHRASEBOOK}),
        {"right_heard": Kind("right sentence, by nearest text", "", "higher", "the recognizer", _IS_NOT, is_share=True)},
        place=13,
        suits=(),
    ),
)
