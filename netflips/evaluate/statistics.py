"""Figures with an interval in which they lie with 95 % confidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

_Z = 1.959964
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
    n, p = len(flags), sum(flags) / len(flags)
    centre, reach = p + _Z**2 / (2 * n), _Z * sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))
    scale = 1 + _Z**2 / n
    return Figure(p, max((centre - reach) / scale, 0.0), min((centre + reach) / scale, 1.0), n)


def mean(values: Sequence[float]) -> Figure:
    """The mean, with the interval of its standard error; NaN ends for a single value."""
    array = np.asarray(values, dtype=np.float64)
    reach = _Z * float(array.std(ddof=1)) / sqrt(len(array)) if len(array) > 1 else float("nan")
    centre = float(array.mean())
    return Figure(centre, centre - reach, centre + reach, len(array))


def rate(errors: Sequence[int], lengths: Sequence[int]) -> Figure:
    """Summed errors over summed lengths, with a bootstrap interval over utterances."""
    wrong, whole = np.asarray(errors, dtype=np.float64), np.asarray(lengths, dtype=np.float64)
    drawn = np.random.default_rng(0).integers(len(wrong), size=(_DRAWS, len(wrong)))
    low, high = np.quantile(wrong[drawn].sum(1) / whole[drawn].sum(1), (0.025, 0.975))
    return Figure(float(wrong.sum() / whole.sum()), float(low), float(high), len(wrong))
