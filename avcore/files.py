"""Files: complete under their name or not there at all, and checked before any work when a command names them.

Our unfinished files are recognized by their name. Those in use are told from those that a killed run left by a lock, which ends
with the process, however it ends. So two runs may write into one folder at once.
"""

import errno
import fcntl
import filecmp
import os
import re
import shutil
import stat
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from unicodedata import is_normalized, normalize

from avcore.errors import InputError, Message, OutputError, UsageError
from avcore.notes import NoteKind, report_note, shown
from avcore.streams import end_of, is_stream, require_stream, written_into

_STEM_LETTERS = 40
"""Letters of the output's name that a temporary name keeps, so that it does not become too long."""
_HOST = f"{zlib.crc32(os.uname().nodename.encode()):08x}"
_OTHER_HOST_S = 86_400.0
"""Age from which another machine's file in a shared folder is removed: its lock may not be visible here."""
_MARKED = re.compile(r"\..*\.netflips-([0-9a-f]{8})-[a-z0-9_]{8}(\..*)?", re.DOTALL)

_swept: set[tuple[int, int]] = set()
_passing: set[Path] = set()
"""Folders that are removed when their blocks end; see `private_folder`."""


@contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """Yield an empty file beside `path`, with its suffix; it is deleted afterwards unless it was renamed.

    Files that killed runs left in that folder are removed first, once per process. Raises OSError when it cannot be made.
    """
    found = path.parent.stat()
    if (found.st_dev, found.st_ino) not in _swept:
        _swept.add((found.st_dev, found.st_ino))
        remove_temporary(path.parent)
    handle, temporary = _new_file(path)

    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


def remove_temporary(folder: Path, *, below: bool = False) -> None:
    """Remove the temporary files that killed runs left in a folder; links are not followed.

    below: in its subfolders, too.
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
    """Write the content of a file or folder to the disk before this returns. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_folder(folder: Path) -> None:
    """Write the names in a folder to the disk, where the file system can do that."""
    with suppress(OSError):
        flush(folder)


def _new_file(path: Path) -> tuple[int, Path]:
    """Make a temporary file and lock it; returns its handle and name."""
    while True:
        prefix = f".{path.stem[:_STEM_LETTERS]}.netflips-{_HOST}-"
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=path.suffix)
        with suppress(OSError):  # no locks here: no other process gets one, so none removes it
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle, Path(name)
        os.close(handle)  # another run swept it away before it was held


def _remove_if_left(path: Path, least_s: float) -> None:
    """Remove a file of ours that no process holds and that is older than `least_s`. Raises OSError while a process holds it."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or time.time() - found.st_mtime < least_s:
        return

    # Since the look above, it may have become a link, or a pipe, whose opening would wait.
    handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    finally:
        os.close(handle)


VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".wmv", ".flv", ".3gp")
SOUND_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".pcm")
"""Endings of files that are looked for in folders; a file that is named directly may have any."""
LIP_ENDING = ".lip.mp4"
"""Ending of the published side file with a video's lip crops, `<stem>.lip.mp4`."""
BOXES_ENDING = ".bbox.pkl"
"""Ending of the published side file with a video's face boxes, `<stem>.bbox.pkl`."""
_SCHEMES = (("http:",), ("https:",))
"""First part of the path of a web address."""
_MOST_SHOWN = 200
"""Letters that are shown of a path that no file can have."""

_OTHER_FILE = NoteKind("other_file", "another file was there; it is kept as {name}")


HUB_WEIGHTS = "model.safetensors"
"""Name of the weights in a model's folder on model hubs."""


