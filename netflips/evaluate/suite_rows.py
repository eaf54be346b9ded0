"""The rows of an evaluation's table: each figure of each subject over all clips, with its 95 % interval, or why there is none."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from avcore.plain_text import several
from avcore.statistics import Figure
from netflips.evaluate.by_clip import ByClip
from netflips.evaluate.cases import DUBBED, ITSELF, SHUFFLED, TRUE_UNITS, TRUTH, CaseFiles
from netflips.evaluate.measuring import AskedFigures
from netflips.evaluate.metric import Kind, Missing
from netflips.evaluate.metrics.text import LIKENESS, CorpusScore, corpus_likeness
from netflips.evaluate.records import Place, Record

_ROUND = 4
SUBJECT_TITLES = {
    DUBBED: "dub",
    ITSELF: "source itself",
    SHUFFLED: "shuffled pairs",
    TRUTH: "true speech",
    TRUE_UNITS: "true units",
}
"""Columns of the table."""


@dataclass(frozen=True)
class Cell:
    """A figure of one subject.

    figure: over the clips that it was measured of; None = of none. failed: clips of which nothing could be measured, which stand
    beside it. reasons: why others have none, with how many. clips: of each clip that has it, by id. tried: ids of all clips that
    it was asked of.
    """

    figure: Figure | None
    failed: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    clips: Mapping[str, float] = field(default_factory=dict)
    tried: Collection[str] = ()

    @property
    def why(self) -> str:
        """Why there is no figure, or not of all clips, in a line; "" = there is nothing to say."""
        lines = [f"{self.failed} failed"] if self.failed else []
        missing = sum(self.reasons.values())
        if self.figure is None and self.reasons:
            return "; ".join(["not measured: " + most_often(self.reasons), *lines])
        return "; ".join([*lines, *([f"{missing} without: {most_often(self.reasons)}"] if missing else [])])


@dataclass(frozen=True)
class Row:
    """A figure of all subjects. name: unique, with its group before it. measure: the metric that it is of. signature: how it was
    computed, "" = as its kind says. goal: that it should reach, None = there is none. group: of the cases, "" = there are none."""

    name: str
    measure: str
    kind: Kind
    cells: Mapping[str, Cell]
    signature: str = ""
    goal: float | None = None
    group: str = ""

    @property
    def own(self) -> Cell | None:
        """The cell that the row is about: of what was made, and of no baseline."""
        return self.cells.get(DUBBED)

    @property
    def title(self) -> str:
        """What a table calls it."""
        return f"{self.group}: {self.kind.title}" if self.group else self.kind.title

    @property
    def is_met(self) -> bool | None:
        """Whether its goal is reached; None without one, or without a figure."""
        figure = None if self.own is None else self.own.figure
        if figure is None or self.goal is None:
            return None
        return figure.value >= self.goal if self.kind.better == "higher" else figure.value <= self.goal


def row_name(group: str, figure: str) -> str:
    """What a row is called."""
    return f"{group}.{figure}" if group else figure


def rows_of(
    found: Mapping[Place, Record],
    cases: Sequence[CaseFiles],
    asked: Mapping[str, AskedFigures],
    goals: Mapping[str, float] | None = None,
    titles: Mapping[str, str] | None = None,
) -> list[Row]:
    """The rows of all figures that are asked for, group by group. goals: by name of the row. titles: of groups."""
    rows = []
    for group, wanted in asked.items():
        own = {case.id: case.language for case in cases if case.group == group}
        language = next(iter(own.values()), "")
        by: dict[tuple[str, str], list[Record]] = {}
        for (name, subject, measure), record in found.items():
            if name in own:
                by.setdefault((measure, subject), []).append(record)
        for metric in wanted.metrics:
            records = {subject: by[metric.name, subject] for subject in wanted.subjects if (metric.name, subject) in by}
            texts = {subject: _corpus(of, language) for subject, of in records.items() if set(metric.figures) & set(LIKENESS)}
            for name in (one for one in metric.figures if one in wanted.figures):
                whole = {subject: texts.get(subject, {}).get(name) for subject in records}
                cells = {subject: _cell(name, metric.kinds[name], of, whole[subject]) for subject, of in records.items()}
                signature = next((one.signature for one in whole.values() if isinstance(one, CorpusScore)), "")
                row = row_name(group, name)
                if cells:
                    title = (titles or {}).get(group, group)
                    rows.append(Row(row, metric.name, metric.kinds[name], cells, signature, (goals or {}).get(row), title))
    return rows


def _corpus(records: Iterable[Record], language: str) -> Mapping[str, CorpusScore | Missing]:
    """Likeness of all texts together, which is no mean over clips."""
    pairs = [(one.texts["heard"], one.texts["wanted"]) for one in records if {"heard", "wanted"} <= one.texts.keys()]
    heard, wanted = [one for one, _ in pairs], [one for _, one in pairs]
    return corpus_likeness(heard, wanted, language) if pairs else {}


def _cell(name: str, kind: Kind, records: Sequence[Record], whole: CorpusScore | Missing | None) -> Cell:
    failed, tried = sum(bool(one.failed) for one in records), [one.id for one in records]
    reasons = dict(Counter(one.missing[name] for one in records if name in one.missing))
    found = values_of(records, name, kind)
    if not found.values:
        return Cell(None, failed, reasons, {}, tried)
    figure = whole.figure if isinstance(whole, CorpusScore) else found.figure
    if figure is None:
        return Cell(None, failed, {**reasons, "nothing to divide by": len(found.values)}, {}, tried)
    return Cell(figure, failed, reasons, found.values, tried)


def values_of(records: Iterable[Record], name: str, kind: Kind) -> ByClip:
    """A figure of the clips that have it."""
    have = [one for one in records if name in one.figures]
    values = {one.id: one.figures[name] for one in have}
    if kind.sums is None:
        return ByClip(values, is_share=kind.is_share)
    above, below = kind.sums
    return ByClip(values, {one.id: (one.figures[above], one.figures[below]) for one in have})


def most_often(reasons: Mapping[str, int]) -> str:
    """The reason of most clips, and that there are others."""
    first = max(reasons, key=lambda one: reasons[one])
    return first if len(reasons) == 1 else f"{first} (and {several(len(reasons) - 1, 'other reason')})"


def worst_clips(rows: Sequence[Row], ids: Sequence[str], number: int) -> list[tuple[str, dict[str, float]]]:
    """The clips to look at first: id, and how many of the clips are better in each figure, as a share of 0 to 1.

    Clips rank by the sum of these shares; a figure that was asked of a clip and that it has not counts as worst.
    """
    behind: dict[str, dict[str, float]] = {name: {} for name in ids}
    for row in rows:
        cell = row.own
        if cell is None or len(cell.clips) < 2:
            continue
        badness = {name: _badness(row, cell, name) for name in cell.tried if name in behind}
        order = sorted(badness.values())
        if order and order[0] < order[-1]:
            for name, value in badness.items():
                behind[name][row.name] = bisect_left(order, value) / len(order)
    return [(name, behind[name]) for name in sorted(ids, key=lambda name: -sum(behind[name].values()))[:number]]


def _badness(row: Row, cell: Cell, name: str) -> float:
    """Larger is worse; infinite for a clip without the figure."""
    value = cell.clips.get(name)
    if value is None:
        return math.inf
    if row.kind.better == "near":
        return abs(value - near_of(row))
    return -value if row.kind.better == "higher" else value


def near_of(row: Row) -> float:
    """What a figure should be near to: that of the true speech, else of the source, else the middle of the dubs'."""
    for subject in (TRUTH, ITSELF, DUBBED):
        cell = row.cells.get(subject)
        if cell is not None and cell.figure is not None:
            return cell.figure.value
    return 0.0


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as JSON objects, one a figure and subject."""
    return [dict(_line(row, subject, cell)) for row in rows for subject, cell in row.cells.items()]


def _line(row: Row, subject: str, cell: Cell) -> Iterator[tuple[str, Any]]:
    yield from {"figure": row.name, "subject": subject, "title": row.title, "unit": row.kind.unit}.items()
    yield "better", row.kind.better
    if cell.figure is not None:
        yield from ((name, value) for name, value in _numbers(cell.figure))
    if cell.failed:
        yield "failed", cell.failed
    if cell.reasons:
        yield "not_measured", dict(cell.reasons)
    if row.signature:
        yield "signature", row.signature
    if row.goal is not None:
        yield from (("goal", row.goal), ("met", row.is_met))


def _numbers(figure: Figure) -> Iterator[tuple[str, float | int]]:
    yield "value", round(figure.value, _ROUND)
    if math.isfinite(figure.low) and math.isfinite(figure.high):
        yield from (("low", round(figure.low, _ROUND)), ("high", round(figure.high, _ROUND)))
    yield "n", figure.n
