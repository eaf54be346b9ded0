"""A figure over the level of noise, from sound, from lips and from both; and where lips begin to help."""

from collections.abc import Mapping
from dataclasses import dataclass

from av2unit.sources import AUDIO, VIDEO
from avcore.plain_text import several
from avcore.statistics import Figure
from netflips.evaluate.by_clip import ByClip, Difference

BOTH = f"{AUDIO},{VIDEO}"
MODALITIES = (AUDIO, VIDEO, BOTH)


@dataclass(frozen=True)
class Curve:
    """One noise: a figure with its interval at each level (dB) by modalities; of lips alone at all levels the same.

    gains: both less sound alone, on the same clips. helps_from: at and below this level lips help significantly, None = at none
    that was measured down to the lowest. failed: clips that are in no point.
    """

    noise: str
    figure: str
    points: Mapping[str, Mapping[float, Figure]]
    gains: Mapping[float, Difference]
    helps_from: float | None
    failed: int = 0

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


def curve_of(noise: str, figure: str, levels: Mapping[float, Mapping[str, ByClip]], is_more_better: bool, failed: int = 0) -> Curve:
    """The curve of a noise. levels: the figure of each clip at each level (dB), by modalities."""
    points: dict[str, dict[float, Figure]] = {modalities: {} for modalities in MODALITIES}
    gains = dict[float, Difference]()
    for level, sides in levels.items():
        for modalities, side in sides.items():
            if (found := side.figure) is not None:
                points[modalities][level] = found
        if AUDIO in sides and BOTH in sides and (compared := sides[AUDIO].compared(sides[BOTH])) is not None:
            gains[level] = compared[1]
    return Curve(noise, figure, points, gains, _helps_from(gains, is_more_better), failed)


def _helps_from(gains: Mapping[float, Difference], is_more_better: bool) -> float | None:
    """The highest level from which on down both are better than sound alone, with the whole interval."""
    found = None
    for level in sorted(gains):
        gain = gains[level]
        if not (gain.low > 0 if is_more_better else gain.high < 0):
            break
        found = level
    return found
