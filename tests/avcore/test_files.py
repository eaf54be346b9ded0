"""Outputs appear whole or not at all, and are never one of the inputs. Temporary files of a killed process are removed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unicodedata import normalize

import pytest

from avcore import files, journal
from avcore.errors import InputError, OutputError, UsageError
from avcore.files import (
    atomic_output,
    keep_apart,
    private_folder,
    remove_temporary,
    require_file,
    require_own_names,
    require_place,
    require_writable,
    temporary_beside,
    write_text,
)
from avcore.media.writer import synthetic_comment
from netflips import __version__
from tests.refusal import refused


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


def test_written_files_have_the_usual_permissions_or_those_they_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "a", "x")
    (tmp_path / "b").write_text("x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode
    (tmp_path / "b").chmod(0o600)
    write_text(tmp_path / "b", "still private")
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o600
    monkeypatch.chdir(tmp_path)
    write_text("units.txt", "1 2")
    assert (tmp_path / "units.txt").read_text() == "1 2"


def test_inputs_are_checked(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for path, complaint in (
        (tmp_path, "a folder"),
        (tmp_path / "none", "not there"),
        (tmp_path / "empty", "empty"),
        (Path("https://example.com/talk.mp4"), "nothing is downloaded"),
        ("C:\\data\\clip.wav", "path of Windows; write / between folders"),
    ):
        refused(InputError, complaint, require_file, path, "the input")


@pytest.mark.parametrize("require", [require_writable, require_place])
def test_an_output_cannot_be_a_folder_or_lie_below_a_file(tmp_path: Path, require: Callable[[Path], Path]) -> None:
    (tmp_path / "file").write_text("x")
    refused(OutputError, "must be a file; found a folder", require, tmp_path)
    refused(OutputError, "cannot be written", require, tmp_path / "file" / "b" / "out.mp4")


def test_private_folders_go_in_all_cases() -> None:
    with pytest.raises(KeyboardInterrupt), private_folder() as folder:
        (folder / "x").write_text("x")
        raise KeyboardInterrupt
    assert not os.path.exists(folder)


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


def test_outputs_are_compared_by_name_and_both_files_count(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="the report and the dub are one file"):
        keep_apart({"the dub": tmp_path / "x.mp4", "the report": tmp_path / "." / "x.mp4"}, {})
    refused(OutputError, "would overwrite", keep_apart, {"the dub": tmp_path / "x.mp4"}, {"the video": tmp_path / "x.mp4"})
    for name in ("m.safetensors", "m.json"):
        (tmp_path / name).write_text("x")
    with pytest.raises(OutputError, match=r"m\.json: the report would overwrite the model"):
        keep_apart({"the report": tmp_path / "m.json"}, {"the model": tmp_path / "m.safetensors"})
    with pytest.raises(OutputError, match=r"n\.json: the output would overwrite the settings"):
        keep_apart({"the output": tmp_path / "n.safetensors"}, {"the settings": tmp_path / "n.json"})
    require_own_names([(Path("a/x.mp4"), tmp_path / "x.srt"), (Path("b/y.mp4"), tmp_path / "y.srt")])
    with pytest.raises(UsageError, match=r"a/x\.mp4 and b/x\.mp4 would be written under one name; found .*x\.srt"):
        require_own_names([(Path("a/x.mp4"), tmp_path / "x.srt"), (Path("b/x.mp4"), tmp_path / "." / "x.srt")])


@pytest.mark.parametrize(("there", "asked", "form"), [("NFD", "NFC", "NFD"), ("NFC", "NFD", "NFC"), ("NFC", "NFC", "")])
def test_a_name_in_the_other_form_of_unicode_is_told(tmp_path: Path, there: str, asked: str, form: str) -> None:
    (tmp_path / normalize(there, "폴더")).mkdir()
    name = "폴더/없음.wav" if there == asked else "폴더/있음.wav"
    (tmp_path / normalize(there, "폴더/있음.wav")).write_bytes(b"x")
    message = refused(InputError, "", require_file, tmp_path / normalize(asked, name), "the sound")
    assert (f"is in {form}, Unicode's other form" if form else "check the path") in message


def test_what_differs_is_let_through_and_nothing_is_made(voice: Path, tmp_path: Path) -> None:
    keep_apart({"a": tmp_path / "new" / "x.json", "b": [tmp_path / "y.mp4"], "c": None}, {"the voice": voice})
    keep_apart({"a": "/dev/null", "b": "/dev/null"}, {})
    assert list(tmp_path.iterdir()) == [voice]


def test_comment_names_version_languages_and_models() -> None:
    comment = synthetic_comment("ko", ["sha256:1", "", "sha256:2"], "en")
    assert comment == f"synthetic: NetfLips {__version__}, en->ko, models sha256:1 sha256:2"
    assert "->ko, models" in synthetic_comment("ko", ["sha256:1"])


WRITER = """
import sys, time
from pathlib import Path
from unicodedata import normalize
from avcore.files import atomic_output
with atomic_output(Path(sys.argv[1])) as path:
    path.write_text("of the other")
    print(path.name, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def _new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders are swept once a process; each test stands for one."""
    monkeypatch.setattr(files, "_swept", set())


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that is writing o.mp4, until it is given a line."""
    command = [sys.executable, "-c", WRITER, str(tmp_path / "o.mp4")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith(".o.netflips-")
    yield process
    process.kill()
    process.communicate()


def test_two_runs_at_once_with_one_output_leave_each_other_alone(writer: subprocess.Popen[str], tmp_path: Path) -> None:
    write_text(tmp_path / "o.mp4", "of this one")
    assert len(list(tmp_path.iterdir())) == 2
    writer.communicate("\n")
    assert writer.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["o.mp4"]
    assert (tmp_path / "o.mp4").read_text() == "of the other"


def test_what_a_killed_run_left_goes_with_the_next(writer: subprocess.Popen[str], tmp_path: Path) -> None:
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert len(list(tmp_path.iterdir())) == 1
    write_text(tmp_path / "another.json", "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["another.json"]


def test_other_files_stay(tmp_path: Path) -> None:
    with temporary_beside(tmp_path / "o.mp4") as path:
        name = path.name
    mine = [".o.mp4", ".o.k3j2_9ab.mp4", "o.netflips-00000000-k3j2_9ab.mp4", ".o.netflips-x.mp4"]
    for one in mine:
        (tmp_path / one).write_text("x")
    (tmp_path / "precious").write_text("x")
    (tmp_path / name).symlink_to(tmp_path / "precious")
    other_machine = name.replace(files._HOST, "0123abcd")
    (tmp_path / other_machine).write_text("it may still be written there")
    remove_temporary(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*mine, "precious", name, other_machine}
    os.utime(tmp_path / other_machine, (time.time() - 100_000,) * 2)
    remove_temporary(tmp_path)
    assert not (tmp_path / other_machine).exists()


def test_a_file_that_was_swept_before_it_was_held_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, seen = files.fcntl.flock, []

    def late(handle: int, how: int) -> None:
        if not seen:
            seen.extend(tmp_path.glob(".*"))
            monkeypatch.setattr(files.fcntl, "flock", lock)
            remove_temporary(tmp_path)
        lock(handle, how)

    monkeypatch.setattr(files.fcntl, "flock", late)
    write_text(tmp_path / "o.txt", "x")
    assert len(seen) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["o.txt"]


def test_long_names_are_written_or_refused_in_one_line(tmp_path: Path) -> None:
    write_text(tmp_path / ("a" * 251 + ".mp4"), "x")
    write_text(tmp_path / ("말" * 83 + ".mp4"), "x")
    assert len(list(tmp_path.iterdir())) == 2
    for name in ("a" * 252 + ".mp4", "말" * 84 + ".mp4", "a." + "b" * 253):
        with pytest.raises(OutputError, match="cannot be written"), atomic_output(tmp_path / name):
            pass
    refused(OutputError, "cannot be written", require_writable, tmp_path / ("a" * 256) / "x")
    assert len(list(tmp_path.iterdir())) == 2


def test_an_output_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = []
    fsync, replace = os.fsync, os.replace

    def seen_fsync(handle: int) -> None:
        done.append(os.readlink(f"/proc/self/fd/{handle}"))
        fsync(handle)

    def seen_replace(old: Path, new: Path) -> None:
        done.append("replace")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", seen_fsync)
    monkeypatch.setattr(os, "replace", seen_replace)
    with atomic_output(tmp_path / "o.txt") as path:
        path.write_text("x")
    assert done == [str(path), "replace", str(tmp_path)]


def test_what_ends_with_the_process_need_not_be_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed = list[int]()
    monkeypatch.setattr(os, "fsync", flushed.append)
    with private_folder() as folder:
        for name in ("a.txt", "sub/b.txt"):
            write_text(folder / name, "x")
            assert (folder / name).read_text() == "x"
        journal.append(folder / "rows.jsonl", [{"a": 1}])
    assert flushed == []
    with private_folder(parent=tmp_path) as beside:  # it may be renamed to an output
        write_text(beside / "a.txt", "x")
    journal.append(tmp_path / "rows.jsonl", [{"a": 1}])
    assert len(flushed) == 4  # content and folder of each
