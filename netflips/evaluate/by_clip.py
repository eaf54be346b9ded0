"""A figure clip by clip: what that of a set and its interval come from, and what two runs are compared by.

Two runs are compared on the same draws of the same clips (Koehn 2004, "Statistical significance tests for machine translation
evaluation"), so that clips that are hard for both do not hide a difference.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from avcore.arrays import Doubles
from avcore.errors import InputError
from avcore.statistics import DRAWS, PERCENTILES, Figure, bootstrap, drawn_clips, ratios, share, sums_of

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
    has the mean. is_share: each value says yes or no, and a set's interval is Wilson's."""

    values: Mapping[str, float]
    sums: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    is_share: bool = False

    @property
    def figure(self) -> Figure | None:
        """That of the set; None without a clip, and of a rate where there is nothing to divide by."""
        if not self.values:
            return None
        if self.is_share:
            return share([bool(value) for value in self.values.values()])
        above, below = self._parts(self.values)
        return None if below is not None and not sum(below) else bootstrap(above, below)

    def shared(self, other: "ByClip") -> list[str]:
        """Return the ids of the clips that both have."""
        return [name for name in self.values if name in other.values]

    def compared(self, other: "ByClip") -> tuple[float, Difference] | None:
        """Return the figure over the clips that both have, and how far the other's is from it; None where there is none."""
        both = self.shared(other)
        (above, below), (other_above, other_below) = self._parts(both), other._parts(both)
        if not both or (below is not None and other_below is not None and not (sum(below) and sum(other_below))):
            return None
        first = sum(above) / (len(above) if below is None else sum(below))
        return first, paired_bootstrap(above, other_above, below, other_below)

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
    drawn = [ratios(b[rows], of_b[rows]) - ratios(a[rows], of_a[rows]) for rows in drawn_clips(len(a), draws)]
    return Difference.of(value, np.concatenate(drawn), len(a))
