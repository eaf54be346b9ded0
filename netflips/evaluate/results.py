"""What an evaluation leaves behind: metrics.json, table.md and report.html.

The page is one HTML file that needs nothing beside it, to read and hear on any screen without a network. `templates/suite.html` is
what it looks like; its colours and letters are those of the report of a dub.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup

from avcore.files import write_text
from avcore.notes import several
from netflips.evaluate import tables
from netflips.evaluate.suite_rows import SUBJECT_TITLES, Row, as_json
from netflips.evaluate.worst import WorstClip
from netflips.report import words

METRICS, TABLE, PAGE = RESULTS = "metrics.json", "table.md", "report.html"
_POLICY = "default-src 'none'; style-src '{style}'; {sources}; base-uri 'none'; form-action 'none'"
MEANINGS = {
    "dub": "What was made, clip by clip.",
    "source itself": "The source in the place of the dub: what a dub of perfect voice, lips and time would have, and wrong words.",
    "shuffled pairs": "The sound of another clip's dub under each picture: what a figure is worth that anything can have.",
    "true speech": "The reference in the place of the dub. Its error rates are the recognizer's own.",
}
"""What the columns of the table are."""


@dataclass(frozen=True)
class Told:
    """What was found. facts: of the run, by name. failures: clips and why nothing, or not all, could be measured of them."""

    title: str
    facts: Mapping[str, str]
    rows: Sequence[Row]
    worst: Sequence[WorstClip]
    failures: Mapping[str, Sequence[str]] = field(default_factory=dict)


def write_evaluation(told: Told, out_dir: Path) -> None:
    """Write figures, tables and page, each whole or not at all. Raises OutputError."""
    write_text(out_dir / METRICS, json.dumps(metrics_json(told), indent=1, ensure_ascii=False) + "\n")
    write_text(out_dir / TABLE, f"# {told.title}\n\n{facts_text(told)}\n{tables.markdown(told.rows)}")
    write_text(out_dir / PAGE, page(told))


def metrics_json(told: Told) -> dict[str, Any]:
    """Return all figures as a JSON object."""
    return {
        "title": told.title,
        "facts": dict(told.facts),
        "rows": as_json(told.rows),
        "failures": {name: list(reasons) for name, reasons in told.failures.items()},
    }


def facts_text(told: Told) -> str:
    """Return what is to be known beside the figures, a line each."""
    failed = [f"failed: {several(len(told.failures), 'clip')}, told beside each figure"] if told.failures else []
    return "".join(f"- {line}\n" for line in (*(f"{name}: {value}" for name, value in told.facts.items()), *failed))


def page(told: Told) -> str:
    """Return the page as HTML."""
    goals = {"missed": [row for row in told.rows if row.is_met is False], "met": [row for row in told.rows if row.is_met]}
    titles = {subject: SUBJECT_TITLES[subject] for subject in tables.subjects_of(told.rows)}
    return rendered(
        "suite.html",
        "img-src data:; media-src data:",
        told=told,
        subjects=[(subject, title, MEANINGS[title]) for subject, title in titles.items()],
        tables=tables,
        words=words,
        goals=goals if any(goals.values()) else {},
        has_notes=any(tables.notes(row) for row in told.rows),
    )


def rendered(template: str, sources: str, **values: Any) -> str:
    """Return a page of the evaluation in the report's colours and letters. sources: where its pictures and sounds may come from."""
    sheets = (("netflips.report", "style.css"), ("netflips.evaluate", "suite.css"))
    style = "\n".join(words.template_text(package, name) for package, name in sheets)
    policy = _POLICY.format(style=words.short_digest(style), sources=sources)
    page = words.environment_of("netflips.evaluate").get_template(template)
    return page.render(policy=policy, style=Markup(style), **values)  # our own files
