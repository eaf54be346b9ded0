"""The runner of evaluations: what is left is done once, kept before anything else happens, and a lost case is a record too."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import pytest

from avcore.runs.work import Finished, Lost, Pool, PoolTask
from netflips.evaluate.running import CaseJob, jobs_left, run_jobs


class Squares(Pool[Any, int]):
    """Squares of tasks; workers die of case 2."""

    def __init__(self) -> None:
        self.is_started = False

    def __enter__(self) -> Self:
        self.is_started = True
        return self

    def __exit__(self, *_: object) -> None: ...

    def run(self, tasks: Iterable[tuple[int, PoolTask[Any]]]) -> Iterator[Finished[Any, int] | Lost[Any, int]]:
        for number, task in tasks:
            ((job,),) = task.parts
            yield Lost(number, job, "it died") if job.case == 2 else Finished(number, task, [one**2 for one in job.tasks])


def lost(job: CaseJob[int, int], reason: str) -> Sequence[Any]:
    return [reason for _ in job.tasks]


def test_what_is_left_is_a_job_a_case_without_what_is_done_or_doubled() -> None:
    wanted = [(3, 10), (1, 10), (3, 20), (1, 20), (3, 10), (2, 10)]
    left = jobs_left(wanted, lambda case, task: (case, task) in {(1, 20), (2, 10)})
    assert left == [CaseJob(3, (10, 20)), CaseJob(1, (10,))]


def test_each_case_is_kept_before_the_next_one_begins() -> None:
    kept, told = list[Any](), list[tuple[int, int]]()
    jobs = [CaseJob(1, (2, 3)), CaseJob(2, (4,)), CaseJob(3, (5,))]
    run = run_jobs(jobs, Squares(), lost, kept.extend, "square", lambda _, done, total: told.append((done, total)), done=2)
    assert next(run) == [4, 9]
    assert kept == [4, 9]
    assert list(run) == [["it died"], [25]]
    assert kept == [4, 9, "it died", 25]
    assert told == [(2, 5), (3, 5), (4, 5), (5, 5)]


def test_what_cannot_be_told_as_a_record_ends_the_run() -> None:
    def refuse(job: CaseJob[int, int], reason: str) -> Sequence[Any]:
        raise ValueError(reason)

    kept = list[Any]()
    with pytest.raises(ValueError, match="it died"):
        list(run_jobs([CaseJob(1, (2,)), CaseJob(2, (4,)), CaseJob(3, (5,))], Squares(), refuse, kept.extend, "square"))
    assert kept == [4]


def test_nothing_starts_where_nothing_is_left() -> None:
    pool = Squares()
    assert list(run_jobs([], pool, lost, list[Any]().extend, "square")) == []
    assert not pool.is_started
