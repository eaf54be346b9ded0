"""One run at a time in an output folder."""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from avcore.errors import OutputError
from avcore.files import require_writable

_NAME = ".lock"


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold a folder, which is made, for this run; the system lets it go however the run ends.

    Raises OutputError while another run holds it, and when the lock's name stands for something else: a link is not
    followed, and nothing is written into a file that is there. File systems without locks are not guarded. A run that fails before
    it has written anything leaves no folder that was not there.
    """
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    path = require_writable(folder / _NAME, "the output folder")
    handle = _open(path)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise OutputError("another run is writing into this folder", path=folder, hint="wait for it, or stop it") from error
    except OSError:
        pass  # no locks here
    try:
        yield
    except BaseException:
        if made and os.listdir(folder) == [_NAME]:
            path.unlink()
            _remove_empty(made)
        raise
    finally:
        os.close(handle)


def _remove_empty(folders: list[Path]) -> None:
    """Remove folders, each inside the next, as long as they are empty."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _open(path: Path) -> int:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        found = "a link" if error.errno == errno.ELOOP else error.strerror
        raise OutputError(
            "the folder cannot be held", path=path, found=found, hint="delete it, or choose another folder"
        ) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OutputError("the folder cannot be held", path=path, found="no file", hint="delete it, or choose another folder")
    return handle
