"""An evaluation suite from its cases to its files: records, figures, table, page."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avcore.journal import folder_lock
from avcore.notes import several
from avcore.pool import ProcessPool
from avcore.progress import Progress, silent
from netflips.evaluate import tables
from netflips.evaluate.cases import DUBBED, TRUTH, CaseFiles
from netflips.evaluate.judges import JudgePaths, Judges
from netflips.evaluate.measuring import AskedFigures, Measurer, Work, keys_of
from netflips.evaluate.metrics.text import SEAMLESS
from netflips.evaluate.needs import EXTRACTOR, RECOGNIZER
from netflips.evaluate.records import RECORDS, Place, Record, completed
from netflips.evaluate.results import RESULTS, Told, write_evaluation
from netflips.evaluate.suite_rows import Row, rows_of
from netflips.evaluate.versa import rows_of_versa, write_for_versa
from netflips.evaluate.worst import NUMBER, worst_clip, worst_clips
from netflips.version import __version__
from unit2text.text import VERSION

FILES = (RECORDS, *RESULTS)
"""What a suite writes into its folder."""
_DIGITS = 12


@dataclass(frozen=True)
class SuiteSettings:
    """What is measured, with what, and what becomes of it.

    title: of table and page. asked: what is measured, by group of the cases; "" = of all that no other group names. jobs:
    processes. worst: clips that the page shows. goals: by name of the row. titles: of groups. facts: to be known beside those
    of every suite. versa: folder of what VERSA takes and answers.
    """

    title: str
    asked: Mapping[str, AskedFigures]
    judges: JudgePaths
    jobs: int = 1
    worst: int = NUMBER
    goals: Mapping[str, float] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    versa: Path | None = None


def measure(
    cases: Sequence[CaseFiles], settings: SuiteSettings, out_dir: Path, progress: Progress = silent
) -> tuple[dict[Place, Record], list[Row], dict[str, str]]:
    """Measure cases, keeping records in a folder where a stopped run goes on; returns them, rows, and what is to be known beside.

    Raises NetflipsError for what concerns all cases; a case that fails is told beside every figure that it lacks.
    """
    judges = Judges(settings.judges)
    asked = {case.group: settings.asked.get(case.group, settings.asked.get("", AskedFigures(()))) for case in cases}
    work = Work(tuple(cases), asked, settings.judges)
    ids = [case.id for case in cases]
    found = completed(ids, keys_of(work), out_dir, ProcessPool[Any, int](Measurer, (work,), settings.jobs), "measure", progress)
    rows = rows_of(found, cases, asked, settings.goals, settings.titles)
    return found, rows, {**settings.facts, **_facts(cases, asked, judges, rows, found.values())}


def run_suite(cases: Sequence[CaseFiles], settings: SuiteSettings, out_dir: Path, progress: Progress = silent) -> Told:
    """Measure cases and write everything into a folder. Raises NetflipsError as `measure` does."""
    with folder_lock(out_dir):
        found, rows, facts = measure(cases, settings, out_dir, progress)
        of_clip: dict[str, list[Record]] = {case.id: [] for case in cases}
        for one in found.values():
            of_clip[one.id] += [one] if one.subject == DUBBED else []
        files = {case.id: case for case in cases}
        chosen = worst_clips(rows, list(files), settings.worst)
        worst = [worst_clip(files[name], behind, rows, of_clip[name]) for name, behind in chosen]
        failed = {name: list(dict.fromkeys(one.failed for one in own if one.failed)) for name, own in of_clip.items()}
        if settings.versa is not None:
            write_for_versa(cases, settings.versa, progress)
            rows += rows_of_versa(cases, settings.versa)
        told = Told(settings.title, facts, rows, worst, {name: why for name, why in failed.items() if why})
        write_evaluation(told, out_dir)
    return told


def _facts(
    cases: Sequence[CaseFiles], asked: Mapping[str, AskedFigures], judges: Judges, rows: Sequence[Row], found: Iterable[Record]
) -> dict[str, str]:
    """Return what is to be known beside the figures."""
    facts = {"clips": str(len(cases)), "language of the dubs": ", ".join(sorted({case.language for case in cases})) or "not said"}
    heard_by = sorted({one.texts["recognizer"] for one in found if "recognizer" in one.texts})
    if heard_by:
        facts["recognizer"] = f"{', '.join(heard_by)}; {_own_error(rows)}"
        has_published = any(row.name.rpartition(".")[2].startswith(SEAMLESS.prefix) for row in rows)
        facts["texts compared"] = f"normalised as {VERSION}" + (
            "; those of ASR figures as Whisper's authors do" if has_published else ""
        )
    elif RECOGNIZER not in judges.there:
        facts["recognizer"] = "none: give --recognizer FOLDER or --unit2text-path FILE"
    is_asked = any(EXTRACTOR in metric.needs for one in asked.values() for metric in one.metrics)
    if is_asked and EXTRACTOR in judges.there and judges.encoder_path is not None:
        facts["unit encoder"] = f"{judges.encoder_path.name} ({judges.identity(EXTRACTOR)[:_DIGITS]})"
    facts["intervals"] = "95 %, of shares Wilson's, else bootstrap over clips"
    facts["made with"] = f"NetfLips {__version__}"
    return facts


def _own_error(rows: Sequence[Row]) -> str:
    """Return what the recognizer gets wrong of true speech, in words."""
    of_texts = (row for row in rows if row.name.rpartition(".")[2] in ("cer", "wer"))
    found = [(row.title, figure) for row in of_texts if (figure := row.figure_of(TRUTH)) is not None]
    said = [f"{title} {tables.number(figure.value)} ({several(figure.n, 'clip')})" for title, figure in found]
    known = f"its own errors on true speech: {', '.join(said)}"
    return known if said else "its own errors are not known: no reference speech is given"
