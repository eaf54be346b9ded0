"""The table that comes out: for people as Markdown, for machines as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from avcore.statistics import Figure
from netflips.evaluate.tables import aligned, booktabs, escaped, latex_figure
from workshop.evaluate.condition_rows import modality_shares
from workshop.evaluate.jobs import BOTH, Record
from workshop.evaluate.others import OtherBundle
from workshop.evaluate.row import ExamRow, Records
from workshop.evaluate.rows import sweep_figures
from workshop.evaluate.settings import EvaluationSettings

_QUANTILES = (0.01, 0.05, 0.5)


@dataclass(frozen=True)
class FilledRow:
    """A row with its figure. failed: utterances that could not be dubbed, which count as wrong."""

    row: ExamRow
    figure: Figure
    failed: int

    def cells(self) -> list[str]:
        """Its cells as text."""
        figure, is_met = self.figure, self.row.meets_goal(self.figure)
        sign = "≥" if self.row.is_least else "≤"
        goal = "" if self.row.goal is None else f"{sign} {self.row.goal:.2f}, {'met' if is_met else 'missed'}"
        interval = "" if np.isnan(figure.low) else f"{figure.low:.3f} to {figure.high:.3f}"
        title = self.row.title + (f" ({self.failed} could not be dubbed)" if self.failed else "")
        return [title, f"{figure.value:.3f}", interval, str(figure.n), goal]


def filled_rows(rows: Sequence[ExamRow], records: Records, settings: EvaluationSettings) -> list[FilledRow]:
    """Rows for which there are records, with their figures."""
    lines = []
    for row in rows:
        figure = row.figure(records, settings)
        if figure is not None:
            failed = sum(
                "failed" in one for need in row.needs(settings)[: row.counted] for one in records.get((need.kind, need.task), ())
            )
            lines.append(FilledRow(row, figure, failed))
    return lines


def exam_markdown(lines: Sequence[FilledRow], others: Sequence[OtherBundle] = ()) -> str:
    """The table as Markdown, columns aligned so that it can be read as it is; figures of other bundles come last."""
    cells = [["test", "result", "95 % interval", "n", "goal"], *(line.cells() for line in lines)]
    cells += [row for other in others for row in other.cells()]
    return aligned(cells).rstrip("\n")


def exam_latex(lines: Sequence[FilledRow], caption: str) -> str:
    """The table for LaTeX (booktabs), in the form of the suites' tables: a figure with its interval, n, and the goal."""
    cells = [
        [escaped(title), latex_figure(line.figure), n, goal.replace("≥", r"$\geq$").replace("≤", r"$\leq$")]
        for line in lines
        for title, _, _, n, goal in [line.cells()]
    ]
    return booktabs(["test", "result", "n", "goal"], cells, caption)


def metrics(lines: Sequence[FilledRow], records: Records, settings: EvaluationSettings) -> dict[str, Any]:
    """Everything that was measured, as JSON.

    scores: quantiles of the encoder's confidence and the translation's score on speech of the domain that training never
    heard, by which a program can tell speech that is none of it. taken_from: see `condition_rows.modality_shares`.
    """
    rows = {
        line.row.name: asdict(line.figure)
        | {"title": line.row.title, "goal": line.row.goal, "met": line.row.meets_goal(line.figure), "failed": line.failed}
        for line in lines
    }
    sweep = sweep_figures(records, settings)
    held_out = records.get(("held_out", BOTH), ())
    return {
        "rows": {name: _plain(row) for name, row in rows.items()},
        "noise_sweep_db": {what: {f"{snr:g}": _plain(asdict(one)) for snr, one in found.items()} for what, found in sweep.items()},
        "scores": {name: _quantiles(held_out, name) for name in ("confidence", "score")},
        "taken_from": modality_shares(records),
        "settings": asdict(settings),
    }


def _quantiles(records: Sequence[Record], name: str) -> dict[str, float]:
    values = [float(one[name]) for one in records if name in one]
    return {f"{share:g}": round(float(np.quantile(values, share)), 4) for share in _QUANTILES} if values else {}


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """The row with rounded numbers, and without those that are none."""
    return {
        name: round(value, 4) if isinstance(value, float) else value
        for name, value in row.items()
        if not (isinstance(value, float) and np.isnan(value))
    }
