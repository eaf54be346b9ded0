"""What a set of clips says, with how far that is to be trusted: 95 % bootstrap intervals over clips, and two runs compared.

The bootstrap draws as many clips as there are, with replacement, many times over, and looks at the figure of each draw (Efron
1979); intervals are its 2.5 and 97.5 percentiles. Two runs are compared on the same draws of the same clips (Koehn 2004,
"Statistical significance tests for machine translation evaluation"), so that clips that are hard for both do not hide a difference.
What it is not: clips of one recording are alike, and an interval over them says nothing of other speakers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from avcore.arrays import Doubles
from avcore.errors import InputError
from avcore.statistics import Figure
from avcore.units import Ids

DRAWS = 2000
PERCENTILES = 0.025, 0.975
_SIGNIFICANT = 0.05
_NUMBERS_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Difference:
    """Of a second run less a first one. low, high: its 95 % interval. p: how often chance alone would make a difference as large
    (two-sided). n: clips that both have."""

    value: float
    low: float
    high: float
    p: float
    n: int

    @property
    def is_significant(self) -> bool:
        """Whether p is below 0.05. Of twenty figures that do not differ, one is."""
        return self.p < _SIGNIFICANT


def bootstrap(values: Sequence[float], weights: Sequence[float] | None = None, draws: int = DRAWS, seed: int = 0) -> Figure:
    """The mean of the figures of clips with its interval; NaN ends for a single clip, which says nothing of others.

    weights: the figure is the sum of `values` over the sum of these, such as errors over lengths. Raises InputError without any
    clip, and where all weights are zero.
    """
    above, below = _parts(values, weights)
    value = float(above.sum() / below.sum())
    if len(above) < 2:
        return Figure(value, float("nan"), float("nan"), len(above))
    found = np.concatenate([_ratio(above[drawn], below[drawn]) for drawn in drawn_clips(len(above), draws, seed)])
    low, high = np.nanquantile(found, PERCENTILES)
    return Figure(value, float(low), float(high), len(above))


def paired_bootstrap(
    first: Sequence[float],
    second: Sequence[float],
    first_weights: Sequence[float] | None = None,
    second_weights: Sequence[float] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Difference:
    """Compare two runs on the same clips, in the same order; weights as `bootstrap` takes them.

    Raises InputError for runs of different length or without a clip.
    """
    if len(first) != len(second):
        raise InputError("the runs have different clips", expected=f"{len(first)} as in the first", found=len(second))
    (a, of_a), (b, of_b) = _parts(first, first_weights), _parts(second, second_weights)
    value = float(b.sum() / of_b.sum() - a.sum() / of_a.sum())
    if len(a) < 2:
        return Difference(value, float("nan"), float("nan"), 1.0, len(a))
    drawn = [_ratio(b[rows], of_b[rows]) - _ratio(a[rows], of_a[rows]) for rows in drawn_clips(len(a), draws, seed)]
    return difference_of(value, np.concatenate(drawn), len(a))


def difference_of(value: float, drawn: Doubles, n: int) -> Difference:
    """A difference with what draws say of it. drawn: the difference of each draw, float64 [draws]; n: clips."""
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.quantile(drawn, PERCENTILES)
    # Draws vary around the difference that was found as they would around none: how often do they vary as far?
    as_far = int((np.abs(drawn - value) >= abs(value) - 1e-12).sum())
    return Difference(value, float(low), float(high), (as_far + 1) / (len(drawn) + 1), n)


def drawn_clips(count: int, draws: int = DRAWS, seed: int = 0) -> Iterator[Ids]:
    """The clips of all draws, int64 [some, count] each; a few draws at a time, so that memory does not grow with the set."""
    rng, at_once = np.random.default_rng(seed), max(1, _NUMBERS_AT_ONCE // count)
    for start in range(0, draws, at_once):
        yield rng.integers(count, size=(min(at_once, draws - start), count))


def _parts(values: Sequence[float], weights: Sequence[float] | None) -> tuple[Doubles, Doubles]:
    above = np.asarray(values, np.float64)
    below = np.ones(len(above)) if weights is None else np.asarray(weights, np.float64)
    if not len(above) or below.sum() == 0:
        raise InputError("there is nothing to measure", found="no clip with this figure")
    return above, below


def _ratio(above: Doubles, below: Doubles) -> Doubles:
    """Ratios of the sums of rows; NaN where a draw has no weight at all."""
    whole = below.sum(1)
    return np.asarray(np.divide(above.sum(1), whole, out=np.full(len(whole), np.nan), where=whole != 0))
