"""Figures with an interval in which they lie with 95 % confidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.stats import binomtest, norm

_CERTAIN = 0.95
_DRAWS = 2000


@dataclass(frozen=True)
class Figure:
    """A measured value. low, high: its 95 % interval. n: utterances."""

    value: float
    low: float
    high: float
    n: int


def share(flags: Sequence[bool]) -> Figure:
    """How many are true, with Wilson's interval (Wilson 1927)."""
    n, right = len(flags), sum(flags)
    interval = binomtest(right, n).proportion_ci(_CERTAIN, "wilson")
    return Figure(right / n, float(interval.low), float(interval.high), n)


def mean(values: Sequence[float]) -> Figure:
    """The mean, with the interval of its standard error; NaN ends for a single value."""
    array = np.asarray(values, dtype=np.float64)
    reach = float(norm.ppf((1 + _CERTAIN) / 2)) * float(array.std(ddof=1)) / sqrt(len(array)) if len(array) > 1 else float("nan")
    centre = float(array.mean())
    return Figure(centre, centre - reach, centre + reach, len(array))


def rate(errors: Sequence[int], lengths: Sequence[int]) -> Figure:
    """Summed errors over summed lengths, with a bootstrap interval over utterances."""
    wrong, whole = np.asarray(errors, dtype=np.float64), np.asarray(lengths, dtype=np.float64)
    drawn = np.random.default_rng(0).integers(len(wrong), size=(_DRAWS, len(wrong)))
    low, high = np.quantile(wrong[drawn].sum(1) / whole[drawn].sum(1), (0.025, 0.975))
    return Figure(float(wrong.sum() / whole.sum()), float(low), float(high), len(wrong))
