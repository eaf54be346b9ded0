"""The work of a suite: each measure of each case, once; what is finished is kept, and done again only where something changed."""

import logging
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from avcore.contracts import SpeechRecognizer
from avcore.errors import CheckpointError, LanguageError, NetflipsError, OutputError
from avcore.progress import Progress, silent
from avcore.runs.cache import file_digest, key_of
from avcore.runs.pool import ProcessPool
from avcore.runs.work import Finished, Lost, Pool, PoolTask
from netflips.evaluate import records
from netflips.evaluate.cases import CaseFiles
from netflips.evaluate.clips import DUBBED, ITSELF, SHUFFLED, TRUE_UNITS, TRUTH, Clips, SuiteCase
from netflips.evaluate.judges import JudgePaths, Judges
from netflips.evaluate.measures import COST, is_measured, metrics_of
from netflips.evaluate.metrics.figures import (
    EXTRACTOR,
    OTHERS,
    RECOGNIZER,
    REFERENCE,
    REFERENCE_TEXT,
    SOURCE,
    SPEAKER,
    Metric,
    Missing,
    finite,
    measured,
)
from netflips.evaluate.records import Place, Record

LOG = logging.getLogger("netflips")

_FORMAT = "1"
"""Changes whenever figures of an older NetfLips must not be used any more."""
_STAGE = "measure"


@dataclass(frozen=True)
class Work:
    """What a suite measures. metrics: names of measures. subjects: what stands in the dub's place, one after the other.

    stand_ins: files of `TRUE_UNITS`, by id."""

    cases: tuple[CaseFiles, ...]
    metrics: tuple[str, ...]
    subjects: tuple[str, ...]
    judges: JudgePaths
    stand_ins: Mapping[str, Path]


@dataclass(frozen=True)
class Job:
    """The measures of one case that are not done yet, with their keys."""

    number: int
    left: tuple[tuple[str, str, str], ...]


class Measurer:
    """A worker: measures cases with models of its own."""

    def __init__(self, work: Work) -> None:
        self._work, self._is_ready = work, False

    @cached_property
    def _clips(self) -> Clips:
        return Clips(self._work.cases, Judges(self._work.judges))

    @cached_property
    def _metrics(self) -> dict[str, Metric]:
        return {one.name: one for one in metrics_of(self._work.judges.syncnet)}

    def load(self) -> str:
        """Read the models that the measures need; what is wrong with one of them, "" = nothing."""
        judges = self._clips.judges
        try:
            needs = {need for name in self._work.metrics for need in self._metrics[name].needs}
            for need, model in ((RECOGNIZER, "recognizer"), (EXTRACTOR, "extractor"), (SPEAKER, "speaker")):
                if need in needs & judges.there:
                    getattr(judges, model)
            if RECOGNIZER in needs & judges.there:
                require_heard(judges.recognizer, self._work.cases[0].language if self._work.cases else "")
        except NetflipsError as error:
            return str(error)
        self._is_ready = True
        return ""

    def process(self, *parts: Sequence[Job]) -> list[Record]:
        """Measure what is left of some cases. Raises CheckpointError for a model that cannot be read: no clip can help that."""
        if not self._is_ready and (complaint := self.load()):
            raise CheckpointError(complaint)
        return [self._measure(job.number, *one) for part in parts for job in part for one in job.left]

    def _measure(self, number: int, subject: str, measure: str, key: str) -> Record:
        place = (self._work.cases[number].id, subject, measure)
        try:
            case = self._clips.case(number, subject, self._work.stand_ins.get(place[0]))
            if case is None:
                return Record(*place, key, missing=dict.fromkeys(self._metrics[measure].figures, "there is none"))
            return measure_case(self._metrics[measure], case, place, key)
        except OutputError:
            raise
        except NetflipsError as error:
            return Record(*place, key, failed=str(error))


def require_heard(recognizer: SpeechRecognizer, language: str) -> None:
    """Raise LanguageError for a language that a recognizer does not know: no clip could be heard."""
    if language and language not in recognizer.languages:
        known, hint = ", ".join(recognizer.languages), "give --recognizer, or leave texts out with --measures"
        raise LanguageError(f"{recognizer.name} does not know the language", expected=known, found=language, hint=hint)


