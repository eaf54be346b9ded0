"""Measurements, one a line for each clip and measure: `records.jsonl`, which only grows. A record is used again for the same files
and models.

One loop does the work of all evaluations: missing measures are taken case by case, and saved at once. A case that kills its workers
gets a record, too.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from avcore.errors import CheckpointError, LanguageError, NetflipsError, OutputError
from avcore.journal import Rows, file_digest, key_of
from avcore.pool import Finished, Pool, PoolTask, ProcessPool
from avcore.progress import Progress, silent
from netflips.evaluate.cases import BASELINES, DUBBED, SHUFFLED, CaseFiles
from netflips.evaluate.clips import Case, Clips
from netflips.evaluate.command import MeasureOptions
from netflips.evaluate.judges import Evaluators
from netflips.evaluate.metric import Measured, Metric, Missing, all_metrics, measured

LOG = logging.getLogger("netflips")
RECORDS = "records.jsonl"
_FORMAT = "4"
"""Changes whenever figures of an older NetfLips must not be used any more."""
_LISTENERS = ("recognizer", "published")

Place = tuple[str, str, str]
"""Id, subject and measure of a record."""
Job = tuple[int, tuple[Any, ...]]
"""The number of a case, and its missing measures. One worker does them all, so that the files of a case are read once."""


@dataclass(frozen=True)
class Record:
    """One measure of one clip."""

    id: str
    """of the clip"""
    subject: str
    """what stood in the dub's place (`netflips.evaluate.cases`)"""
    measure: str
    """name of the metric"""
    key: str
    """digest of everything that the figures depend on"""
    figures: Mapping[str, float] = field(default_factory=dict)
    """by name"""
    missing: Mapping[str, str] = field(default_factory=dict)
    """why other figures could not be measured, by name"""
    failed: str = ""
    """why nothing could be measured of this clip, such as one without a face; "" = it could be measured"""
    texts: Mapping[str, str] = field(default_factory=dict)
    """`heard`, `wanted` and the name of the `recognizer`, where the measure compares texts"""

    @property
    def place(self) -> Place:
        """What it is a measurement of."""
        return self.id, self.subject, self.measure

    @classmethod
    def of(cls, place: Place, key: str, found: Measured, texts: Mapping[str, str]) -> "Record":
        """Make a record of the answer of a metric."""
        missing = {name: value.reason for name, value in found.items() if isinstance(value, Missing)}
        figures = {name: float(value) for name, value in found.items() if not isinstance(value, Missing)}
        return cls(*place, key, figures, missing, "", dict(texts))

    def to_row(self) -> dict[str, Any]:
        """Return the record as a JSON object without its empty fields."""
        return {name: value for name, value in vars(self).items() if value or name in ("id", "subject", "measure", "key")}


def record_rows(folder: Path) -> Rows[Place]:
    """Return the rows of the records in a folder, by place."""
    return Rows(folder / RECORDS, ("id", "subject", "measure"), "key")


def read_records(folder: Path) -> dict[Place, Record]:
    """Read the records of a folder, the last of each place."""
    known = vars(Record("", "", "", "")).keys()  # a line may have been written by hand
    return {place: Record(**row) for place, row in record_rows(folder).items() if row.keys() <= known}


def run_left(
    left: Mapping[int, Sequence[Any]],
    total: int,
    pool: Pool[Job, int],
    lost: Callable[[Job, str], Sequence[Any]],
    keep: Callable[[Sequence[Any]], None],
    stage: str,
    progress: Progress = silent,
) -> Iterator[Sequence[Any]]:
    """Do the missing work of cases, one job a case; yields the result of each once it is saved.

    left: the missing work, by number of the case. total: number of cases, with those that are complete. pool: starts only if work
    is missing. lost: makes the result of a job that killed its workers, with the reason. keep: saves a result. Raises NetflipsError
    for faults that concern all cases.
    """
    done = total - len(left)
    progress(stage, done, total)
    if not left:
        return

    jobs = (PoolTask.of((case, tuple(tasks))) for case, tasks in left.items())
    with pool, closing(pool.run(enumerate(jobs))) as outcomes:  # type: ignore[type-var]  # pools are generators
        for number, outcome in enumerate(outcomes, done + 1):
            found = outcome.result if isinstance(outcome, Finished) else lost(outcome.item, outcome.reason)
            keep(found)
            yield found
            progress(stage, number, total)


# What a suite measures


