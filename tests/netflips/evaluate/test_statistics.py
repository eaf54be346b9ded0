"""Intervals over clips and two runs compared: beside scipy's bootstrap, and where the answer is known."""

import numpy as np
import pytest
from scipy.stats import bootstrap as scipys

from avcore.errors import InputError
from avcore.statistics import bootstrap
from netflips.evaluate.by_clip import paired_bootstrap

_RNG = np.random.default_rng(5)
VALUES = _RNG.gamma(2.0, 1.0, size=60)


def test_intervals_are_those_of_scipys_bootstrap() -> None:
    found = bootstrap(VALUES)
    theirs = scipys((VALUES,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(1)).confidence_interval
    assert found.value == pytest.approx(VALUES.mean())
    assert found.low == pytest.approx(theirs.low, abs=0.04)
    assert found.high == pytest.approx(theirs.high, abs=0.04)
    assert found.n == 60
    assert bootstrap(VALUES) == found


def test_a_rate_is_that_of_the_sums() -> None:
    found = bootstrap([1, 0, 10], [10, 10, 10])
    assert found.value == pytest.approx(11 / 30)
    assert found.low < found.value < found.high
    assert bootstrap([1, 9], [1, 99]).value == pytest.approx(0.1)  # not the mean of 1 and 0.09


def test_one_clip_says_nothing_of_others_and_none_is_an_error() -> None:
    alone = bootstrap([0.5])
    assert (alone.value, alone.n) == (0.5, 1)
    assert np.isnan([alone.low, alone.high]).all()
    with pytest.raises(InputError, match="nothing to measure"):
        bootstrap([])
    with pytest.raises(InputError, match="nothing to measure"):
        bootstrap([1.0], [0.0])


def test_a_small_gain_on_every_clip_is_significant_though_clips_differ_much() -> None:
    found = paired_bootstrap(VALUES, VALUES + 0.05 + _RNG.normal(scale=0.02, size=60))
    assert found.is_significant
    assert found.low > 0
    assert found.value == pytest.approx(0.05, abs=0.01)
    assert bootstrap(VALUES).high - bootstrap(VALUES).low > 0.3  # it would drown in the intervals of the two


def test_chance_is_not_significant() -> None:
    judged = [paired_bootstrap(*np.random.default_rng(seed).normal(size=(2, 40)), draws=500).is_significant for seed in range(40)]
    assert sum(judged) <= 6  # one in twenty, more or less
    same = paired_bootstrap(VALUES, VALUES)
    assert (same.value, same.p, same.is_significant) == (0, 1, False)
    with pytest.raises(InputError, match="different clips"):
        paired_bootstrap([1.0], [1.0, 2.0])