def require_file(path: str | Path, what: str, hint: str | None = None) -> Path:
    """Return the path of a readable, non-empty file; raises InputError stating what is there instead."""
    path = Path(path)
    try:
        if path.is_dir():
            inside = Message("give {flag}", flag=path / HUB_WEIGHTS) if (path / HUB_WEIGHTS).is_file() else hint
            raise InputError(Message("{what} must be a file", what=what), path=path, found="a folder", hint=inside)
        if not path.exists():
            raise InputError(
                Message("{what} is not there", what=what), path=path, hint=hint or why_missing(path) or "check the path"
            )
        if path.stat().st_size == 0:
            raise InputError(Message("{what} is empty", what=what), path=path, found="0 bytes", hint=hint)
    except OSError as error:
        raise InputError(Message("{what} cannot be read", what=what), path=_shown(path), found=error.strerror, hint=hint) from error
    except ValueError as error:  # a name with a NUL in it, or with half a letter
        raise InputError(
            Message("{what} cannot be read", what=what), path=_shown(path), found="a name that no file can have", hint=hint
        ) from error

    if not os.access(path, os.R_OK):
        raise InputError(Message("{what} cannot be read", what=what), path=path, found="no permission", hint=hint)
    return path


def why_missing(path: Path) -> str:
    """Return a hint for a path where there is no file, if its name explains that; "" otherwise."""
    if path.parts[:1] in _SCHEMES:
        return "nothing is downloaded; save it and give the file"
    if "\\" in str(path):
        return "this is a path of Windows; write / between folders, and where they are on this machine"

    try:
        lost = next(one for one in (path, *path.parents) if one.parent.exists())
        alike = [one for one in lost.parent.iterdir() if normalize("NFC", one.name) == normalize("NFC", lost.name)]
    except OSError:
        return ""

    form = "NFC" if alike and is_normalized("NFC", alike[0].name) else "NFD"
    return f"a name there looks the same and is in {form}, Unicode's other form: rename that, or write it so" if alike else ""


def require_place(path: str | Path, what: str = "the output") -> Path:
    """Return an output path that can be written; raises OutputError otherwise.

    Nothing is made, so that a run that fails leaves no folder behind.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise OutputError(Message("{what} must be a file", what=what), path=path, found="a folder")
        if is_stream(path):
            require_stream(path, what)
            return path
        # Tried, since permissions do not show all that may prevent it: a full disk, a network share.
        nearest = next(parent for parent in end_of(path).parents if parent.exists())
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        hint = "choose a shorter name" if error.errno == errno.ENAMETOOLONG else "choose another folder"
        raise OutputError(
            Message("{what} cannot be written", what=what), path=_shown(path), found=error.strerror, hint=hint
        ) from error
    except ValueError as error:  # a name with a NUL in it, or with half a letter
        raise OutputError(
            Message("{what} cannot be written", what=what), path=_shown(path), found="a name that no file can have"
        ) from error

    return path


def require_writable(path: str | Path, what: str = "the output") -> Path:
    """Return an output path whose folder exists (it is made) and can be written; raises OutputError otherwise."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            Message("{what} cannot be written", what=what), path=path, found=error.strerror, hint="choose another folder"
        ) from error
    return require_place(path, what)


@contextmanager
def atomic_output(path: str | Path, sign: Callable[[Path, Path], None] | None = None) -> Iterator[Path]:
    """Yield a temporary name with the suffix of `path`; its content becomes `path` when the block ends without an error.

    A file is replaced whole, keeps its permissions, and is on the disk then, unless it ends with the process. A link stays a link:
    the file that it leads to is replaced, or made. A pipe or a device is written into once the content is complete. sign: copies
    the complete file from its first argument to its second, which becomes `path` instead. Raises OutputError when the output
    cannot be written. On any error nothing stays behind; what a killed process leaves, the next one removes.
    """
    path = require_writable(path)
    try:
        if is_stream(path):
            with written_into(path, sign) as first:
                yield first
            return

        target = end_of(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            temporary_beside(target) as temporary,
            nullcontext(temporary) if sign is None else temporary_beside(target) as first,
        ):
            yield first
            if sign is not None:
                sign(first, temporary)
            # Content before name: after a power cut, the name leads to the old file or to the whole new one.
            os.chmod(temporary, _permissions(target))
            if outlasts(target):
                flush(temporary)
            os.replace(temporary, target)
            if outlasts(target):
                flush_folder(target.parent)
    except OSError as error:
        raise OutputError("the output cannot be written", path=path, found=error.strerror or str(error)) from error


