"""The work of a suite: each measure of each case, once; what is finished is kept, and done again only where something changed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from avcore.errors import CheckpointError, LanguageError, NetflipsError, OutputError
from avcore.journal import file_digest, key_of
from netflips.evaluate.cases import DUBBED, SHUFFLED, CaseFiles
from netflips.evaluate.clips import Clips
from netflips.evaluate.judges import JudgePaths, Judges
from netflips.evaluate.metric import Metric, all_metrics, measured
from netflips.evaluate.needs import OTHERS, PUBLISHED, RECOGNIZER, REFERENCE, REFERENCE_TEXT, SOURCE
from netflips.evaluate.records import MeasureJob, Place, Record, Task

_FORMAT = "3"
"""Changes whenever figures of an older NetfLips must not be used any more."""


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
    """What a suite measures. asked: by group of the cases."""

    cases: tuple[CaseFiles, ...]
    asked: Mapping[str, AskedFigures]
    judges: JudgePaths


class Measurer:
    """A worker that measures cases by the metrics that are asked for, with models of its own."""

    _is_ready = False

    def __init__(self, work: Work) -> None:
        self._work = work

    def load(self) -> str:
        """Read the models; returns what is wrong with one of them, "" = nothing."""
        try:
            judges, asked = self._clips.judges, self._work.asked
            needs = {group: {need for one in of.metrics for need in one.needs} & judges.there for group, of in asked.items()}
            for need in set().union(*needs.values()):
                judges.model(need)
            listens = {RECOGNIZER, PUBLISHED}
            for language in sorted({case.language for case in self._work.cases if listens & needs[case.group]}):
                if language and language not in judges.recognizer.languages:
                    known, hint = ", ".join(judges.recognizer.languages), "give --recognizer, or leave texts out with --metrics"
                    what = f"{judges.recognizer.name} does not know the language"
                    raise LanguageError(what, expected=known, found=language, hint=hint)
        except NetflipsError as error:
            return str(error)
        self._is_ready = True
        return ""

    def process(self, *parts: Sequence[MeasureJob]) -> list[Record]:
        """Measure what is left of some cases. Raises CheckpointError for a model that cannot be read: no clip can help that."""
        if not self._is_ready and (complaint := self.load()):
            raise CheckpointError(complaint)
        return [one for part in parts for job in part for one in self._measure(job.case, job.tasks)]

    @cached_property
    def _clips(self) -> Clips:
        return Clips(self._work.cases, Judges(self._work.judges))

    def _measure(self, number: int, tasks: Sequence[Task]) -> Iterator[Record]:
        metrics, case = {one.name: one for one in all_metrics()}, self._clips.case(number)
        for subject, measure, key in tasks:
            place, metric, texts = (case.files.id, subject, measure), metrics[measure], {}
            try:
                outcome = self._clips.outcome(number, subject)
                if outcome is None:
                    yield Record(*place, key, missing=dict.fromkeys(metric.figures, "there is none"))
                    continue
                there = case.there(outcome)
                found = measured(metric, case, outcome, there)
                listeners = [need for need in (RECOGNIZER, PUBLISHED) if need in metric.needs & there]
                if REFERENCE_TEXT in metric.needs and listeners:
                    listener = listeners[0]
                    heard = outcome.published_text if listener == PUBLISHED else outcome.text
                    name = self._clips.judges.model(listener).name
                    texts = {"heard": heard, "wanted": case.reference_text or "", "recognizer": name}
                yield Record.of(place, key, found, texts)
            except OutputError:
                raise
            except NetflipsError as error:
                yield Record(*place, key, failed=str(error))


def keys_of(work: Work) -> dict[Place, str]:
    """Make a key for each measure of each subject of each case, in order: from the files, texts and models that it depends on."""
    judges = Judges(work.judges)
    clips, face = Clips(work.cases, judges), str(work.judges.face)
    models = {one.name: [(need, judges.identity(need)) for need in sorted(one.needs)] for one in all_metrics()}
    digest_of: Callable[[Path], str] = cache(file_digest)

    def digest(path: Path | None) -> str:
        return "" if path is None else digest_of(path)

    found: dict[Place, str] = {}
    for number, case in enumerate(work.cases):
        partner, asked = clips.partner(number), work.asked[case.group]
        for subject in asked.subjects:
            files = [case.standing(subject)]
            files += [None if partner is None else partner.dub] if subject == SHUFFLED else []
            made = [digest(path) for path in files]
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
