"""The table of an evaluation: each figure of each system over all clips, with its 95 % interval, or why there is none.

A column is a system: what was made, or a baseline in its place; in a bench, a program. A cell is the records of its system. All
results are views of the table: text, JSON, the page, the clips to look at first, the comparison of two runs, the ranking of
programs.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from avcore.notes import aligned, several
from avcore.statistics import Difference, Figure, Statistic, bootstrap, paired_bootstrap, rank_correlations, ratios, share, sums_of
from netflips.evaluate.cases import DUBBED, SUBJECTS
from netflips.evaluate.metric import FigureKind
from netflips.evaluate.metrics.text import RULES, CorpusScore, TextRules
from netflips.evaluate.records import Place, Record, Suite

ARROWS = {"higher": "\u2191", "lower": "\u2193", "near": "\u2192"}
"""Which way is better; an arrow to the right: near the value of recordings."""
_DASH, _ROUND = "\u2013", 4
_SIGNS = {"higher": "\u2265", "lower": "\u2264", "near": "\u2248"}
_LEAST_RANKS = 4
"""Two values on either side; with fewer there is no rank correlation."""


@dataclass(frozen=True)
class Cell:
    """A figure of one system, clip by clip."""

    kind: FigureKind
    """of the figure"""
    records: Mapping[str, Record]
    """of the figure's metric and the system, by the clip's id"""
    language: str = ""
    """of the texts, two letters"""

    @cached_property
    def found(self) -> Mapping[str, float]:
        """The figure of each clip that has it, also where there is none over all of them."""
        name = self.kind.name
        return {clip: record.figures[name] for clip, record in self.records.items() if name in record.figures}

    @cached_property
    def texts(self) -> Mapping[str, Mapping[str, str]]:
        """The texts that were compared, as in `Record.texts`, of each clip that has them."""
        return {clip: record.texts for clip, record in self.records.items() if {"recognized", "wanted"} <= record.texts.keys()}

    @property
    def rules(self) -> TextRules | None:
        """For a figure of all texts together, which is no mean over clips; else None."""
        return next((rules for rules in RULES if self.kind.name in rules.likeness), None)

    @cached_property
    def of_texts(self) -> CorpusScore | None:
        """The figure of all texts together; None for other figures."""
        texts = self.texts.values()
        if self.rules is None or not texts:
            return None
        sides = [text["recognized"] for text in texts], [text["wanted"] for text in texts]
        score = self.rules.of_corpus(self.kind.name, *sides, self.language, listeners(texts))
        return score if isinstance(score, CorpusScore) else None

    @cached_property
    def figure(self) -> Figure | None:
        """The figure over the clips that have it; None without any, and where there is nothing to divide by or too little to
        rank."""
        if not self.found:
            return None
        if self.of_texts is not None:
            return self.of_texts.figure
        if self.kind.of == "share":
            return share([bool(value) for value in self.found.values()])

        above, below = self._parts(self.found)
        if self.kind.of == "rank" and len(set(above)) * len(set(below or ())) < _LEAST_RANKS:
            return None
        return None if below is not None and not sum(below) else bootstrap(above, below, self._statistic)

    @property
    def clips(self) -> Mapping[str, float]:
        """The figure of each clip that counts."""
        return {} if self.figure is None else self.found

    @property
    def failed(self) -> frozenset[str]:
        """Clips of which nothing could be measured; listed beside the figure."""
        return frozenset(clip for clip, record in self.records.items() if record.failed)

    @property
    def reasons(self) -> Mapping[str, int]:
        """Why clips, or all of them together, have no figure, and how many."""
        name = self.kind.name
        missing = dict(Counter(record.missing[name] for record in self.records.values() if name in record.missing))
        if self.figure is not None or not self.found:
            return missing
        return {**missing, "several clips are needed" if self.kind.of == "rank" else "nothing to divide by": len(self.found)}

    @property
    def why(self) -> str:
        """One line on why the figure is missing, as a whole or for some clips; "" = nothing is missing."""
        failed, reasons = [f"{len(self.failed)} failed"] if self.failed else [], self.reasons
        if not reasons:
            return "".join(failed)
        why = max(reasons, key=lambda one: reasons[one])
        why += f" (and {several(len(reasons) - 1, 'other reason')})" if len(reasons) > 1 else ""
        if self.figure is None:
            return "; ".join([f"not measured: {why}", *failed])
        return "; ".join([*failed, f"{sum(reasons.values())} without: {why}"])

    def compared(self, other: "Cell") -> "Compared | None":
        """Return the figure over the clips that both have beside the other's; None where it cannot be computed."""
        both = [clip for clip in self.found if clip in other.found]
        if not both:
            return None
        # Of the clips that were tried on both sides.
        alone = len((self.failed - other.failed) & {*other.records}), len((other.failed - self.failed) & {*self.records})

        if self.rules is not None:
            recognized, again = ([cell.texts[clip]["recognized"] for clip in both] for cell in (self, other))
            wanted = [self.texts[clip]["wanted"] for clip in both]
            found = self.rules.compared(self.kind.name, recognized, again, wanted, self.language)
            return None if found is None else Compared(self.kind, *found, alone)

        (own, below), (theirs, others) = self._parts(both), other._parts(both)
        if below is None or others is None:
            weights = None
        elif not sum(below) or not sum(others):
            return None
        else:
            weights = (below, others)

        sums = sums_of(own, below)
        value = float(self._statistic(sums[0][None], sums[1][None])[0])
        return Compared(self.kind, value, paired_bootstrap(own, theirs, weights, self._statistic), alone)

    def near(self, right: float) -> "Cell":
        """Return a cell that scores how near each value is to the right one: higher is nearer."""
        name, records = self.kind.name, dict(self.records)
        for clip, value in self.found.items():
            records[clip] = replace(records[clip], figures={name: -abs(value - right)})
        # Nearness is a mean over clips even where the figure is a rate.
        return replace(self, kind=replace(self.kind, better="higher", of="mean"), records=records)

    @property
    def _statistic(self) -> Statistic:
        return rank_correlations if self.kind.of == "rank" else ratios

    def _parts(self, clips: Iterable[str]) -> tuple[list[float], list[float] | None]:
        """Return what the figure of some clips is computed from: their own values, or the sums above and below the line."""
        name, figures = self.kind.name, [self.records[clip].figures for clip in clips]
        if self.kind.of not in ("rate", "rank"):
            return [figure[name] for figure in figures], None
        return [figure[f"{name}_above"] for figure in figures], [figure[f"{name}_below"] for figure in figures]


