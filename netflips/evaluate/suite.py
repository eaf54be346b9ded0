"""An evaluation suite from its cases to its files: records, figures, table, page."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avcore.checkpoints.stages import Running
from avcore.contracts import Voice
from avcore.errors import LanguageError, NetflipsError
from avcore.journal import file_digest, folder_lock, key_of
from avcore.media import read_speech, write_speech
from avcore.notes import several
from avcore.pool import ProcessPool
from avcore.progress import Progress, silent, track
from netflips.evaluate import tables
from netflips.evaluate.cases import DUBBED, TRUE_UNITS, TRUTH, CaseFiles
from netflips.evaluate.judges import JudgePaths, Judges
from netflips.evaluate.measuring import AskedFigures, Measurer, Work, keys_of
from netflips.evaluate.metrics.text import SEAMLESS
from netflips.evaluate.needs import EXTRACTOR, RECOGNIZER, SPEAKER
from netflips.evaluate.records import RECORDS, Place, Record, completed
from netflips.evaluate.results import RESULTS, Told, write_evaluation
from netflips.evaluate.suite_rows import Row, rows_of
from netflips.evaluate.versa import rows_of_versa, write_for_versa
from netflips.evaluate.worst import NUMBER, worst_clip, worst_clips
from netflips.model_paths import ModelPaths
from netflips.stages import load_voice
from netflips.version import __version__
from unit2text.text import VERSION

FILES = (RECORDS, *RESULTS)
FOLDERS = ("true_units",)
"""What a suite writes into its folder."""
_DIGITS = 12


@dataclass(frozen=True)
class SuiteSettings:
    """What is measured, with what, and what becomes of it.

    title: of table and page. asked: what is measured, by group of the cases; "" = of all that no other group names. models: of true
    units. jobs: processes. worst: clips that the page shows. goals: by name of the row.
    titles: of groups. facts: to be known beside those of every suite. versa: folder of what VERSA takes and answers.
    """

    title: str
    asked: Mapping[str, AskedFigures]
    judges: JudgePaths
    models: ModelPaths | None = None
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
    judges, stand_ins = Judges(settings.judges), dict[str, Path]()
    asked = {case.group: settings.asked.get(case.group, settings.asked.get("", AskedFigures(()))) for case in cases}
    if settings.models is not None and any(TRUE_UNITS in one.subjects for one in asked.values()):
        stand_ins = say_true_units(cases, judges, settings.models, out_dir, progress)
    work = Work(tuple(cases), asked, settings.judges, stand_ins)
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


LOG = logging.getLogger("netflips")


def say_true_units(
    cases: Sequence[CaseFiles], judges: Judges, models: ModelPaths, out_dir: Path, progress: Progress = silent
) -> dict[str, Path]:
    """Say the references of cases from their own units; returns sound files by id, for those that could be said.

    Kept in `out_dir/true_units` under names made from what they are made of. Raises LanguageError where the vocoder does not speak
    the language.
    """
    from unit2av.speaker import voice_of

    weights = [judges.identity(EXTRACTOR), file_digest(models.unit2av), judges.identity(SPEAKER)]
    found = dict[str, Path]()
    vocoder: Voice | None = None
    for case in track(cases, "true units", progress, len(cases)):
        if case.reference is None:
            continue
        spoken_by = case.source or case.reference
        path = out_dir / TRUE_UNITS / f"{key_of('1', file_digest(case.reference), file_digest(spoken_by), weights)}.wav"
        if not path.is_file():
            vocoder = vocoder or load_voice(models.unit2av, Running(judges.paths.device, target=case.language))
            try:
                units = judges.extractor.extract(read_speech(case.reference))
                voice = voice_of(read_speech(spoken_by), judges.speaker)
                write_speech(path, vocoder.synthesize(units, voice).samples)
            except LanguageError:
                raise
            except NetflipsError as error:
                LOG.warning("%s: its true units are not said: %s", case.id, error)
                continue
        found[case.id] = path
    return found
