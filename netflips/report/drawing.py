"""What the page draws, as inline SVG whose colours come from its style: the line of time, the sounds, the pace."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

from avcore.media.outline import Envelope
from netflips.dub.timing import Pace
from netflips.report.material import Material, as_played, between, thinned
from netflips.report.story import Hold, OnPage, dubbed_part, holds_of, on_page, speakers_of
from netflips.report.words import clock, is_trouble, plain_value, seconds, verdicts
from netflips.script.types import Script

NUM_COLOURS = 6
"""Speakers beyond these share colours."""
_WIDTH, _HEIGHT = 960, 134
_TOP, _HALF = 18, 20
"""Where the drawing begins below the axis; half the height of a sound."""
_SOURCE, _SLOT, _DUB, _SPOKEN = 40, 64, 73, 112
"""Middle of the original's sound, top of the utterances' places, top of the dub's bars, middle of the dub's sound."""
_SLOT_HEIGHT, _DUB_HEIGHT = 6, 16
_STROKE = 2
_ROWS = ((30, 30), (120, 30), (900, 60), (1800, 120), (7200, 300))
"""Up to how many seconds of output, and how many of them stand in a row."""
_LONGEST_ROW = 600
_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60)
_MOST_TICKS = 15
_DIGIT = 7
_ROUNDING = 0.01

_LANE = 30
"""Height of one sound of a pair."""
_LEAST_PEAK = 0.05
_GAUGE_SPAN = 0.5, 1.5
"""Factors at the ends of the gauge."""
_GAUGE = 120, 16

Span = tuple[float, float]
Child = str | int | Iterable["Child"] | None


def element(name: str, /, *children: Child, **attributes: object) -> Markup:
    """Make an element of children, which may be nested in lists; text is escaped, None is left out.

    attributes: `class_` means class, other underscores mean hyphens.
    """
    named = ((key.rstrip("_").replace("_", "-").replace("viewbox", "viewBox"), value) for key, value in attributes.items())
    opening = "".join([name, *(f' {key}="{escape(plain_value(value))}"' for key, value in named)])
    return Markup(f"<{opening}>{_together(children)}</{name}>")  # the text in it is escaped


def _together(children: Child) -> Markup:
    if children is None or isinstance(children, str | int):
        return escape(plain_value(children))
    return Markup("").join(map(_together, children))


def peak(*outlines: Envelope) -> float:
    """Return the largest value of all, so that sounds are drawn on one scale; never near zero."""
    return max(_LEAST_PEAK, *(float(np.abs(one).max(initial=0)) for one in outlines))


def wave(outline: Envelope, left: float, width: float, middle: float, half: float, loudest: float) -> str:
    """Return an outline as path data: one stroke each from the lowest to the highest sample."""
    if not len(outline):
        return ""
    step = width / len(outline)
    strokes = []
    for number, (low, high) in enumerate(outline.tolist()):
        top, bottom = (middle - half * min(max(value / loudest, -1), 1) for value in (high, low))
        strokes.append(f"M{left + (number + 0.5) * step:.1f} {top:.1f}v{max(bottom - top, 0.6):.1f}")
    return "".join(strokes)


def wave_pair(
    one: OnPage, source: Envelope, output: Envelope, loudest: float, num_bins: int = 120, shown_s: float | None = None
) -> Markup:
    """Return an utterance's sound above its dub's, on one scale of time.

    source: outline of the recording; output: of the result. shown_s: seconds from left to right, default as long as the
    longer of the two.
    """
    slot, spoken = one.source.seconds, one.output.seconds
    span = shown_s or max(slot, spoken, 0.02)
    lanes = (
        ("wave source", between(source, one.source.start_s, one.source.end_s), slot, _LANE / 2),
        ("wave dub", between(output, one.output.start_s, one.output.end_s), spoken, _LANE * 1.5 + 4),
    )
    height = 2 * _LANE + 4
    drawn = []
    for name, outline, length, middle in lanes:
        width = num_bins * length / span
        drawn.append(element("rect", class_="bed", x=0, y=middle - _LANE / 2, width=f"{width:.1f}", height=_LANE))
        drawn.append(
            element("path", class_=name, d=wave(thinned(outline, max(round(width), 1)), 0, width, middle, _LANE / 2, loudest))
        )
    drawn.append(
        element("line", class_="slot-end", x1=f"{num_bins * slot / span:.1f}", x2=f"{num_bins * slot / span:.1f}", y1=0, y2=height)
    )
    return element(
        "svg",
        drawn,
        class_="waves",
        viewbox=f"0 0 {num_bins} {height}",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"sound of utterance {one.number}: the original above, the dub below",
    )


def gauge(factor: float, pace: Pace | None) -> Markup:
    """Return how far speech was stretched: a mark on a scale whose middle is its natural length. pace: bounds to show."""
    width, height = _GAUGE
    low, high = _GAUGE_SPAN

    def at(value: float) -> float:
        return round(width * (min(max(value, low), high) - low) / (high - low), 1)

    bounds = None
    if pace is not None:
        bounds = element("rect", class_="bounds", x=at(pace.least), y=4, width=round(at(pace.most) - at(pace.least), 1), height=8)
    inside = pace is None or pace.least - 0.005 <= factor <= pace.most + 0.005
    return element(
        "svg",
        element("line", class_="rail", x1=0, x2=width, y1=8, y2=8),
        bounds,
        element("line", class_="rail", x1=at(1), x2=at(1), y1=1, y2=15),
        element("rect", class_="mark" if inside else "mark out", x=at(factor) - 2, y=1, width=4, height=14, rx=1),
        class_="gauge",
        width=width,
        height=height,
        role="img",
        aria_label=f"{factor:.2f} of its natural length",
    )


@dataclass(frozen=True)
class _Line:
    """What all rows share, on the clock of the output. prefix: of the ids of the utterances that the bars lead to."""

    utterances: Sequence[OnPage]
    speakers: Sequence[str]
    source: Envelope
    output: Envelope
    loudest: float
    held: Sequence[Span]
    cuts: Sequence[float]
    prefix: str


@dataclass(frozen=True)
class _Row:
    """A stretch of the line, from `start` to `stop` (s). scale: pixels to a second."""

    line: _Line
    start: float
    stop: float
    scale: float

    def x(self, time: float) -> float:
        """Return where a time stands, within the row."""
        return round((min(max(time, self.start), self.stop) - self.start) * self.scale, 1)

    def shows(self, span: Span) -> bool:
        """Return whether any of a span is in the row."""
        return span[0] < self.stop and span[1] > self.start

    def box(self, span: Span, top: float, height: float, class_: str) -> Markup:
        """Return a rectangle over a span of time."""
        left, right = self.x(span[0]), self.x(span[1])
        return element("rect", class_=class_, x=left, y=top, width=round(max(right - left, 1.0), 1), height=height)


def timeline(script: Script, material: Material, prefix: str) -> list[Markup]:
    """Draw the rows of the timeline, on the clock of the output. prefix: of the ids of the utterances' cards."""
    line = _line(script, material, prefix)
    input_s = 0.0 if script.is_in_own_time or script.media is None else script.media.duration_s
    length = max(script.result.duration_s, input_s, _ROUNDING * 2)
    row_s = length if length <= _ROWS[0][0] else next((row for most, row in _ROWS if length <= most), _LONGEST_ROW)
    count = max(-int(-(length - _ROUNDING) // row_s), 1)
    rows = [_Row(line, number * row_s, min((number + 1) * row_s, length), _WIDTH / row_s) for number in range(count)]
    return [_draw(row) for row in rows]


def _line(script: Script, material: Material, prefix: str) -> _Line:
    utterances, holds, (start, _) = on_page(script), holds_of(script), dubbed_part(script)
    held_at = [_played(hold.at, start, holds[:number]) for number, hold in enumerate(holds)]
    return _Line(
        utterances=utterances,
        speakers=speakers_of(utterances),
        source=as_played(material.source, start, holds),
        output=material.output,
        loudest=peak(material.source, material.output),
        held=[(at, at + hold.seconds) for at, hold in zip(held_at, holds, strict=True)],
        cuts=[_played(cut, start, holds) for cut in script.cuts],
        prefix=prefix,
    )


def _played(time: float, start: float, holds: Sequence[Hold]) -> float:
    """Return when a moment of the recording is shown in the output."""
    return time - start + sum(hold.seconds for hold in holds if hold.at <= time)


def _slot(one: OnPage) -> Span:
    """Return the time of the original utterance, on the clock of the output."""
    return one.output.start_s, one.output.start_s + one.source.seconds


def _draw(row: _Row) -> Markup:
    line = row.line
    here = [one for one in line.utterances if row.shows((one.output.start_s, max(one.output.end_s, _slot(one)[1])))]
    label = f"{clock(row.start)} to {clock(row.stop)}: the original's sound above, the dub's below, the utterances between"
    cuts = [row.x(cut) for cut in line.cuts if row.shows((cut, cut))]
    return element(
        "svg",
        _axis(row),
        [row.box(_slot(one), _TOP, _HEIGHT - _TOP, "bed") for one in here],
        [row.box(span, _TOP, 2 * _HALF + 4, "held") for span in line.held if row.shows(span)],
        [element("line", class_="cut", x1=x, x2=x, y1=_TOP, y2=_HEIGHT) for x in cuts],
        _sound(row, "wave source", line.source, _SOURCE),
        _sound(row, "wave dub", line.output, _SPOKEN),
        [_bars(row, one) for one in here],
        class_="row",
        width=_WIDTH,
        height=_HEIGHT,
        role="img",
        aria_label=label,
    )


def _sound(row: _Row, class_: str, outline: Envelope, middle: float) -> Markup:
    width = (row.stop - row.start) * row.scale
    bins = thinned(between(outline, row.start, row.stop), max(int(width / _STROKE), 1))
    return element("path", class_=class_, d=wave(bins, 0, width, middle, _HALF, row.line.loudest))


def _axis(row: _Row) -> list[Markup]:
    step = next((tick for tick in _TICKS if _WIDTH / row.scale / tick <= _MOST_TICKS), _TICKS[-1])
    ticks = [number * step for number in range(int(row.start / step), int(row.stop / step) + 1)]
    times = [time for time in ticks if row.start - _ROUNDING <= time < row.stop - _ROUNDING]
    lines = [element("line", class_="tick", x1=row.x(time), x2=row.x(time), y1=_TOP - 6, y2=_HEIGHT) for time in times]
    return lines + [element("text", clock(time).removesuffix(".0"), x=row.x(time) + 3, y=_TOP - 7) for time in times]


def _bars(row: _Row, one: OnPage) -> Markup:
    """Return an utterance's place, and below it the dub, up to the place's end and beyond; both lead to its details."""
    slot, said = _slot(one), (one.output.start_s, one.output.end_s)
    colour = f"s{row.line.speakers.index(one.speaker) % NUM_COLOURS}"
    parts = [row.box(slot, _SLOT, _SLOT_HEIGHT, "slot")]
    if one.alone is not None:
        parts.append(row.box(slot, _DUB, _DUB_HEIGHT, "alone"))
    else:
        parts.append(row.box((said[0], min(said[1], slot[1])), _DUB, _DUB_HEIGHT, f"said {colour}"))
        if said[1] > slot[1] and row.shows((slot[1], said[1])):
            parts.append(row.box((slot[1], said[1]), _DUB, _DUB_HEIGHT, f"said beyond {colour}"))
        if is_trouble(one):
            parts.append(row.box(said, _DUB + _DUB_HEIGHT, 2, "trouble"))
    words = "; ".join(verdict.text for verdict in verdicts(one))
    spoken = "" if one.alone is not None else f", dub {seconds(one.output.seconds)}"
    title = f"{one.number}: {one.speaker}, original {seconds(slot[1] - slot[0])}{spoken}; {words}"
    return element("a", element("title", title), parts, _number(row, one, slot, said), href=f"#{row.line.prefix}u{one.number}")


def _number(row: _Row, one: OnPage, slot: Span, said: Span) -> Markup | None:
    """Return the utterance's number, on its bar or behind it where the bar is too short, and nowhere where there is no room."""
    text = str(one.number)
    left, wide = row.x(said[0]), row.x(said[1]) - row.x(said[0])
    needed = _DIGIT * len(text) + 6
    y = _DUB + _DUB_HEIGHT - 4
    if one.alone is not None or wide >= needed:
        return (
            element("text", text, class_="on-bed" if one.alone is not None else "on-bar", x=left + 4, y=y)
            if wide >= needed
            else None
        )
    return element("text", text, class_="on-bed", x=left + wide + 3, y=y) if row.x(slot[1]) - left - wide >= needed else None
