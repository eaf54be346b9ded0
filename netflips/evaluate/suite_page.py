"""The page of an evaluation: one HTML file that needs nothing beside it, to read and hear on any screen without a network.

`templates/suite.html` is what it looks like; its colours and letters are those of the report of a dub.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from avcore.files import write_text
from netflips.evaluate import charts, tables
from netflips.evaluate.curves import Curve
from netflips.evaluate.suite_rows import SUBJECT_TITLES, Row
from netflips.evaluate.worst import WorstClip
from netflips.report import words

if TYPE_CHECKING:
    from jinja2 import Template

_POLICY = "default-src 'none'; style-src '{style}'; img-src data:; media-src data:; base-uri 'none'; form-action 'none'"
_DUBS = "What was made, clip by clip."
MEANINGS = {
    "dub": _DUBS,
    "source itself": "The source in the place of the dub: what a dub of perfect voice, lips and time would have, and wrong words.",
    "shuffled pairs": "The sound of another clip's dub under each picture: what a figure is worth that anything can have.",
    "true speech": "The reference in the place of the dub. Its error rates are the recognizer's own.",
    "true units": "The reference once more, by the vocoder from its own units: what translation can reach at most with this voice.",
}
"""What the columns of the table are."""


@dataclass(frozen=True)
class Told:
    """What the page tells. facts: of the run, by name. failures: clips and why nothing, or not all, could be measured of them."""

    title: str
    facts: Mapping[str, str]
    rows: Sequence[Row]
    curves: Sequence[Curve]
    worst: Sequence[WorstClip]
    failures: Mapping[str, Sequence[str]] = field(default_factory=dict)


def write_page(path: Path, told: Told) -> None:
    """Write the page, or nothing. Raises OutputError."""
    write_text(path, page(told))


def page(told: Told) -> str:
    """The page as HTML."""
    style = _style()
    subjects = tables.subjects_of(told.rows)
    return _template().render(
        told=told,
        policy=_POLICY.format(style=f"sha256-{b64encode(sha256(style.encode()).digest()).decode('ascii')}"),
        style=Markup(style),  # our own files
        subjects=[(subject, SUBJECT_TITLES[subject], MEANINGS[SUBJECT_TITLES[subject]]) for subject in subjects],
        tables=tables,
        words=words,
        goals=_goals(told.rows),
        has_notes=any(tables.notes(row) for row in told.rows),
        histograms=[(row, drawn) for row in told.rows if (drawn := charts.histogram(row)) is not None],
        curves=[(curve, charts.noise_curve(curve)) for curve in told.curves],
        curve_keys=charts.KEYS,
        curve_figures=charts.FIGURES,
        dash=words.DASH,
    )


def _goals(rows: Sequence[Row]) -> Mapping[str, Sequence[Row]]:
    """Rows with a goal: those that miss it, and those that reach it. Empty where no row has one."""
    found = {"missed": [row for row in rows if row.is_met is False], "met": [row for row in rows if row.is_met]}
    return found if any(found.values()) else {}


@cache
def _style() -> str:
    """The style sheet of reports, and what only this page has."""
    return "\n".join(
        files(package).joinpath("templates", name).read_text(encoding="utf-8")
        for package, name in (("netflips.report", "style.css"), ("netflips.evaluate", "suite.css"))
    )


@cache
def _template() -> "Template":
    """The page's template."""
    return words.environment_of("netflips.evaluate").get_template("suite.html")
