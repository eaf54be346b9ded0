"""Dub many videos side by side: one video a task, models loaded once a worker. Complete dubs are not made again.

The output folder records which videos are dubbed, and which were set aside:

    dubs.jsonl      complete dubs, with their settings, why they were tried again, and their reports
    failed.jsonl    videos that were set aside, with the reason
"""

import json
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import torch

from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.command import LOG
from avcore.compute.inference import resolve_device
from avcore.compute.memory import keep_freed_memory
from avcore.errors import EXIT_FAILED, NetflipsError
from avcore.files import remove_temporary, write_text
from avcore.journal import Rows, Seldom, checksum_of, file_digest, fits, folder_lock, key_of
from avcore.media.sound_writer import is_sound_name
from avcore.notes import report_note, several
from avcore.pool import Lost, PoolTask, WorkerPool
from avcore.processes import Crew
from avcore.words import user_language
from netflips.bulk.progress import RunProgress
from netflips.bulk.records import Rejected, reason_of
from netflips.bulk.spread import Spread, file_size, place_at, with_full_paths
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.dubbing.preflight import checked_lips, inputs_of
from netflips.model_paths import ModelPaths, RunOptions
from netflips.models import Models, load_models
from netflips.recognizers.folders import folder_fingerprint
from netflips.recognizers.outside import recognizer_fingerprint
from netflips.report.files import summary_of
from netflips.script.files import script_json
from netflips.script.notes import DUB_CHANGED, TRIED_AGAIN
from netflips.script.types import Script
from unit2av.speaker import encoder_fingerprint


@dataclass(frozen=True)
class VideoToDub:
    """A video, and the place of its dub."""

    source: Path
    """the original"""
    target: Path
    """the dub"""
    work: Path | None = None
    """folder of finished work; None: as the options say"""


class DubRecord:
    """The record of an output folder; it is stored in the folder as it grows."""

    def __init__(self, out_dir: Path) -> None:
        self.done = Rows[str](out_dir / "dubs.jsonl", "output", "key", "file", "report")
        """complete dubs, by name"""
        self.failed = Rows[str](out_dir / "failed.jsonl", "id", "reason")
        """videos that were set aside, by path"""
        self.done.repair()
        self.failed.repair()

    def is_done(self, job: VideoToDub, key: str) -> bool:
        """Return whether a dub was made with these settings, and is unchanged."""
        row = self.done.get(job.target.name, {})
        if row.get("key") != key or not job.target.is_file():
            return False
        is_whole = fits(job.target, row["file"])
        if not is_whole:
            report_note(DUB_CHANGED(), job.target)
        return is_whole

    def add(self, job: VideoToDub, key: str, report: Script, deaths: Sequence[str] = ()) -> None:
        """Record a complete dub, with the key of its settings. deaths: the reason of each time that it was tried again."""
        again = {"tried_again": list(deaths)} if deaths else {}
        row = {"output": job.target.name, "key": key, "file": checksum_of(job.target), **again, "report": script_json(report)}
        self.done.add([row])

    def write_report(self, path: Path, jobs: Iterable[VideoToDub]) -> None:
        """Write the reports of all finished dubs, in the form of `netflips.report.write_reports`.

        The reports also list, by source, the videos that were tried again because their worker or machine was lost, with the
        reasons.
        """
        rows = {job: self.done[job.target.name] for job in jobs if job.target.name in self.done}
        again = {str(job.source): row["tried_again"] for job, row in rows.items() if "tried_again" in row}
        content = {"dubs": [row["report"] for row in rows.values()], "failures": self.failures(), "tried_again": again}
        write_text(path, json.dumps(content, indent=2, ensure_ascii=False))

    def failures(self) -> dict[str, str]:
        """Return the reasons why videos were set aside, by path."""
        return {name: row["reason"] for name, row in self.failed.items()}


@dataclass(frozen=True)
class DubModels:
    """The models, how they run, and the two languages."""

    paths: ModelPaths
    """of the weights"""
    run: RunOptions
    """how they run: device, number format, unit offsets"""
    languages: tuple[str, str] = ("en", "ko")
    """source and target"""

    def key(self) -> list[str]:
        """Return everything about the models that the result depends on. Raises CheckpointError for a file of another kind."""
        # The device is left out: a run may go on with another one.
        run, needed = replace(self.run, device=""), self.paths.needed
        known = [read_checkpoint(path, stage).fingerprint for stage, path in needed.items()]
        others = [read_checkpoint(path, None).fingerprint for path in self.paths.others.values()]
        return [repr(run), *known, encoder_fingerprint(self.paths.speaker_encoder), *others]

    def size(self) -> int:
        """Return the bytes of all files together."""
        return sum(file_size(path) for path in (*self.paths.needed.values(), *self.paths.others.values()))


class DubWorker:
    """Holds the models of a dub; there is one in each process."""

    def __init__(self, models: DubModels, options: DubOptions, draws: bool) -> None:
        """draws: whether some outputs have frames."""
        self._paths, self._options, self._draws = models, options, draws
        self._models: Models | None = None

    def load(self) -> str:
        """Load the models; returns "", or what is wrong with them in one line."""
        # More processes use the cores better than more threads in each.
        torch.set_num_threads(1)
        keep_freed_memory()

        try:
            models = load_models(self._paths.paths, *self._paths.languages, self._paths.run)
            if self._draws:  # otherwise each video would fail by itself, and be set aside
                checked_lips(models, self._options)
        except NetflipsError as error:
            return str(error)
        self._models = models
        return ""

    def process(self, *parts: Sequence[VideoToDub]) -> list[Script | Rejected]:
        """Dub videos; one that cannot be dubbed is rejected with the reason."""
        if self._models is None and (complaint := self.load()):
            raise RuntimeError(complaint)
        assert self._models is not None

        done = list[Script | Rejected]()
        for job in chain.from_iterable(parts):
            try:
                options = self._options if job.work is None else replace(self._options, work_dir=job.work)
                done.append(dub(job.source, job.target, self._models, options))
            except Exception as error:  # whatever is wrong with one video must not stop the others
                done.append(Rejected(str(job.source), reason_of(error)))
        return done


