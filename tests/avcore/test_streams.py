"""An output is a file that is replaced whole, a link to one, or a pipe or device that is written into: none of them is replaced."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread, Timer

import pytest

from avcore.errors import OutputError
from avcore.files import atomic_output, require_place, write_text
from tests.refusal import refused


class Reader:
    """Reads a pipe in another thread until its end."""

    def __init__(self, path: Path) -> None:
        self.found = b""
        self._thread = Thread(target=self._read, args=(path,), daemon=True)
        self._thread.start()

    def _read(self, path: Path) -> None:
        self.found = path.read_bytes()

    def waits(self) -> bool:
        self._thread.join(0.5)
        return self._thread.is_alive()

    def all(self) -> bytes:
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.found


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "p.txt")
    return tmp_path / "p.txt"


def test_a_pipe_gets_what_is_whole_and_stays(pipe: Path) -> None:
    for text in ("one", "two" * 100_000):
        reader = Reader(pipe)
        assert require_place(pipe) == pipe
        with atomic_output(pipe) as temporary, temporary.open("w") as file:
            assert temporary.suffix == ".txt"
            assert temporary.parent != pipe.parent
            file.write("x" * len(text))
            file.seek(0)  # as formats do that write their length when they know it
            file.write(text)
        assert reader.all() == text.encode()
        assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert os.listdir(pipe.parent) == [pipe.name]


def test_who_reads_a_pipe_does_not_wait_where_the_work_fails(pipe: Path) -> None:
    reader = Reader(pipe)
    with pytest.raises(ValueError, match="no"), atomic_output(_once_read(pipe)):
        assert reader.waits()
        raise ValueError("no")
    assert reader.all() == b""
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def _once_read(pipe: Path) -> Path:
    """Return a pipe that somebody reads, whom a writer of ours holds for a moment."""
    while True:
        with suppress(OSError):
            Timer(0.2, os.close, [os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)]).start()
            return pipe


def test_a_reader_that_goes_away_is_one_line(pipe: Path) -> None:
    handle = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(OutputError, match="cannot be written; found Broken pipe"), atomic_output(pipe) as temporary:
        temporary.write_text("x" * 200_000)
        os.close(handle)


def test_what_is_sealed_goes_into_a_pipe_sealed(pipe: Path) -> None:
    def sign(first: Path, last: Path) -> None:
        last.write_text(first.read_text().upper())

    reader = Reader(pipe)
    with atomic_output(pipe, sign) as temporary:
        temporary.write_text("small")
    assert reader.all() == b"SMALL"


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    real, near, far = tmp_path / "here" / "real.txt", tmp_path / "near.txt", tmp_path / "far.txt"
    near.symlink_to("here/real.txt")
    far.symlink_to(near)
    for text in ("where nothing was", "where something is"):
        write_text(require_place(far), text)
        assert real.read_text() == near.read_text() == text
        real.chmod(0o600)
    assert near.is_symlink()
    assert far.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o600
    assert os.listdir(real.parent) == ["real.txt"]


def test_links_in_a_circle_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for write in (require_place, lambda path: write_text(path, "x")):
        refused(OutputError, "cannot be written; found Too many levels of symbolic links", write, tmp_path / "a")


DEVICES = {"null": (stat.S_IFCHR, 1, 3), "full": (stat.S_IFCHR, 1, 7), "disk": (stat.S_IFBLK, 7, 255)}


@pytest.fixture
def device(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a device in a folder of our own: never is one of the system's named."""

    def make(name: str) -> Path:
        kind, *numbers = DEVICES[name]
        try:
            os.mknod(tmp_path / name, 0o666 | kind, os.makedev(*numbers))
            if kind == stat.S_IFCHR:
                (tmp_path / name).open("wb").close()
        except PermissionError:
            pytest.skip("only root makes devices, and not in every container")
        return tmp_path / name

    return make


def test_a_device_is_written_into_and_stays(device: Callable[[str], Path]) -> None:
    null = device("null")
    write_text(require_place(null), "x" * 100_000)
    assert stat.S_ISCHR(null.stat().st_mode)
    assert null.stat().st_rdev == os.makedev(1, 3)
    assert os.listdir(null.parent) == ["null"]


def test_a_device_that_is_full_is_one_line(device: Callable[[str], Path]) -> None:
    refused(OutputError, "cannot be written; found No space left on device", write_text, device("full"), "x")


def test_a_disk_is_refused(device: Callable[[str], Path]) -> None:
    disk = device("disk")
    refused(OutputError, "must be a file; found a disk", require_place, disk)
    assert stat.S_ISBLK(disk.stat().st_mode)


def test_what_a_process_has_open_is_written_into(tmp_path: Path) -> None:
    """As `-o /dev/stdout > file`, whose shell has the file open."""
    code = "from avcore.files import write_text; print('before', flush=True); write_text('/dev/stdout', 'said'); print('after')"
    with (tmp_path / "out.txt").open("wb") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (tmp_path / "out.txt").read_text() == "before\nsaidafter\n"
    assert os.listdir(tmp_path) == ["out.txt"]
    piped = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert piped == b"before\nsaidafter\n"
