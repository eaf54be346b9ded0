"""The one runner of evaluations: what is left of what is wanted is done case by case, and kept as soon as it is there.

What a stopped run has kept is not done again. A case that workers die of is a record like any other.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from avcore.pool import Finished, Pool, PoolTask
from avcore.progress import Progress, silent

Case = TypeVar("Case")
Task = TypeVar("Task")
Found = TypeVar("Found")


@dataclass(frozen=True)
class CaseJob(Generic[Case, Task]):
    """Tasks on one case, in one worker, so that what is read of a case is read once for all of them."""

    case: Case
    tasks: tuple[Task, ...]


def run_left(
    left: Iterable[tuple[Case, Task]],
    total: int,
    pool: Pool[Any, int],
    lost: Callable[[CaseJob[Case, Task], str], Sequence[Found]],
    keep: Callable[[Sequence[Found]], None],
    stage: str,
    progress: Progress = silent,
) -> Iterator[Sequence[Found]]:
    """Do what is left, each thing once, a job for a case; yields what was found of each once it is kept.

    total: cases, with those of which nothing is left. pool: starts only where anything is. lost: records of a job that workers die
    of, with the reason. Raises NetflipsError for what concerns all cases.
    """
    tasks: dict[Case, dict[Task, None]] = {}
    for case, task in left:
        tasks.setdefault(case, {})[task] = None
    done = total - len(tasks)
    progress(stage, done, total)
    if not tasks:
        return
    jobs = (PoolTask.of(CaseJob(case, tuple(of))) for case, of in tasks.items())
    with pool, closing(pool.run(enumerate(jobs))) as outcomes:  # type: ignore[type-var]  # pools are generators
        for number, outcome in enumerate(outcomes, done + 1):
            found = outcome.result if isinstance(outcome, Finished) else lost(outcome.item, outcome.reason)
            keep(found)
            yield found
            progress(stage, number, total)