@dataclass(frozen=True)
class Compared:
    """A figure of two systems."""

    kind: FigureKind
    first: float
    """of the first system, over the clips that both have"""
    difference: Difference
    """second less first, over the same clips"""
    failed: tuple[int, int]
    """clips that failed only in the first, and only in the second"""

    @property
    def better(self) -> int:
        """1 where the second is better, -1 where the first is, 0 where the difference may be chance."""
        if not self.difference.is_significant:
            return 0
        return 1 if (self.difference.value > 0) == (self.kind.better == "higher") else -1


def listeners(texts: Iterable[Mapping[str, str]]) -> str:
    """Return the names of the recognizers that made the transcripts in records."""
    return ", ".join(sorted({text["recognizer"] for text in texts if "recognizer" in text}))


@dataclass(frozen=True)
class Row:
    """A figure of all systems."""

    name: str
    """unique, with its group before it"""
    measure: str
    """name of its metric"""
    kind: FigureKind
    cells: Mapping[str, Cell]
    """by system"""
    goal: float | None = None
    """value that it should reach; None = there is none"""
    group: str = ""
    """of the cases; "" = there are no groups"""

    @property
    def own(self) -> Cell | None:
        """The cell that the row is about: that of the dubs, not of a baseline."""
        return self.cells.get(DUBBED)

    def figure_of(self, system: str) -> Figure | None:
        """Return the figure of a system; None where it has none."""
        return self.cells[system].figure if system in self.cells else None

    @property
    def figure_name(self) -> str:
        """The figure's name, without the group."""
        return self.name.rpartition(".")[2]

    @property
    def signature(self) -> str:
        """How it was computed; "" = as its kind describes."""
        return next((cell.of_texts.signature for cell in self.cells.values() if cell.of_texts is not None), "")

    @property
    def title(self) -> str:
        """Its name in a table."""
        return f"{self.group}: {self.kind.title}" if self.group else self.kind.title

    @property
    def headline(self) -> str:
        """Its title without the group, with its unit and an arrow for which way is better."""
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
        """Remarks: why figures of dubs are missing, where baselines failed, how it was computed."""
        own = self.own
        beside = ((SUBJECTS[name][0], len(cell.failed)) for name, cell in self.cells.items() if cell is not own)
        failed = [f"{title}: {count} failed" for title, count in beside if count]
        return "; ".join(one for one in (own.why if own is not None else "", *failed, self.signature) if one)


