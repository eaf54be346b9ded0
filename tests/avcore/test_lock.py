"""One run at a time in a folder, and nothing left of one that failed at once."""

from pathlib import Path

import pytest

from avcore.errors import OutputError
from avcore.runs.lock import folder_lock


def fail_in(folder: Path, *names: str) -> None:
    """Begin a run in a folder that writes some files and fails."""
    with pytest.raises(RuntimeError), folder_lock(folder):
        for name in names:
            (folder / name).touch()
        raise RuntimeError


def test_a_run_that_fails_before_it_wrote_anything_leaves_no_folder(tmp_path: Path) -> None:
    fail_in(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_or_was_written_stays(tmp_path: Path) -> None:
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
