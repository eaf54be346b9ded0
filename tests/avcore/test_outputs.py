"""An output is never one of the inputs, by whatever name. What a dubbed video says of itself."""

import os
from pathlib import Path

import pytest

from avcore.errors import OutputError
from avcore.outputs import keep_apart
from avcore.provenance import synthetic_comment
from netflips import __version__


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    path = tmp_path / "voice.wav"
    path.write_text("sound")
    return path


@pytest.mark.parametrize("way", ["name", "dots", "symbolic link", "hard link", "link of the folder"])
def test_an_input_is_known_by_every_name(voice: Path, tmp_path: Path, way: str) -> None:
    other = tmp_path / "other.wav"
    if way == "name":
        other = voice
    elif way == "dots":
        other = tmp_path / "x" / ".." / "voice.wav"
    elif way == "symbolic link":
        other.symlink_to(voice)
    elif way == "hard link":
        os.link(voice, other)
    else:
        (tmp_path / "folder").symlink_to(tmp_path)
        other = tmp_path / "folder" / "voice.wav"
    with pytest.raises(OutputError, match="the report would overwrite the voice"):
        keep_apart({"the report": [other]}, {"the map": None, "the voice": voice})


def test_an_output_that_is_not_there_yet_is_compared_by_name(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="the report and the dub are one file"):
        keep_apart({"the dub": tmp_path / "x.mp4", "the report": tmp_path / "." / "x.mp4"}, {})
    with pytest.raises(OutputError, match="would overwrite"):
        keep_apart({"the dub": tmp_path / "x.mp4"}, {"the video": tmp_path / "x.mp4"})


def test_both_files_of_a_checkpoint_count(tmp_path: Path) -> None:
    for name in ("m.safetensors", "m.json"):
        (tmp_path / name).write_text("x")
    with pytest.raises(OutputError, match=r"m\.json: the report would overwrite the model"):
        keep_apart({"the report": tmp_path / "m.json"}, {"the model": tmp_path / "m.safetensors"})
    with pytest.raises(OutputError, match=r"n\.json: the output would overwrite the settings"):
        keep_apart({"the output": tmp_path / "n.safetensors"}, {"the settings": tmp_path / "n.json"})


def test_what_differs_is_let_through_and_nothing_is_made(voice: Path, tmp_path: Path) -> None:
    keep_apart({"a": tmp_path / "new" / "x.json", "b": [tmp_path / "y.mp4"], "c": None}, {"the voice": voice})
    keep_apart({"a": "/dev/null", "b": "/dev/null"}, {})
    assert list(tmp_path.iterdir()) == [voice]


def test_comment_names_version_languages_and_models() -> None:
    comment = synthetic_comment("ko", ["sha256:1", "", "sha256:2"], "en")
    assert comment == f"synthetic: NetfLips {__version__}, en->ko, models sha256:1 sha256:2"
    assert "->ko, models" in synthetic_comment("ko", ["sha256:1"])
