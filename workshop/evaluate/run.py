"""The whole evaluation: prepare what all processes share, do the jobs that are not done yet, and hand over the records."""

import hashlib
import json
import logging
import shutil
from collections.abc import Collection, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any, NoReturn

import torch

from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.bundle import Bundle
from avcore.checkpoints.checkpoint import read_checkpoint, write_checkpoint
from avcore.errors import NetflipsError
from avcore.files import private_folder, write_text
from avcore.progress import Progress
from avcore.runs import journal
from avcore.runs.pool import ProcessPool
from avcore.runs.work import WorkersFailError
from netflips.bundles.describe import file_facts
from netflips.evaluate.running import run_jobs
from unit2unit.stage import TRANSLATOR
from workshop.evaluate.bench import Bench
from workshop.evaluate.chain import read_clip
from workshop.evaluate.jobs import ExamItem, ExamJob, ExamPaths, ExamTask, Need, Record, missing_jobs, record_key
from workshop.evaluate.material import KINDS, drawn_sentence, plan_clip, write_clip
from workshop.evaluate.mouth import phones_of_units
from workshop.evaluate.retrieval import UnitReferences, record_references
from workshop.evaluate.settings import EvaluationSettings
from workshop.evaluate.tasks import DubAtRandom, ExamClip, SpeakAgain
from workshop.voices.cast import Voice, book_pairs, cast

LOG = logging.getLogger("netflips.evaluate")

_SHORT = 12
MEASURE = 6
"""Counts up when an answer is judged in another way, or the same units sound otherwise, so that records of both never stand in one
table."""


def bundle_checksum(bundle: Bundle) -> str:
    """sha256 of the checksums of all files but bundle.json, hexadecimal. Raises InputError when one is missing."""
    facts = file_facts(bundle)
    return hashlib.sha256("\n".join(f"{name} {facts[name]['sha256']}" for name in sorted(facts)).encode()).hexdigest()


class Evaluation:
    """What was and is found of a bundle, kept in a folder of its own below `out_dir`, so that it can go on after a stop."""

    def __init__(
        self, bundle: Bundle, out_dir: Path, settings: EvaluationSettings, device: str = "cpu", precision: str = "float32"
    ) -> None:
        self.bundle, self.settings, self.checksum = bundle, settings, bundle_checksum(bundle)
        self.folder = out_dir / f"{self.checksum[:_SHORT]}-seed{settings.seed}-v{MEASURE}"
        self._journal = self.folder / "records.jsonl"
        korean, english = (
            out_dir / f"references-{_digest(self._texts(language), self._judges(language))}.npz" for language in ("ko", "en")
        )
        phones = self.folder / "phones.json"
        self.place = ExamPaths(bundle.folder, self.folder / "random", korean, english, phones, device, precision)
        journal.repair(self._journal)

    def records(self) -> list[Record]:
        """All records so far."""
        return list(journal.read(self._journal))

    def missing(self, needs: list[Need]) -> list[ExamJob]:
        """What is left to do."""
        return missing_jobs(needs, {record_key(record) for record in journal.read(self._journal)})

    def run(self, jobs: list[ExamJob], processes: int, progress: Progress) -> None:
        """Do jobs, and keep each record as soon as it is there."""
        if not jobs:
            return
        self._prepare({task for job in jobs for task in job.tasks}, progress)
        pool = ProcessPool[ExamJob, int](ExamWorker, (self.place, self.settings), processes)
        for _ in run_jobs(jobs, pool, _lost, partial(journal.append, self._journal), "evaluating", progress):
            pass

    def _prepare(self, tasks: Collection[ExamTask], progress: Progress) -> None:
        references = UnitReferences.read(self.bundle.references)
        texts = self._texts("ko")
        record_references(texts, self._judges("ko"), self.place.recordings, progress)
        if any(isinstance(task, SpeakAgain) for task in tasks):
            record_references(self._texts("en"), self._judges("en"), self.place.english, progress)
        if not self.place.phones.is_file():
            stated = self.bundle.about.get("phones")
            known = {text: references.units[text] for text in texts if text in references.units}
            names = dict(enumerate(stated)) if stated else phones_of_units(known, progress)
            write_text(self.place.phones, json.dumps(names, ensure_ascii=False))
        if DubAtRandom() in tasks:
            write_random_bundle(self.bundle, self.place.random, self.settings.seed)

    def _judges(self, language: str) -> list[Voice]:
        return cast().judges(language, self.settings.edition)

    def _texts(self, language: str) -> list[str]:
        """Distinct sentences of the phrasebook in a language; for tests the first few, and those that are asked for."""
        pairs = book_pairs(self.settings.edition)
        if self.settings.sentences:
            kinds = ("seen", "held_out", "new_faces", "speaker", "vocoder")
            asked = [drawn_sentence(kind, index, self.settings) for kind in kinds for index in range(self.settings.number)]
            pairs = [*asked, *pairs[: self.settings.sentences]]
        return list(dict.fromkeys(pair.korean if language == "ko" else pair.english for pair in pairs))


