"""Outputs appear whole or not at all."""

import os
from pathlib import Path

import pytest

from avcore.errors import InputError, OutputError
from avcore.files import atomic_output, private_folder, require_file, require_place, require_writable, write_text


def test_an_output_appears_only_when_complete(tmp_path: Path) -> None:
    target = tmp_path / "new folder" / "out.txt"
    with atomic_output(target) as temporary:
        temporary.write_text("done")
        assert not target.exists()
    assert target.read_text() == "done"
    assert [entry.name for entry in target.parent.iterdir()] == ["out.txt"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_nothing_and_keeps_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "out.txt"
    target.write_text("old")
    with pytest.raises(error), atomic_output(target) as temporary:
        temporary.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_bare_name_goes_to_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_text("units.txt", "1 2")
    assert (tmp_path / "units.txt").read_text() == "1 2"


def test_written_files_have_the_usual_permissions(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "x")
    (tmp_path / "b").write_text("x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_inputs_are_checked(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for path, complaint in ((tmp_path, "a folder"), (tmp_path / "none", "not there"), (tmp_path / "empty", "empty")):
        with pytest.raises(InputError, match=complaint):
            require_file(path, "the input")


def test_an_output_cannot_be_a_folder_or_lie_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="folder"):
        require_writable(tmp_path)
    with pytest.raises(OutputError, match="cannot be written"):
        require_writable(tmp_path / "file" / "out.mp4")


def test_private_folders_go_in_all_cases() -> None:
    with pytest.raises(KeyboardInterrupt), private_folder() as folder:
        (folder / "x").write_text("x")
        raise KeyboardInterrupt
    assert not os.path.exists(folder)


def test_a_place_is_looked_at_and_nothing_is_made(tmp_path: Path) -> None:
    assert require_place(tmp_path / "a" / "b" / "x.mp4") == tmp_path / "a" / "b" / "x.mp4"
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"):
        require_place(tmp_path / "file" / "b" / "x.mp4")
    with pytest.raises(OutputError, match="must be a file; found a folder"):
        require_place(tmp_path)


def test_a_web_address_is_told_what_to_do() -> None:
    with pytest.raises(InputError, match="nothing is downloaded"):
        require_file(Path("https://example.com/talk.mp4"), "the video")
