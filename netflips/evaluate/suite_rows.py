"""The rows of an evaluation's table: each figure of each subject over all clips, with its 95 % interval, or why there is none."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from avcore.notes import several
from avcore.statistics import Figure
from netflips.evaluate.by_clip import ByClip
from netflips.evaluate.cases import DUBBED, ITSELF, SHUFFLED, TRUTH, CaseFiles
from netflips.evaluate.measuring import AskedFigures
from netflips.evaluate.metric import FigureKind, Missing
from netflips.evaluate.metrics.text import RULES, CorpusScore
from netflips.evaluate.records import Place, Record

_ROUND = 4
SUBJECT_TITLES = {
    DUBBED: "dub",
    ITSELF: "source itself",
    SHUFFLED: "shuffled pairs",
    TRUTH: "true speech",
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
        failed = [f"{self.failed} failed"] if self.failed else []
        if not self.reasons:
            return "".join(failed)
        why = max(self.reasons, key=lambda one: self.reasons[one])
        why += f" (and {several(len(self.reasons) - 1, 'other reason')})" if len(self.reasons) > 1 else ""
        if self.figure is None:
            return "; ".join([f"not measured: {why}", *failed])
        return "; ".join([*failed, f"{sum(self.reasons.values())} without: {why}"])


@dataclass(frozen=True)
class Row:
    """A figure of all subjects. name: unique, with its group before it. measure: the metric that it is of. signature: how it was
    computed, "" = as its kind says. goal: that it should reach, None = there is none. group: of the cases, "" = there are none."""

    name: str
    measure: str
    kind: FigureKind
    cells: Mapping[str, Cell]
    signature: str = ""
    goal: float | None = None
    group: str = ""

    @property
    def own(self) -> Cell | None:
        """The cell that the row is about: of what was made, and of no baseline."""
        return self.cells.get(DUBBED)

    def figure_of(self, subject: str) -> Figure | None:
        """Return the figure of a subject; None where it has none."""
        return self.cells[subject].figure if subject in self.cells else None

    @property
    def title(self) -> str:
        """What a table calls it."""
        return f"{self.group}: {self.kind.title}" if self.group else self.kind.title

    @property
    def is_met(self) -> bool | None:
        """Whether its goal is reached; None without one, or without a figure."""
        figure = self.figure_of(DUBBED)
        if figure is None or self.goal is None:
            return None
        return figure.value >= self.goal if self.kind.better == "higher" else figure.value <= self.goal


def row_name(group: str, figure: str) -> str:
    """Return what a row is called."""
    return f"{group}.{figure}" if group else figure


def rows_of(
    found: Mapping[Place, Record],
    cases: Sequence[CaseFiles],
    asked: Mapping[str, AskedFigures],
    goals: Mapping[str, float] | None = None,
    titles: Mapping[str, str] | None = None,
) -> list[Row]:
    """Return the rows of all figures that are asked for, group by group. goals: by name of the row. titles: of groups."""
    rows, goals, titles = list[Row](), goals or {}, titles or {}
    groups, languages = {case.id: case.group for case in cases}, {case.group: case.language for case in cases}
    by: dict[Place, list[Record]] = {}
    for (name, subject, measure), record in found.items():
        by.setdefault((groups[name], measure, subject), []).append(record)
    for group, wanted in asked.items():
        for metric in wanted.metrics:
            places = ((subject, (group, metric.name, subject)) for subject in wanted.subjects)
            records = {subject: by[place] for subject, place in places if place in by}
            texts = dict[str, Mapping[str, CorpusScore | Missing]]()  # likeness of all texts together, which is no mean over clips
            for subject, of in records.items() if metric.name in RULES else ():
                heard = [one.texts for one in of if {"heard", "wanted"} <= one.texts.keys()]
                heard_by = ", ".join(sorted({one["recognizer"] for one in heard if "recognizer" in one}))
                both = [one["heard"] for one in heard], [one["wanted"] for one in heard]
                texts[subject] = RULES[metric.name].of_corpus(*both, languages[group], heard_by) if heard else {}
            for name in (one for one in metric.figures if records and one in wanted.figures):
                kind, row = metric.kinds[name], row_name(group, name)
                whole = {subject: texts.get(subject, {}).get(name) for subject in records}
                cells = {subject: _cell(name, kind, of, whole[subject]) for subject, of in records.items()}
                signature = next((one.signature for one in whole.values() if isinstance(one, CorpusScore)), "")
                rows.append(Row(row, metric.name, kind, cells, signature, goals.get(row), titles.get(group, group)))
    return rows


def _cell(name: str, kind: FigureKind, records: Sequence[Record], whole: CorpusScore | Missing | None) -> Cell:
    failed, tried = sum(bool(one.failed) for one in records), [one.id for one in records]
    reasons = dict(Counter(one.missing[name] for one in records if name in one.missing))
    found = values_of(records, name, kind)
    figure = whole.figure if found.values and isinstance(whole, CorpusScore) else found.figure
    if figure is None and found.values:
        reasons["several clips are needed" if kind.is_rank else "nothing to divide by"] = len(found.values)
    return Cell(figure, failed, reasons, {} if figure is None else found.values, tried)


def values_of(records: Iterable[Record], name: str, kind: FigureKind) -> ByClip:
    """Return a figure of the clips that have it."""
    have = {one.id: one.figures for one in records if name in one.figures}
    above, below = kind.sums or ("", "")
    sums = {one: (figures[above], figures[below]) for one, figures in have.items()} if kind.sums else {}
    return ByClip({one: figures[name] for one, figures in have.items()}, sums, kind.is_share, kind.is_rank)


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows as JSON objects, one a figure and subject: value, its interval where it has one, how many clips it is of."""
    lines = list[dict[str, Any]]()
    for row in rows:
        goal = {} if row.goal is None else {"goal": row.goal, "met": row.is_met}
        for subject, cell in row.cells.items():
            line: dict[str, Any] = {"figure": row.name, "subject": subject, "title": row.title, "unit": row.kind.unit}
            line["better"] = row.kind.better
            if (figure := cell.figure) is not None:
                ends = {"low": figure.low, "high": figure.high} if math.isfinite(figure.low) and math.isfinite(figure.high) else {}
                line |= {name: round(value, _ROUND) for name, value in {"value": figure.value, **ends}.items()} | {"n": figure.n}
            beside = {"failed": cell.failed, "not_measured": dict(cell.reasons), "signature": row.signature}
            lines.append({**line, **{name: value for name, value in beside.items() if value}, **goal})
    return lines
