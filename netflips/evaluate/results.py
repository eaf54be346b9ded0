"""What an evaluation leaves behind, whichever suite it is of: metrics.json, table.md, table.tex, noise curves, report.html."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avcore.files import write_text
from avcore.plain_text import several
from netflips.evaluate import charts, suite_page, tables
from netflips.evaluate.curves import BOTH, Curve
from netflips.evaluate.suite_page import Told
from netflips.evaluate.suite_rows import as_json

METRICS, TABLE, TEX, PAGE = "metrics.json", "table.md", "table.tex", "report.html"
RESULTS = (METRICS, TABLE, TEX, PAGE)
_ROUND = 4


def write_evaluation(told: Told, out_dir: Path, content: Mapping[str, Any] | None = None) -> None:
    """Write figures, tables, curves and page, each whole or not at all. content: of metrics.json; None = `metrics_json`."""
    found = metrics_json(told) if content is None else content
    write_text(out_dir / METRICS, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    write_text(out_dir / TABLE, table_text(told))
    write_text(out_dir / TEX, tables.latex(told.rows, f"{told.title}. {'; '.join(_pairs(told.facts))}."))
    for curve in told.curves:
        write_text(out_dir / curve_file(curve.noise), charts.standing_alone(charts.noise_curve(curve)))
    suite_page.write_page(out_dir / PAGE, told)


def curve_file(noise: str) -> str:
    """Name of the file of a noise's curve."""
    return f"noise_{noise}.svg"


def metrics_json(told: Told) -> dict[str, Any]:
    """All figures as a JSON object."""
    return {
        "title": told.title,
        "facts": dict(told.facts),
        "rows": as_json(told.rows),
        "noise": [_curve_json(curve) for curve in told.curves],
        "failures": {name: list(reasons) for name, reasons in told.failures.items()},
    }


def _curve_json(curve: Curve) -> dict[str, Any]:
    points = [
        {
            "snr_db": level, "modalities": modalities, "value": round(one.value, _ROUND), "low": _finite(one.low),
            "high": _finite(one.high), "n": one.n,
        }
        for modalities, levels in curve.points.items() for level, one in levels.items()
    ]  # fmt: skip
    gains = [
        {
            "snr_db": level,
            "modalities": f"{BOTH} less audio",
            "value": round(one.value, _ROUND),
            "p": round(one.p, _ROUND),
            "n": one.n,
        }
        for level, one in curve.gains.items()
    ]
    return {
        "noise": curve.noise,
        "figure": curve.figure,
        "points": points,
        "gains": gains,
        "lips_help_from_db": curve.helps_from,
        "failed": curve.failed,
    }


def _finite(value: float) -> float | None:
    return round(value, _ROUND) if abs(value) < float("inf") else None


def _pairs(facts: Mapping[str, str]) -> list[str]:
    return [f"{name}: {value}" for name, value in facts.items()]


def table_text(told: Told) -> str:
    """The table as a page of Markdown: what is to be known beside the figures, the figures, where lips help."""
    curves = "".join(f"\n{curve.sentence}\n" for curve in told.curves)
    return f"# {told.title}\n\n{facts_text(told)}\n{tables.markdown(told.rows)}{curves}"


def facts_text(told: Told) -> str:
    """What is to be known beside the figures, a line each."""
    failed = [f"failed: {several(len(told.failures), 'clip')}, told beside each figure"] if told.failures else []
    return "".join(f"- {line}\n" for line in (*_pairs(told.facts), *failed))
