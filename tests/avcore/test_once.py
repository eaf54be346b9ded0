"""A file is looked at once, and anew where it has changed or another of its sound tracks is read."""

import os
from pathlib import Path

import pytest

from avcore.errors import InputError
from avcore.media.once import OnceAFile
from avcore.media.tracks import choose_track


def test_a_file_is_looked_at_once_until_it_changes(tmp_path: Path) -> None:
    path, looked = tmp_path / "a", list[str]()

    def look(path: str | Path) -> str:
        looked.append(Path(path).read_text())
        return looked[-1]

    found = OnceAFile(look, most=2)
    path.write_text("one")
    assert (found(path), found(path), looked) == ("one", "one", ["one"])
    path.write_text("two")
    os.utime(path, ns=(0, 0))
    assert (found(path), found(path), looked[1:]) == ("two", "two", ["two"])
    choose_track(path, 2)
    assert (found(path), looked[2:]) == ("two", ["two"])
    choose_track(path, None)
    path.unlink()
    with pytest.raises(InputError, match="not there"):
        found(path)


def test_what_was_found_on_another_way_is_kept_and_what_failed_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("x")

    def look(_: str | Path) -> str:
        raise ValueError("no")

    found = OnceAFile(look)
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            found(path)
    found.keep(path, "told")
    assert found(path) == "told"
