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


def run_left(
    wanted: Iterable[tuple[Case, Task]],
    is_done: Callable[[Case, Task], bool],
    pool: Pool[Any, int],
    lost: Callable[[CaseJob[Case, Task], str], Sequence[Found]],
    keep: Callable[[Sequence[Found]], None],
    stage: str,
    progress: Progress = silent,
) -> Iterator[Sequence[Found]]:
    """Do what is left of what is wanted, each thing once, a job for a case; yields what was found of each once it is kept.

    pool: starts only where anything is left. lost: records of a job that workers die of, with the reason. Raises NetflipsError for
    what concerns all cases.
    """
    left: dict[Case, dict[Task, None]] = {}
    cases = set[Case]()
    for case, task in wanted:
        cases.add(case)
        if not is_done(case, task):
            left.setdefault(case, {})[task] = None
    done = len(cases) - len(left)
    progress(stage, done, len(cases))
    if not left:
        return
    jobs = (PoolTask.of(CaseJob(case, tuple(tasks))) for case, tasks in left.items())
    with pool, closing(_outcomes(pool, jobs)) as outcomes:
        for number, outcome in enumerate(outcomes, done + 1):
            found = outcome.result if isinstance(outcome, Finished) else lost(outcome.item, outcome.reason)
            keep(found)
            yield found
            progress(stage, number, len(cases))


def _outcomes(pool: Pool[Any, int], jobs: Iterable[PoolTask[Any]]) -> Any:
    yield from pool.run(enumerate(jobs))
