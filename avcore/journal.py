"""Work that survives a kill: journals of JSON lines, locks for one run at a time in a folder, and digests of files.

Appended rows are on the disk, a half line never counts, and a damaged line is reported. A row is an object with the fields that its
reader needs; any other line is damaged, and its work is done again. `Rows` is how every list of finished work is kept.
"""

import errno
import fcntl
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypeVar, cast

import numpy as np

from avcore.errors import InputError, OutputError, UsageError
from avcore.files import atomic_output, flush_folder, outlasts, require_writable
from avcore.notes import NoteKind, json_text, report_note
from avcore.texts import iter_lines, parse_json, read_json

Row = dict[str, Any]
Key = TypeVar("Key")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NAMED = 5
"""Damaged lines that are reported by their number."""
_AGAIN = "what stood there is done again"

_LINE = NoteKind("journal_line", "line {lines} is damaged and left out; {again}")
_LINES = NoteKind("journal_lines", "lines {lines} are damaged and left out; {again}")


def iter_rows(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read JSON lines: yields line numbers from 1, and objects. Raises InputError naming a line that is no JSON object."""
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
    """Write a file of JSON lines, whole or not at all; returns their number."""
    with atomic_output(path) as temporary:
        return put_rows(temporary, rows)


def put_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write JSON lines into a file under its temporary name; returns their number."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json_text(row) + "\n")
            count += 1
    return count


def append(path: Path, rows: Iterable[Mapping[str, Any]], *, is_flushed: bool = True) -> None:
    """Append rows to a journal. Raises OutputError when they cannot be written.

    is_flushed: the rows, and all before them, are on the disk before this returns; otherwise only a kill does not lose them. A
    journal that ends with the process is not flushed.
    """
    is_flushed = is_flushed and outlasts(path)
    text = "".join(json_text(row) + "\n" for row in rows)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        with _held(path, os.O_RDWR | os.O_APPEND | os.O_CREAT) as file:
            # A process that was killed may have left a half line, which must not take the next row with it.
            size = file.seek(0, os.SEEK_END)
            is_torn = size > 0 and os.pread(file.fileno(), 1, size - 1) != b"\n"
            file.write(b"\n" * is_torn + text.encode())
            file.flush()
            if is_flushed:
                os.fsync(file.fileno())

        # A new file's name is on the disk only once its folder is.
        if is_new and outlasts(path):
            flush_folder(path.parent)
    except OSError as error:
        hint = "free some space" if error.errno in _NO_ROOM else "delete it, or choose another folder"
        raise OutputError("the results cannot be written", path=path, found=error.strerror, hint=hint) from error


def read(path: Path, *fields: str, again: str = _AGAIN) -> Iterator[Row]:
    """Yield the complete rows of a journal that have `fields`; none when there is no such file. Damaged lines are reported.

    again: words for what happens to the work in them.
    """
    if not path.exists():
        return

    damaged = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            row = _parse(line, fields)
            if row is not None:
                yield row
            elif line.endswith(b"\n"):
                # A line without an end is what a kill leaves, and no damage.
                damaged.append(number)
    _name(path, damaged, again)


def repair(path: Path, *fields: str) -> bool:
    """Repair a journal: cut off a half line that a killed run left at the end, and remove damaged lines, which are reported.

    Returns whether anything was repaired. Raises OutputError for a link, and when the file cannot be written.
    """
    if not path.exists():
        return False

    try:
        with _held(path, os.O_RDWR) as file:
            damaged, end = [], 0
            for number, line in enumerate(file, 1):
                is_whole = line.endswith(b"\n")
                end += len(line) if is_whole else 0
                if is_whole and _parse(line, fields) is None:
                    damaged.append(number)

            is_torn = file.seek(0, os.SEEK_END) > end
            if is_torn:
                file.truncate(end)
                os.fsync(file.fileno())

            if damaged:
                _name(path, damaged, _AGAIN)
                file.seek(0)
                with atomic_output(path) as temporary, temporary.open("wb") as copy:
                    copy.writelines(line for line in file if _parse(line, fields) is not None)
    except OSError as error:
        raise OutputError("what was done before cannot be read", path=path, found=error.strerror) from error

    return is_torn or bool(damaged)


@contextmanager
def _held(path: Path, flags: int) -> Iterator[IO[bytes]]:
    """Open a journal for one writer at a time; links are not followed."""
    while True:
        handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        with open(handle, "r+b") as file:
            with suppress(OSError):  # no locks here
                fcntl.flock(handle, fcntl.LOCK_EX)

            # `repair` may have replaced the file while this waited: what is written to the former one would be lost.
            if _is_at(path, handle):
                yield file
                return


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(handle))
    except FileNotFoundError:
        return False


def _name(path: Path, damaged: list[int], again: str) -> None:
    if not damaged:
        return
    numbers = ", ".join(map(str, damaged[:_NAMED])) + (f" and {len(damaged) - _NAMED} more" if len(damaged) > _NAMED else "")
    report_note((_LINES if len(damaged) > 1 else _LINE)(lines=numbers, again=again), path)


def _parse(line: bytes, fields: Iterable[str]) -> Row | None:
    """Return a row; None for a line that is incomplete or damaged."""
    if not line.endswith(b"\n"):
        return None

    try:
        row = json.loads(line)
        return row if isinstance(row, dict) and all(name in row for name in fields) else None
    except (ValueError, RecursionError):
        return None


class Rows(Mapping[Key, Row]):
    """Finished work by key: the rows of a journal, which are read when they are first asked for.

    A later row of a key replaces an earlier one. Several processes may add to one journal; each then sees its own rows, and those
    that were there when it read them.

    path: the journal. key: the field that names the work, or several, whose values are a tuple. fields: others that a row needs.
    """

    def __init__(self, path: Path, key: str | tuple[str, ...], *fields: str) -> None:
        self.path, self._key = path, key
        self._fields = (*((key,) if isinstance(key, str) else key), *fields)
        self._known: dict[Key, Row] | None = None

    def __getitem__(self, key: Key) -> Row:
        return self._all()[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def repair(self) -> bool:
        """Repair the journal at the beginning of a run that writes, see `repair`; returns whether anything was repaired."""
        self.refresh()
        return repair(self.path, *self._fields)

    def refresh(self) -> None:
        """Forget what was read, so that rows of other processes are seen."""
        self._known = None

    def add(self, rows: Iterable[Mapping[str, Any]], *, is_flushed: bool = True) -> None:
        """Append rows, see `append`. None need be read for that. Raises OutputError when they cannot be written."""
        rows = list(rows)
        append(self.path, rows, is_flushed=is_flushed)
        # As a later run reads them: tuples are lists by then.
        if self._known is not None:
            self._known |= self._by_key(json.loads(json_text(row)) for row in rows)

    def replace(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write these rows in place of all others, whole or not at all; where there are none, there is no journal."""
        rows = list(rows)
        if rows:
            write_rows(self.path, rows)
        else:
            self.path.unlink(missing_ok=True)
        self.refresh()

    def forget(self, keys: Container[Key]) -> None:
        """Take rows away, whole or not at all, so that their work is done again."""
        self.replace([row for key, row in self.items() if key not in keys])

    def _all(self) -> dict[Key, Row]:
        if self._known is None:
            self._known = self._by_key(read(self.path, *self._fields))
        return self._known

    def _by_key(self, rows: Iterable[Row]) -> dict[Key, Row]:
        if isinstance(self._key, str):
            return {cast(Key, row[self._key]): row for row in rows}
        return {cast(Key, tuple(row[name] for name in self._key)): row for row in rows}


_BLOCK = 1 << 20

Checksum = dict[str, Any]
"""`bytes`: the length. `sha256`: the digest of the content, hexadecimal."""
_FORMAT = "2"
"""Part of every key; it changes whenever work of an older NetfLips must not be used any more."""


def checksum_of(path: Path) -> Checksum:
    """Return the length and digest of a file, which is read once. Raises OSError."""
    digest = hashlib.sha256()
    length = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            length += len(block)
    return {"bytes": length, "sha256": digest.hexdigest()}


def fits(path: Path, checksum: Mapping[str, Any]) -> bool:
    """Return whether a file exists, is no link, and has the content of a checksum; it is read only if its length is right."""
    try:
        found = path.lstat()
        is_as_long = stat.S_ISREG(found.st_mode) and found.st_size == checksum.get("bytes")
        return is_as_long and checksum_of(path)["sha256"] == checksum.get("sha256")
    except OSError:
        return False


def key_of(*parts: object) -> str:
    """Return a key for work that was made from these parts: numbers, texts, None, lists, dicts and arrays."""
    digest = hashlib.sha256(_FORMAT.encode())
    digest.update(json.dumps(parts, default=_plain, sort_keys=True).encode())
    return digest.hexdigest()[:32]


_MEND = "put back a copy of it, or choose another --out-dir"


def require_settings(
    path: Path, wanted: Mapping[str, Any], what: str, place: Path, hint: str, is_unsaid_fitting: bool = False
) -> dict[str, Any]:
    """Return the settings that earlier results were made with, from their file; {} where there are none.

    what, place, hint: of the UsageError that is raised where they differ from those wanted now. is_unsaid_fitting: a setting that
    the file lacks, or that is None in either of them, fits any value. One that only the file has does not: its results are of
    another form of the settings. Raises InputError for a damaged file.
    """
    if not path.exists():
        return {}
    before = read_json(path, "the file of the earlier run's settings", hint=_MEND)
    if not isinstance(before, dict):
        raise InputError("the settings of the earlier run cannot be read", path=path, hint=_MEND)
    changed = [name for name in {**before, **wanted} if before.get(name) != wanted.get(name)]
    if is_unsaid_fitting:
        changed = [name for name in changed if None not in (before.get(name), wanted.get(name, ""))]
    if changed:
        raise UsageError(what, path=place, expected=_list(before, changed), found=_list(wanted, changed), hint=hint)
    return before


def _list(settings: Mapping[str, Any], names: Iterable[str]) -> str:
    return ", ".join(f"{name}={settings[name]}" if name in settings else f"no {name}" for name in names)


def file_digest(path: str | Path) -> str:
    """Return the sha256 of a file's content, hexadecimal."""
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
    """Make a folder and lock it for this run; the system releases the lock, however the run ends.

    Raises OutputError while another run holds it, and when the lock's name is taken by something else: a link is not followed,
    and nothing is written into an existing file. File systems without locks are not guarded. A run that fails before it has
    written anything removes the folders that were made.
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
    """Make and lock a file, and return its handle; the system releases the lock when that is closed, however the process ends.

    what, of: message and path of the OutputError that is raised while another run holds it for longer than `patience_s`: the
    children of a killed process may end a moment later than it. Raises OutputError for a path that is no regular file, too.
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
"""Largest share of the time that is spent on it: writing after each of many pieces would take their number squared."""


class Seldom:
    """Does something at once the first time, and again after twenty times as long as it took."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._next = 0.0

    def maybe(self) -> None:
        """Do it if it is due."""
        if time.monotonic() >= self._next:
            self.now()

    def now(self) -> None:
        """Do it now."""
        begin = time.monotonic()
        self._act()
        end = time.monotonic()
        self._next = end + (end - begin) / _SHARE
