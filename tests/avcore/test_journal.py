"""JSON lines: what was appended is there, a half line never counts, damage takes nothing else with it.

What is written anew again and again: at once, and then for a twentieth of the time at most. One run at a time in a folder, and
nothing left of one that failed at once.
"""

import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from avcore import journal
from avcore.errors import OutputError
from avcore.journal import Rows, Seldom, folder_lock
from tests.refusal import refused


def rows(path: Path) -> list[int]:
    return [row["a"] for row in journal.read(path, "a")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    journal.append(tmp_path / "j.jsonl", [{"a": number, "text": "words"} for number in range(100)])
    return tmp_path / "j.jsonl"


@pytest.mark.parametrize("bad", [b"{bad\n", b"\n", b"[1]\n", b'{"b": 1}\n', b"\xff\n", b"[" * 100_000 + b"\n"])
def test_a_damaged_line_is_named_and_the_rows_behind_it_are_kept(path: Path, bad: bytes, caplog: pytest.LogCaptureFixture) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:1], bad, *lines[1:]]))
    assert rows(path) == list(range(100))
    assert f"{path}: warning: line 2 is damaged" in caplog.text
    assert journal.repair(path, "a")
    assert path.read_bytes() == b"".join(lines)
    caplog.clear()
    assert not journal.repair(path, "a")
    assert caplog.text == ""


def test_what_is_no_journal_is_not_written_to(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / "j.jsonl").symlink_to(precious)
    for change in (lambda path: journal.append(path, [{"a": 1}]), journal.repair):
        refused(OutputError, r"j\.jsonl", change, tmp_path / "j.jsonl")
    assert precious.read_text() == "mine"


def rows_in(folder: Path) -> Rows[str]:
    return Rows(folder / "rows.jsonl", "id", "share")


def test_rows_are_found_by_their_key_and_the_last_of_a_key_counts(tmp_path: Path) -> None:
    made = rows_in(tmp_path)
    assert not made
    made.add([{"id": "a", "share": 0.1}, {"id": "b", "share": 0.2, "parts": (1, 2)}])
    made.add([{"id": "a", "share": 0.3}])
    assert made == rows_in(tmp_path) == {"a": {"id": "a", "share": 0.3}, "b": {"id": "b", "share": 0.2, "parts": [1, 2]}}
    assert list(Rows[tuple[str, float]](made.path, ("id", "share"))) == [("a", 0.1), ("b", 0.2), ("a", 0.3)]


def test_forgotten_rows_are_gone_and_an_empty_list_is_no_file(tmp_path: Path) -> None:
    made = rows_in(tmp_path)
    made.add({"id": name, "share": 0.5} for name in "abc")
    made.forget({"b", "x"})
    assert list(made) == list(rows_in(tmp_path)) == ["a", "c"]
    made.replace([])
    assert not made
    assert not made.path.exists()


def test_rows_of_other_processes_are_seen_and_half_lines_harmless(tmp_path: Path) -> None:
    mine, other = rows_in(tmp_path), rows_in(tmp_path)
    assert not mine
    other.add([{"id": "a", "share": 0.1}, {"id": "b", "share": 0.2}], is_flushed=False)
    assert not mine
    mine.refresh()
    assert list(mine) == ["a", "b"]
    other.path.write_bytes(other.path.read_bytes()[:-9])  # as if it had been killed while it wrote
    mine.add([{"id": "c", "share": 0.3}])
    with other.path.open("ab") as file:
        file.write(b'{"id": "d"}\n')
    assert mine.repair()
    assert list(mine) == ["a", "c"]
    assert not mine.repair()


def test_it_takes_a_twentieth_of_the_time_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    now, times = [100.0], []
    monkeypatch.setattr("avcore.journal.time.monotonic", lambda: now[0])

    def act() -> None:
        times.append(now[0])
        now[0] += 0.01 * len(times)  # what is written grows

    report = Seldom(act)
    for _ in range(1000):
        now[0] += 0.1
        report.maybe()
    assert times[0] == pytest.approx(100.1)
    assert 0.03 < sum(0.01 * number for number in range(1, len(times) + 1)) / (now[0] - 100) < 0.06
    before = len(times)
    report.now()
    assert len(times) == before + 1


def fail_in(folder: Path, *names: str) -> None:
    """Begin a run in a folder that writes some files and fails."""
    with pytest.raises(RuntimeError), folder_lock(folder):
        for name in names:
            (folder / name).touch()
        raise RuntimeError


def test_a_failed_run_leaves_no_folder_but_what_was_written(tmp_path: Path) -> None:
    fail_in(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "own").mkdir()
    fail_in(tmp_path / "own" / "made")
    assert [one.name for one in tmp_path.rglob("*")] == ["own"]
    fail_in(tmp_path / "new", "records.jsonl")
    assert (tmp_path / "new" / "records.jsonl").is_file()
    (tmp_path / "held").mkdir()
    fail_in(tmp_path / "held")
    assert (tmp_path / "held").is_dir()


def test_a_second_run_is_refused_and_leaves_the_first_alone(tmp_path: Path) -> None:
    with folder_lock(tmp_path / "out"):
        with pytest.raises(OutputError, match="another run"), folder_lock(tmp_path / "out"):
            pass
        assert (tmp_path / "out" / ".lock").is_file()


def test_a_writer_waits_for_the_repair_and_writes_to_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    journal.append(path, [{"id": 1}])
    with path.open("rb") as held, ThreadPoolExecutor(1) as pool:
        fcntl.flock(held, fcntl.LOCK_EX)
        written = pool.submit(journal.append, path, [{"id": 2}])
        refused(TimeoutError, "", written.result, timeout=0.3)
        (tmp_path / "new").write_bytes(path.read_bytes())
        os.replace(tmp_path / "new", path)
        fcntl.flock(held, fcntl.LOCK_UN)
        written.result(timeout=10)
    assert [row["id"] for row in journal.read(path)] == [1, 2]
