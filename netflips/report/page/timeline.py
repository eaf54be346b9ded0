"""The whole dub on a line of time: sounds, places of the utterances, and what was spoken in them."""

from collections.abc import Sequence
from dataclasses import dataclass

from netflips.report import DubReport, UtteranceReport
from netflips.report.page.envelope import Envelope, as_played, between, thinned
from netflips.report.page.markup import Markup, tag
from netflips.report.page.material import Material
from netflips.report.page.story import Hold, holds_of, speakers_of, utterances_of
from netflips.report.page.waves import peak, wave
from netflips.report.page.words import clock, is_trouble, seconds, verdicts

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

Span = tuple[float, float]


@dataclass(frozen=True)
class _Line:
    """What all rows share, on the clock of the output. prefix: of the ids of the utterances that the bars lead to."""

    utterances: Sequence[UtteranceReport]
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
        """Where a time stands, within the row."""
        return round((min(max(time, self.start), self.stop) - self.start) * self.scale, 1)

    def shows(self, span: Span) -> bool:
        """Whether any of a span is in the row."""
        return span[0] < self.stop and span[1] > self.start

    def box(self, span: Span, top: float, height: float, class_: str) -> Markup:
        """A rectangle over a span of time."""
        left, right = self.x(span[0]), self.x(span[1])
        return tag("rect", class_=class_, x=left, y=top, width=round(max(right - left, 1.0), 1), height=height)


def timeline(report: DubReport, material: Material, prefix: str) -> Markup:
    """Draw the rows of the timeline, on the clock of the output."""
    line = _line(report, material, prefix)
    length = max(report.output_s, 0.0 if report.recording is not None else report.input_s, _ROUNDING * 2)
    row_s = length if length <= _ROWS[0][0] else next((row for most, row in _ROWS if length <= most), _LONGEST_ROW)
    count = max(-int(-(length - _ROUNDING) // row_s), 1)
    rows = [_Row(line, number * row_s, min((number + 1) * row_s, length), _WIDTH / row_s) for number in range(count)]
    return tag("div", [_draw(row) for row in rows], class_="scroll", tabindex=0, role="group", aria_label="timeline")


def _line(report: DubReport, material: Material, prefix: str) -> _Line:
    utterances = utterances_of(report)
    holds = holds_of(utterances)
    start = 0.0 if report.recording is None else report.recording.part[0]
    cuts = () if report.recording is None else report.recording.scene_cuts
    held_at = [_played(hold.at, start, holds[:number]) for number, hold in enumerate(holds)]
    return _Line(
        utterances=utterances,
        speakers=speakers_of(utterances),
        source=as_played(material.source, start, holds),
        output=material.output,
        loudest=peak(material.source, material.output),
        held=[(at, at + hold.seconds) for at, hold in zip(held_at, holds, strict=True)],
        cuts=[_played(cut, start, holds) for cut in cuts],
        prefix=prefix,
    )


def _played(time: float, start: float, holds: Sequence[Hold]) -> float:
    """When a moment of the recording is shown in the output."""
    return time - start + sum(hold.seconds for hold in holds if hold.at <= time)


def _slot(one: UtteranceReport) -> Span:
    """The time of the original utterance, on the clock of the output."""
    return one.output_start_s, one.output_start_s + one.source_end_s - one.source_start_s


def _draw(row: _Row) -> Markup:
    line = row.line
    here = [one for one in line.utterances if row.shows((one.output_start_s, max(one.output_end_s, _slot(one)[1])))]
    label = f"{clock(row.start)} to {clock(row.stop)}: the original's sound above, the dub's below, the utterances between"
    cuts = [row.x(cut) for cut in line.cuts if row.shows((cut, cut))]
    return tag(
        "svg",
        _axis(row),
        [row.box(_slot(one), _TOP, _HEIGHT - _TOP, "bed") for one in here],
        [row.box(span, _TOP, 2 * _HALF + 4, "held") for span in line.held if row.shows(span)],
        [tag("line", class_="cut", x1=x, x2=x, y1=_TOP, y2=_HEIGHT) for x in cuts],
        _sound(row, "wave source", line.source, _SOURCE),
        _sound(row, "wave dub", line.output, _SPOKEN),
        [_bars(row, one) for one in here],
        class_="row", width=_WIDTH, height=_HEIGHT, role="img", aria_label=label,
    )  # fmt: skip


def _sound(row: _Row, class_: str, outline: Envelope, middle: float) -> Markup:
    width = (row.stop - row.start) * row.scale
    bins = thinned(between(outline, row.start, row.stop), max(int(width / _STROKE), 1))
    return tag("path", class_=class_, d=wave(bins, 0, width, middle, _HALF, row.line.loudest))


def _axis(row: _Row) -> list[Markup]:
    step = next((tick for tick in _TICKS if _WIDTH / row.scale / tick <= _MOST_TICKS), _TICKS[-1])
    ticks = [number * step for number in range(int(row.start / step), int(row.stop / step) + 1)]
    times = [time for time in ticks if row.start - _ROUNDING <= time < row.stop - _ROUNDING]
    lines = [tag("line", class_="tick", x1=row.x(time), x2=row.x(time), y1=_TOP - 6, y2=_HEIGHT) for time in times]
    return lines + [tag("text", clock(time).removesuffix(".0"), x=row.x(time) + 3, y=_TOP - 7) for time in times]


def _bars(row: _Row, one: UtteranceReport) -> Markup:
    """An utterance's place, and below it the dub, up to the place's end and beyond; both lead to its details."""
    slot, said = _slot(one), (one.output_start_s, one.output_end_s)
    colour = f"s{row.line.speakers.index(one.speaker) % NUM_COLOURS}"
    parts = [row.box(slot, _SLOT, _SLOT_HEIGHT, "slot")]
    if one.left_alone:
        parts.append(row.box(slot, _DUB, _DUB_HEIGHT, "alone"))
    else:
        parts.append(row.box((said[0], min(said[1], slot[1])), _DUB, _DUB_HEIGHT, f"said {colour}"))
        if said[1] > slot[1] and row.shows((slot[1], said[1])):
            parts.append(row.box((slot[1], said[1]), _DUB, _DUB_HEIGHT, f"said beyond {colour}"))
        if is_trouble(one):
            parts.append(row.box(said, _DUB + _DUB_HEIGHT, 2, "trouble"))
    words = "; ".join(verdict.text for verdict in verdicts(one))
    spoken = "" if one.left_alone else f", dub {seconds(one.output_end_s - one.output_start_s)}"
    title = f"{one.number}: {one.speaker}, original {seconds(slot[1] - slot[0])}{spoken}; {words}"
    return tag("a", tag("title", title), parts, _number(row, one, slot, said), href=f"#{row.line.prefix}u{one.number}")


def _number(row: _Row, one: UtteranceReport, slot: Span, said: Span) -> Markup | None:
    """The utterance's number, on its bar or behind it where the bar is too short, and nowhere where there is no room."""
    text = str(one.number)
    left, wide = row.x(said[0]), row.x(said[1]) - row.x(said[0])
    needed = _DIGIT * len(text) + 6
    y = _DUB + _DUB_HEIGHT - 4
    if one.left_alone or wide >= needed:
        return tag("text", text, class_="on-bed" if one.left_alone else "on-bar", x=left + 4, y=y) if wide >= needed else None
    return tag("text", text, class_="on-bed", x=left + wide + 3, y=y) if row.x(slot[1]) - left - wide >= needed else None
