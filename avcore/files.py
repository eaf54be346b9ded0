"""Files that appear under their name only when complete, and work folders that never stay behind."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from avcore.errors import InputError, OutputError


def require_file(path: str | Path, what: str, hint: str | None = None) -> Path:
    """Return the path of a readable, non-empty file; raises InputError saying what is there instead."""
    path = Path(path)
    try:
        if path.is_dir():
            raise InputError(f"{what} must be a file", path=path, found="a folder", hint=hint)
        if not path.exists():
            raise InputError(f"{what} is not there", path=path, hint=hint or "check the path")
        if path.stat().st_size == 0:
            raise InputError(f"{what} is empty", path=path, found="0 bytes", hint=hint)
    except PermissionError as error:
        raise InputError(f"{what} cannot be read", path=path, found=error.strerror, hint=hint) from error
    if not os.access(path, os.R_OK):
        raise InputError(f"{what} cannot be read", path=path, found="no permission", hint=hint)
    return path


def require_place(path: str | Path, what: str = "the output") -> Path:
    """Return an output path that can be written; raises OutputError otherwise.

    Nothing is made: a run that comes to nothing leaves no folder behind.
    """
    path = Path(path)
    if path.is_dir():
        raise OutputError(f"{what} must be a file", path=path, found="a folder")
    nearest = next(parent for parent in path.absolute().parents if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise OutputError(f"{what} cannot be written", path=path, found=error.strerror, hint="choose another folder") from error
    return path


def require_writable(path: str | Path, what: str = "the output") -> Path:
    """Return an output path whose folder exists (it is made) and can be written; raises OutputError otherwise."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{what} cannot be written", path=path, found=error.strerror, hint="choose another folder") from error
    return require_place(path, what)


@contextmanager
def atomic_output(path: str | Path) -> Iterator[Path]:
    """A temporary name beside `path`, with its suffix, that becomes `path` when the block ends well.

    Raises OutputError when it cannot be written; on any error nothing stays behind.
    """
    path = require_writable(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError("the output cannot be written", path=path, found=error.strerror or str(error)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a whole text file (UTF-8), or nothing."""
    with atomic_output(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def private_folder(prefix: str = "netflips-", parent: Path | None = None) -> Iterator[Path]:
    """A temporary folder of our own that is gone afterwards in all cases; parent: where, None = the system's place."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
