"""How long an evaluation will take, said before it begins."""

from collections.abc import Sequence

from workshop.evaluate.jobs import ExamJob

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
