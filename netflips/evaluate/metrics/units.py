"""Units against units: the share of units that differ from the reference's, repeats merged.

What it is not: errors that are heard; two units may sound nearly alike, and a translation in other words has a bad figure.
"""

from avcore.units import Ids, Units
from avcore.units.edit_distance import edit_distance
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import SPEECH, Kind, Measured, Metric, rate, side, sums_of_rate
from netflips.evaluate.needs import EXTRACTOR, REFERENCE

NAME = "unit_error_rate"


def unit_errors_of(found: Ids, reference: Ids) -> Measured:
    """`unit_error_rate` with its sums, of int64 [U] units, repeats and all."""
    given, wanted = Units(found).merged().ids, Units(reference).merged().ids
    return rate(NAME, edit_distance(given, wanted), len(wanted), "the reference has no units")


def _measure(case: Case, outcome: Clip) -> Measured:
    return unit_errors_of(outcome.heard.ids, side(case.reference, "reference").heard.ids)


_KIND = Kind("unit error rate", "", "lower", "edits over units of the reference", "not errors that are heard", sums_of_rate(NAME))
METRICS = (Metric(_measure, frozenset({REFERENCE, EXTRACTOR}), {NAME: _KIND}, place=14, suits=(SPEECH,)),)
