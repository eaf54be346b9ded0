"""A figure clip by clip: what that of a set and its interval come from, and what two runs are compared by."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from avcore.statistics import Figure, bootstrap, share


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
        above, below = self.parts(self.values)
        return None if below is not None and not sum(below) else bootstrap(above, below)

    def parts(self, ids: Iterable[str]) -> tuple[list[float], list[float] | None]:
        """What the figure of some clips is made of: their own, or the sums that a rate is taken over."""
        if not self.sums:
            return [self.values[name] for name in ids], None
        chosen = [self.sums[name] for name in ids]
        return [above for above, _ in chosen], [below for _, below in chosen]