def measure_case(metric: Metric, case: SuiteCase, place: Place, key: str) -> Record:
    """One measure of a case. Raises NetflipsError where a side of it cannot be used: then the clip has failed."""
    if metric.needs - case.there:
        return Record.of(place, key, measured(metric, case, case.there), {})
    nothing = dict.fromkeys(metric.figures, Missing("nothing was measured"))
    found = {name: finite(value) for name, value in {**nothing, **metric.measure(case)}.items()}
    texts = {}
    if {RECOGNIZER, REFERENCE_TEXT} <= metric.needs:
        texts = {"heard": case.dub.text, "wanted": case.reference_text or "", "recognizer": case.clips.judges.recognizer.name}
    return Record.of(place, key, found, texts)


def measure(work: Work, out_dir: Path, pool: Pool[Job, int] | None = None, progress: Progress = silent) -> dict[Place, Record]:
    """Measure what is not measured yet; returns all records that are asked for.

    out_dir: where they are kept, a case at a time. pool: of `Measurer`s; None = this process. Raises NetflipsError for what
    concerns all cases; what is wrong with one is its record.
    """
    keys = _keys(work)
    known = {place: one for place, one in records.read(out_dir, is_repaired=True).items() if keys.get(place) == one.key}
    jobs = list(_jobs(work, keys, known))
    if known:
        LOG.info("%d of %d measures were done already", len(known), len(keys))
    done = len(work.cases) - len(jobs)
    progress(_STAGE, done, len(work.cases))
    with closing(_outcomes(jobs, pool or ProcessPool[Job, int](Measurer, (work,), 1))) as outcomes:
        for outcome in outcomes:
            found = _found(outcome, work)
            records.add(out_dir, found)
            known |= {one.place: one for one in found}
            _tell(found)
            done += 1
            progress(_STAGE, done, len(work.cases))
    return {place: known[place] for place in keys}


def _outcomes(jobs: Sequence[Job], pool: Pool[Job, int]) -> Generator[Finished[Job, int] | Lost[Job, int], None, None]:
    if jobs:
        with pool:
            yield from pool.run((job.number, PoolTask.of(job)) for job in jobs)


def _found(outcome: Finished[Job, int] | Lost[Job, int], work: Work) -> list[Record]:
    if isinstance(outcome, Finished):
        return list(outcome.result)
    name = work.cases[outcome.label].id
    return [Record(name, subject, measure, key, failed=outcome.reason) for subject, measure, key in outcome.item.left]


def _tell(found: Sequence[Record]) -> None:
    """Say once a case why it failed, in itself."""
    reasons = dict.fromkeys(one.failed for one in found if one.failed and one.subject == DUBBED)
    for reason in reasons:
        LOG.warning("%s: failed: %s", found[0].id, reason)


def _jobs(work: Work, keys: Mapping[Place, str], known: Mapping[Place, Record]) -> Iterator[Job]:
    left: dict[str, list[tuple[str, str, str]]] = {}
    for place, key in keys.items():
        if place not in known:
            left.setdefault(place[0], []).append((place[1], place[2], key))
    for number, case in enumerate(work.cases):
        if case.id in left:
            yield Job(number, tuple(left[case.id]))


def _keys(work: Work) -> dict[Place, str]:
    """A key for each measure of each subject of each case, in order: made from the files, texts and models that it depends on."""
    judges = Judges(work.judges)
    clips = Clips(work.cases, judges)
    metrics = [one for one in metrics_of(None) if one.name in work.metrics]
    models = {one.name: [(need, judges.identity(need)) for need in sorted(one.needs)] for one in metrics}
    digests: dict[Path, str] = {}

    def digest(path: Path | None) -> str:
        if path is None:
            return ""
        if path not in digests:
            digests[path] = file_digest(path)
        return digests[path]

    found: dict[Place, str] = {}
    for number, case in enumerate(work.cases):
        partner = clips.partner(number)
        for subject in work.subjects:
            made = [digest(path) for path in _files(case, subject, partner, work.stand_ins.get(case.id))]
            for metric in metrics:
                if not is_measured(metric, subject):
                    continue
                beside: list[Any] = [digest(case.report) if metric.name == COST[0] else ""]
                beside += [digest(case.source) if {SOURCE, OTHERS} & metric.needs else ""]
                beside += [digest(case.reference) if REFERENCE in metric.needs else ""]
                beside += [case.reference_text if REFERENCE_TEXT in metric.needs else "", case.language]
                beside += [[digest(path) for path in clips.others_of(case)] if OTHERS in metric.needs else []]
                face = str(work.judges.face)
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
