"""How long an evaluation will take, said before it begins."""

from collections.abc import Sequence

from workshop.evaluate.jobs import (
    CEILING,
    COPIED,
    ENGLISH,
    OTHERS,
    RANDOM,
    RECORDED,
    SAID,
    SHOWN,
    SHOWN_BY_UNITS,
    VOCODER,
    ExamJob,
    needs_face,
)

_CLIP_S, _FACES_S, _DUB_S = 0.7, 0.8, 0.6
"""CPU seconds for drawing a clip, following its face, and dubbing it and looking it up on clips of 2.5 s."""
_TASK_S = {
    SHOWN: 3.0,
    SHOWN_BY_UNITS: 3.5,
    SAID: 0.5,
    CEILING: 1.6,
    RANDOM: 1.0,
    VOCODER: 0.5,
    ENGLISH: 0.05,
    OTHERS: 0.3,
    RECORDED: 0.3,
    COPIED: 0.5,
}
_UNDERSTOOD_S, _NATURAL_S = 0.3, 3.0
"""The same for units and their translation alone; for saying a sentence in a natural voice."""
_START_S = 40.0
"""Loading models in each process, and recording the references."""


def seconds_for(jobs: Sequence[ExamJob], processes: int) -> float:
    """Wall seconds that jobs take on as many cores as processes."""
    if not jobs:
        return 0.0
    return _START_S + sum(map(_job_seconds, jobs)) / max(processes, 1)


def _job_seconds(job: ExamJob) -> float:
    tasks = sum(_TASK_S.get(task, _UNDERSTOOD_S if {"~", "+"} & set(task) else _DUB_S) for task in job.tasks)
    if not job.has_clip:
        return tasks
    made = _CLIP_S + (_NATURAL_S if job.kind == "natural" else 0.0)
    return tasks + made + (_FACES_S if any(map(needs_face, job.tasks)) else 0.0)
