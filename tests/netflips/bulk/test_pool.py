"""The pool with readers, on this machine and on a cluster: bounded, and what kills a worker or a reader is found and set aside."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from avcore.errors import CheckpointError, UsageError
from avcore.pool import Finished, Lost, PoolTask, Processes, WorkerPool, WorkersFailError
from avcore.processes import Crew, LocalProcesses, PoolSize
from netflips.bulk.spread import place_at
from tests.netflips.bulk.words import ModellessWorker, NeverWorker, WordWorker, read_words

Make = Callable[[Crew, PoolSize], Processes]


@pytest.fixture(scope="module")
def ray_processes() -> Iterator[Make]:
    ray = pytest.importorskip("ray")
    ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level="error", log_to_driver=False)
    try:
        with place_at("auto") as place:
            assert place.resources["CPU"] == 2
            yield place.processes
    finally:
        ray.shutdown()


@pytest.fixture(params=["here", pytest.param("ray", marks=pytest.mark.slow)])
def make(request: pytest.FixtureRequest) -> Make:
    return LocalProcesses if request.param == "here" else request.getfixturevalue("ray_processes")


def pool_of(make: Make, size: PoolSize, worker: type, *arguments: object, has_readers: bool = True) -> WorkerPool[str, int]:
    crew = Crew(worker, arguments, read_words if has_readers else None, arguments[:1])
    return WorkerPool(make(crew, size), size, has_readers)


def in_fours(words: list[str]) -> Iterator[tuple[int, PoolTask[str]]]:
    """Batches of four, read in two parts, labelled by their number."""
    for start in range(0, len(words), 4):
        first, second = tuple(words[start : start + 2]), tuple(words[start + 2 : start + 4])
        yield start // 4, PoolTask((first, second) if second else (first,))


def test_the_deadly_ones_are_set_aside_and_the_others_done_once(tmp_path: Path, make: Make) -> None:
    words = [f"word{number}" for number in range(40)]
    words[13], words[26] = "crash-worker", "crash-reader"
    done: list[str] = []
    again: dict[str, tuple[str, ...]] = {}
    lost: dict[str, tuple[int, str]] = {}
    with pool_of(make, PoolSize(2, 2), WordWorker, tmp_path) as pool:
        pool.start()
        for outcome in pool.run(in_fours(words)):
            if isinstance(outcome, Lost):
                lost[outcome.item] = (outcome.label, outcome.reason)
            else:
                assert isinstance(outcome, Finished)
                assert {words.index(word) // 4 for word in outcome.result[1]} == {outcome.label}
                done += outcome.result[1]
                again |= dict.fromkeys(outcome.task.items, outcome.task.deaths) if outcome.task.deaths else {}
    assert {"word12", "word14", "word15"} <= again.keys() <= {f"word{number}" for number in (12, 14, 15, 24, 25, 27)}
    assert all(len(reasons) == 1 for reasons in again.values())
    assert sorted(done) == sorted(set(words) - {"crash-worker", "crash-reader"})
    assert {name: label for name, (label, _) in lost.items()} == {"crash-worker": 3, "crash-reader": 6}
    assert "died" in lost["crash-worker"][1]
    assert lost["crash-reader"][1] == "the process that read it died"


def test_readers_do_not_run_ahead(tmp_path: Path, make: Make) -> None:
    words = [f"word{number}" for number in range(60)]
    done, ahead = 0, []
    with pool_of(make, PoolSize(1, 1), WordWorker, tmp_path, 0.02) as pool:
        pool.start()
        for outcome in pool.run(in_fours(words)):
            assert isinstance(outcome, Finished)
            ahead.append(outcome.result[2] - done)
            done += len(outcome.result[1])
    assert done == 60
    # Two tasks with the worker, two parts of one task beyond, and two for each reader.
    assert max(ahead) <= 4 * (2 + 1 + 2)


def test_without_readers_items_go_to_the_workers(tmp_path: Path, make: Make) -> None:
    with pool_of(make, PoolSize(1, 1, queue=1), WordWorker, tmp_path, has_readers=False) as pool:
        pool.start()
        results = [outcome.result[1] for outcome in pool.run((n, PoolTask.of(f"w{n}")) for n in range(3))]  # type: ignore[union-attr]
    assert results == [["w0"], ["w1"], ["w2"]]


def test_a_fault_of_ours_ends_the_run(tmp_path: Path, make: Make) -> None:
    with pool_of(make, PoolSize(1, 1), WordWorker, tmp_path) as pool, pytest.raises(ValueError, match="this one cannot be read"):
        list(pool.run(in_fours(["word", "raise-reader"])))


def test_when_all_workers_die_of_everything_the_run_ends(tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avcore.pool._MOST_DEATHS_IN_A_ROW", 3)
    with pool_of(make, PoolSize(1, 1), NeverWorker, tmp_path) as pool:
        pool.start()
        with pytest.raises(WorkersFailError, match=r"died 3 times in a row.*--workers"):
            list(pool.run(in_fours([f"word{number}" for number in range(40)])))


@pytest.mark.parametrize(
    ("wrong", "kind", "said"),
    [("x.pt is no model", CheckpointError, "x.pt is no model"), ("", WorkersFailError, "died while it loaded.*fewer --workers")],
)
def test_models_that_cannot_be_loaded_end_the_start(wrong: str, kind: type[Exception], said: str, make: Make) -> None:
    with pool_of(make, PoolSize(2, 1), ModellessWorker, wrong) as pool, pytest.raises(kind, match=said):
        pool.start()


@pytest.mark.parametrize("address", ["127.0.0.1:{closed}", "127.0.0.1:none", "nowhere.invalid:6379"])
def test_a_cluster_that_is_not_there_is_said_at_once(address: str) -> None:
    cluster = pytest.importorskip("netflips.bulk.cluster")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = free.getsockname()[1]
    with pytest.raises(UsageError, match="there is no Ray cluster"):
        cluster.require_listening(address.format(closed=closed))
    cluster.require_listening("auto")


def test_this_machine_needs_no_ray_a_cluster_does(tmp_path: Path) -> None:
    (tmp_path / "ray.py").write_text("raise ImportError('no module named ray')")
    code = "import netflips.bulk.spread as p\nwith p.place_at({}) as place: print(place.resources['CPU'] > 0)"
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.getcwd()}"}
    for address, said in ((None, "True"), ("auto", "--address needs Ray")):
        command = [sys.executable, "-c", code.format(repr(address))]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert said in run.stdout + run.stderr
