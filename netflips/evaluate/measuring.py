"""The work of a suite: each measure of each case, once; what is finished is kept, and done again only where something changed."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from avcore.contracts import SpeechRecognizer
from avcore.errors import CheckpointError, LanguageError, NetflipsError, OutputError
from avcore.progress import Progress, silent
from avcore.runs.cache import file_digest, key_of
from avcore.runs.pool import ProcessPool
from avcore.runs.work import Pool
from netflips.evaluate import records
from netflips.evaluate.cases import CaseFiles
from netflips.evaluate.clips import DUBBED, ITSELF, SHUFFLED, TRUE_UNITS, TRUTH, Clips, MediaClip, SuiteCase
from netflips.evaluate.judges import JudgePaths, Judges
from netflips.evaluate.metric import (
    OTHERS,
    RECOGNIZER,
    REFERENCE,
    REFERENCE_TEXT,
    SOURCE,
    Metric,
    all_metrics,
    measured,
)
from netflips.evaluate.records import Place, Record
from netflips.evaluate.running import CaseJob, jobs_left, run_jobs

LOG = logging.getLogger("netflips")

_FORMAT = "3"
"""Changes whenever figures of an older NetfLips must not be used any more."""
_STAGE = "measure"


@dataclass(frozen=True)
class AskedFigures:
    """What is measured of a group of cases. figures: by name. subjects: what stands in the dub's place, one after the other."""

    figures: tuple[str, ...]
    subjects: tuple[str, ...] = (DUBBED,)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Those that answer with one of the figures, in the order of tables."""
        return tuple(one for one in all_metrics() if set(one.figures) & set(self.figures))


@dataclass(frozen=True)
class Work:
    """What a suite measures. asked: by group of the cases. stand_ins: files of `TRUE_UNITS`, by id."""

    cases: tuple[CaseFiles, ...]
    asked: Mapping[str, AskedFigures]
    judges: JudgePaths
    stand_ins: Mapping[str, Path]


@dataclass(frozen=True)
class Measuring:
    """A measure of a case with a subject in the dub's place. key: made from all that its figures depend on."""

    subject: str
    measure: str
    key: str


MeasureJob = CaseJob[int, Measuring]
"""What is not done yet of a case, by its number."""


class Measurer:
    """A worker: measures cases with models of its own."""

    def __init__(self, work: Work) -> None:
        self._work, self._is_ready = work, False

    @cached_property
    def _clips(self) -> Clips:
        return Clips(self._work.cases, Judges(self._work.judges))

    @cached_property
    def _metrics(self) -> dict[str, Metric]:
        return {one.name: one for one in all_metrics()}

    def load(self) -> str:
        """Read the models that the measures need; what is wrong with one of them, "" = nothing."""
        judges = self._clips.judges
        try:
            needs = {need for asked in self._work.asked.values() for one in asked.metrics for need in one.needs} & judges.there
            for need in needs:
                judges.model(need)
            if RECOGNIZER in needs:
                for language in sorted({case.language for case in self._work.cases if RECOGNIZER in self._needs(case)}):
                    require_heard(judges.recognizer, language)
        except NetflipsError as error:
            return str(error)
        self._is_ready = True
        return ""

    def _needs(self, case: CaseFiles) -> set[str]:
        return {need for one in self._work.asked[case.group].metrics for need in one.needs}

    def process(self, *parts: Sequence[MeasureJob]) -> list[Record]:
        """Measure what is left of some cases. Raises CheckpointError for a model that cannot be read: no clip can help that."""
        if not self._is_ready and (complaint := self.load()):
            raise CheckpointError(complaint)
        return [self._measure(job.case, one) for part in parts for job in part for one in job.tasks]

    def _measure(self, number: int, asked: Measuring) -> Record:
        place, metric = (self._work.cases[number].id, asked.subject, asked.measure), self._metrics[asked.measure]
        try:
            outcome = self._clips.outcome(number, asked.subject, self._work.stand_ins.get(place[0]))
            if outcome is None:
                return Record(*place, asked.key, missing=dict.fromkeys(metric.figures, "there is none"))
            return measure_case(metric, self._clips.case(number), outcome, place, asked.key)
        except OutputError:
            raise
        except NetflipsError as error:
            return Record(*place, asked.key, failed=str(error))


def require_heard(recognizer: SpeechRecognizer, language: str) -> None:
    """Raise LanguageError for a language that a recognizer does not know: no clip could be heard."""
    if language and language not in recognizer.languages:
        known, hint = ", ".join(recognizer.languages), "give --recognizer, or leave texts out with --measures"
        raise LanguageError(f"{recognizer.name} does not know the language", expected=known, found=language, hint=hint)