def dub_side_by_side(
    jobs: Sequence[VideoToDub],
    models: DubModels,
    options: DubOptions,
    spread: Spread,
    retry_failed: bool = False,
    report: Path | None = None,
    is_quiet: bool = False,
) -> int | None:
    """Dub the videos that are not complete yet; returns the exit code, 1 when some videos were set aside.

    jobs: with targets in one folder; large files come first, so that no worker is left alone with one at the end. report: JSON of
    all dubs, with those of earlier runs. Raises NetflipsError for faults that concern all videos.
    """
    if spread.address is None:
        models = replace(models, run=replace(models.run, device=str(resolve_device(models.run.device))))

    settings = settings_key(options, models)
    sizes = {job: file_size(job.source) if job.source.is_file() else 0 for job in jobs}
    keys = {job: key_of(settings, job.source.name, size) for job, size in sizes.items()}

    out_dir = jobs[0].target.parent
    with folder_lock(out_dir):
        remove_temporary(out_dir)
        record = DubRecord(out_dir)
        if retry_failed:
            record.failed.replace([])

        left = [job for job in jobs if not record.is_done(job, keys[job]) and str(job.source) not in record.failed]
        if len(left) < len(jobs):
            LOG.info("done or set aside already: %d of %s", len(jobs) - len(left), several(len(jobs), "video"))

        # The report has all dubs: written after each of them, it would take longer and longer.
        reporting = Seldom(lambda: None if report is None else record.write_report(report, jobs))
        left.sort(key=sizes.__getitem__, reverse=True)
        try:
            # closing: after an error here, the workers end at once, and not when the generator is collected.
            with closing(_run(left, models, options, spread, is_quiet)) as outcomes:
                for job, result, deaths in outcomes:
                    _keep(record, job, keys[job], result, deaths)
                    reporting.maybe()
        finally:
            reporting.now()
            remove_temporary(out_dir)

        failed = [str(job.source) for job in jobs if str(job.source) in record.failed]

    if not failed:
        return None
    LOG.error("%d of %s failed: %s", len(failed), several(len(jobs), "input"), ", ".join(failed))
    return EXIT_FAILED


def settings_key(options: DubOptions, models: DubModels) -> str:
    """Return a digest of the settings that dubs are made with: options, models, and the content of files and folders that the
    options name.

    The content counts because a folder may hold another recognizer by the next run, and a file another voice. Raises NetflipsError
    for files that cannot be read.
    """
    asked, found = options.cascade_models, dict[Path, str]()
    if asked is not None:
        found[asked.recognizer] = recognizer_fingerprint(asked.recognizer)
        if asked.translator is not None:
            found[asked.translator] = folder_fingerprint(asked.translator)

    # A folder's fingerprint covers its files; they are not read a second time.
    inside = {path for folder in found if folder.is_dir() for path in folder.iterdir()}
    files = [path for paths in inputs_of(options).values() for path in paths if path not in inside]
    return key_of(options.asked, models.languages, *models.key(), *found.values(), *map(file_digest, files))


def _keep(record: DubRecord, job: VideoToDub, key: str, result: Script | Rejected, deaths: Sequence[str]) -> None:
    """Record the outcome for a video, and report it."""
    if isinstance(result, Rejected):
        LOG.error("failed: %s", result.reason)
        record.failed.add([{"id": str(job.source), "reason": result.reason}])
        return

    if deaths:
        report_note(TRIED_AGAIN(deaths="; ".join(deaths)), job.source)
    for note in result.grouped_notes:
        report_note(note, job.source)
    if result.quality is not None:
        LOG.info("%s: %s", job.source, result.quality.text(user_language()))
    LOG.info("%s", summary_of(result))

    record.add(job, key, result, deaths)


_Outcome = tuple[VideoToDub, Script | Rejected, tuple[str, ...]]
"""A video, its script or why it was rejected, and the reason of each time that it was tried again."""


def _run(jobs: Sequence[VideoToDub], models: DubModels, options: DubOptions, spread: Spread, is_quiet: bool) -> Generator[_Outcome]:
    if not jobs:
        return
    progress = RunProgress(len(jobs), what="video", is_quiet=is_quiet)
    others = {} if options.cascade_models is None else options.cascade_models.files
    weights = models.size() + sum(path.stat().st_size for paths in others.values() for path in paths if path.is_file())

    with place_at(spread.address) as place:
        models = replace(models, run=replace(models.run, device=place.device(models.run.device)))
        size = replace(spread.pool_size(models.run.device, weights, place.resources, has_readers=False), queue=1)
        draws = not all(is_sound_name(job.target) for job in jobs)
        crew = Crew(DubWorker, (with_full_paths(models), with_full_paths(options), draws))
        with WorkerPool[VideoToDub, VideoToDub](place.processes(crew, size), size) as pool:
            pool.start()
            progress.start()

            for finished in pool.run((job, PoolTask.of(with_full_paths(job))) for job in jobs):
                job, deaths = finished.label, () if isinstance(finished, Lost) else finished.task.deaths
                result = Rejected(str(job.source), finished.reason) if isinstance(finished, Lost) else finished.result[0]
                if isinstance(result, Script):
                    progress.add(1, 0, result.input_s, num_again=len(deaths))
                else:
                    progress.add(0, 1, 0.0, num_again=len(deaths))
                yield job, result, deaths
            progress.close()
    LOG.info("%s", progress.table())
