"""Finished work, kept by what it was made from, so that a stopped run goes on and a changed setting redoes little."""

import hashlib
import json
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.errors import OutputError
from avcore.files import atomic_output, write_text

Arrays = dict[str, NDArray[Any]]

_BLOCK = 1 << 20
_RUNS = "runs"
_LARGE = ("pictures", "speech", "lips")
_ABANDONED_S = 3600
_FORMAT = "1"
"""Changes whenever work of an older NetfLips must not be used any more."""


def key_of(*parts: object) -> str:
    """A name for work that was made from these parts: numbers, texts, None, lists, dicts and arrays."""
    digest = hashlib.sha256(_FORMAT.encode())
    digest.update(json.dumps(parts, default=_plain, sort_keys=True).encode())
    return digest.hexdigest()[:32]


def file_digest(path: str | Path) -> str:
    """What a file holds, as a name: sha256 over its content."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


class WorkFolder:
    """A folder of finished work: `<stage>/<key>.npz` for arrays, and files of other kinds.

    Each appears under its name only when it is whole; a damaged one is made anew. made, kept: how many pieces of each
    stage were made in this run, and how many were found.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.made: Counter[str] = Counter()
        self.kept: Counter[str] = Counter()
        self._used: set[Path] = set()

    def has(self, stage: str, key: str, suffix: str = ".npz") -> bool:
        """Whether a piece of work is there; it need not be whole."""
        return self._path(stage, key, suffix).is_file()

    def arrays(self, stage: str, key: str, make: Callable[[], Arrays]) -> Arrays:
        """Return kept arrays, or make and keep them."""
        found = self.find_arrays(stage, key)
        return self.keep_arrays(stage, key, make()) if found is None else found

    def find_arrays(self, stage: str, key: str) -> Arrays | None:
        """Return kept arrays, or None when there are none that can be read."""
        found = self.read_arrays(stage, key)
        self.kept[stage] += found is not None
        return found

    def read_arrays(self, stage: str, key: str) -> Arrays | None:
        """The same, for work of this run that is wanted once more."""
        try:
            with np.load(self._path(stage, key, ".npz"), allow_pickle=False) as stored:
                return dict(stored)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            return None

    def keep_arrays(self, stage: str, key: str, arrays: Arrays) -> Arrays:
        """Store arrays and return them. Raises OutputError when the folder cannot be written."""
        path = self._path(stage, key, ".npz")
        with atomic_output(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)
        self.made[stage] += 1
        return arrays

    def find_file(self, stage: str, key: str, suffix: str) -> Path | None:
        """Return the path of a kept file, or None."""
        path = self._path(stage, key, suffix)
        if not path.is_file():
            return None
        self.kept[stage] += 1
        return path

    @contextmanager
    def new_file(self, stage: str, key: str, suffix: str) -> Iterator[Path]:
        """The name of a file that whoever writes it must write whole or not at all (as VideoWriter does)."""
        path = self._path(stage, key, suffix)
        yield path
        self.made[stage] += 1

    def num_bytes(self) -> int:
        """What the folder holds by now."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file()) if self.folder.is_dir() else 0

    def settle(self, output: str | Path) -> None:
        """Note which work an output was made from, and delete what only its earlier versions were made from.

        So the folder does not grow from run to run, and neither unfinished work nor that of other outputs is touched. What
        killed runs left behind half-written is deleted too.
        """
        notes = {path: set(json.loads(path.read_text())) for path in (self.folder / _RUNS).glob("[!.]*.json")}
        own = self.folder / _RUNS / f"{key_of(Path(output).resolve())}.json"
        used = {str(path.relative_to(self.folder)) for path in self._used if path.parent.name in _LARGE}
        before = notes.pop(own, set())
        write_text(own, json.dumps(sorted(used)))
        for name in before - used - set().union(*notes.values()):
            (self.folder / name).unlink(missing_ok=True)
        for path in self.folder.glob("*/.*"):
            if time.time() - path.stat().st_mtime > _ABANDONED_S:
                path.unlink(missing_ok=True)

    def _path(self, stage: str, key: str, suffix: str) -> Path:
        path = self.folder / stage / f"{key}{suffix}"
        self._used.add(path)
        return path


def require_work_folder(folder: Path) -> Path:
    """Return a folder for work, which is made when it is missing; raises OutputError for what is no folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            "the work folder cannot be made", path=folder, found=error.strerror, hint="choose another --work-dir"
        ) from error
    return folder


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        content = np.ascontiguousarray(value)
        return [str(value.dtype), list(value.shape), hashlib.sha256(content.tobytes()).hexdigest()]
    if isinstance(value, np.generic):
        return value.item()
    return str(value)
