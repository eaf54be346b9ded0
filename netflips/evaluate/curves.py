"""A figure over the level of noise, from sound, from lips and from both; and where lips begin to help."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile

from av2unit.sources import AUDIO, VIDEO
from avcore.plain_text import several
from avcore.statistics import Figure
from netflips.evaluate.by_clip import ByClip, Difference

BOTH = f"{AUDIO},{VIDEO}"
MODALITIES = (AUDIO, VIDEO, BOTH)


@dataclass(frozen=True)
class Curve:
    """One noise. levels: the figure of each clip at each level (dB), by modalities; of lips alone at all levels the same.

    failed: clips that are in no point.
    """

    noise: str
    figure: str
    levels: Mapping[float, Mapping[str, ByClip]]
    is_more_better: bool
    failed: int = 0

    @cached_property
    def points(self) -> Mapping[str, Mapping[float, Figure]]:
        """The figure with its interval at each level by modalities."""
        found = {(one, level): side.figure for level, sides in self.levels.items() for one, side in sides.items()}
        return {one: {level: figure for (of, level), figure in found.items() if of == one and figure} for one in MODALITIES}

    @cached_property
    def gains(self) -> Mapping[float, Difference]:
        """Both less sound alone at each level, on the same clips."""
        found = {level: sides[AUDIO].compared(sides[BOTH]) for level, sides in self.levels.items()}
        return {level: compared[1] for level, compared in found.items() if compared is not None}

    @property
    def helps_from(self) -> float | None:
        """The highest level from which on down both are better than sound alone, with the whole interval; None = at none."""
        helps = [(level, (gain.low > 0) if self.is_more_better else (gain.high < 0)) for level, gain in sorted(self.gains.items())]
        return max((level for level, _ in takewhile(lambda one: one[1], helps)), default=None)

    @property
    def sentence(self) -> str:
        """Where lips begin to help, in words."""
        failed = f"; {several(self.failed, 'clip')} failed" if self.failed else ""
        if self.helps_from is None:
            return f"{self.noise}: lips do not help significantly down to the lowest level that was measured{failed}"
        gain = self.gains[self.helps_from]
        return (
            f"{self.noise}: lips begin to help at {self.helps_from:g} dB ({self.figure} {gain.value:+.3g}, "
            f"95 % interval {gain.low:+.3g} to {gain.high:+.3g}, {several(gain.n, 'clip')}{failed})"
        )
