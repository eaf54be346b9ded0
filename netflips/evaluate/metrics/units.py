"""Units against units: the share of units that differ from the reference's, repeats merged.

What it is not: errors that are heard; two units may sound nearly alike, and a translation in other words has a bad figure.
"""

from avcore.units import Ids, Units, edit_distance
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import SPEECH, FigureKind, Measured, metric, rate, side, sums_of_rate
from netflips.evaluate.needs import EXTRACTOR, REFERENCE

NAME = "unit_error_rate"


def unit_errors_of(found: Ids, reference: Ids) -> Measured:
    """`unit_error_rate` with its sums, of int64 [U] units, repeats and all."""
    given, wanted = Units(found).merged().ids, Units(reference).merged().ids
    return rate(NAME, edit_distance(given, wanted), len(wanted), "the reference has no units")


_KIND = FigureKind(
    NAME, "unit error rate", "lower", "edits over units of the reference", "not errors heard", sums=sums_of_rate(NAME)
)


@metric(_KIND, needs={REFERENCE, EXTRACTOR}, place=14, suits=(SPEECH,))
def _units(case: Case, outcome: Clip) -> Measured:
    return unit_errors_of(outcome.heard.ids, side(case.reference, "reference").heard.ids)
