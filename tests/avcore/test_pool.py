"""The pool of processes: what kills one, how it fails, and that nothing of it stays."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from avcore.pool import Lost, PoolTask, ProcessPool, WorkersFailError, result_of
from avcore.processes import visible_gpus

ROOT = Path(__file__).resolve().parents[2]


class Words:
    """Gives words back, and leaves a file for each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def process(self, *parts: tuple[str, ...]) -> tuple[int, list[str]]:
        words = [word for part in parts for word in part]
        if "raise" in words:
            raise ValueError("this one cannot be done")
        for word in words:
            with (self._folder / word).open("a") as file:
                file.write("done\n")
        return os.getpid(), words


def _children() -> list[str]:
    """Processes that this one has started and that have not ended."""
    return [child for path in Path("/proc/self/task").glob("*/children") for child in path.read_text().split()]


@pytest.fixture(autouse=True)
def no_process_stays() -> Iterator[None]:
    before = _children()
    yield
    assert _children() == before


def _times_done(folder: Path) -> dict[str, int]:
    return {path.name: len(path.read_text().splitlines()) for path in folder.iterdir()}


def test_an_item_that_was_given_up_is_named() -> None:
    """How it is found: netflips/bulk/test_pool."""
    with pytest.raises(WorkersFailError, match="found 1: it died"):
        result_of(Lost(1, "die", "it died"))


@pytest.mark.parametrize("num_workers", [0, 1, 2])
def test_what_a_worker_raises_ends_the_run(tmp_path: Path, num_workers: int) -> None:
    words = ["a", "raise", *(f"word{number}" for number in range(5000))]
    with pytest.raises(ValueError, match="cannot be done"), ProcessPool[str, int](Words, (tmp_path,), num_workers) as pool:
        list(pool.run((number, PoolTask.of(word)) for number, word in enumerate(words)))
    assert len(_times_done(tmp_path)) < 5000


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
    assert len(_times_done(tmp_path)) < 1000


@pytest.mark.parametrize(("number", "code", "said"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")])
def test_a_run_that_is_stopped_says_so_and_leaves_no_process(tmp_path: Path, number: int, code: int, said: str) -> None:
    command = [sys.executable, "-m", "tests.avcore.pool_run", str(tmp_path)]
    running = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while len(list(tmp_path.iterdir())) < 2 and running.poll() is None:
        time.sleep(0.02)
    os.killpg(running.pid, number) if number == signal.SIGINT else running.send_signal(number)  # a terminal tells them all
    assert (running.wait(), running.stderr.read()) == (code, f"slow: {said}\n")
    assert not [path.name for path in tmp_path.iterdir() if Path("/proc", path.name).exists()]


@pytest.mark.parametrize(
    ("known", "gpus", "expected"),
    [("", 1.0, "0 1 2"), ("", 0.5, "0 0 1"), ("", 2.0, "0,1 2,3 4,5"), ("3,GPU-7,5", 1.0, "3 GPU-7 5")],
)
def test_each_worker_sees_its_own_gpus(known: str, gpus: float, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", known)
    assert [visible_gpus(place, gpus) for place in range(3)] == expected.split()


def test_a_script_needs_no_guard(tmp_path: Path) -> None:
    """What the worker is made of may stand in the script itself where that has one."""
    work = "with ProcessPool(Words, (sys.argv[1],), 2) as pool: print(len(list(pool.run((n, PoolTask.of('w')) for n in range(3)))))"
    head = "import sys\nfrom avcore.pool import PoolTask, ProcessPool\n"
    own = "class Words:\n    def __init__(self, _): ...\n    def process(self, part): return part\n"
    other = "from tests.avcore.pool_run import Length as Words\n"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for name, lines in (("plain.py", f"{head}{other}{work}"), ("guarded.py", f"{head}{own}if __name__ == '__main__':\n    {work}")):
        (tmp_path / name).write_text(lines)
        command = [sys.executable, str(tmp_path / name), "any"]
        run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert (run.stdout, run.stderr) == ("3\n", "")


_SLOW = """
import sys, time
from pathlib import Path

class Held:
    def __del__(self):  # an exception in here is printed and swallowed
        Path("begun").touch()
        time.sleep(60)

if sys.argv[0] == "-c":  # in the worker
    Held()
    Path("imported").touch()

class Worker: ...
"""
_STOPPED = """
import time
from pathlib import Path
from avcore.processes import Crew, LocalProcesses, PoolSize
from slow import Worker

processes = LocalProcesses(Crew(Worker), PoolSize())
processes.load(processes.new_worker(0))
while not Path("begun").exists():
    time.sleep(0.01)
processes.close()
"""


def test_a_worker_stopped_while_it_imports_ends_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(_SLOW)
    (tmp_path / "stopped.py").write_text(_STOPPED)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "stopped.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert not (tmp_path / "imported").exists()
