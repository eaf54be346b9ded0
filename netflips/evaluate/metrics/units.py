"""Units against units: the share of units that differ from the reference's, repeats merged.

What it is not: errors that are heard; two units may sound nearly alike, and a translation in other words has a bad figure.
"""

from avcore.units import Ids, Units
from avcore.units.edit_distance import edit_distance
from netflips.evaluate.metric import EXTRACTOR, REFERENCE, SPEECH, Case, Clip, Kind, Measured, Metric, Missing, side

NAME = "unit_error_rate"
SUMS = f"{NAME}_errors", f"{NAME}_length"


def unit_errors_of(found: Ids, reference: Ids) -> Measured:
    """`unit_error_rate` with its sums, of int64 [U] units, repeats and all."""
    given, wanted = Units(found).merged().ids, Units(reference).merged().ids
    if not len(wanted):
        return {NAME: Missing("the reference has no units")}
    errors = edit_distance(given, wanted)
    return {NAME: errors / len(wanted), SUMS[0]: float(errors), SUMS[1]: float(len(wanted))}


def _measure(case: Case, outcome: Clip) -> Measured:
    return unit_errors_of(outcome.heard.ids, side(case.reference, "reference").heard.ids)


METRICS = (
    Metric(
        _measure,
        frozenset({REFERENCE, EXTRACTOR}),
        {NAME: Kind("unit error rate", "", "lower", "edits over units of the reference", "not errors that are heard", SUMS)},
        place=14,
        suits=(SPEECH,),
    ),
)
