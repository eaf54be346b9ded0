"""The runner of evaluations: what is left is done once, kept before anything else happens, and a lost case is a record too."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import pytest

from avcore.pool import Finished, Lost, Pool, PoolTask
from netflips.evaluate.records import Job, run_left


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
            yield Lost(number, job, "it died") if job[0] == 2 else Finished(number, task, [one**2 for one in job[1]])


def lost(job: Job, reason: str) -> Sequence[Any]:
    return [reason for _ in job[1]]


def test_what_is_left_is_done_case_by_case_and_kept_before_the_next_one_begins() -> None:
    kept, told = list[Any](), list[tuple[int, int]]()
    left = {3: [10, 20], 1: [10]}
    run = run_left(left, 3, Squares(), lost, kept.extend, "square", lambda _, done, total: told.append((done, total)))
    assert next(run) == [100, 400]
    assert kept == [100, 400]
    assert list(run) == [[100]]
    assert kept == [100, 400, 100]
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_case_that_workers_die_of_is_kept_too_or_ends_the_run() -> None:
    def refuse(job: Job, reason: str) -> Sequence[Any]:
        raise ValueError(reason)

    kept, wanted = list[Any](), {1: [2], 2: [4], 3: [5]}
    assert list(run_left(wanted, 3, Squares(), lost, kept.extend, "square")) == [[4], ["it died"], [25]]
    assert kept == [4, "it died", 25]
    kept.clear()
    with pytest.raises(ValueError, match="it died"):
        list(run_left(wanted, 3, Squares(), refuse, kept.extend, "square"))
    assert kept == [4]


def test_nothing_starts_where_nothing_is_left() -> None:
    pool = Squares()
    assert list(run_left({}, 1, pool, lost, list[Any]().extend, "square")) == []
    assert not pool.is_started
