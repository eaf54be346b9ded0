"""Figures with 95 % confidence intervals: Wilson's for shares, a bootstrap over clips for all others.

The bootstrap draws as many clips as there are, with replacement, many times, and computes the figure of each draw (Efron 1979);
intervals are the 2.5 and 97.5 percentiles of these. Clips of one recording are alike, so an interval over them does not hold for
other speakers.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, rankdata

from avcore.arrays import Doubles
from avcore.errors import InputError
from avcore.units import Ids

DRAWS = 2000
PERCENTILES = 0.025, 0.975
_CERTAIN = 0.95
_SIGNIFICANT = 0.05
_NUMBERS_AT_ONCE = 1 << 20
Statistic = Callable[[Doubles, Doubles], Doubles]
"""Computes a figure from two numbers of each clip: float64 [n, clips] twice to [n]."""


@dataclass(frozen=True)
class Figure:
    """A measured value with its 95 % interval."""

    value: float
    low: float
    """lower end of the interval"""
    high: float
    """upper end"""
    n: int
    """how many utterances were measured"""


def share(flags: Sequence[bool]) -> Figure:
    """Return the share of true flags, 0 to 1, with Wilson's interval (Wilson 1927)."""
    n, right = len(flags), sum(flags)
    interval = binomtest(right, n).proportion_ci(_CERTAIN, "wilson")
    return Figure(right / n, float(interval.low), float(interval.high), n)


def bootstrap(values: Sequence[float], weights: Sequence[float] | None = None, statistic: Statistic | None = None) -> Figure:
    """Return the mean of the clips' values with its interval, whose ends are NaN for a single clip.

    weights: the figure is the sum of `values` over the sum of these, such as errors over lengths. statistic: another figure of
    the two, in place of that ratio. Raises InputError without any clip, and where all weights are zero.
    """
    above, below = sums_of(values, weights)
    made_of = statistic or ratios
    value = float(made_of(above[None], below[None])[0])
    if len(above) < 2:
        return Figure(value, float("nan"), float("nan"), len(above))
    found = np.concatenate([made_of(above[drawn], below[drawn]) for drawn in drawn_clips(len(above))])
    low, high = np.nanquantile(found, PERCENTILES)
    return Figure(value, float(low), float(high), len(above))


def rank_correlations(first: Doubles, second: Doubles) -> Doubles:
    """Return Spearman's correlation of the rows of two tables, float64 [n, clips] each; NaN where all values of a row are equal."""
    ranks = [rankdata(one, axis=1) for one in (first, second)]
    a, b = (rank - rank.mean(1, keepdims=True) for rank in ranks)
    size = np.sqrt(np.square(a).sum(1) * np.square(b).sum(1))
    return np.asarray(np.divide((a * b).sum(1), size, out=np.full(len(size), np.nan), where=size > 0))


def drawn_clips(count: int, draws: int = DRAWS, seed: int = 0) -> Iterator[Ids]:
    """Yield the indices of the clips of all draws, int64 [some, count]; a few draws at a time, to limit memory on large sets."""
    # The seed is fixed, so that the same clips always have the same interval.
    rng, at_once = np.random.default_rng(seed), max(1, _NUMBERS_AT_ONCE // count)
    for start in range(0, draws, at_once):
        yield rng.integers(count, size=(min(at_once, draws - start), count))


def sums_of(values: Sequence[float], weights: Sequence[float] | None) -> tuple[Doubles, Doubles]:
    """Return numerators and denominators, float64 [clip] each. Raises InputError where the denominators add up to nothing."""
    above = np.asarray(values, np.float64)
    below = np.ones(len(above)) if weights is None else np.asarray(weights, np.float64)
    if not len(above) or below.sum() == 0:
        raise InputError("there is nothing to measure", found="no clip with this figure")
    return above, below


def ratios(above: Doubles, below: Doubles) -> Doubles:
    """Return the ratio of the sums of each row; NaN where a draw has no weight at all."""
    whole = below.sum(1)
    return np.asarray(np.divide(above.sum(1), whole, out=np.full(len(whole), np.nan), where=whole != 0))


@dataclass(frozen=True)
class Difference:
    """A second run's figure minus that of a first run."""

    value: float
    low: float
    """lower end of its 95 % interval"""
    high: float
    """upper end"""
    p: float
    """how often chance alone would make a difference as large (two-sided)"""
    n: int
    """clips that both runs have"""

    @property
    def is_significant(self) -> bool:
        """Whether p is below 0.05. That is so for one in twenty figures that do not differ."""
        return self.p < _SIGNIFICANT

    @classmethod
    def of(cls, value: float, drawn: Doubles, n: int) -> "Difference":
        """Make a difference with interval and p from the draws. drawn: the difference of each draw, float64 [draws]; n: clips."""
        drawn = drawn[np.isfinite(drawn)]
        low, high = np.quantile(drawn, PERCENTILES)
        # Draws vary around the difference that was found as they would around zero: count those that vary as far as it.
        as_far = int((np.abs(drawn - value) >= abs(value) - 1e-12).sum())
        # The difference that was found counts as one of the draws, so that p is never 0 (Davison and Hinkley 1997).
        return cls(value, float(low), float(high), (as_far + 1) / (len(drawn) + 1), n)


def paired_bootstrap(
    first: Sequence[float],
    second: Sequence[float],
    weights: tuple[Sequence[float], Sequence[float]] | None = None,
    statistic: Statistic | None = None,
) -> Difference:
    """Compare two runs on the same draws of the same clips (Koehn 2004), so that clips that are hard for both hide no difference.

    first, second: figures of the clips, in the same order. weights: those of both runs; statistic: as for `bootstrap`. Raises
    InputError for runs of different length or without a clip.
    """
    if len(first) != len(second):
        raise InputError("the runs have different clips", expected=f"{len(first)} as in the first", found=len(second))

    (a, of_a), (b, of_b) = (sums_of(one, weights and weights[side]) for side, one in enumerate((first, second)))
    made_of = statistic or ratios
    value = float(made_of(b[None], of_b[None])[0] - made_of(a[None], of_a[None])[0])
    if len(a) < 2:
        return Difference(value, float("nan"), float("nan"), 1.0, len(a))
    drawn = [made_of(b[rows], of_b[rows]) - made_of(a[rows], of_a[rows]) for rows in drawn_clips(len(a))]
    return Difference.of(value, np.concatenate(drawn), len(a))
