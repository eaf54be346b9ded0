"""Does jobs of the exam: makes the clip, and does its tasks one after the other. One of these lives in each process."""

from collections.abc import Sequence
from time import process_time
from typing import Any

from avcore.errors import NetflipsError
from avcore.files import private_folder
from workshop.evaluate.bench import Bench
from workshop.evaluate.chain import read_clip
from workshop.evaluate.jobs import ExamItem, ExamJob, ExamPaths, ExamTask, Record
from workshop.evaluate.material import KINDS, plan_clip, write_clip
from workshop.evaluate.settings import EvaluationSettings
from workshop.evaluate.tasks import ExamClip


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