def measure_case(metric: Metric, case: SuiteCase, outcome: MediaClip, place: Place, key: str) -> Record:
    """One measure of a case. Raises NetflipsError where a side of it cannot be used: then the clip has failed."""
    there, texts = case.there(outcome), {}
    found = measured(metric, case, outcome, there)
    if {RECOGNIZER, REFERENCE_TEXT} <= metric.needs & there:
        texts = {"heard": outcome.text, "wanted": case.reference_text or "", "recognizer": case.clips.judges.recognizer.name}
    return Record.of(place, key, found, texts)


def measure(
    work: Work, out_dir: Path, pool: Pool[MeasureJob, int] | None = None, progress: Progress = silent
) -> dict[Place, Record]:
    """Measure what is not measured yet; returns all records that are asked for.

    out_dir: where they are kept, a case at a time. pool: of `Measurer`s; None = this process. Raises NetflipsError for what
    concerns all cases; what is wrong with one is its record.
    """
    keys = _keys(work)
    numbers = {case.id: number for number, case in enumerate(work.cases)}
    known = {place: one for place, one in records.read(out_dir, is_repaired=True).items() if keys.get(place) == one.key}
    wanted = [(numbers[name], Measuring(subject, metric, key)) for (name, subject, metric), key in keys.items()]

    def is_done(number: int, one: Measuring) -> bool:
        return (work.cases[number].id, one.subject, one.measure) in known

    def lost(job: MeasureJob, reason: str) -> list[Record]:
        name = work.cases[job.case].id
        return [Record(name, one.subject, one.measure, one.key, failed=reason) for one in job.tasks]

    jobs = jobs_left(wanted, is_done)
    if known:
        LOG.info("%d of %d measures were done already", len(known), len(keys))
    pool = pool or ProcessPool[MeasureJob, int](Measurer, (work,), 1)
    done = len(work.cases) - len(jobs)
    for found in run_jobs(jobs, pool, lost, partial(records.add, out_dir), _STAGE, progress, done):
        known |= {one.place: one for one in found}
        _tell(found)
    return {place: known[place] for place in keys}


def _tell(found: Sequence[Record]) -> None:
    """Say once a case why it failed, in itself."""
    reasons = dict.fromkeys(one.failed for one in found if one.failed and one.subject == DUBBED)
    for reason in reasons:
        LOG.warning("%s: failed: %s", found[0].id, reason)


def _keys(work: Work) -> dict[Place, str]:
    """A key for each measure of each subject of each case, in order: made from the files, texts and models that it depends on."""
    judges = Judges(work.judges)
    clips, face = Clips(work.cases, judges), str(work.judges.face)
    models = {one.name: [(need, judges.identity(need)) for need in sorted(one.needs)] for one in all_metrics()}
    digests: dict[Path, str] = {}

    def digest(path: Path | None) -> str:
        if path is None:
            return ""
        if path not in digests:
            digests[path] = file_digest(path)
        return digests[path]

    found: dict[Place, str] = {}
    for number, case in enumerate(work.cases):
        partner, asked = clips.partner(number), work.asked[case.group]
        for subject in asked.subjects:
            made = [digest(path) for path in _files(case, subject, partner, work.stand_ins.get(case.id))]
            for metric in asked.metrics:
                if not (metric.is_paired if subject == SHUFFLED else metric.of_baselines or subject == DUBBED):
                    continue
                beside: list[Any] = ["" if metric.of_baselines else digest(case.report)]
                beside += [digest(case.source) if {SOURCE, OTHERS} & metric.needs else ""]
                beside += [digest(case.reference) if REFERENCE in metric.needs else ""]
                beside += [case.reference_text if REFERENCE_TEXT in metric.needs else "", case.language]
                beside += [[digest(path) for path in clips.others_of(case)] if OTHERS in metric.needs else []]
                found[case.id, subject, metric.name] = key_of(_FORMAT, metric.name, made, beside, models[metric.name], face)
    return found


def _files(case: CaseFiles, subject: str, partner: CaseFiles | None, stand_in: Path | None) -> list[Path | None]:
    """The files that stand in the dub's place."""
    shuffled = [case.dub, None if partner is None else partner.dub]
    files: dict[str, list[Path | None]] = {
        DUBBED: [case.dub],
        ITSELF: [case.source],
        SHUFFLED: shuffled,
        TRUTH: [case.reference],
        TRUE_UNITS: [stand_in],
    }
    return files[subject]