def row_name(group: str, figure: str) -> str:
    """Return the name of a row."""
    return f"{group}.{figure}" if group else figure


def rows_of(found: Mapping[Place, Record], suite: Suite) -> list[Row]:
    """Return the rows of all figures that are asked for, group by group."""
    rows = list[Row]()
    for group, wanted in suite.by_group.items():
        cases = [case for case in suite.cases if case.group == group]
        for metric in wanted.metrics:
            records = dict[str, dict[str, Record]]()
            for subject, case in itertools.product(wanted.subjects, cases):
                if (record := found.get((case.id, subject, metric.name))) is not None:
                    records.setdefault(subject, {})[case.id] = record

            for kind in (kind for kind in metric.kinds.values() if records and kind.name in wanted.figures):
                cells = {subject: Cell(kind, of, cases[0].language) for subject, of in records.items()}
                name, title = row_name(group, kind.name), suite.titles.get(group, group)
                rows.append(Row(name, metric.name, kind, cells, suite.goals.get(name), title))
    return rows


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows as JSON objects, one for each figure and subject: value, interval where there is one, number of clips."""
    lines = list[dict[str, Any]]()
    for row in rows:
        goal = {} if row.goal is None else {"goal": row.goal, "met": row.is_met}
        for subject, cell in row.cells.items():
            line: dict[str, Any] = {"figure": row.name, "subject": subject, "title": row.title, "unit": row.kind.unit}
            line["better"] = row.kind.better
            if (figure := cell.figure) is not None:
                ends = {"low": figure.low, "high": figure.high} if _has_ends(figure) else {}
                line |= {name: round(value, _ROUND) for name, value in {"value": figure.value, **ends}.items()} | {"n": figure.n}

            beside = {"failed": len(cell.failed), "not_measured": dict(cell.reasons), "signature": row.signature}
            lines.append({**line, **{name: value for name, value in beside.items() if value}, **goal})
    return lines


# The table as Markdown, to be read in a terminal as well


def number(value: float) -> str:
    """Return a number with as many decimals as are significant."""
    size = abs(value)
    return f"{value:.{0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 10 else 3}f}"


def three_places(figure: Figure | None) -> str:
    """Return a figure to three significant digits; a dash where there is none."""
    return _DASH if figure is None else number(figure.value)


def _has_ends(figure: Figure) -> bool:
    return math.isfinite(figure.low) and math.isfinite(figure.high)


def interval(figure: Figure | None) -> str:
    """Return the 95 % interval of a figure; "" where there is none, as for a single clip."""
    return f"{number(figure.low)}, {number(figure.high)}" if figure is not None and _has_ends(figure) else ""


def with_interval(figure: Figure | None) -> str:
    """Return a figure with its interval, where it has one."""
    return three_places(figure) + (f" [{ends}]" if (ends := interval(figure)) else "")


def subjects_of(rows: Sequence[Row]) -> list[str]:
    """Return the columns: subjects of which anything was measured, in their order."""
    there = {subject for row in rows for subject, cell in row.cells.items() if cell.figure is not None}
    return [subject for subject in SUBJECTS if subject in there]


def lines_of(rows: Sequence[Row]) -> list[tuple[str, Row]]:
    """Return the lines of a table: a title and its row. Figures of one measure that are all missing for one reason share a line."""
    lines = list[tuple[str, Row]]()
    for _, group in itertools.groupby(rows, key=lambda row: (row.group, row.measure)):
        of_measure = list(group)
        is_empty = all(cell.figure is None for row in of_measure for cell in row.cells.values())
        if is_empty and len(of_measure) > 1 and len({row.notes for row in of_measure}) == 1:
            lines.append((f"{of_measure[0].headline} and {len(of_measure) - 1} more", of_measure[0]))
        else:
            lines += [(row.headline, row) for row in of_measure]
    return lines


def markdown(rows: Sequence[Row]) -> str:
    """Return the table as Markdown, aligned so that its source is readable, too.

    The first line of a group of cases names the group. Goals and notes have a column where there are any.
    """
    subjects, above, lines = subjects_of(rows), "", list[dict[str, str]]()
    titles = [SUBJECTS[subject][0] for subject in subjects]

    for name, row in lines_of(rows):
        figures = [row.figure_of(subject) for subject in subjects]
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
    return aligned([columns, *([line[column] for column in columns] for line in lines)], is_last_wide=True)
