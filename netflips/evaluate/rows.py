"""The table of an evaluation: each figure of each subject over all clips, with its 95 % interval, or why there is none."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from avcore.notes import aligned, several
from avcore.statistics import Figure
from netflips.evaluate.by_clip import ByClip
from netflips.evaluate.cases import DUBBED, ITSELF, SHUFFLED, TRUTH, CaseFiles
from netflips.evaluate.metric import FigureKind, Missing
from netflips.evaluate.metrics.text import RULES, CorpusScore
from netflips.evaluate.records import AskedFigures, Place, Record

SUBJECT_TITLES = {DUBBED: "dub", ITSELF: "source itself", SHUFFLED: "shuffled pairs", TRUTH: "true speech"}
"""Columns of the table."""
ARROWS = {"higher": "\u2191", "lower": "\u2193", "near": "\u2192"}
"""Which way is better; an arrow to the right: near what recordings have."""
_DASH, _ROUND = "\u2013", 4
_SIGNS = {"higher": "\u2265", "lower": "\u2264", "near": "\u2248"}


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
    def figure_name(self) -> str:
        """The figure's name, without the group."""
        return self.name.rpartition(".")[2]

    @property
    def title(self) -> str:
        """What a table calls it."""
        return f"{self.group}: {self.kind.title}" if self.group else self.kind.title

    @property
    def headline(self) -> str:
        """The title without its group, with its unit, and which way is better."""
        return f"{self.kind.title}{f', {self.kind.unit}' if self.kind.unit else ''} {ARROWS[self.kind.better]}"

    @property
    def is_met(self) -> bool | None:
        """Whether its goal is reached; None without one, or without a figure."""
        figure = self.figure_of(DUBBED)
        if figure is None or self.goal is None:
            return None
        return figure.value >= self.goal if self.kind.better == "higher" else figure.value <= self.goal

    @property
    def aim(self) -> str:
        """What the figure should reach, and whether it does; "" where there is no goal."""
        if self.goal is None:
            return ""
        return f"{_SIGNS[self.kind.better]} {self.goal:.2f}" + {True: ", met", False: ", missed", None: ""}[self.is_met]

    @property
    def notes(self) -> str:
        """What is to be said of it: why figures of dubs are missing, where baselines failed, how it was computed."""
        own = self.own
        failed = [(SUBJECT_TITLES[name], cell.failed) for name, cell in self.cells.items() if cell is not own and cell.failed]
        said = [own.why if own is not None else "", *(f"{name}: {count} failed" for name, count in failed), self.signature]
        return "; ".join(one for one in said if one)


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
                both = [one["heard"] for one in heard], [one["wanted"] for one in heard]
                texts[subject] = RULES[metric.name].of_corpus(*both, languages[group], listeners(of)) if heard else {}
            for name in (one for one in metric.figures if records and one in wanted.figures):
                kind, row = metric.kinds[name], row_name(group, name)
                whole = {subject: texts.get(subject, {}).get(name) for subject in records}
                cells = {subject: _cell(name, kind, of, whole[subject]) for subject, of in records.items()}
                signature = next((one.signature for one in whole.values() if isinstance(one, CorpusScore)), "")
                rows.append(Row(row, metric.name, kind, cells, signature, goals.get(row), titles.get(group, group)))
    return rows


def listeners(records: Iterable[Record]) -> str:
    """Return the names of the recognizers that heard the texts of records."""
    return ", ".join(sorted({one.texts["recognizer"] for one in records if "recognizer" in one.texts}))


def _cell(name: str, kind: FigureKind, records: Sequence[Record], whole: CorpusScore | Missing | None) -> Cell:
    failed, tried = sum(bool(one.failed) for one in records), [one.id for one in records]
    reasons = dict(Counter(one.missing[name] for one in records if name in one.missing))
    found = values_of(records, name, kind)
    figure = whole.figure if found.values and isinstance(whole, CorpusScore) else found.figure
    if figure is None and found.values:
        reasons["several clips are needed" if kind.of == "rank" else "nothing to divide by"] = len(found.values)
    return Cell(figure, failed, reasons, {} if figure is None else found.values, tried)


