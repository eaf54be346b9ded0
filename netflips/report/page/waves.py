"""Sounds and pace as drawings: inline SVG whose colours come from the page's style."""

import numpy as np

from netflips.dub.timing import Pace
from netflips.report import UtteranceReport
from netflips.report.page.envelope import Envelope, between, thinned
from netflips.report.page.markup import Markup, tag

_LANE = 30
"""Height of one sound of a pair."""
_LEAST_PEAK = 0.05
_GAUGE_SPAN = 0.5, 1.5
"""Factors at the ends of the gauge."""
_GAUGE = 120, 16


def peak(*outlines: Envelope) -> float:
    """The largest value of all, so that sounds are drawn on one scale; never near zero."""
    return max(_LEAST_PEAK, *(float(np.abs(one).max(initial=0)) for one in outlines))


def wave(outline: Envelope, left: float, width: float, middle: float, half: float, loudest: float) -> str:
    """An outline as path data: one stroke each from the lowest to the highest sample."""
    if not len(outline):
        return ""
    step = width / len(outline)
    strokes = []
    for number, (low, high) in enumerate(outline.tolist()):
        top, bottom = (middle - half * min(max(value / loudest, -1), 1) for value in (high, low))
        strokes.append(f"M{left + (number + 0.5) * step:.1f} {top:.1f}v{max(bottom - top, 0.6):.1f}")
    return "".join(strokes)


def wave_pair(
    one: UtteranceReport, source: Envelope, output: Envelope, loudest: float, num_bins: int = 120, shown_s: float | None = None
) -> Markup:
    """An utterance's sound above its dub's, on one scale of time.

    source: outline of the recording; output: of the result. shown_s: seconds from left to right, default as long as the
    longer of the two.
    """
    slot, spoken = one.source_end_s - one.source_start_s, one.output_end_s - one.output_start_s
    span = shown_s or max(slot, spoken, 0.02)
    lanes = (
        ("wave source", between(source, one.source_start_s, one.source_end_s), slot, _LANE / 2),
        ("wave dub", between(output, one.output_start_s, one.output_end_s), spoken, _LANE * 1.5 + 4),
    )
    height = 2 * _LANE + 4
    drawn = []
    for name, outline, seconds, middle in lanes:
        width = num_bins * seconds / span
        drawn.append(tag("rect", class_="bed", x=0, y=middle - _LANE / 2, width=f"{width:.1f}", height=_LANE))
        drawn.append(tag("path", class_=name, d=wave(thinned(outline, max(round(width), 1)), 0, width, middle, _LANE / 2, loudest)))
    drawn.append(
        tag("line", class_="slot-end", x1=f"{num_bins * slot / span:.1f}", x2=f"{num_bins * slot / span:.1f}", y1=0, y2=height)
    )
    return tag(
        "svg", drawn, class_="waves", viewbox=f"0 0 {num_bins} {height}", preserveAspectRatio="none", role="img",
        aria_label=f"sound of utterance {one.number}: the original above, the dub below",
    )  # fmt: skip


def gauge(factor: float, pace: Pace | None) -> Markup:
    """How far speech was stretched: a mark on a scale whose middle is its natural length. pace: bounds to show."""
    width, height = _GAUGE
    low, high = _GAUGE_SPAN

    def at(value: float) -> float:
        return round(width * (min(max(value, low), high) - low) / (high - low), 1)

    bounds = None
    if pace is not None:
        bounds = tag("rect", class_="bounds", x=at(pace.least), y=4, width=round(at(pace.most) - at(pace.least), 1), height=8)
    inside = pace is None or pace.least - 0.005 <= factor <= pace.most + 0.005
    return tag(
        "svg",
        tag("line", class_="rail", x1=0, x2=width, y1=8, y2=8),
        bounds,
        tag("line", class_="rail", x1=at(1), x2=at(1), y1=1, y2=15),
        tag("rect", class_="mark" if inside else "mark out", x=at(factor) - 2, y=1, width=4, height=14, rx=1),
        class_="gauge", width=width, height=height, role="img", aria_label=f"{factor:.2f} of its natural length",
    )  # fmt: skip
