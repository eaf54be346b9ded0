"""`netflips evaluate demo`: measure what is missing, and write what came out."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from avcore.checkpoints.bundle import ABOUT, REFERENCES, Bundle
from avcore.command import LOG, device_name
from avcore.errors import UsageError
from avcore.files import require_place, write_text
from avcore.outputs import keep_apart
from avcore.plain_text import say
from avcore.progress import bars
from netflips import __version__
from netflips.bundles.describe import note
from netflips.evaluate.charts import noise_curve, standing_alone
from netflips.evaluate.results import PAGE, RESULTS, TABLE, curve_file, write_evaluation
from netflips.evaluate.suite_page import Told
from netflips.evaluate.tables import markdown
from workshop.evaluate.condition_rows import OF_BUNDLE
from workshop.evaluate.documents import is_untouched_noted, note_untouched, require_page, write_table
from workshop.evaluate.figures import figures_of, filled_rows, metrics
from workshop.evaluate.jobs import OTHERS, ExamJob, Need
from workshop.evaluate.lacking import measurable
from workshop.evaluate.material import MEANINGS
from workshop.evaluate.others import OtherBundle
from workshop.evaluate.row import ExamRow
from workshop.evaluate.rows import (
    NATURAL,
    NOISE,
    OTHER_SYNTHESISERS,
    ROWS,
    SWEEP,
    UNTOUCHED,
    by_task,
    sweep_curve,
    sweep_needs,
)
from workshop.evaluate.run import MEASURE, Evaluation
from workshop.evaluate.settings import EvaluationSettings
from workshop.evaluate.worst import failures_of, worst_of_exam
from workshop.voices import others as synthesisers
from workshop.voices.cast import cast, require_synthesisers

_TITLE = "Exam of the demo's models"
_PLOT = Path("images/demo_noise.svg")
"""Beside the page."""


def evaluate_demo(bundle: Bundle, options: argparse.Namespace) -> None:
    """Check what was asked for, then evaluate. Raises UsageError, InputError, OutputError."""
    settings = EvaluationSettings(number=options.number, edition=int(bundle.about.get("phrasebook", 1)))
    flags = {NATURAL: options.with_natural_voices, OTHER_SYNTHESISERS: options.with_other_synthesisers}
    rows, with_sweep = choose_rows(options.rows, options.with_untouched_speaker, flags)
    if options.with_untouched_speaker or options.write_docs:
        require_page(options.docs)
    others = [OtherBundle.read(given) for given in options.beside]
    evaluate(bundle, options, settings, rows, with_sweep, others)


def choose_rows(names: str, with_untouched: bool, with_more: Mapping[tuple[str, ...], bool]) -> tuple[list[ExamRow], bool]:
    """The rows asked for by name, all for "", and whether the sweep over noise is among them.

    The untouched speaker is there only when it is asked for by its own flag. with_more: groups of rows that are there when their
    flag or one of their names asks for them. Raises UsageError for unknown names.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    known = {row.name for row in ROWS} | {SWEEP}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise UsageError("unknown rows", expected=", ".join(sorted(known)), found=", ".join(unknown))
    if UNTOUCHED in wanted and not with_untouched:
        raise UsageError("the untouched speaker is measured once for a bundle", hint="ask for it with --with-untouched-speaker")
    asked = {UNTOUCHED: with_untouched}
    if not wanted:
        asked |= {name: flag for group, flag in with_more.items() for name in group}
    rows = [row for row in ROWS if asked.get(row.name, not wanted or row.name in wanted)]
    return rows, not wanted or SWEEP in wanted


