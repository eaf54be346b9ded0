"""The table of an evaluation, as Markdown, to be read in a terminal as well."""

import math
from collections.abc import Sequence
from itertools import groupby

from avcore.notes import aligned
from avcore.statistics import Figure
from netflips.evaluate.suite_rows import SUBJECT_TITLES, Row

ARROWS = {"higher": "\u2191", "lower": "\u2193", "near": "\u2192"}
"""Which way is better; an arrow to the right: near what recordings have."""
_DASH = "\u2013"
_SIGNS = {"higher": "\u2265", "lower": "\u2264", "near": "\u2248"}


def three_places(figure: Figure | None) -> str:
    """Return a figure in three places that count; a dash where there is none."""
    return _DASH if figure is None else number(figure.value)


def number(value: float) -> str:
    """Return a number with as many places as say something."""
    size = abs(value)
    return f"{value:.0f}" if size >= 1000 else f"{value:.1f}" if size >= 100 else f"{value:.2f}" if size >= 10 else f"{value:.3f}"


def interval(figure: Figure | None) -> str:
    """Return the 95 % interval of a figure; "" where one clip has none."""
    if figure is None or not (math.isfinite(figure.low) and math.isfinite(figure.high)):
        return ""
    return f"{number(figure.low)}, {number(figure.high)}"


def with_interval(figure: Figure | None) -> str:
    """Return a figure with its interval, where it has one."""
    ends = interval(figure)
    return three_places(figure) + (f" [{ends}]" if ends else "")


def title(row: Row) -> str:
    """Return a row's title without its group, with its unit, and which way is better."""
    unit = f", {row.kind.unit}" if row.kind.unit else ""
    return f"{row.kind.title}{unit} {ARROWS[row.kind.better]}"


def subjects_of(rows: Sequence[Row]) -> list[str]:
    """Return the columns: subjects of which anything was measured, in their order."""
    there = {subject for row in rows for subject, cell in row.cells.items() if cell.figure is not None}
    return [subject for subject in SUBJECT_TITLES if subject in there]


def notes(row: Row) -> str:
    """Return what is to be said of a row: why figures of dubs are missing, where baselines failed, how it was computed."""
    own = row.own
    said = [own.why] if own is not None and own.why else []
    failed = [(SUBJECT_TITLES[name], cell.failed) for name, cell in row.cells.items() if cell is not own and cell.failed]
    said += [f"{name}: {count} failed" for name, count in failed]
    return "; ".join([*said, *([row.signature] if row.signature else [])])


def goal(row: Row) -> str:
    """Return what a figure should reach, and whether it does; "" where there is no goal."""
    if row.goal is None:
        return ""
    reached = {True: ", met", False: ", missed", None: ""}[row.is_met]
    return f"{_SIGNS[row.kind.better]} {row.goal:.2f}{reached}"


def lines_of(rows: Sequence[Row]) -> list[tuple[str, Row]]:
    """Return the lines of a table: a title and its row. Figures of one measure that all lack for one reason share a line."""
    lines = list[tuple[str, Row]]()
    for _, group in groupby(rows, key=lambda row: (row.group, row.measure)):
        of_measure = list(group)
        is_empty = all(cell.figure is None for row in of_measure for cell in row.cells.values())
        if is_empty and len(of_measure) > 1 and len({notes(row) for row in of_measure}) == 1:
            lines.append((f"{title(of_measure[0])} and {len(of_measure) - 1} more", of_measure[0]))
        else:
            lines += [(title(row), row) for row in of_measure]
    return lines


def markdown(rows: Sequence[Row]) -> str:
    """Return the table as Markdown, aligned so that it can be read as it is.

    The first line of a group of cases names it. Goals and notes have a column where there are any.
    """
    subjects, has_groups = subjects_of(rows), any(row.group for row in rows)
    has_goals = any(goal(row) for row in rows)
    has_notes = not has_goals or any(notes(row) for row in rows)
    titles = [SUBJECT_TITLES[one] for one in subjects]
    own = [f"{titles[0]} [95 % interval]", "n"] if titles else []
    last = [*(["goal"] if has_goals else []), *(["notes"] if has_notes else [])]
    lines, above = [[*(["clips"] if has_groups else []), "figure", *own, *titles[1:], *last]], ""
    for name, row in lines_of(rows):
        clips = ["" if row.group == above else row.group] if has_groups else []
        figures, above = [row.figure_of(one) for one in subjects], row.group
        own = [with_interval(figures[0]), str(figures[0].n) if figures[0] else "0"] if subjects else []
        last = [*([goal(row)] if has_goals else []), *([notes(row)] if has_notes else [])]
        lines.append([*clips, name, *own, *(three_places(one) for one in figures[1:]), *last])
    return aligned(lines, is_last_wide=True)
