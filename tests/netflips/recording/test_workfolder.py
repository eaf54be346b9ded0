"""Finished work: found by what it was made from, whole or not at all."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from avcore.errors import OutputError
from netflips.workfolder import WorkFolder, file_digest, key_of, require_work_folder


def test_work_is_made_once_and_found_again(tmp_path: Path) -> None:
    folder, calls = WorkFolder(tmp_path / "work"), []

    def make() -> dict[str, np.ndarray]:
        calls.append(1)
        return {"a": np.arange(3), "name": np.array("x"), "none": np.zeros((0, 96, 96), np.uint8)}

    for _ in range(2):
        found = folder.arrays("units", "key", make)
        assert found["a"].tolist() == [0, 1, 2]
        assert str(found["name"]) == "x"
        assert found["none"].shape == (0, 96, 96)
    assert len(calls) == folder.made["units"] == folder.kept["units"] == 1


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not a zip", None])
def test_damaged_work_is_made_anew(tmp_path: Path, damage: bytes | None) -> None:
    folder = WorkFolder(tmp_path)
    folder.keep_arrays("units", "key", {"a": np.arange(100)})
    path = tmp_path / "units" / "key.npz"
    path.write_bytes(path.read_bytes()[:300] if damage is None else damage)
    assert folder.find_arrays("units", "key") is None
    assert folder.arrays("units", "key", lambda: {"a": np.ones(1)})["a"].tolist() == [1]


def test_names_differ_by_everything_and_by_nothing_else(tmp_path: Path) -> None:
    parts = [(1,), (2,), ("1",), (None,), (np.arange(3),), (np.arange(3.0),), (np.arange(4),), ({"a": 1},), ([1], [2]), ([1, 2],)]
    assert len({key_of(*one) for one in parts}) == len(parts)
    assert key_of({"b": 1, "a": np.arange(3)[::-1]}) == key_of({"a": np.array([2, 1, 0]), "b": 1})
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    (tmp_path / "b").write_bytes(b"x" * 3_000_000)
    (tmp_path / "c").write_bytes(b"x" * 2_999_999 + b"y")
    assert file_digest(tmp_path / "a") == file_digest(tmp_path / "b") != file_digest(tmp_path / "c")


def test_only_earlier_versions_of_an_output_are_forgotten(tmp_path: Path) -> None:
    def run(output: str | None, *keys: str) -> None:
        folder = WorkFolder(tmp_path)
        for key in keys:
            folder.keep_arrays("pictures", key, {"a": np.zeros(5)})
        if output is not None:
            folder.settle(output)
        assert folder.num_bytes() > 0

    run("a.mp4", "a1", "a2", "shared")
    run("b.mp4", "b1", "shared")
    run(None, "stopped")
    run("a.mp4", "a2", "a3")
    kept = {path.stem for path in (tmp_path / "pictures").iterdir()}
    assert kept == {"a2", "a3", "b1", "shared", "stopped"}


def test_what_killed_runs_left_half_written_is_deleted(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for name, age_s in ((".old.mp4", 10_000), (".now.mp4", 0)):
        (tmp_path / "pictures" / name).write_bytes(b"x")
        os.utime(tmp_path / "pictures" / name, (time.time() - age_s,) * 2)
    WorkFolder(tmp_path).settle("x.mp4")
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == [".now.mp4"]


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="--work-dir"):
        require_work_folder(tmp_path / "file")
