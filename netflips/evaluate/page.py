"""The results of an evaluation: metrics.json, table.md and report.html, with the clips to look at first.

The page is one HTML file without other files, to read and listen to on any screen without a network. Its layout is
`templates/suite.html`; its colours and fonts are those of the report of a dub.
"""

import io
import json
import math
from base64 import b64encode
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from markupsafe import Markup

from avcore.errors import NetflipsError
from avcore.files import write_text
from avcore.media import frames_at, iter_speech_blocks, probe
from avcore.notes import several
from avcore.timeline import SAMPLE_RATE, seconds_to_samples
from netflips.evaluate import table as tables
from netflips.evaluate.cases import DUBBED, ITSELF, SUBJECTS, TRUTH, CaseFiles
from netflips.evaluate.records import Record
from netflips.evaluate.table import Row, as_json, number
from netflips.report import words
from netflips.report.material import still

METRICS, TABLE, PAGE = RESULTS = "metrics.json", "table.md", "report.html"
_POLICY = "default-src 'none'; style-src '{style}'; {sources}; base-uri 'none'; form-action 'none'"
_STILLS, _STILL_BYTES, _MOST_SOUND_S, _WORST_FIGURES = 3, 14_000, 12.0, 6


@dataclass(frozen=True)
class WorstClip:
    """A clip as the page shows it."""

    id: str
    dub: str
    """name of its file"""
    failed: Sequence[str]
    """why something could not be measured"""
    figures: Sequence[Mapping[str, Any]]
    """title, value, `usual` (the figure of all clips) and `share` (of the clips that are better), the worst first"""
    stills: Mapping[str, Sequence[str]]
    """data URIs of JPEG, for source and dub"""
    sounds: Mapping[str, str]
    """data URIs of FLAC, for source, dub and true speech"""
    texts: Mapping[str, str]
    """as in `Record.texts`"""
    notes: Sequence[str]
    """what could not be shown, and why"""


@dataclass(frozen=True)
class Evaluation:
    """The results of a run."""

    title: str
    """of table and page"""
    facts: Mapping[str, str]
    """about the run, by name"""
    rows: Sequence[Row]
    """of the table"""
    worst: Sequence[WorstClip]
    """the clips to look at first"""
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
        "suite.html", evaluation.title, "img-src data:; media-src data:", evaluation=evaluation, tables=tables,
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


# The clips to look at first


def worst_clips(rows: Sequence[Row], ids: Sequence[str], most: int) -> list[tuple[str, dict[str, float]]]:
    """Return the clips to look at first: the id, and for each figure the share of clips that are better, 0 to 1.

    Clips rank by the sum of these shares. A figure that was tried on a clip but is missing counts as the worst.
    """
    behind: dict[str, dict[str, float]] = {name: {} for name in ids}
    for row in rows:
        if row.own is None or len(row.own.clips) < 2:
            continue
        values, near, better = row.own.clips, _near_of(row), row.kind.better
        badness = dict.fromkeys((name for name in row.own.records if name in behind), math.inf)
        for name in badness.keys() & values.keys():
            value = values[name]
            badness[name] = abs(value - near) if better == "near" else -value if better == "higher" else value

        order = sorted(badness.values())
        if order and order[0] < order[-1]:
            for name, value in badness.items():
                behind[name][row.name] = bisect_left(order, value) / len(order)

    return [(name, behind[name]) for name in sorted(ids, key=lambda name: -sum(behind[name].values()))[:most]]


def _near_of(row: Row) -> float:
    """Return the value that a figure should be near to: that of the true speech, else of the source, else of the dubs."""
    found = (row.figure_of(subject) for subject in (TRUTH, ITSELF, DUBBED))
    return next((one.value for one in found if one is not None), 0.0)


def worst_clip(case: CaseFiles, behind: Mapping[str, float], rows: Sequence[Row], found: Sequence[Record]) -> WorstClip:
    """Collect what the page shows of a clip. Its stills are spread evenly, and cut to the face where there is one.

    behind: the share of clips that are better, by figure; found: records of the dub.
    """
    from avcore.faces.detect import FaceDetector

    stills, sounds, notes = dict[str, list[str]](), dict[str, str](), list[str]()
    for what, path in (("source", case.source), ("dub", case.dub), ("true speech", case.reference)):
        if path is None:
            continue
        try:
            info = probe(path)
            if info.has_video and what != "true speech":
                times = [info.duration_s * (2 * count + 1) / (2 * _STILLS) for count in range(_STILLS)]
                with FaceDetector() as detector:
                    for rgb in (one.rgb for one in frames_at(path, times)):
                        boxes = detector.boxes(rgb)
                        region: Any = tuple(map(float, boxes[0])) if boxes else None
                        stills.setdefault(what, []).append(still(rgb, region, _STILL_BYTES))
            if info.has_audio:
                sounds[what] = sound_data(path)
        except NetflipsError as error:
            notes.append(str(error))

    failed = list(dict.fromkeys(one.failed for one in found if one.failed))
    texts = next((dict(one.texts) for one in found if one.texts), {})
    if case.reference_text:
        texts.setdefault("wanted", case.reference_text)

    figures = list[dict[str, Any]]()
    for row in rows:
        if (cell := row.own) is not None and row.name in behind:
            unit = f" {row.kind.unit}" if row.kind.unit else ""
            value = f"{number(cell.clips[case.id])}{unit}" if case.id in cell.clips else "none"
            usual = _near_of(row) if row.kind.better == "near" else float(np.median(list(cell.clips.values())))
            figures.append({"title": row.title, "value": value, "usual": number(usual), "share": behind[row.name]})

    figures.sort(key=lambda one: -one["share"])
    return WorstClip(case.id, case.dub.name, failed, figures[:_WORST_FIGURES], stills, sounds, texts, notes)


def sound_data(path: Path) -> str:
    """Return the first seconds of a sound as a data URI of FLAC, which every browser plays."""
    most, held, samples = seconds_to_samples(_MOST_SOUND_S), 0, [np.zeros(0, np.float32)]

    # In blocks, because a long sound need not be decoded to its end.
    for block in iter_speech_blocks(path):
        samples.append(block[: most - held])
        held += len(samples[-1])
        if held >= most:
            break

    file = io.BytesIO()
    soundfile.write(file, np.clip(np.concatenate(samples), -1, 1), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return "data:audio/flac;base64," + b64encode(file.getvalue()).decode("ascii")