def values_of(records: Iterable[Record], name: str, kind: FigureKind) -> ByClip:
    """Return a figure of the clips that have it."""
    have = {one.id: one.figures for one in records if name in one.figures}
    ends, has_sums = (f"{name}_above", f"{name}_below"), kind.of in ("rate", "rank")
    sums = {one: (figures[ends[0]], figures[ends[1]]) for one, figures in have.items() if has_sums}
    return ByClip({one: figures[name] for one, figures in have.items()}, sums, kind.of)


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows as JSON objects, one a figure and subject: value, its interval where it has one, how many clips it is of."""
    lines = list[dict[str, Any]]()
    for row in rows:
        goal = {} if row.goal is None else {"goal": row.goal, "met": row.is_met}
        for subject, cell in row.cells.items():
            line: dict[str, Any] = {"figure": row.name, "subject": subject, "title": row.title, "unit": row.kind.unit}
            line["better"] = row.kind.better
            if (figure := cell.figure) is not None:
                ends = {"low": figure.low, "high": figure.high} if _has_ends(figure) else {}
                line |= {name: round(value, _ROUND) for name, value in {"value": figure.value, **ends}.items()} | {"n": figure.n}
            beside = {"failed": cell.failed, "not_measured": dict(cell.reasons), "signature": row.signature}
            lines.append({**line, **{name: value for name, value in beside.items() if value}, **goal})
    return lines


# The table as Markdown, to be read in a terminal as well


def number(value: float) -> str:
    """Return a number with as many places as say something."""
    size = abs(value)
    return f"{value:.{0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 10 else 3}f}"


def three_places(figure: Figure | None) -> str:
    """Return a figure in three places that count; a dash where there is none."""
    return _DASH if figure is None else number(figure.value)


def _has_ends(figure: Figure) -> bool:
    return math.isfinite(figure.low) and math.isfinite(figure.high)


def interval(figure: Figure | None) -> str:
    """Return the 95 % interval of a figure; "" where one clip has none."""
    return f"{number(figure.low)}, {number(figure.high)}" if figure is not None and _has_ends(figure) else ""


def with_interval(figure: Figure | None) -> str:
    """Return a figure with its interval, where it has one."""
    return three_places(figure) + (f" [{ends}]" if (ends := interval(figure)) else "")


def subjects_of(rows: Sequence[Row]) -> list[str]:
    """Return the columns: subjects of which anything was measured, in their order."""
    there = {subject for row in rows for subject, cell in row.cells.items() if cell.figure is not None}
    return [subject for subject in SUBJECT_TITLES if subject in there]


def lines_of(rows: Sequence[Row]) -> list[tuple[str, Row]]:
    """Return the lines of a table: a title and its row. Figures of one measure that all lack for one reason share a line."""
    lines = list[tuple[str, Row]]()
    for _, group in groupby(rows, key=lambda row: (row.group, row.measure)):
        of_measure = list(group)
        is_empty = all(cell.figure is None for row in of_measure for cell in row.cells.values())
        if is_empty and len(of_measure) > 1 and len({row.notes for row in of_measure}) == 1:
            lines.append((f"{of_measure[0].headline} and {len(of_measure) - 1} more", of_measure[0]))
        else:
            lines += [(row.headline, row) for row in of_measure]
    return lines


def markdown(rows: Sequence[Row]) -> str:
    """Return the table as Markdown, aligned so that it can be read as it is.

    The first line of a group of cases names it. Goals and notes have a column where there are any.
    """
    subjects, above, lines = subjects_of(rows), "", list[dict[str, str]]()
    titles = [SUBJECT_TITLES[one] for one in subjects]
    for name, row in lines_of(rows):
        figures = [row.figure_of(one) for one in subjects]
        line = {"clips": "" if row.group == above else row.group, "figure": name}
        if subjects:
            own = with_interval(figures[0]), str(figures[0].n) if figures[0] else "0"
            line |= dict(zip((f"{titles[0]} [95 % interval]", "n"), own, strict=True))
        line |= dict(zip(titles[1:], map(three_places, figures[1:]), strict=True))
        lines.append({**line, "goal": row.aim, "notes": row.notes})
        above = row.group
    has = {"clips": any(row.group for row in rows), "goal": any(row.aim for row in rows)}
    has["notes"] = not has["goal"] or any(row.notes for row in rows)
    columns = [one for one in lines[0] if has.get(one, True)] if lines else ["figure", "notes"]
    return aligned([columns, *([line[one] for one in columns] for line in lines)], is_last_wide=True)
