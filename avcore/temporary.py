"""Files that are not whole yet: ours by their name, and somebody's by a lock that ends with the process, however that ends.

So two runs may write into one folder at once, and what a killed run left is told from what another is writing just now.
"""

import fcntl
import os
import re
import stat
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_STEM_LETTERS = 40
"""Of the output's name: a long name must not become too long."""
_HOST = f"{zlib.crc32(os.uname().nodename.encode()):08x}"
_OTHER_HOST_S = 86_400.0
"""Of another machine's file in a shared folder a lock may not be seen; it is left alone while it may be in use."""
_MARKED = re.compile(r"\..*\.netflips-([0-9a-f]{8})-[a-z0-9_]{8}(\..*)?", re.DOTALL)

_swept: set[tuple[int, int]] = set()


@contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """Yield an empty file beside `path`, with its suffix; it is deleted afterwards unless it was renamed.

    What killed runs left in that folder is removed, once a process. Raises OSError when it cannot be made.
    """
    _sweep_once(path.parent)
    handle, temporary = _new_file(path)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


def sweep(folder: Path, *, below: bool = False) -> None:
    """Remove what killed runs left under a temporary name in a folder; links are not followed.

    below: in its folders, too.
    """
    if folder.is_symlink():
        return
    for place, folders, names in os.walk(folder):
        if not below:
            folders.clear()
        for name in names:
            if marked := _MARKED.fullmatch(name):
                with suppress(OSError):
                    _remove_if_left(Path(place, name), 0.0 if marked[1] == _HOST else _OTHER_HOST_S)


def flush(path: Path) -> None:
    """Have what a file or folder holds on the disk before this returns. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where the file system can do that."""
    with suppress(OSError):
        flush(folder)


def _new_file(path: Path) -> tuple[int, Path]:
    """Return a file that is held: its handle and name."""
    while True:
        prefix = f".{path.stem[:_STEM_LETTERS]}.netflips-{_HOST}-"
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=path.suffix)
        with suppress(OSError):  # no locks here: no other process gets one, so none removes it
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle, Path(name)
        os.close(handle)  # another run swept it away before it was held


def _sweep_once(folder: Path) -> None:
    found = folder.stat()
    if (found.st_dev, found.st_ino) not in _swept:
        _swept.add((found.st_dev, found.st_ino))
        sweep(folder)


def _remove_if_left(path: Path, least_s: float) -> None:
    """Remove a file of ours that no process holds. Raises OSError while one does."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or time.time() - found.st_mtime < least_s:
        return
    handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    finally:
        os.close(handle)