def _lost(job: ExamJob, reason: str) -> NoReturn:
    """What a worker dies of says nothing of a bundle: it is no record."""
    raise WorkersFailError("some of the work cannot be done", found=f"{job.case.id}: {reason}")


def _digest(texts: Sequence[str], voices: Sequence[Voice]) -> str:
    """What recordings are kept under."""
    said = json.dumps([texts, list(map(asdict, voices))], ensure_ascii=False).encode()
    return hashlib.sha256(said).hexdigest()[:_SHORT]


_SHUFFLED = (UNIT_ENCODER, TRANSLATOR)


def write_random_bundle(bundle: Bundle, folder: Path, seed: int) -> None:
    """Write a bundle whose encoder and translator know nothing; its voice stays, so that what it says is Korean."""
    generator = torch.Generator().manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for one in bundle.models:
        stage, name = one.stage, one.file
        if (folder / name).is_file():
            continue
        if stage not in _SHUFFLED:
            shutil.copyfile((bundle.folder / name).with_suffix(".json"), (folder / name).with_suffix(".json"))
            shutil.copyfile(bundle.folder / name, folder / name)
            continue
        stored = read_checkpoint(bundle.folder / name, stage)
        shuffled: dict[int, torch.Tensor] = {}
        for tensor in stored.tensors.values():
            if tensor.dim() > 1 and tensor.data_ptr() not in shuffled:  # one tensor under several names stays one
                order = torch.randperm(tensor.numel(), generator=generator)
                shuffled[tensor.data_ptr()] = tensor.flatten()[order].view(tensor.shape)
        write_checkpoint(
            folder / name, stage, stored.config, {key: shuffled.get(one.data_ptr(), one) for key, one in stored.tensors.items()}
        )


class ExamWorker:
    """Models and references, ready for jobs."""

    def __init__(self, place: ExamPaths, settings: EvaluationSettings) -> None:
        self._bench = Bench(place, settings)

    def process(self, jobs: Sequence[ExamJob]) -> list[Record]:
        """Do jobs in a process of a pool."""
        return [record for job in jobs for record in self.do(job)]

    def do(self, job: ExamJob) -> list[Record]:
        """Do a job: one record for each task. What cannot be dubbed is a record too, and counts as wrong."""
        item = job.case
        if item.kind not in KINDS:
            return [self._record(item, task, item.index) for task in job.tasks]
        settings = self._bench.settings
        with private_folder() as folder:
            plan = plan_clip(item.kind, item.index, settings)
            write_clip(folder / "clip.mp4", plan, settings.side)
            heard = read_clip(folder / "clip.mp4", needs_face=any(task.needs_face for task in job.tasks))
            clip = ExamClip(item.index, plan, heard, folder)
            return [self._record(item, task, clip) for task in job.tasks]

    def _record(self, item: ExamItem, task: ExamTask, given: Any) -> Record:
        start = process_time()
        try:
            found = task.do(self._bench, given)
        except NetflipsError as error:
            found = {"right": False, "failed": str(error)}
        return {"kind": item.kind, "index": item.index, "task": task.name} | found | {"cpu_s": round(process_time() - start, 2)}