@dataclass(frozen=True)
class AskedFigures:
    """The figures to measure for a group of cases."""

    figures: tuple[str, ...]
    """by name"""
    subjects: tuple[str, ...] = (DUBBED,)
    """what stands in the dub's place, one after the other"""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics that give any of the figures, in the order of tables."""
        return tuple(metric for metric in all_metrics() if set(metric.figures) & set(self.figures))


@dataclass(frozen=True)
class Suite:
    """An evaluation: cases, figures, models, and names for the table."""

    cases: Sequence[CaseFiles]
    asked: Mapping[str, AskedFigures]
    """by group of the cases; "" = for all groups that are not named"""
    options: MeasureOptions
    """decide which models there are"""
    title: str = ""
    """of table and page"""
    goals: Mapping[str, float] = field(default_factory=dict)
    """values that figures should reach, by name of the row"""
    titles: Mapping[str, str] = field(default_factory=dict)
    """of groups, by name"""
    facts: Mapping[str, str] = field(default_factory=dict)
    """to be listed beside those of every suite"""

    @cached_property
    def by_group(self) -> Mapping[str, AskedFigures]:
        """The figures to measure for each group of the cases."""
        return {case.group: self.asked.get(case.group, self.asked.get("", AskedFigures(()))) for case in self.cases}


class Measurer:
    """A worker that measures cases by the metrics asked for, with models of its own."""

    def __init__(self, work: Suite) -> None:
        self._work = work

    def process(self, *parts: Sequence[Job]) -> list[Record]:
        """Measure some cases. Raises CheckpointError for a model that cannot be read, which would fail for every clip."""
        return [record for part in parts for number, tasks in part for record in self._measure(number, tasks)]

    @cached_property
    def _clips(self) -> Clips:
        """The clips, once all models that are needed could be loaded."""
        judges, asked = Evaluators(self._work.options), self._work.by_group
        try:
            needs = {group: {need for metric in of.metrics for need in metric.needs} & judges.there for group, of in asked.items()}
            # All models before the first clip: what is wrong with one shows at once.
            for need in set().union(*needs.values()):
                judges.model(need)

            for language in sorted({case.language for case in self._work.cases if needs[case.group].intersection(_LISTENERS)}):
                if language and language not in judges.recognizer.languages:
                    known, hint = ", ".join(judges.recognizer.languages), "give --recognizer, or leave texts out with --metrics"
                    what = f"{judges.recognizer.name} does not know the language"
                    raise LanguageError(what, expected=known, found=language, hint=hint)
        except NetflipsError as error:  # it would fail for every clip, and this error ends the run
            raise CheckpointError(str(error)) from error
        return Clips(self._work.cases, judges)

    def _measure(self, number: int, tasks: Iterable[tuple[str, str, str]]) -> Iterator[Record]:
        clips, metrics = self._clips, {one.name: one for one in all_metrics()}
        case = Case(self._work.cases[number], clips)
        for subject, measure, key in tasks:
            place, metric, texts = (case.files.id, subject, measure), metrics[measure], dict[str, str]()
            try:
                outcome = clips.outcome(number, subject)
                if outcome is None:
                    yield Record(*place, key, missing=dict.fromkeys(metric.figures, "there is none"))
                    continue

                there = case.there(outcome)
                found = measured(metric, case, outcome, there)
                listener = next((need for need in _LISTENERS if need in metric.needs and need in there), None)
                if "reference_text" in metric.needs and listener:
                    recognized = outcome.published_text if listener == "published" else outcome.text
                    name = clips.judges.model(listener).name
                    texts = {"recognized": recognized, "wanted": case.files.wanted(recognized), "recognizer": name}

                yield Record.of(place, key, found, texts)

            except OutputError:  # no fault of the clip
                raise
            except NetflipsError as error:
                yield Record(*place, key, failed=str(error))


def keys_of(work: Suite) -> dict[Place, str]:
    """Return the key of each measure of each subject of each case, in order: a digest of the files, texts and models that it
    depends on."""
    # Each file is read once, although many measures depend on it.
    judges, digest_of = Evaluators(work.options), cache(file_digest)
    clips = Clips(work.cases, judges)
    models = {one.name: [(need, judges.identity(need)) for need in sorted(one.needs)] for one in all_metrics()}

    def digest(path: Path | None) -> str:
        return "" if path is None else digest_of(path)

    found: dict[Place, str] = {}
    for number, case in enumerate(work.cases):
        partner, asked = clips.partner(number), work.by_group[case.group]
        for subject in asked.subjects:
            path = case.standing(subject)
            if path is None and subject not in BASELINES:
                continue  # a program that did not dub this clip

            made = [digest(path)]
            made += [digest(None if partner is None else partner.dub)] if subject == SHUFFLED else []
            for metric in asked.metrics:
                if not metric.is_of(subject):
                    continue

                beside: list[Any] = ["" if metric.of_baselines or path is None else digest(case.report_of(path))]
                beside += [digest(case.source) if {"source", "others"}.intersection(metric.needs) else ""]
                beside += [digest(case.reference) if "reference" in metric.needs else ""]
                beside += [[case.reference_text, *case.other_texts] if "reference_text" in metric.needs else "", case.language]
                beside += [[digest(path) for path in clips.others_of(case)] if "others" in metric.needs else []]

                parts = (_FORMAT, metric.name, made, beside, models[metric.name])
                found[case.id, subject, metric.name] = key_of(*parts)
    return found


def completed(work: Suite, out_dir: Path, progress: Progress) -> dict[Place, Record]:
    """Measure what is missing; returns all records that are asked for, in order.

    out_dir: where records are saved, a case at a time. Raises NetflipsError for faults that concern all cases; a fault of one case
    is in its record.
    """
    keys, numbers = keys_of(work), {case.id: number for number, case in enumerate(work.cases)}
    rows = record_rows(out_dir)
    rows.repair()

    kept = {place: record for place, record in read_records(out_dir).items() if place in keys}
    known = {place: record for place, record in kept.items() if keys[place] == record.key}
    if len(known) < len(kept):
        LOG.info("%d records are of other files or models, or of an older version: measured again", len(kept) - len(known))
    if known:
        LOG.info("%d of %d measures were done already", len(known), len(keys))

    def lost(job: Job, reason: str) -> list[Record]:
        number, tasks = job
        return [Record(work.cases[number].id, subject, measure, key, failed=reason) for subject, measure, key in tasks]

    left: dict[int, list[tuple[str, str, str]]] = {}
    for place, key in keys.items():
        if place not in known:
            left.setdefault(numbers[place[0]], []).append((*place[1:], key))

    def keep(found: Sequence[Record]) -> None:
        rows.add(record.to_row() for record in found)

    pool = ProcessPool[Job, int](Measurer, (work,), work.options.jobs)
    for found in run_left(left, len(numbers), pool, lost, keep, "measure", progress):
        known |= {one.place: one for one in found}
        for reason in dict.fromkeys(one.failed for one in found if one.failed and one.subject not in BASELINES):
            LOG.warning("%s: failed: %s", found[0].id, reason)
    return {place: known[place] for place in keys}
