"""Units against units of one utterance and by groups, on errors that were made on purpose."""

import numpy as np

from netflips.evaluate.metric import Missing
from netflips.evaluate.metrics.units import unit_errors_of
from netflips.evaluate.unit_scores import Pair, scores_by_certainty, scores_by_length
from tests.netflips.evaluate.made import values


def test_errors_that_were_made_are_counted_and_repeats_are_not() -> None:
    reference = np.arange(20)
    found = np.repeat(reference, 3)
    assert values(unit_errors_of(found, reference))["unit_error_rate"] == 0
    found[30:33] = 99
    wrong = values(unit_errors_of(found, reference))
    assert (wrong["unit_error_rate"], wrong["unit_error_rate_errors"], wrong["unit_error_rate_length"]) == (0.05, 1, 20)
    assert isinstance(unit_errors_of(found, np.zeros(0, np.int64))["unit_error_rate"], Missing)


def test_groups_by_length_and_by_score() -> None:
    pairs = [Pair.of(str(n), np.arange(n) + (n > 20), np.arange(n)) for n in (10, 12, 30, 60)]
    lengths = scores_by_length(pairs, (20, 50))
    assert {name: one.utterances for name, one in lengths.items()} == {"0 to 19": 2, "20 to 49": 1, "50 or more": 1}
    assert lengths["0 to 19"].unit_error_rate == 0
    assert lengths["20 to 49"].unit_error_rate > 0
    scores = scores_by_certainty(pairs, [-0.1, -0.2, -2.0, -1.0], groups=2)
    assert list(scores) == ["1: -2.000 to -1.000", "2: -0.200 to -0.100"]
    assert [one.unit_error_rate > 0 for one in scores.values()] == [True, False]
