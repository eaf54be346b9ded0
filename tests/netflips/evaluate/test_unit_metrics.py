"""Units against units of one utterance, on errors that were made on purpose."""

import numpy as np

from netflips.evaluate.metric import Missing
from netflips.evaluate.metrics.units import unit_errors_of
from tests.netflips.evaluate.made import values


def test_errors_that_were_made_are_counted_and_repeats_are_not() -> None:
    reference = np.arange(20)
    found = np.repeat(reference, 3)
    assert values(unit_errors_of(found, reference))["unit_error_rate"] == 0
    found[30:33] = 99
    wrong = values(unit_errors_of(found, reference))
    assert (wrong["unit_error_rate"], wrong["unit_error_rate_errors"], wrong["unit_error_rate_length"]) == (0.05, 1, 20)
    assert isinstance(unit_errors_of(found, np.zeros(0, np.int64))["unit_error_rate"], Missing)
