"""What the exam found, from its records: rows with figures, and everything as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from avcore.statistics import Figure
from netflips.evaluate.curves import Curve
from netflips.evaluate.suite_rows import Row
from workshop.evaluate.condition_rows import modality_shares
from workshop.evaluate.jobs import Record
from workshop.evaluate.modalities import BOTH
from workshop.evaluate.row import ExamRow, Records
from workshop.evaluate.settings import EvaluationSettings

_QUANTILES = (0.01, 0.05, 0.5)


def filled_rows(rows: Sequence[ExamRow], records: Records, settings: EvaluationSettings) -> list[Row]:
    """Rows for which there are records, with their figures."""
    found = (row.filled(records, settings) for row in rows)
    return [row for row in found if row is not None]


def figures_of(rows: Sequence[Row]) -> dict[str, Figure]:
    """The figures that there are, by the row's name."""
    return {row.name: row.own.figure for row in rows if row.own is not None and row.own.figure is not None}


def metrics(rows: Sequence[Row], curve: Curve | None, records: Records, settings: EvaluationSettings) -> dict[str, Any]:
    """Everything that was measured, as JSON; of rows and levels those with a figure.

    scores: quantiles of the encoder's confidence and the translation's score on speech of the domain that training never
    heard, by which a program can tell speech that is none of it. taken_from: see `condition_rows.modality_shares`.
    """
    levels: Mapping[str, Mapping[float, Figure]] = {} if curve is None else curve.points
    held_out = records.get(("held_out", BOTH), ())
    return {
        "rows": {row.name: _row(row, row.own.failed, row.own.figure) for row in rows if row.own and row.own.figure},
        "noise_sweep_db": {
            what: {f"{snr:g}": _plain(asdict(one)) for snr, one in found.items()} for what, found in levels.items() if found
        },
        "scores": {name: _quantiles(held_out, name) for name in ("confidence", "score")},
        "taken_from": modality_shares(records),
        "settings": asdict(settings),
    }


def _row(row: Row, failed: int, figure: Figure) -> dict[str, Any]:
    return _plain(asdict(figure) | {"title": row.kind.title, "goal": row.goal, "met": row.is_met, "failed": failed})


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
