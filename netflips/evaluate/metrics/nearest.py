"""Which of all sentences that a bundle knows a dub says: the nearest by units, and by what the recognizer writes.

Nothing here is told what should have been said. Silence at the ends counts for nothing: whether a sentence ends with a step of it
is chance, and no speech. What it is not: a figure of free speech, which is none of the sentences.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from avcore.checkpoints.bundle import Bundle
from avcore.errors import InputError
from avcore.files import require_file
from avcore.units import Ids, Units
from avcore.units.edit_distance import edit_distances
from netflips.bundles.references import Reference, read_references
from netflips.evaluate.metric import EXTRACTOR, PHRASEBOOK, RECOGNIZER, REFERENCE_TEXT, Case, Clip, Kind, Measured, Metric
from unit2text.normalise import normalise

_SILENCE = ("_:", "_")
"""What a bundle calls units that are silence."""


class KnownSentences:
    """All sentences of a bundle, and the search for the nearest by edit distance over the longer length."""

    def __init__(self, references: Sequence[Reference], silences: Collection[int] = ()) -> None:
        """silences: units that are silence. Raises InputError without any reference."""
        if not references:
            raise InputError("there are no reference sentences")
        self.units = {one.text: one.units for one in references}
        self._silences = list(silences)
        self._ids = [self._spoken(units) for units in self.units.values()]
        self._letters = [_letters(text) for text in self.units]

    @classmethod
    def read(cls, bundle: Bundle) -> "KnownSentences":
        """Those of a bundle, with the phones that it calls its units. Raises InputError or UnitError."""
        phones = bundle.about.get("phones") or ()
        silences = [unit for unit, name in enumerate(phones) if name in _SILENCE]
        return cls(read_references(require_file(Path(bundle.references), "the bundle's reference units")), silences)

    def of_units(self, units: Units) -> str:
        """The sentence whose units are nearest."""
        return self._nearest(self._spoken(units), self._ids)

    def of_text(self, text: str) -> str:
        """The sentence whose letters are nearest, blanks and marks left out."""
        return self._nearest(_letters(text), self._letters)

    def _nearest(self, own: Ids, all_of: Sequence[Ids]) -> str:
        lengths = np.array([len(one) for one in all_of])
        return list(self.units)[int((edit_distances(own, all_of) / np.maximum(lengths, max(len(own), 1))).argmin())]

    def _spoken(self, units: Units) -> Ids:
        """Units without repeats, and without silence at the ends."""
        ids = units.merged().ids
        heard = np.flatnonzero(~np.isin(ids, self._silences))
        return ids[heard[0] : heard[-1] + 1] if len(heard) else ids[:0]


def _letters(text: str) -> Ids:
    return np.array([ord(letter) for letter in normalise(text) if letter != " "], np.int64)


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
                _IS_NOT + "; no outside judge",
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
