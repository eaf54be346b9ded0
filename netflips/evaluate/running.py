"""The one runner of evaluations: what is left of what is wanted is done case by case, and kept as soon as it is there.

What a stopped run has kept is not done again. A case that workers die of is a record like any other.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from avcore.progress import Progress, silent
from avcore.runs.work import Finished, Pool, PoolTask

Case = TypeVar("Case")
Task = TypeVar("Task")
Found = TypeVar("Found")


@dataclass(frozen=True)
class CaseJob(Generic[Case, Task]):
    """Tasks on one case, in one worker, so that what is read of a case is read once for all of them."""

    case: Case
    tasks: tuple[Task, ...]


def jobs_left(wanted: Iterable[tuple[Case, Task]], is_done: Callable[[Case, Task], bool]) -> list[CaseJob[Case, Task]]:
    """What is left to do of what is wanted, each thing once, a job for a case, in the order in which cases are asked for first."""
    left: dict[Case, dict[Task, None]] = {}
    for case, task in wanted:
        if not is_done(case, task):
            left.setdefault(case, {})[task] = None
    return [CaseJob(case, tuple(tasks)) for case, tasks in left.items()]


def run_jobs(
    jobs: Sequence[CaseJob[Case, Task]],
    pool: Pool[Any, int],
    lost: Callable[[CaseJob[Case, Task], str], Sequence[Found]],
    keep: Callable[[Sequence[Found]], None],
    stage: str,
    progress: Progress = silent,
    done: int = 0,
) -> Iterator[Sequence[Found]]:
    """Do jobs in a pool, which starts only where there are any; yields what was found of each once it is kept.

    lost: records of a job that workers die of, with the reason. done: cases that were finished before, for `progress`. Raises
    NetflipsError for what concerns all cases.
    """
    total = done + len(jobs)
    progress(stage, done, total)
    if not jobs:
        return
    with pool, closing(_outcomes(jobs, pool)) as outcomes:
        for outcome in outcomes:
            found = outcome.result if isinstance(outcome, Finished) else lost(outcome.item, outcome.reason)
            keep(found)
            done += 1
            yield found
            progress(stage, done, total)


def _outcomes(jobs: Sequence[CaseJob[Case, Task]], pool: Pool[Any, int]) -> Any:
    yield from pool.run((number, PoolTask.of(job)) for number, job in enumerate(jobs))