def evaluate(
    bundle: Bundle,
    options: argparse.Namespace,
    settings: EvaluationSettings,
    rows: list[ExamRow],
    with_sweep: bool,
    others: Sequence[OtherBundle] = (),
) -> None:
    """Do what is missing, and write what came out."""
    require_place(options.out_dir / TABLE)
    rows, absent = measurable(rows, bundle)
    for one in absent:
        LOG.warning("%s is not measured: %s", one.row.name, one.reason)
    evaluation = Evaluation(bundle, options.out_dir, settings, device_name(options), options.precision)
    results = [evaluation.folder / name for name in (*RESULTS, curve_file(NOISE))]
    models = [bundle.folder / name for name in (*(one.file for one in bundle.models), REFERENCES, ABOUT)]
    beside = [Path(given.partition("=")[2]) for given in options.beside]
    keep_apart({"a result": results}, {"a file of the bundle": models, "--beside": beside})
    needs: list[Need] = [need for row in rows for need in row.needs(settings)] + (sweep_needs(settings) if with_sweep else [])
    jobs = evaluation.missing(_with_synthesisers_that_are_here(needs))
    require_synthesisers(
        with_flite=any(job.case.kind in ("speaker", OTHERS) for job in jobs),
        with_natural=settings.edition > 1 or any(job.case.kind == "natural" for job in jobs),
    )
    is_new = any(job.case.kind == "speaker" for job in jobs)
    LOG.info(
        "%s, bundle %s: %d clips and other jobs to do, about %.0f minutes on %d cores of its own",
        evaluation.folder,
        evaluation.checksum[:12],
        len(jobs),
        seconds_for(jobs, options.jobs) / 60,
        options.jobs,
    )
    with bars(options.quiet) as progress:
        evaluation.run(jobs, options.jobs, progress)
        found = by_task(evaluation.records()) | {OF_BUNDLE: [bundle.about.get("out_of_domain", {})]}
        lines = filled_rows(rows, found, settings)
        clips = worst_of_exam(lines, evaluation.records(), evaluation.place, settings, options.worst, progress)
    curve = sweep_curve(found, settings) if with_sweep else None
    table = [*lines, *(one.row.absent(one.reason) for one in absent), *(row for other in others for row in other.rows())]
    facts = _facts(evaluation, settings)
    told = Told(_TITLE, facts, table, [curve] if curve else [], clips, failures_of(evaluation.records()))
    content = metrics(lines, curve, found, settings) | {"bundle": evaluation.checksum, "measure": MEASURE, "facts": facts}
    content["absent"] = {one.row.name: one.reason for one in absent}
    if others:
        content["others"] = {other.title: other.content for other in others}
    write_evaluation(told, evaluation.folder, content)
    figures = figures_of(lines)
    if options.with_untouched_speaker and (is_new or not is_untouched_noted(options.docs, evaluation.checksum)):
        note_untouched(options.docs, evaluation.checksum, figures[UNTOUCHED])
    if options.write_docs:
        write_table(options.docs, markdown(table).rstrip("\n"), evaluation.checksum, _command(options))
        if curve is not None:
            write_text(options.docs.parent / _PLOT, standing_alone(noise_curve(curve)))
        note(bundle.folder, metrics=content)
    say(markdown(table).rstrip("\n"))
    LOG.info("written: %s", evaluation.folder / PAGE)


def _command(options: argparse.Namespace) -> str:
    """What measures the same rows again."""
    flags = ("--with-untouched-speaker", "--with-natural-voices", "--with-other-synthesisers")
    given = [flag for flag in flags if getattr(options, flag.removeprefix("--").replace("-", "_"))]
    rows = [f"--rows {options.rows}"] if options.rows else []
    return " ".join(["netflips evaluate demo", f"--number {options.number}", *rows, *given])


def _facts(evaluation: Evaluation, settings: EvaluationSettings) -> dict[str, str]:
    """What is to be known beside the figures."""
    return {
        "bundle": evaluation.checksum[:12],
        "utterances of a row": str(settings.number),
        "names of clips": f"kind and number, as natural/36. {'; '.join(f'{kind}: {what}' for kind, what in MEANINGS.items())}",
        "intervals": "95 %; of shares Wilson's, else bootstrap over clips",
        "what failed": "counts as wrong in shares and in errors of reading; its number stands in the notes",
        "made with": f"NetfLips {__version__}",
    }


def _with_synthesisers_that_are_here(needs: Sequence[Need]) -> list[Need]:
    """Needs without those of other synthesisers that are not installed, which one line tells."""
    voices = {kind: own for kind, own in cast().other_voices.items() if any(need.kind == kind for need in needs)}
    missing = tuple(kind for kind, own in voices.items() if not synthesisers.is_here(own))
    if missing:
        LOG.warning(
            "other synthesisers: %s cannot be measured, a program or a voice is missing; %s",
            ", ".join(missing),
            synthesisers.install_command(missing),
        )
    return [need for need in needs if need.kind not in missing]


_CLIP_S, _FACES_S = 0.7, 0.8
"""CPU seconds for drawing a clip, and for following its face, on clips of 2.5 s."""
_NATURAL_S = 3.0
"""The same for saying a sentence in a natural voice."""
_START_S = 40.0
"""Loading models in each process, and recording the references."""


def seconds_for(jobs: Sequence[ExamJob], processes: int) -> float:
    """Wall seconds that jobs take on as many cores as processes."""
    if not jobs:
        return 0.0
    return _START_S + sum(map(_job_seconds, jobs)) / max(processes, 1)


def _job_seconds(job: ExamJob) -> float:
    tasks = sum(task.seconds for task in job.tasks)
    if not job.case.has_clip:
        return tasks
    made = _CLIP_S + (_NATURAL_S if job.case.kind == "natural" else 0.0)
    return tasks + made + (_FACES_S if any(task.needs_face for task in job.tasks) else 0.0)
