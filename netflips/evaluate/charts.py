"""What the page of an evaluation draws, as inline SVG whose colours come from its style: histograms and noise curves."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from markupsafe import Markup

from av2unit.sources import AUDIO, VIDEO
from avcore.plain_text import several
from avcore.statistics import Figure
from netflips.evaluate.curves import BOTH, MODALITIES, Curve
from netflips.evaluate.suite_rows import SUBJECT_TITLES, Row
from netflips.evaluate.tables import number
from netflips.report.drawing import element

_WIDTH, _HEIGHT, _LEFT, _BASE, _TOP = 340, 150, 8, 118, 22
_MOST_BINS = 16
_CURVE = 520, 260
_PLOT = 52, 14, 500, 214
"""Left, top, right and bottom of the plot of a noise curve."""
_NAMES = {AUDIO: "sound alone", VIDEO: "lips alone", BOTH: "sound and lips"}
_CLASSES = {AUDIO: "sound", VIDEO: "lips", BOTH: "both"}
FIGURES = {
    "chrf": "chrF2 of what is heard, mean over clips",
    "unit_error_rate": "unit error rate",
}
_TICKS = 4
_STYLE = (
    "text{font:11px sans-serif;fill:#444}.tick{stroke:#ddd}.line{fill:none;stroke-width:2}.band{opacity:.16}"
    ".line.sound{stroke:#b6481f}.band.sound,.point.sound{fill:#b6481f}.line.lips{stroke:#0d7f75}.band.lips,.point.lips{fill:#0d7f75}"
    ".line.both{stroke:#1f6feb}.band.both,.point.both{fill:#1f6feb}line.helps{stroke:#222;stroke-dasharray:4 3}"
)
"""Of a curve in a file of its own, for papers: on white."""

Place = Callable[[float], float]
"""From a value to pixels."""


def histogram(row: Row) -> Markup | None:
    """Return how many clips have which value, with marks for the means of all subjects; None for fewer than two clips, and for
    values that say yes or no, of which the mean says all."""
    cell = row.own
    if cell is None or len(cell.clips) < 2 or set(cell.clips.values()) <= {0.0, 1.0}:
        return None
    values = np.array(list(cell.clips.values()))
    means = {subject: one.figure.value for subject, one in row.cells.items() if one.figure is not None}
    low, high = min(values.min(), *means.values()), max(values.max(), *means.values())
    if high <= low:
        low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(values, bins=min(_MOST_BINS, max(4, math.ceil(math.sqrt(len(values)) * 1.5))), range=(low, high))
    span, clips = _WIDTH - 2 * _LEFT, several(len(values), "clip")

    def at(value: float) -> float:
        return round(float(_LEFT + span * (value - low) / (high - low)), 1)

    heights = [round((_BASE - _TOP) * count / counts.max(), 1) for count in counts.tolist()]
    bars = [
        element(
            "rect",
            class_="count",
            x=at(left),
            width=round(max(at(right) - at(left) - 1, 1), 1),
            y=round(_BASE - tall, 1),
            height=tall,
        )
        for tall, left, right in zip(heights, edges[:-1], edges[1:], strict=True)
        if tall
    ]
    marks = [
        element("line", class_=f"mean of-{one}", x1=at(mean), x2=at(mean), y1=_TOP - 6, y2=_BASE) for one, mean in means.items()
    ]
    labels = (
        (number(low), _LEFT, "start"),
        (number(high), _WIDTH - _LEFT, "end"),
        (f"{clips}, at most {counts.max()} a bar", _WIDTH / 2, "middle"),
    )
    texts = [element("text", text, x=x, y=_HEIGHT - 16, text_anchor=anchor) for text, x, anchor in labels]
    spread = f"{number(float(values.min()))} to {number(float(values.max()))}"
    said = ", ".join(f"{SUBJECT_TITLES[subject]} {number(value)}" for subject, value in means.items())
    return element(
        "svg", element("line", class_="rail", x1=_LEFT, x2=_WIDTH - _LEFT, y1=_BASE, y2=_BASE), bars, marks, texts,
        class_="histogram", viewbox=f"0 0 {_WIDTH} {_HEIGHT}", role="img",
        aria_label=f"{row.title}: {clips} from {spread}; means: {said}",
    )  # fmt: skip


def noise_curve(curve: Curve) -> Markup:
    """Return a figure over the level of the noise, from clean to loud, with 95 % intervals as bands."""
    left, top, right, bottom = _PLOT
    levels = sorted({level for points in curve.points.values() for level in points}, reverse=True)
    figures = [one for points in curve.points.values() for one in points.values()]
    low, high = _range(figures)
    step = (right - left) / max(len(levels) - 1, 1)

    def x(level: float) -> float:
        return round(left + step * levels.index(level) if len(levels) > 1 else (left + right) / 2, 1)

    def y(value: float) -> float:
        return round(bottom - (bottom - top) * (min(max(value, low), high) - low) / (high - low), 1)

    grid = []
    for tick in range(_TICKS + 1):
        value = low + (high - low) * tick / _TICKS
        grid.append(element("line", class_="tick", x1=left, x2=right, y1=y(value), y2=y(value)))
        grid.append(element("text", number(value), x=left - 6, y=y(value) + 4, text_anchor="end"))
    grid += [element("text", f"{level:g}", x=x(level), y=bottom + 16, text_anchor="middle") for level in levels]
    axis = "speech over noise (dB), from clean to loud"
    grid.append(element("text", axis, x=(left + right) / 2, y=bottom + 34, text_anchor="middle"))
    lines = []
    for modalities in MODALITIES:
        points = [(level, curve.points[modalities][level]) for level in levels if level in curve.points[modalities]]
        if points:
            lines += _line(points, _CLASSES[modalities], x, y)
    if curve.helps_from is not None:
        at = x(curve.helps_from)
        lines.append(element("line", class_="helps", x1=at, x2=at, y1=top, y2=bottom))
        anchor, beside = ("end", -5) if at > (left + right) / 2 else ("start", 5)
        words = "lips help from here on"
        lines.append(element("text", words, class_="helps", x=at + beside, y=top + 10, text_anchor=anchor))
    return element(
        "svg", grid, lines, class_="curve", viewbox=f"0 0 {_CURVE[0]} {_CURVE[1]}", role="img",
        aria_label=f"{FIGURES.get(curve.figure, curve.figure)} with {curve.noise}; {curve.sentence}",
    )  # fmt: skip


def _line(points: Sequence[tuple[float, Figure]], name: str, x: Place, y: Place) -> list[Markup]:
    """Return a line with its points, above the band of its intervals."""
    known = [(level, one) for level, one in points if math.isfinite(one.low) and math.isfinite(one.high)]
    above = [f"{x(level)},{y(one.high)}" for level, one in known]
    below = [f"{x(level)},{y(one.low)}" for level, one in reversed(known)]
    found = [element("polygon", class_=f"band {name}", points=" ".join([*above, *below]))] if known else []
    found.append(element("polyline", class_=f"line {name}", points=" ".join(f"{x(level)},{y(one.value)}" for level, one in points)))
    found += [element("circle", class_=f"point {name}", cx=x(level), cy=y(one.value), r=3.5) for level, one in points]
    return found


def _range(figures: Sequence[Figure]) -> tuple[float, float]:
    """From zero to a little above all that is drawn."""
    ends = [0.0, *(value for one in figures for value in (one.value, one.low, one.high) if math.isfinite(value))]
    return min(ends), max(*ends, 1e-9) * 1.05


def standing_alone(drawn: Markup) -> str:
    """Return a noise curve as a file of its own, with its colours in it."""
    style = element("style", Markup(_STYLE))
    return str(drawn).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).replace(">", f">{style}", 1) + "\n"


KEYS = tuple((_CLASSES[one], _NAMES[one]) for one in MODALITIES)
"""Classes of the curves' colours, and what they mean."""
