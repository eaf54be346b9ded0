"""The results of an evaluation: metrics.json, table.md and report.html.

The page is one HTML file without other files, to read on any screen without a network. Its layout is
`templates/suite.html`; its colours and fonts are those of the report of a dub.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup

from avcore.files import write_text
from avcore.notes import several
from netflips.evaluate import table as tables
from netflips.evaluate.cases import SUBJECTS
from netflips.evaluate.table import Row, as_json
from netflips.report import words

METRICS, TABLE, PAGE = RESULTS = "metrics.json", "table.md", "report.html"
_POLICY = "default-src 'none'; style-src '{style}'; {sources}; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True)
class Evaluation:
    """The results of a run."""

    title: str
    """of table and page"""
    facts: Mapping[str, str]
    """about the run, by name"""
    rows: Sequence[Row]
    """of the table"""
    failures: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """clips of which nothing, or not all, could be measured, and why"""


def write_evaluation(evaluation: Evaluation, out_dir: Path) -> None:
    """Write figures, tables and page, each whole or not at all. Raises OutputError."""
    write_text(out_dir / METRICS, json.dumps(metrics_json(evaluation), indent=1, ensure_ascii=False) + "\n")
    write_text(out_dir / TABLE, f"# {evaluation.title}\n\n{facts_text(evaluation)}\n{tables.markdown(evaluation.rows)}")
    write_text(out_dir / PAGE, page(evaluation))


def metrics_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return all figures as a JSON object."""
    failures = {name: list(reasons) for name, reasons in evaluation.failures.items()}
    return {"title": evaluation.title, "facts": dict(evaluation.facts), "rows": as_json(evaluation.rows), "failures": failures}


def facts_text(evaluation: Evaluation) -> str:
    """Return the facts to be read beside the figures, one a line."""
    failed = {"failed": f"{several(len(evaluation.failures), 'clip')}, told beside each figure"} if evaluation.failures else {}
    return "".join(f"- {name}: {value}\n" for name, value in {**evaluation.facts, **failed}.items())


def page(evaluation: Evaluation) -> str:
    """Return the page as HTML."""
    goals = {
        "missed": [row for row in evaluation.rows if row.is_met is False],
        "met": [row for row in evaluation.rows if row.is_met],
    }
    return rendered(
        "suite.html", evaluation.title, "", evaluation=evaluation, tables=tables,
        subjects=[(subject, *SUBJECTS[subject]) for subject in tables.subjects_of(evaluation.rows)],
        goals=goals if any(goals.values()) else {}, has_notes=any(row.notes for row in evaluation.rows),
    )  # fmt: skip


def rendered(template: str, title: str, sources: str, **values: Any) -> str:
    """Return a page of the evaluation in the colours and fonts of the report. sources: content policy for its frames and
    sounds."""
    sheets = (("netflips.report", "style.css"), ("netflips.evaluate", "suite.css"))
    style = "\n".join(words.template_text(package, name) for package, name in sheets)
    # Only our own style counts, by its digest: names and texts on the page may be anybody's.
    policy = _POLICY.format(style=words.short_digest(style), sources=sources)
    page = words.environment_of("netflips.evaluate").get_template(template)
    return page.render(title=title, policy=policy, style=Markup(style), words=words, **values)  # our own files
