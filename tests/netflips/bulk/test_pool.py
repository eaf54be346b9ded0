"""The pool: bounded, and what kills a worker or a reader is found and set aside."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from avcore.pool import Finished, Lost, PoolSize, PoolTask, WorkersFailError
from tests.netflips.bulk.words import NeverWorker, WordWorker, read_words

pytestmark = pytest.mark.usefixtures("ray_here")


def in_fours(words: list[str]) -> Iterator[tuple[int, PoolTask[str]]]:
    """Batches of four, read in two parts, labelled by their number."""
    for start in range(0, len(words), 4):
        first, second = tuple(words[start : start + 2]), tuple(words[start + 2 : start + 4])
        yield start // 4, PoolTask((first, second) if second else (first,))


def test_the_deadly_ones_are_set_aside_and_the_others_done_once(tmp_path: Path) -> None:
    from netflips.bulk.pool import RayPool

    words = [f"word{number}" for number in range(40)]
    words[13], words[26], words[35] = "crash-worker", "crash-reader", "raise-reader"
    done: list[str] = []
    again: dict[str, tuple[str, ...]] = {}
    lost: dict[str, tuple[int, str]] = {}
    with RayPool[str, int](WordWorker, (tmp_path,), PoolSize(2, 2), read_words, (tmp_path,)) as pool:
        pool.start()
        for outcome in pool.run(in_fours(words)):
            if isinstance(outcome, Lost):
                lost[outcome.item] = (outcome.label, outcome.reason)
            else:
                assert isinstance(outcome, Finished)
                assert {words.index(word) // 4 for word in outcome.result[1]} == {outcome.label}
                done += outcome.result[1]
                again |= dict.fromkeys(outcome.task.items, outcome.task.deaths) if outcome.task.deaths else {}
    assert {"word12", "word14", "word15"} <= again.keys()
    assert len(again) <= 2 * 2 * 4  # two processes die, each with two batches of four in its hands at most
    assert all(len(reasons) == 1 for reasons in again.values())
    assert sorted(done) == sorted(set(words) - {"crash-worker", "crash-reader", "raise-reader"})
    assert {name: label for name, (label, _) in lost.items()} == {"crash-worker": 3, "crash-reader": 6, "raise-reader": 8}
    assert "died" in lost["crash-worker"][1]
    assert lost["crash-reader"][1] == "given up: the process that read it died"
    assert lost["raise-reader"][1] == "given up: ValueError: this one cannot be read"


def test_readers_do_not_run_ahead(tmp_path: Path) -> None:
    from netflips.bulk.pool import RayPool

    size = PoolSize(workers=1, readers=1)
    words = [f"word{number}" for number in range(60)]
    done, ahead = 0, []
    with RayPool[str, int](WordWorker, (tmp_path, 0.02), size, read_words, (tmp_path,)) as pool:
        pool.start()
        for outcome in pool.run(in_fours(words)):
            assert isinstance(outcome, Finished)
            ahead.append(outcome.result[2] - done)
            done += len(outcome.result[1])
    assert done == 60
    # Two tasks with the worker, two parts of one task beyond, and two for each reader.
    assert max(ahead) <= 4 * (2 + 1 + 2)


def test_without_readers_items_go_to_the_workers(tmp_path: Path) -> None:
    from netflips.bulk.pool import RayPool

    with RayPool[str, int](WordWorker, (tmp_path,), PoolSize(1, 1, queue=1)) as pool:
        pool.start()
        results = [outcome.result[1] for outcome in pool.run((n, PoolTask.of(f"w{n}")) for n in range(3))]  # type: ignore[union-attr]
    assert results == [["w0"], ["w1"], ["w2"]]


@pytest.mark.parametrize(
    ("name", "when"),
    [
        ("raylet", "loading"),
        pytest.param("raylet", "working", marks=pytest.mark.slow),
        pytest.param("gcs_server", "loading", marks=pytest.mark.slow),
        pytest.param("gcs_server", "working", marks=pytest.mark.slow),
    ],
)
def test_a_ray_of_ones_own_that_dies_ends_the_run(tmp_path: Path, name: str, when: str) -> None:
    command = [sys.executable, "-m", "tests.netflips.bulk.dying_ray", str(tmp_path), name, when]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert ended.stdout == "Ray has died, which this command had started; the same command goes on from here\n"


def test_a_run_that_waits_for_room_on_a_full_disk_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from netflips.bulk.pool import RayPool

    monkeypatch.setattr("netflips.bulk.pool._LOOK_EVERY_S", 0.2)
    monkeypatch.setattr("netflips.bulk.pool._PATIENCE_S", 0.0)
    with RayPool[str, int](WordWorker, (tmp_path, 2.0), PoolSize(1, 1), read_words, (tmp_path,)) as pool:
        pool.start()
        assert [outcome.label for outcome in pool.run(in_fours(["word"]))] == [0]  # slow, but with room
        monkeypatch.setattr("netflips.bulk.session.shutil.disk_usage", lambda path: SimpleNamespace(used=99, total=100))
        with pytest.raises(WorkersFailError, match=r"the disk is full on which Ray puts what is read.*TMPDIR"):
            list(pool.run(in_fours(["word"])))


def test_when_all_workers_die_of_everything_the_run_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from netflips.bulk.pool import RayPool

    monkeypatch.setattr("netflips.bulk.pool._MOST_DEATHS_IN_A_ROW", 3)
    with RayPool[str, int](NeverWorker, (tmp_path,), PoolSize(1, 1), read_words, (tmp_path,)) as pool:
        pool.start()
        with pytest.raises(WorkersFailError, match=r"died 3 times in a row.*--workers"):
            list(pool.run(in_fours([f"word{number}" for number in range(40)])))
