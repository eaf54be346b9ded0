import numpy as np
import pytest

from avcore.statistics import bootstrap, share


def test_wilson_interval() -> None:
    figure = share([True] * 190 + [False] * 10)  # figures of Wilson's formula worked out by hand

    assert figure.value == pytest.approx(0.95)
    assert (figure.low, figure.high) == pytest.approx((0.9104, 0.9726), abs=2e-4)
    assert share([True] * 200).low == pytest.approx(0.9812, abs=2e-4)
    assert share([True] * 200).high == pytest.approx(1)
    assert share([False] * 4).low == pytest.approx(0, abs=1e-12)


def test_a_mean_and_a_rate() -> None:
    values = np.random.default_rng(0).normal(0.3, 0.1, 400)
    assert bootstrap(values.tolist()).value == pytest.approx(0.3, abs=0.02)
    assert bootstrap(values.tolist()).high - bootstrap(values.tolist()).low == pytest.approx(2 * 1.96 * 0.1 / 20, rel=0.1)
    assert np.isnan(bootstrap([0.5]).low)

    figure = bootstrap([1, 0, 3], [10, 10, 20])
    assert figure.value == 0.1
    assert figure.low <= 0.1 <= figure.high
