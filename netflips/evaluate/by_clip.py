"""A figure clip by clip: what that of a set and its interval come from, and what two runs are compared by.

Two runs are compared on the same draws of the same clips (Koehn 2004, "Statistical significance tests for machine translation
evaluation"), so that clips that are hard for both do not hide a difference.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from avcore.arrays import Doubles
from avcore.errors import InputError
from avcore.statistics import PERCENTILES, Figure, Statistic, bootstrap, drawn_clips, rank_correlations, ratios, share, sums_of

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


OfSet = Literal["mean", "share", "rate", "rank"]
"""What a set has: see `netflips.evaluate.metric.FigureKind`."""
Parts = tuple[Sequence[float], Sequence[float] | None]
"""What the figure of some clips is made of: their own values, or the sums that a rate is taken over."""


def paired_bootstrap(first: Parts, second: Parts, statistic: Statistic = ratios) -> Difference:
    """Compare two runs on the same clips, in the same order; statistic as `bootstrap` takes it.

    Raises InputError for runs of different length or without a clip.
    """
    if len(first[0]) != len(second[0]):
        raise InputError("the runs have different clips", expected=f"{len(first[0])} as in the first", found=len(second[0]))
    (a, of_a), (b, of_b) = sums_of(*first), sums_of(*second)
    value = float(statistic(b[None], of_b[None])[0] - statistic(a[None], of_a[None])[0])
    if len(a) < 2:
        return Difference(value, float("nan"), float("nan"), 1.0, len(a))
    drawn = [statistic(b[rows], of_b[rows]) - statistic(a[rows], of_a[rows]) for rows in drawn_clips(len(a))]
    return Difference.of(value, np.concatenate(drawn), len(a))


@dataclass(frozen=True)
class ByClip:
    """values: of each clip that has the figure, by its id. sums: of a rate or a rank, what is above and below the line, by id."""

    values: Mapping[str, float]
    sums: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    of: OfSet = "mean"

    @property
    def figure(self) -> Figure | None:
        """That of the set; None without a clip, and of a rate where there is nothing to divide by."""
        if not self.values:
            return None
        if self.of == "share":
            return share([bool(value) for value in self.values.values()])
        above, below = self._parts(self.values)
        if self.of == "rank" and len(set(above)) * len(set(below or ())) < _LEAST_RANKS:
            return None
        return None if below is not None and not sum(below) else bootstrap(above, below, self._statistic)

    @property
    def _statistic(self) -> Statistic:
        return rank_correlations if self.of == "rank" else ratios

    def shared(self, other: "ByClip") -> list[str]:
        """Return the ids of the clips that both have."""
        return [name for name in self.values if name in other.values]

    def compared(self, other: "ByClip") -> tuple[float, Difference] | None:
        """Return the figure over the clips that both have, and how far the other's is from it; None where there is none."""
        both = self.shared(other)
        sides = self._parts(both), other._parts(both)
        if not both or not all(below is None or sum(below) for _, below in sides):
            return None
        above, below = sums_of(*sides[0])
        return float(self._statistic(above[None], below[None])[0]), paired_bootstrap(*sides, self._statistic)

    def _parts(self, ids: Iterable[str]) -> Parts:
        chosen = list(ids)
        if not self.sums:
            return [self.values[name] for name in chosen], None
        return [self.sums[name][0] for name in chosen], [self.sums[name][1] for name in chosen]
