"""Files of folders, zips and wheels, copied under their names; a file that came in parts is joined."""

import lzma
import shutil
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple
from zipfile import BadZipFile, ZipFile

from avcore.errors import InputError, OutputError, reason
from avcore.files import require_file

ARCHIVES = (".zip", ".whl")
_BAD_ZIP = (BadZipFile, EOFError, RuntimeError, ValueError, zlib.error, lzma.LZMAError, struct.error)
"""Errors of a zip that is damaged, encrypted or of an unknown method."""
_ROOM = 1.05
_MEGA = 1_000_000


class Inside(NamedTuple):
    """A file in a folder or archive."""

    name: str
    size: int
    """in bytes"""
    open: Callable[[], IO[bytes]]


def files_in(paths: Iterable[Path]) -> Iterator[Inside]:
    """Yield the files of folders and archives, but for programs and pages, and single files. Raises InputError."""
    for path in paths:
        if path.is_dir():
            for one in sorted(path.iterdir()):
                if one.is_file() and not one.name.startswith((".", "_")) and one.suffix not in (".py", ".md"):
                    yield _file(one)
        elif require_file(path, "the model's file").suffix.lower() in ARCHIVES:
            yield from files_of_zip(path)
        else:
            yield _file(path)


def _file(path: Path) -> Inside:
    return Inside(path.name, path.stat().st_size, lambda: path.open("rb"))


def files_of_zip(path: Path) -> list[Inside]:
    """Return the files of a zip, but for programs, pages and what belongs to a wheel. Raises InputError."""
    try:
        archive = ZipFile(path)
    except (*_BAD_ZIP, OSError) as error:
        raise InputError("this is no zip that is whole", path=path, found=reason(error)) from error
    named = [(Path(one.filename).name, one) for one in archive.infolist() if not one.is_dir() and ".dist-info" not in one.filename]
    return [
        Inside(name, one.file_size, lambda one=one: archive.open(one))  # type: ignore[misc]
        for name, one in named
        if name and not name.endswith((".py", ".md"))
    ]


def copy(parts: Sequence[Inside], out: Path) -> None:
    """Copy a file, its parts one behind the other. Raises InputError for a damaged zip, and OutputError."""
    try:
        with out.open("wb") as file:
            for part in parts:
                with part.open() as source:
                    shutil.copyfileobj(source, file, 1 << 20)
    except _BAD_ZIP as error:
        raise InputError("it cannot be unpacked: the zip is damaged", path=out.name, found=reason(error)) from error
    except OSError as error:
        raise OutputError("the file cannot be copied", path=out, found=reason(error)) from error


def require_room(folder: Path, num_bytes: int) -> None:
    """Raise OutputError where a folder, or its nearest existing parent, has no space for this many more bytes."""
    place = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(place).free
    if num_bytes * _ROOM > free:
        needed = f"{num_bytes * _ROOM / _MEGA:,.0f} MB free"
        raise OutputError("there is no room for it", path=place, expected=needed, found=f"{free / _MEGA:,.0f} MB", hint="make room")
