"""Outputs that are no files: pipes, devices, and open files of a process. They are written into, and never replaced."""

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

from avcore.errors import Message, OutputError

_OPEN_FILE = re.compile(r"/proc/(\d+)/fd/(\d+)")
"""Where /dev/stdout and `>(command)` lead: an open file of a process."""


def end_of(path: Path) -> Path:
    """Return the path to write to: all links followed to their end, where no file need be."""
    return Path(os.path.realpath(path))


def is_stream(path: Path) -> bool:
    """Return whether a path is a pipe, a device, or an open file of a process. Raises OSError for links that lead in a circle."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or _open_file(path) is not None


def _open_file(path: Path) -> tuple[int, int] | None:
    """Return process and handle of a path that leads to an open file; None = it is an ordinary path, or a link to one."""
    here = path.absolute()
    while here.is_symlink():
        if found := _OPEN_FILE.fullmatch(str(Path(os.path.realpath(here.parent), here.name))):
            return int(found[1]), int(found[2])
        here = here.parent / here.readlink()
    return None


def require_stream(path: Path, what: str) -> None:
    """Raise OutputError for a disk, a socket, and a stream without write permission. what: its name in messages."""
    mode = path.stat().st_mode
    if stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
        raise OutputError(
            Message("{what} must be a file", what=what), path=path, found="a disk" if stat.S_ISBLK(mode) else "a socket"
        )
    if not os.access(path, os.W_OK):
        raise OutputError(Message("{what} cannot be written", what=what), path=path, found="no permission")


@contextmanager
def written_into(path: Path, sign: Callable[[Path, Path], None] | None = None) -> Iterator[Path]:
    """Yield a temporary name with the suffix of a stream; its file goes there once complete, so that writers may seek.

    sign: see `atomic_output`. Raises OSError.
    """
    with tempfile.TemporaryDirectory(prefix="netflips-") as folder, _opened(path) as out:
        first, signed = (Path(folder, f"{name}{path.suffix}") for name in ("first", "signed"))
        first.touch()
        yield first
        if sign is not None:
            sign(first, signed)
        with (
            (first if sign is None else signed).open("rb") as whole,
            path.open("wb") if out is None else nullcontext(out) as into,
        ):
            shutil.copyfileobj(whole, into)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO | None]:
    """Open a stream, so that its reader sees its end even where the work fails. Yields None for a pipe that nobody reads yet."""
    process, handle = _open_file(path) or (0, 0)
    if process == os.getpid():  # other output of this process goes there, too
        sys.stdout.flush()
        handle = os.dup(handle)
    else:
        try:
            # Not blocking: opening a pipe would otherwise wait for its reader, and the work with it.
            handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_APPEND)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            yield None
            return
        os.set_blocking(handle, True)

    with open(handle, "wb") as file:
        yield file
