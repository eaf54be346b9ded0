"""Files that appear under their name only when complete, and work folders that never stay behind."""

import errno
import filecmp
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unicodedata import is_normalized, normalize

from avcore.errors import InputError, OutputError
from avcore.notes import NoteKind, tell
from avcore.plain_text import shown
from avcore.temporary import flush, flush_folder, temporary_beside

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".wmv", ".flv", ".3gp")
SOUND_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".pcm")
"""Endings of what is looked for in folders; a file that is named outright may have any."""
LIP_ENDING = ".lip.mp4"
"""Of the published side file with a video's lip crops, `<stem>.lip.mp4`."""
BOXES_ENDING = ".bbox.pkl"
"""Of the published side file with a video's face boxes, `<stem>.bbox.pkl`."""
_SCHEMES = (("http:",), ("https:",))
"""How the path of a web address begins."""
_MOST_SHOWN = 200
"""Letters of a path that no file can have."""

_OTHER_FILE = NoteKind(
    "other_file", "another file was there; it is kept as {name}", "다른 파일이 있어서 그것을 {name}(으)로 남겨 두었습니다."
)


def require_file(path: str | Path, what: str, hint: str | None = None) -> Path:
    """Return the path of a readable, non-empty file; raises InputError saying what is there instead."""
    path = Path(path)
    try:
        if path.is_dir():
            raise InputError(f"{what} must be a file", path=path, found="a folder", hint=hint)
        if not path.exists():
            raise InputError(f"{what} is not there", path=path, hint=hint or why_missing(path) or "check the path")
        if path.stat().st_size == 0:
            raise InputError(f"{what} is empty", path=path, found="0 bytes", hint=hint)
    except OSError as error:
        raise InputError(f"{what} cannot be read", path=_shown(path), found=error.strerror, hint=hint) from error
    except ValueError as error:  # a name with a NUL in it, or with half a letter
        raise InputError(f"{what} cannot be read", path=_shown(path), found="a name that no file can have", hint=hint) from error
    if not os.access(path, os.R_OK):
        raise InputError(f"{what} cannot be read", path=path, found="no permission", hint=hint)
    return path


def why_missing(path: Path) -> str:
    """Return what to do about a path at which nothing is, where its name tells; "" for any other."""
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

    Nothing is made: a run that comes to nothing leaves no folder behind.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise OutputError(f"{what} must be a file", path=path, found="a folder")
        nearest = next(parent for parent in path.absolute().parents if parent.exists())
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        hint = "choose a shorter name" if error.errno == errno.ENAMETOOLONG else "choose another folder"
        raise OutputError(f"{what} cannot be written", path=_shown(path), found=error.strerror, hint=hint) from error
    except ValueError as error:  # a name with a NUL in it, or with half a letter
        raise OutputError(f"{what} cannot be written", path=_shown(path), found="a name that no file can have") from error
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
    """Yield a temporary name beside `path`, with its suffix; it becomes `path` when the block ends well.

    It is on the disk then, and has the permissions of the file that it replaces. Raises OutputError when it cannot be
    written; on any error nothing stays behind, and what a killed process leaves the next one removes.
    """
    path = require_writable(path)
    try:
        with temporary_beside(path) as temporary:
            yield temporary
            os.chmod(temporary, _permissions(path))
            flush(temporary)
            os.replace(temporary, path)
            flush_folder(path.parent)
    except OSError as error:
        raise OutputError("the output cannot be written", path=path, found=error.strerror or str(error)) from error


def write_text(path: str | Path, text: str) -> None:
    """Write a whole text file (UTF-8), or nothing."""
    with atomic_output(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def keep_other(path: Path, text: str) -> None:
    """Keep another file at `path` as `.bak`, `.bak2` ..., with a message, before a text is written under this default name.

    Raises OutputError where it cannot be kept.
    """
    if not path.is_file() or (path.stat().st_size == len(text.encode()) and path.read_bytes() == text.encode()):
        return
    names = (path.with_name(f"{path.name}.bak{number or ''}") for number in (0, *range(2, 10_000)))
    kept = next(name for name in names if not name.exists() or filecmp.cmp(path, name, shallow=False))
    if not kept.exists():
        with atomic_output(kept) as temporary:
            shutil.copy2(path, temporary)
    tell(_OTHER_FILE(name=kept.name), path)


@contextmanager
def private_folder(prefix: str = "netflips-", parent: Path | None = None) -> Iterator[Path]:
    """Yield a temporary folder of our own that is gone afterwards in all cases; parent: where, None = the system's place."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _permissions(path: Path) -> int:
    """Return the permissions of the file that is replaced, or the usual ones."""
    try:
        return stat.S_IMODE(path.stat().st_mode) & 0o777
    except FileNotFoundError:
        return 0o666 & ~_umask()


def _shown(path: Path) -> str:
    """Return a path in a printable form, no longer than a path can be."""
    text = shown(path)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
