"""An evaluation suite from its cases to its files: records, figures, table, page."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avcore.files import write_text
from avcore.progress import Progress, silent
from avcore.runs.lock import folder_lock
from avcore.runs.pool import ProcessPool
from avcore.runs.work import Pool
from netflips import __version__
from netflips.bulk.spread import Spread
from netflips.evaluate import charts, suite_page, tables
from netflips.evaluate.cases import CaseFiles
from netflips.evaluate.clips import DUBBED, TRUE_UNITS, TRUTH
from netflips.evaluate.judges import JudgePaths, Judges
from netflips.evaluate.measures import KINDS, names_of, needs_of
from netflips.evaluate.measuring import Job, Measurer, Work, measure
from netflips.evaluate.metrics.figures import EXTRACTOR, RECOGNIZER
from netflips.evaluate.records import RECORDS, Record
from netflips.evaluate.suite_rows import Row, as_json, rows_of, worst_clips
from netflips.evaluate.sweep import BOTH, Curve, Sweep, curves_of, run_sweep
from netflips.evaluate.worst import NUMBER, worst_clip
from netflips.options import ModelPaths
from unit2text.normalise import VERSION

METRICS, TABLE, TEX, PAGE = "metrics.json", "table.md", "table.tex", "report.html"
FILES = (RECORDS, METRICS, TABLE, TEX, PAGE)
FOLDERS = ("true_units", "work")
"""What a suite writes into its folder."""
_ROUND, _DIGITS = 4, 12


@dataclass(frozen=True)
class SuiteSettings:
    """What is measured, with what, and what becomes of it.

    title: of table and page. metrics: names of measures. subjects: the dub and its baselines. models: of true units and noise.
    jobs: processes; ray: workers on Ray in their place. worst: clips that the page shows.
    """

    title: str
    metrics: tuple[str, ...]
    subjects: tuple[str, ...]
    judges: JudgePaths
    models: ModelPaths | None = None
    sweep: Sweep | None = None
    jobs: int = 1
    ray: Spread | None = None
    worst: int = NUMBER


@dataclass(frozen=True)
class Outcome:
    """What a suite found. facts: of the run, by name, for table and page."""

    rows: Sequence[Row]
    curves: Sequence[Curve]
    facts: Mapping[str, str]
    failures: Mapping[str, Sequence[str]]


def run_suite(cases: Sequence[CaseFiles], settings: SuiteSettings, out_dir: Path, progress: Progress = silent) -> Outcome:
    """Measure cases and write everything into a folder, where a stopped run goes on.

    Raises NetflipsError for what concerns all cases; a case that fails is told beside every figure that it lacks.
    """
    judges = Judges(settings.judges)
    with folder_lock(out_dir):
        stand_ins = dict[str, Path]()
        if TRUE_UNITS in settings.subjects and settings.models is not None:
            from netflips.evaluate.true_units import say_true_units

            stand_ins = say_true_units(cases, judges, settings.models, out_dir, progress)
        work = Work(tuple(cases), settings.metrics, settings.subjects, settings.judges, stand_ins)
        found = measure(work, out_dir, _pool(work, settings), progress)
        noisy = [] if settings.sweep is None else run_sweep(settings.sweep, cases, settings.judges, out_dir, progress)
        figures = {name: figures for name, figures in names_of() if name in settings.metrics}
        rows = rows_of(found, figures, KINDS, cases[0].language)
        if settings.judges.inception is not None:
            from netflips.evaluate.face_sets import frechet_row

            rows.append(frechet_row(cases, judges, settings.judges.inception, out_dir, progress))
        curves = [] if settings.sweep is None else curves_of(noisy, settings.sweep)
        outcome = Outcome(rows, curves, _facts(cases, settings, judges, rows, found.values()), _failures(found.values()))
        _write(outcome, cases, settings, found.values(), out_dir)
    return outcome


def _pool(work: Work, settings: SuiteSettings) -> Pool[Job, int]:
    if settings.ray is not None:
        from netflips.bulk.evaluation import RayMeasurers

        return RayMeasurers(work, settings.ray)
    return ProcessPool[Job, int](Measurer, (work,), settings.jobs)


def _facts(
    cases: Sequence[CaseFiles], settings: SuiteSettings, judges: Judges, rows: Sequence[Row], found: Iterable[Record]
) -> dict[str, str]:
    """What is to be known beside the figures."""
    facts = {"clips": str(len(cases)), "language of the dubs": cases[0].language or "not said"}
    heard_by = sorted({one.texts["recognizer"] for one in found if "recognizer" in one.texts})
    if heard_by:
        facts["recognizer"] = f"{', '.join(heard_by)}; {_own_error(rows)}"
        facts["texts compared"] = f"normalised as {VERSION}"
    elif RECOGNIZER not in judges.there:
        facts["recognizer"] = "none: give --recognizer FOLDER or --unit2text-path FILE"
    is_asked = any(EXTRACTOR in needs for name, needs in needs_of() if name in settings.metrics)
    if is_asked and EXTRACTOR in judges.there and judges.encoder_path is not None:
        facts["unit encoder"] = f"{judges.encoder_path.name} ({judges.identity(EXTRACTOR)[:_DIGITS]})"
    facts["intervals"] = "95 %, bootstrap over clips"
    facts["made with"] = f"NetfLips {__version__}"
    return facts


def _own_error(rows: Sequence[Row]) -> str:
    """What the recognizer gets wrong of true speech, in words."""
    said = []
    for row in rows:
        figure = row.cells[TRUTH].figure if row.name in ("cer", "wer") and TRUTH in row.cells else None
        if figure is not None:
            said.append(f"{row.kind.title} {tables.number(figure.value)} ({figure.n} clips)")
    return (
        f"its own errors on true speech: {', '.join(said)}"
        if said
        else "its own errors are not known: no reference speech is given"
    )


def _failures(found: Iterable[Record]) -> dict[str, list[str]]:
    """Why something of the dubs themselves failed, by clip."""
    failures: dict[str, list[str]] = {}
    for one in found:
        if one.failed and one.subject == DUBBED:
            reasons = failures.setdefault(one.id, [])
            if one.failed not in reasons:
                reasons.append(one.failed)
    return failures


def _write(outcome: Outcome, cases: Sequence[CaseFiles], settings: SuiteSettings, found: Iterable[Record], out_dir: Path) -> None:
    """Write figures, tables, curves and page, each whole or not at all."""
    of_clip: dict[str, list[Record]] = {}
    for one in found:
        of_clip.setdefault(one.id, []).append(one)
    files = {case.id: case for case in cases}
    chosen = worst_clips(outcome.rows, list(files), settings.worst)
    worst = [worst_clip(files[name], behind, outcome.rows, of_clip[name]) for name, behind in chosen]
    write_text(out_dir / METRICS, json.dumps(metrics_json(outcome, settings), indent=1, ensure_ascii=False) + "\n")
    write_text(
        out_dir / TABLE, f"# {settings.title}\n\n{facts_text(outcome)}\n{tables.markdown(outcome.rows)}{_curves_text(outcome)}"
    )
    write_text(out_dir / TEX, tables.latex(outcome.rows, f"{settings.title}. {'; '.join(_pairs(outcome.facts))}."))
    for curve in outcome.curves:
        write_text(out_dir / f"noise_{curve.noise}.svg", charts.standing_alone(charts.noise_curve(curve)))
    told = suite_page.Told(settings.title, outcome.facts, outcome.rows, outcome.curves, worst, outcome.failures)
    suite_page.write_page(out_dir / PAGE, told)


def metrics_json(outcome: Outcome, settings: SuiteSettings) -> dict[str, Any]:
    """All figures as a JSON object."""
    return {
        "title": settings.title,
        "facts": dict(outcome.facts),
        "rows": as_json(outcome.rows),
        "noise": [_curve_json(curve) for curve in outcome.curves],
        "failures": {name: list(reasons) for name, reasons in outcome.failures.items()},
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


def facts_text(outcome: Outcome) -> str:
    """What is to be known beside the figures, a line each."""
    failed = [f"failed: {len(outcome.failures)} clips, which stand beside every figure that they lack"] if outcome.failures else []
    return "".join(f"- {line}\n" for line in (*_pairs(outcome.facts), *failed))


def _curves_text(outcome: Outcome) -> str:
    return "".join(f"\n{curve.sentence}\n" for curve in outcome.curves)
