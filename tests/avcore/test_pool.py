"""The pool of processes: what kills one, how it fails, and that nothing of it stays."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from avcore.pool import Finished, Lost, PoolTask, ProcessPool, WorkersFailError, result_of

ROOT = Path(__file__).resolve().parents[2]


class Words:
    """Gives words back, leaves a file for each, and dies of one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def process(self, *parts: tuple[str, ...]) -> tuple[int, list[str]]:
        words = [word for part in parts for word in part]
        if "die" in words:
            os._exit(9)
        if "raise" in words:
            raise ValueError("this one cannot be done")
        for word in words:
            with (self._folder / word).open("a") as file:
                file.write("done\n")
        return os.getpid(), words


def _times_done(folder: Path) -> dict[str, int]:
    return {path.name: len(path.read_text().splitlines()) for path in folder.iterdir()}


def test_the_deadly_one_is_set_aside_and_the_others_are_done(tmp_path: Path) -> None:
    words = [f"word{number}" for number in range(8)]
    words[3] = "die"
    tasks = [(number, PoolTask(((words[2 * number],), (words[2 * number + 1],)))) for number in range(4)]
    with ProcessPool[str, int](Words, (tmp_path,), 2) as pool:
        outcomes = list(pool.run(tasks))
    (lost,) = (one for one in outcomes if isinstance(one, Lost))
    assert (lost.label, lost.item) == (1, "die")
    assert "died" in lost.reason
    finished = [one for one in outcomes if isinstance(one, Finished)]
    assert sorted(word for one in finished for word in one.task.items) == sorted(set(words) - {"die"})
    assert os.getpid() not in {one.result[0] for one in finished}
    assert set(_times_done(tmp_path)) == set(words) - {"die"}
    with pytest.raises(WorkersFailError, match="found 1: the process that worked on it died"):
        result_of(lost)


@pytest.mark.parametrize("num_workers", [0, 1, 2])
def test_what_a_worker_raises_ends_the_run(tmp_path: Path, num_workers: int) -> None:
    words = ["a", "raise", *(f"word{number}" for number in range(5000))]
    with pytest.raises(ValueError, match="cannot be done"), ProcessPool[str, int](Words, (tmp_path,), num_workers) as pool:
        list(pool.run((number, PoolTask.of(word)) for number, word in enumerate(words)))
    assert len(_times_done(tmp_path)) < 5000
    assert not multiprocessing.active_children()


def test_one_worker_works_in_this_process_and_in_order(tmp_path: Path) -> None:
    with ProcessPool[str, int](Words, (tmp_path,), 1) as pool:
        results = [result_of(outcome) for outcome in pool.run((number, PoolTask.of(word)) for number, word in enumerate("abc"))]
    assert results == [(os.getpid(), [word]) for word in "abc"]


@dataclass
class Growing:
    """Tasks that are added to while they are done."""

    ready: list[str] = field(default_factory=lambda: ["a", "b"])

    def __iter__(self) -> "Growing":
        return self

    def __next__(self) -> tuple[str, PoolTask[str]]:
        if not self.ready:
            raise StopIteration
        word = self.ready.pop(0)
        return word, PoolTask.of(word)


@pytest.mark.parametrize("num_workers", [1, 2])
def test_tasks_that_come_of_an_outcome_are_done_too(tmp_path: Path, num_workers: int) -> None:
    tasks = Growing()
    with ProcessPool[str, str](Words, (tmp_path,), num_workers) as pool:
        for outcome in pool.run(tasks):
            if len(outcome.label) < 3:
                tasks.ready.append(f"{outcome.label}{outcome.label[0]}")
    assert _times_done(tmp_path) == dict.fromkeys(["a", "aa", "aaa", "b", "bb", "bbb"], 1)


def test_processes_end_when_the_rest_is_not_wanted(tmp_path: Path) -> None:
    with ProcessPool[str, int](Words, (tmp_path,), 2) as pool:
        next(iter(pool.run((number, PoolTask.of(f"word{number}")) for number in range(1000))))
    assert not multiprocessing.active_children()
    assert len(_times_done(tmp_path)) < 1000


@pytest.mark.parametrize(("number", "code", "said"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")])
def test_a_run_that_is_stopped_says_so_and_leaves_no_process(tmp_path: Path, number: int, code: int, said: str) -> None:
    command = [sys.executable, "-m", "tests.avcore.pool_run", str(tmp_path)]
    running = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while len(list(tmp_path.iterdir())) < 2 and running.poll() is None:
        time.sleep(0.02)
    os.killpg(running.pid, number) if number == signal.SIGINT else running.send_signal(number)  # a terminal tells them all
    assert running.wait() == code
    assert running.stderr.read() == f"slow: {said}\n"
    assert not [path.name for path in tmp_path.iterdir() if Path("/proc", path.name).exists()]


def test_a_signal_within_a_lock_of_a_future_ends_the_run_and_no_thread_waits_for_that_lock() -> None:
    code = "from tests.avcore.pool_run import stop_within_lock; stop_within_lock()"
    stopped = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (stopped.returncode, stopped.stderr) == (0, "")
