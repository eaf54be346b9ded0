"""Outputs that are no files: pipes, devices, and what a process has open. They are written into, and never replaced."""

import errno
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from avcore.errors import OutputError

_OPEN_FILE = re.compile(r"/proc/(\d+)/fd/(\d+)")
"""What /dev/stdout and `>(command)` lead to: a file as a process has it open."""


def end_of(path: Path) -> Path:
    """Return the file that a path is written as: its links followed to their end, where nothing need be."""
    return Path(os.path.realpath(path))


def is_stream(path: Path) -> bool:
    """Return whether a path is a pipe or a device, or what a process has open. Raises OSError for links that lead in a circle."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or _open_file(path) is not None


def _open_file(path: Path) -> tuple[int, int] | None:
    """Return the process and the handle by which a file is named; None = by a name of its own, which any other may lead to."""
    here = path.absolute()
    while here.is_symlink():
        if found := _OPEN_FILE.fullmatch(str(Path(os.path.realpath(here.parent), here.name))):
            return int(found[1]), int(found[2])
        here = here.parent / here.readlink()
    return None


def require_stream(path: Path, what: str) -> None:
    """Raise OutputError for what is no file and cannot be written into, or had better not be. what: the output."""
    mode = path.stat().st_mode
    if stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
        raise OutputError(f"{what} must be a file", path=path, found="a disk" if stat.S_ISBLK(mode) else "a socket")
    if not os.access(path, os.W_OK):
        raise OutputError(f"{what} cannot be written", path=path, found="no permission")


@contextmanager
def written_into(path: Path, checksum: Callable[[Path, Path], None] | None = None) -> Iterator[Path]:
    """Yield a temporary name with the suffix of a stream; its file goes into that once it is whole, so that any format may seek.

    seal: see `atomic_output`. Raises OSError.
    """
    with tempfile.TemporaryDirectory(prefix="netflips-") as folder, _opened(path) as out:
        first, sealed = (Path(folder, f"{name}{path.suffix}") for name in ("first", "sealed"))
        first.touch()
        yield first
        if checksum is not None:
            checksum(first, sealed)
        with (
            (first if checksum is None else sealed).open("rb") as whole,
            path.open("wb") if out is None else nullcontext(out) as into,
        ):
            shutil.copyfileobj(whole, into)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO | None]:
    """Yield a stream, open: who reads it sees its end then, even where the work fails. None = a pipe that nobody reads yet."""
    process, handle = _open_file(path) or (0, 0)
    if process == os.getpid():  # what is printed before and after stands there, too
        sys.stdout.flush()
        handle = os.dup(handle)
    else:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_APPEND)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            yield None
            return
        os.set_blocking(handle, True)
    with open(handle, "wb") as file:
        yield file
