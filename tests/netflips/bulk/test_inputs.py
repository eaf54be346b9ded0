"""Manifests, folders, globs and files become one manifest."""

from pathlib import Path

import pytest

from avcore.errors import InputError
from avdata.manifest import Entry
from netflips.bulk.inputs import read_inputs, require_file_names


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b/2.mp4", "b/2.lip.mp4", "b/2.txt", "a/1.wav", "a/1.json", "a/.3.wav", "a/입력.MOV"):
        path = tmp_path / "corpus" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "corpus"


def test_a_folder_gives_its_media_by_relative_name(folder: Path) -> None:
    found = read_inputs(str(folder), language="ko")
    assert found.root == folder
    assert tuple(found.entries) == (
        Entry("a/1", audio="a/1.wav", language="ko"),
        Entry("a/입력", video="a/입력.MOV", language="ko"),
        Entry("b/2", video="b/2.mp4", lips="b/2.lip.mp4", language="ko"),
    )
    assert [entry.id for entry in read_inputs(str(folder), suffixes=(".wav",)).entries] == ["a/1"]


def test_links_are_followed_once(folder: Path) -> None:
    (folder / "b" / "again").symlink_to(folder)
    (folder / "elsewhere").symlink_to(folder / "a")
    names = [entry.id for entry in read_inputs(str(folder)).entries]
    assert sorted(Path(name).name for name in names) == ["1", "2", "입력"]


def test_a_glob_names_from_its_first_wildcard(folder: Path) -> None:
    found = read_inputs(f"{folder}/*/*.wav")
    assert (found.root, [entry.id for entry in found.entries]) == (folder, ["a/1"])
    assert [entry.id for entry in read_inputs(f"{folder}/**/*.mp4").entries] == ["b/2"]


def test_one_file_and_a_manifest(folder: Path, corpus: Path) -> None:
    found = read_inputs(str(folder / "a" / "1.wav"))
    assert (found.root, [*found.entries]) == (folder / "a", [Entry("1", audio="1.wav")])
    found = read_inputs(str(corpus), root=folder, language="ko")
    assert found.root == folder
    assert {entry.language for entry in found.entries} == {"en"}


def test_what_cannot_be_used(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such input"):
        read_inputs(str(tmp_path / "none"))
    with pytest.raises(InputError, match="no media file"):
        read_inputs(str(folder), suffixes=(".flac",))
    (folder / "a" / "1.mp4").write_bytes(b"x")
    with pytest.raises(InputError, match=r"1.mp4 and 1.wav have one name.*--suffix"):
        read_inputs(str(folder))


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../x", "a//b", "a\\b", ".", "a" * 300])
def test_names_that_leave_the_output_folder_are_refused(name: str) -> None:
    require_file_names(["spk 1/0001", "문장.1"])
    with pytest.raises(InputError, match="cannot name a file"):
        require_file_names(["fine", name])
