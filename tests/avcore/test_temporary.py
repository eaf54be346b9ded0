"""Temporary files: one of a killed process is removed, one that is being written is not, whoever looks."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from avcore import temporary
from avcore.errors import OutputError
from avcore.files import atomic_output, require_writable, write_text
from avcore.temporary import sweep, temporary_beside

WRITER = """
import sys, time
from pathlib import Path
from avcore.files import atomic_output
with atomic_output(Path(sys.argv[1])) as path:
    path.write_text("of the other")
    print(path.name, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def _new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders are swept once a process; each test stands for one."""
    monkeypatch.setattr(temporary, "_swept", set())


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that is writing o.mp4, until it is given a line."""
    command = [sys.executable, "-c", WRITER, str(tmp_path / "o.mp4")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
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
    other_machine = name.replace(temporary._HOST, "0123abcd")
    (tmp_path / other_machine).write_text("it may still be written there")
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*mine, "precious", name, other_machine}
    os.utime(tmp_path / other_machine, (time.time() - 100_000,) * 2)
    sweep(tmp_path)
    assert not (tmp_path / other_machine).exists()


def test_a_file_that_was_swept_before_it_was_held_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, seen = temporary.fcntl.flock, []

    def late(handle: int, how: int) -> None:
        if not seen:
            seen.extend(tmp_path.glob(".*"))
            monkeypatch.setattr(temporary.fcntl, "flock", lock)
            sweep(tmp_path)
        lock(handle, how)

    monkeypatch.setattr(temporary.fcntl, "flock", late)
    write_text(tmp_path / "o.txt", "x")
    assert len(seen) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["o.txt"]


def test_a_replaced_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "o.txt"
    path.write_text("private")
    path.chmod(0o600)
    write_text(path, "still private")
    assert path.stat().st_mode & 0o777 == 0o600


def test_long_names_are_written_or_refused_in_one_line(tmp_path: Path) -> None:
    write_text(tmp_path / ("a" * 251 + ".mp4"), "x")
    write_text(tmp_path / ("말" * 83 + ".mp4"), "x")
    assert len(list(tmp_path.iterdir())) == 2
    for name in ("a" * 252 + ".mp4", "말" * 84 + ".mp4", "a." + "b" * 253):
        with pytest.raises(OutputError, match="cannot be written"), atomic_output(tmp_path / name):
            pass
    with pytest.raises(OutputError, match="cannot be written"):
        require_writable(tmp_path / ("a" * 256) / "x")
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