def write_text(path: str | Path, text: str) -> None:
    """Write a whole text file (UTF-8), or nothing."""
    with atomic_output(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def keep_other(path: Path, text: str) -> None:
    """Copy a file with other content at `path` to `.bak`, `.bak2` ..., with a message, before a text is written to `path`.

    For outputs under a default name. Raises OutputError where it cannot be copied.
    """
    if not path.is_file() or (path.stat().st_size == len(text.encode()) and path.read_bytes() == text.encode()):
        return
    names = (path.with_name(f"{path.name}.bak{number or ''}") for number in (0, *range(2, 10_000)))
    kept = next(name for name in names if not name.exists() or filecmp.cmp(path, name, shallow=False))
    if not kept.exists():
        with atomic_output(kept) as temporary:
            shutil.copy2(path, temporary)
    report_note(_OTHER_FILE(name=kept.name), path)


@contextmanager
def private_folder(prefix: str = "netflips-", parent: Path | None = None) -> Iterator[Path]:
    """Yield a temporary folder that is removed afterwards in all cases; parent: where it lies, None = the system's default."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    names = {folder, folder.resolve()} if parent is None else set()  # what lies beside an output may become one
    _passing.update(names)
    try:
        yield folder
    finally:
        _passing.difference_update(names)
        shutil.rmtree(folder, ignore_errors=True)


def outlasts(path: Path) -> bool:
    """Return whether a file stays when the process ends: what lies in a `private_folder` need not be on the disk before."""
    return _passing.isdisjoint(path.parents)


def _permissions(path: Path) -> int:
    """Return the permissions of the file that is replaced, or those of a new file."""
    try:
        return stat.S_IMODE(path.stat().st_mode) & 0o777
    except FileNotFoundError:
        # The only way to read the mask is to set another.
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _shown(path: Path) -> str:
    """Return a path in a printable form, no longer than a path can be."""
    text = shown(path)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


Files = Mapping[str, Path | str | Iterable[Path | str] | None]
"""By the name of a file in messages (`the report`, `--script-in`): its path, or several, or none."""


@dataclass(frozen=True)
class Input:
    """The `type` of an option that names a file to read."""

    what: str
    """its name in messages, as `the voice`"""
    hint: str | None = None
    """what to do where it is not there"""
    may_be_folder: bool = False
    """whether a folder is allowed, whose files then count as inputs; its reader checks which it is"""
    in_turn: bool = False
    """whether each of several files is opened when its turn comes, and fails alone"""
    may_be_name: bool = False
    """whether a word without an ending that is no file counts as a name, which the command resolves"""

    def __call__(self, text: str) -> Path:
        """Read the option's value."""
        return Path(text)


@dataclass(frozen=True)
class Output:
    """The `type` of an option that names a file to write, or a folder."""

    what: str
    """its name in messages, as `the report`"""
    is_folder: bool = False

    def __call__(self, text: str) -> Path:
        """Read the option's value."""
        return Path(text)


def is_name(path: Path) -> bool:
    """Return whether a word that was given for a file is a name of something else."""
    return path.parts == (path.name,) and not path.suffix and not path.exists()


Declared = Iterable[tuple[Input | Output, list[Path]]]


def check_files(declared: Declared, reads: Files | None = None, writes: Files | None = None) -> None:
    """Check declared files: inputs exist, outputs can be written, and no output is an input or another output. Nothing is made.

    reads, writes: further files, whose existence and place are not checked. Raises InputError or OutputError.
    """
    files = [
        (file, path, len(paths))
        for file, paths in declared
        for path in paths
        if not (isinstance(file, Input) and file.may_be_name and is_name(path))
    ]
    inputs, outputs = _listed(reads or {}), _listed(writes or {})

    for file, path, count in files:
        named = inputs if isinstance(file, Input) else outputs
        named[file.what] = [*named.get(file.what, ()), path]
        if isinstance(file, Input) and file.may_be_folder:
            inputs[file.what] += sorted(path.iterdir()) if path.is_dir() else []
        elif isinstance(file, Input) and not (file.in_turn and count > 1):
            require_file(path, file.what, hint=file.hint)

    keep_apart(outputs, inputs)
    for file, path, _ in files:
        if isinstance(file, Output) and not file.is_folder:
            require_place(path, file.what)


def _listed(files: Files) -> dict[str, list[Path]]:
    return {what: [path for _, path in _each({what: paths})] for what, paths in files.items()}


_BESIDE = {".safetensors": (".json",), ".json": (".safetensors",)}
"""Files that belong together: our checkpoints are two files."""


def keep_apart(outputs: Files, inputs: Files) -> None:
    """Raise OutputError when an output is one of the inputs, under any name or link, or two outputs are one file.

    The configuration beside a checkpoint counts as an input too. Nothing is made or opened.
    """
    read: dict[object, str] = {}
    for what, path in _each(inputs):
        for part in (path, *_beside(path)):
            for name in _identities(part):
                read.setdefault(name, what)

    written: dict[object, tuple[str, Path]] = {}
    for what, path in _each(outputs):
        for part in (path, path.with_suffix(".json")) if path.suffix == ".safetensors" else (path,):
            names = _identities(part)
            if taken := next((read[name] for name in names if name in read), None):
                raise OutputError(
                    Message("{what} would overwrite {taken}", what=what, taken=taken), path=part, hint="choose another name for it"
                )
            if other := next((written[name] for name in names if name in written), None):
                raise OutputError(f"{what} and {other[0]} are one file", path=part, hint="choose another name for one of them")
            written.update(dict.fromkeys(names, (what, part)))


def require_own_names(outputs: Iterable[tuple[Path, Path]]) -> None:
    """Raise UsageError naming two inputs whose outputs would be one file. outputs: pairs of an input and its output."""
    taken: dict[str, Path] = {}
    for given, out in outputs:
        if (other := taken.setdefault(os.path.realpath(out), given)) is not given:
            what = f"{other} and {given} would be written under one name"
            raise UsageError(what, found=out, hint="give them apart, or name one otherwise")


def keep_folder_apart(folder: Path, files: Iterable[str], folders: Iterable[str], inputs: Iterable[Path], hint: str) -> None:
    """Raise OutputError when an input is one of the `files` written into a folder, or lies in one of the `folders` in it.

    inputs: any number; the links of each folder are followed once.
    """
    places = {os.path.realpath(folder / name) for name in folders}
    taken = places.union(os.path.realpath(folder / name) for name in files)
    known: dict[Path, bool] = {}
    for path in inputs:
        if path.parent not in known:
            place = Path(os.path.realpath(path.parent))
            known[path.parent] = not places.isdisjoint(map(str, (place, *place.parents)))
        if known[path.parent] or os.path.realpath(path) in taken:
            raise OutputError("an input lies where the results go", path=path, hint=hint)


def _each(files: Files) -> Iterable[tuple[str, Path]]:
    for what, paths in files.items():
        if paths is not None:
            yield from ((what, Path(path)) for path in ([paths] if isinstance(paths, str | Path) else paths))


def _beside(path: Path) -> list[Path]:
    """Return the existing files that belong to an existing file."""
    return [other for ending in _BESIDE.get(path.suffix, ()) if (other := path.with_suffix(ending)).is_file() and path.is_file()]


def _identities(path: Path) -> list[object]:
    """Return the identities of a file: its full name without links, and if it exists its place on the disk."""
    found: list[object] = [os.path.realpath(path)]
    try:
        place = path.stat()
    except OSError:
        return found
    # Several outputs may go to /dev/null, or to one pipe.
    return [*found, (place.st_dev, place.st_ino)] if stat.S_ISREG(place.st_mode) or stat.S_ISDIR(place.st_mode) else []
