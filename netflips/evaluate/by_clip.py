"""A figure clip by clip: what that of a set and its interval come from, and what two runs are compared by.

Two runs are compared on the same draws of the same clips (Koehn 2004, "Statistical significance tests for machine translation
evaluation"), so that clips that are hard for both do not hide a difference.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from avcore.arrays import Doubles
from avcore.errors import InputError
from avcore.statistics import (
    DRAWS,
    PERCENTILES,
    Figure,
    Statistic,
    bootstrap,
    drawn_clips,
    rank_correlations,
    ratios,
    share,
    sums_of,
)

_SIGNIFICANT = 0.05
_LEAST_RANKS = 4
"""Two values on either side: below, nothing rises or falls with anything."""


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

    @classmethod
    def of(cls, value: float, drawn: Doubles, n: int) -> "Difference":
        """Make a difference with what draws say of it. drawn: the difference of each draw, float64 [draws]; n: clips."""
        drawn = drawn[np.isfinite(drawn)]
        low, high = np.quantile(drawn, PERCENTILES)
        # Draws vary around the difference that was found as they would around none: how often do they vary as far?
        as_far = int((np.abs(drawn - value) >= abs(value) - 1e-12).sum())
        return cls(value, float(low), float(high), (as_far + 1) / (len(drawn) + 1), n)


@dataclass(frozen=True)
class ByClip:
    """values: of each clip that has the figure, by its id. sums: of a rate, what stands above and below the line, by id; {} = a set
    has the mean. is_share: each value says yes or no, and a set's interval is Wilson's. is_rank: a set's figure is the rank
    correlation of the two `sums`."""

    values: Mapping[str, float]
    sums: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    is_share: bool = False
    is_rank: bool = False

    @property
    def figure(self) -> Figure | None:
        """That of the set; None without a clip, and of a rate where there is nothing to divide by."""
        if not self.values:
            return None
        if self.is_share:
            return share([bool(value) for value in self.values.values()])
        above, below = self._parts(self.values)
        if self.is_rank and len(set(above)) * len(set(below or ())) < _LEAST_RANKS:
            return None
        return None if below is not None and not sum(below) else bootstrap(above, below, self._statistic)

    @property
    def _statistic(self) -> Statistic:
        return rank_correlations if self.is_rank else ratios

    def shared(self, other: "ByClip") -> list[str]:
        """Return the ids of the clips that both have."""
        return [name for name in self.values if name in other.values]

    def compared(self, other: "ByClip") -> tuple[float, Difference] | None:
        """Return the figure over the clips that both have, and how far the other's is from it; None where there is none."""
        both = self.shared(other)
        (above, below), (other_above, other_below) = self._parts(both), other._parts(both)
        if not both or (below is not None and other_below is not None and not (sum(below) and sum(other_below))):
            return None
        parts = sums_of(above, below)
        first = float(self._statistic(parts[0][None], parts[1][None])[0])
        return first, paired_bootstrap(above, other_above, below, other_below, statistic=self._statistic)

    def _parts(self, ids: Iterable[str]) -> tuple[list[float], list[float] | None]:
        """Return what the figure of some clips is made of: their own, or the sums that a rate is taken over."""
        if not self.sums:
            return [self.values[name] for name in ids], None
        chosen = [self.sums[name] for name in ids]
        return [above for above, _ in chosen], [below for _, below in chosen]


def paired_bootstrap(
    first: Sequence[float],
    second: Sequence[float],
    first_weights: Sequence[float] | None = None,
    second_weights: Sequence[float] | None = None,
    draws: int = DRAWS,
    statistic: Statistic = ratios,
) -> Difference:
    """Compare two runs on the same clips, in the same order; weights and statistic as `bootstrap` takes them.

    Raises InputError for runs of different length or without a clip.
    """
    if len(first) != len(second):
        raise InputError("the runs have different clips", expected=f"{len(first)} as in the first", found=len(second))
    (a, of_a), (b, of_b) = sums_of(first, first_weights), sums_of(second, second_weights)
    value = float(statistic(b[None], of_b[None])[0] - statistic(a[None], of_a[None])[0])
    if len(a) < 2:
        return Difference(value, float("nan"), float("nan"), 1.0, len(a))
    drawn = [statistic(b[rows], of_b[rows]) - statistic(a[rows], of_a[rows]) for rows in drawn_clips(len(a), draws)]
    return Difference.of(value, np.concatenate(drawn), len(a))
