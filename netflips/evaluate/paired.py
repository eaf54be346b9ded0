"""Two runs on the same clips compared, with how far that is to be trusted (the intervals of one run: avcore.statistics).

They are compared on the same draws of the same clips (Koehn 2004, "Statistical significance tests for machine translation
evaluation"), so that clips that are hard for both do not hide a difference.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from avcore.arrays import Doubles
from avcore.errors import InputError
from avcore.statistics import DRAWS, PERCENTILES, drawn_clips, ratios, sums_of

_SIGNIFICANT = 0.05


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
    (a, of_a), (b, of_b) = sums_of(first, first_weights), sums_of(second, second_weights)
    value = float(b.sum() / of_b.sum() - a.sum() / of_a.sum())
    if len(a) < 2:
        return Difference(value, float("nan"), float("nan"), 1.0, len(a))
    drawn = [ratios(b[rows], of_b[rows]) - ratios(a[rows], of_a[rows]) for rows in drawn_clips(len(a), draws, seed)]
    return difference_of(value, np.concatenate(drawn), len(a))


def difference_of(value: float, drawn: Doubles, n: int) -> Difference:
    """A difference with what draws say of it. drawn: the difference of each draw, float64 [draws]; n: clips."""
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.quantile(drawn, PERCENTILES)
    # Draws vary around the difference that was found as they would around none: how often do they vary as far?
    as_far = int((np.abs(drawn - value) >= abs(value) - 1e-12).sum())
    return Difference(value, float(low), float(high), (as_far + 1) / (len(drawn) + 1), n)
