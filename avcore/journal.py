"""Work that survives a kill: journals of JSON lines, one run at a time in a folder, and files known by their digest.

What was appended to a journal is there, a half line never counts, a damaged one is named. Every list of finished work is kept this
way. A row is an object with the keys that its reader needs; what is none was damaged, and what it told of is to be done again.
"""

import errno
import fcntl
import hashlib
import json
import os
import stat
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from avcore.errors import InputError, OutputError
from avcore.files import atomic_output, flush_folder, require_writable
from avcore.notes import NoteKind, json_text, report_note
from avcore.texts import iter_lines, parse_json

Row = dict[str, Any]
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NAMED = 5
"""Damaged lines that are named one by one."""
_CHECKSUM = "crc32"
_AGAIN = "what stood there is done again"

_LINE = NoteKind("journal_line", "line {lines} is damaged and left out; {again}")
_LINES = NoteKind("journal_lines", "lines {lines} are damaged and left out; {again}")


def iter_rows(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read JSON lines: line number from 1, object. Raises InputError naming the line that is no JSON object."""
    for number, line in iter_lines(path, "the JSON lines file"):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            raise InputError(f"line {number} is no JSON", path=path, found=error) from error
        if not isinstance(row, dict):
            raise InputError(f"line {number} is no JSON object", path=path, found=type(row).__name__)
        yield number, row


def write_rows(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write JSON lines, whole or not at all; returns how many."""
    with atomic_output(path) as temporary:
        return put_rows(temporary, rows)


def put_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Put JSON lines into a file under its temporary name; returns how many."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json_text(row) + "\n")
            count += 1
    return count


def append(path: Path, rows: Iterable[Mapping[str, Any]], *, is_sealed: bool = False) -> None:
    """Add rows at the end, on the disk before this returns. Raises OutputError when they cannot be written.

    is_sealed: each has a checksum, so that a digit that became another is noticed too; `read` gives rows without it.
    """
    text = "".join(json.dumps({**row, _CHECKSUM: _checksum(row)} if is_sealed else row, ensure_ascii=False) + "\n" for row in rows)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        with _held(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            flush_folder(path.parent)
    except OSError as error:
        hint = "free some space" if error.errno in _NO_ROOM else "delete it, or choose another folder"
        raise OutputError("the results cannot be written", path=path, found=error.strerror, hint=hint) from error


def read(path: Path, *keys: str, again: str = _AGAIN) -> Iterator[Row]:
    """Yield the whole rows of a journal, those that have `keys`; none when there is no such file. Damaged lines are named.

    again: what becomes of what stood in them, in words.
    """
    if not path.exists():
        return
    damaged = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            row = _parse(line, keys)
            if row is not None:
                yield row
            elif line.endswith(b"\n"):
                damaged.append(number)
    _name(path, damaged, again)


def repair(path: Path, *keys: str) -> bool:
    """Make a journal whole: cut off a half line that a killed run left at the end, take out damaged lines, which are named.

    Returns whether there was anything of the kind. Raises OutputError for a link and for what cannot be written.
    """
    if not path.exists():
        return False
    try:
        with _held(path, os.O_RDWR) as file:
            damaged, end = [], 0
            for number, line in enumerate(file, 1):
                is_whole = line.endswith(b"\n")
                end += len(line) if is_whole else 0
                if is_whole and _parse(line, keys) is None:
                    damaged.append(number)
            is_torn = file.seek(0, os.SEEK_END) > end
            if is_torn:
                file.truncate(end)
                os.fsync(file.fileno())
            if damaged:
                _name(path, damaged, _AGAIN)
                file.seek(0)
                with atomic_output(path) as temporary, temporary.open("wb") as copy:
                    copy.writelines(line for line in file if _parse(line, keys) is not None)
    except OSError as error:
        raise OutputError("what was done before cannot be read", path=path, found=error.strerror) from error
    return is_torn or bool(damaged)


@contextmanager
def _held(path: Path, flags: int) -> Iterator[IO[bytes]]:
    """Yield a journal, opened for one writer at a time; links are not followed."""
    handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    with open(handle, "r+b" if flags & os.O_RDWR else "ab") as file:
        with suppress(OSError):  # no locks here
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield file


def _name(path: Path, damaged: list[int], again: str) -> None:
    if not damaged:
        return
    numbers = ", ".join(map(str, damaged[:_NAMED])) + (f" and {len(damaged) - _NAMED} more" if len(damaged) > _NAMED else "")
    report_note((_LINES if len(damaged) > 1 else _LINE)(lines=numbers, again=again), path)


def _parse(line: bytes, keys: Iterable[str]) -> Row | None:
    """Return a row; None for a line that was not written to its end, or is not what was written."""
    if not line.endswith(b"\n"):
        return None
    try:
        row = json.loads(line)
        if not isinstance(row, dict) or not all(key in row for key in keys):
            return None
        checksum = row.pop(_CHECKSUM, None)
        return row if checksum is None or checksum == _checksum(row) else None
    except (ValueError, RecursionError):
        return None


def _checksum(row: Mapping[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(row, ensure_ascii=False).encode()):08x}"


_BLOCK = 1 << 20

Checksum = dict[str, Any]
"""`bytes`: the length. `sha256`: the digest of the content, hexadecimal."""
_FORMAT = "2"
"""Changes whenever work of an older NetfLips must not be used any more."""


def checksum_of(path: Path) -> Checksum:
    """Read a file once and say what it holds. Raises OSError."""
    digest = hashlib.sha256()
    length = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            length += len(block)
    return {"bytes": length, "sha256": digest.hexdigest()}


def fits(path: Path, checksum: Mapping[str, Any]) -> bool:
    """Return whether a file is there, is no link, and holds what it held; it is read only where its length is right."""
    try:
        found = path.lstat()
        is_as_long = stat.S_ISREG(found.st_mode) and found.st_size == checksum.get("bytes")
        return is_as_long and checksum_of(path)["sha256"] == checksum.get("sha256")
    except OSError:
        return False


def key_of(*parts: object) -> str:
    """Return a name for work that was made from these parts: numbers, texts, None, lists, dicts and arrays."""
    digest = hashlib.sha256(_FORMAT.encode())
    digest.update(json.dumps(parts, default=_plain, sort_keys=True).encode())
    return digest.hexdigest()[:32]


def differing(before: Mapping[str, Any], wanted: Mapping[str, Any], is_unsaid_fitting: bool = False) -> list[str]:
    """Return names of what results were made with and are wanted with now, where the two differ.

    is_unsaid_fitting: what one of the two does not say, or says as None, fits whatever the other says.
    """
    names = [name for name in {**before, **wanted} if before.get(name) != wanted.get(name)]
    return [name for name in names if not is_unsaid_fitting or None not in (before.get(name), wanted.get(name))]


def file_digest(path: str | Path) -> str:
    """Return what a file holds, as a name: sha256 over its content."""
    return str(checksum_of(Path(path))["sha256"])


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        content = np.ascontiguousarray(value)
        return [str(value.dtype), list(value.shape), hashlib.sha256(content.tobytes()).hexdigest()]
    if isinstance(value, np.generic):
        return value.item()
    return str(value)


_NAME = ".lock"
_AGAIN_S = 0.05


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold a folder, which is made, for this run; the system lets it go however the run ends.

    Raises OutputError while another run holds it, and when the lock's name stands for something else: a link is not
    followed, and nothing is written into a file that is there. File systems without locks are not guarded. A run that fails before
    it has written anything leaves no folder that was not there.
    """
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    path = require_writable(folder / _NAME, "the output folder")
    handle = locked(path, "another run is writing into this folder", folder)
    try:
        yield
    except BaseException:
        if made and os.listdir(folder) == [_NAME]:
            path.unlink()
            with suppress(OSError):
                for one in made:  # each inside the next
                    one.rmdir()
        raise
    finally:
        os.close(handle)


def locked(path: Path, what: str, of: Path, patience_s: float = 0.0) -> int:
    """Return the handle of a file that is held, and made; the system lets it go when that is closed, however the process ends.

    what, of: what is said of what while another run holds it for longer than `patience_s`: a process that was killed may have
    others of its own, which end a moment later. Raises OutputError then, and for what is no file of ours.
    """
    handle, end = _open(path), time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
        except BlockingIOError as error:
            if time.monotonic() >= end:
                os.close(handle)
                raise OutputError(what, path=of, hint="wait for it, or stop it") from error
            time.sleep(_AGAIN_S)
        except OSError:
            return handle  # no locks here


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


_SHARE = 0.05
"""Of the time, at most, that is spent on it: written after each of many pieces, it would take their number squared."""


class Seldom:
    """Does something at once the first time, then when it has not been done for twenty times as long as it takes."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._next = 0.0

    def maybe(self) -> None:
        """Do it if it is time."""
        if time.monotonic() >= self._next:
            self.now()

    def now(self) -> None:
        """Do it."""
        begin = time.monotonic()
        self._act()
        end = time.monotonic()
        self._next = end + (end - begin) / _SHARE
