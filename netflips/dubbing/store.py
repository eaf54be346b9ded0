"""Finished work, kept under a key of what it was made from. Resume: a dub that was stopped goes on by asking for the same work
again.

The length and the digest of each finished file are recorded, and the file is used only if they still match.
"""

import json
import logging
import os
import re
import shutil
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Samples
from avcore.contracts import SpeechRecognizer, Transcript
from avcore.errors import OutputError
from avcore.files import atomic_output, private_folder, remove_temporary, write_text
from avcore.journal import Rows, checksum_of, file_digest, key_of, locked
from avcore.notes import NoteKind, report_note, several
from avcore.timeline import Seconds
from avcore.units import Units

if TYPE_CHECKING:
    from unit2text.unit_reader import UnitReader

LOG = logging.getLogger("netflips")
T = TypeVar("T")
_Arrays = dict[str, NDArray[Any]]

_RUNS = "runs"
_LARGE = ("frames", "speech", "lips")
_INSIDE = re.compile(rf"({'|'.join(_LARGE)})/\w+\.\w+", re.ASCII)
_PATIENCE_S = 2.0
_SHORT_S = 20
"""Of an input up to this length (s) nothing is kept, unless a folder is named."""
_KEPT = "kept.jsonl"
_CONVERTING = Lock()
"""msgspec learns a type when it first meets it; another thread that meets the same type meanwhile ends the process."""

_DAMAGED = NoteKind("work_damaged", "damaged; it is made anew")
_NOTE_DAMAGED = NoteKind(
    "run_note_damaged",
    "this note of an earlier run is damaged; nothing is deleted by it",
)
_NOTE_STRANGE = NoteKind("run_note_strange", "names files that are not ours to delete; they stay")


class Store:
    """A folder of finished work: values in `<step>/<key>.npz`, and files such as sound and frames; digests in `kept.jsonl`.

    A piece is named by all that it was made from. It appears only when it is whole; a damaged one is made anew, with a warning.
    Links are not followed. Threads may share a store. A value may be a dataclass, a named tuple, a list or a plain value, with
    arrays in it.
    """

    def __init__(self, folder: str | Path) -> None:
        self.use(Path(folder))
        self.made: Counter[str] = Counter()
        """pieces of each step that were made in this run; each counts once"""
        self.found: Counter[str] = Counter()
        """pieces of each step that were there before this run; each counts once"""
        self._used: set[Path] = set()
        self._counted: set[Path] = set()
        self._noting = RLock()  # several threads may keep work
        self._lock: int | None = None

    def use(self, folder: Path) -> None:
        """Keep work in a folder from now on, and find what is kept there."""
        self.folder = folder
        self._checksums = Rows[tuple[str, str]](folder / _KEPT, ("name", "sha256"), "bytes")
        self._is_repaired = False

    def kept(self, kind: type[T], step: str, made_of: tuple[object, ...], make: Callable[[], T]) -> T:
        """Return the value of a key; it is made if it is not kept yet."""
        value = self.find(kind, step, made_of)
        return self.keep(step, made_of, make()) if value is None else value

    def find(self, kind: type[T], step: str, made_of: tuple[object, ...]) -> T | None:
        """Return a kept value, None if there is none that can be read."""
        path = self._path(step, key_of(*made_of))
        value = self._read(kind, path)
        if value is not None:
            self._count(self.found, step, path)
        return value

    def again(self, kind: type[T], step: str, made_of: tuple[object, ...]) -> T:
        """Return a value that was kept in this run."""
        value = self._read(kind, self._path(step, key_of(*made_of)))
        assert value is not None, f"{step} was kept a moment ago"
        return value

    def keep(self, step: str, made_of: tuple[object, ...], value: T) -> T:
        """Keep a value under its key, whole or not at all. Raises OutputError if the folder cannot be written."""
        path, arrays = self._new(self._path(step, key_of(*made_of))), _Arrays()

        def extract_arrays(value: Any) -> Any:
            if not isinstance(value, np.ndarray):
                return value.item() if isinstance(value, np.generic) else dict(value)
            arrays[name := f"a{len(arrays)}"] = value
            return {"@": name}

        plain = msgspec.to_builtins(value, enc_hook=extract_arrays)
        with atomic_output(path) as temporary, temporary.open("wb") as file:
            np.savez(file, value=np.array(json.dumps(plain)), **arrays)
        self._note(str(path.relative_to(self.folder)), path)
        self._count(self.made, step, path)
        return value

    def has(self, step: str, key: str, suffix: str) -> bool:
        """Return whether a file is kept and whole."""
        return self._is_whole(self._path(step, key, suffix))

    def find_file(self, step: str, key: str, suffix: str) -> Path | None:
        """Return the path of a kept file, None if it is missing or damaged."""
        path = self._path(step, key, suffix)
        if not self._is_whole(path):
            return None
        self._count(self.found, step, path)
        return path

    @contextmanager
    def new_file(self, step: str, key: str, suffix: str) -> Iterator[Path]:
        """Yield the path of a file that the caller writes, whole or not at all (as VideoWriter does)."""
        path = self._new(self._path(step, key, suffix))
        yield path
        # A segment in which no frame begins has no file.
        if path.is_file():
            self._note(str(path.relative_to(self.folder)), path)
        self._count(self.made, step, path)

    def num_bytes(self) -> int:
        """Return the size of the folder in bytes."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file()) if self.folder.is_dir() else 0

    def hold(self, output: Path) -> None:
        """Lock an output until `close`. Other outputs may be made with the same folder meanwhile.

        Raises OutputError while another run makes this one.
        """
        if self._lock is None:
            path = self._step(_RUNS) / f"{key_of(output.resolve())}.lock"
            path.parent.mkdir(exist_ok=True)
            # A lock of the system ends with its process: a run that was killed holds nothing.
            self._lock = locked(path, "another run is making it", output, _PATIENCE_S)

    def close(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def record_output(self, output: str | Path) -> None:
        """Record which work an output was made from, and delete what only its earlier versions used, with a log message.

        This keeps the folder from growing with each run. Unfinished work and that of other outputs stay; half-written files of
        killed runs are deleted.
        """
        runs = self._step(_RUNS)
        own = self._new(runs / f"{key_of(Path(output).resolve())}.json")
        notes = {path: _read_note(path) for path in runs.glob("[!.]*.json")}
        used = {str(path.relative_to(self.folder)) for path in self._used if path.parent.name in _LARGE}
        before = notes.pop(own, None) or set()
        write_text(own, json.dumps(sorted(used)))

        others = [note for note in notes.values() if note is not None]
        if len(others) == len(notes):  # with an unreadable note, the needs of another output are unknown
            unneeded = (self.folder / name for name in before - used - set().union(*others))
            old = [path for path in unneeded if path.is_file() and not path.parent.is_symlink()]
            for path in old:
                path.unlink(missing_ok=True)
            if old:
                LOG.info("%s: %s of earlier versions of %s deleted", self.folder, several(len(old), "kept piece"), output)

        remove_temporary(self.folder)
        for stage in {runs, *(path.parent for path in self._used), *(self.folder / name for name in _LARGE)}:
            remove_temporary(stage)

    def has_written(self, path: Path) -> bool:
        """Return whether a file beside the output is unchanged since a run with this folder wrote it."""
        return self._is_noted(_name_beside(path), path)

    def note_written(self, path: Path) -> None:
        """Record the content of a file that was written beside the output."""
        if not self.has_written(path):
            self._note(_name_beside(path), path)

    def _path(self, step: str, key: str, suffix: str = ".npz") -> Path:
        path = self._step(step) / f"{key}{suffix}"
        self._used.add(path)
        return path

    def _new(self, path: Path) -> Path:
        """Return the path of a piece to write. A link there is deleted: to write over it would change a file elsewhere."""
        if path.is_symlink():
            path.unlink()
        return path

    def _step(self, name: str) -> Path:
        """Return the folder of a step. Raises OutputError if it is a link."""
        return _require_no_link(self.folder / name)

    def _count(self, counter: Counter[str], step: str, path: Path) -> None:
        with self._noting:
            counter[step] += path not in self._counted
            self._counted.add(path)

    def _read(self, kind: type[T], path: Path) -> T | None:
        if not self._is_whole(path):
            return None
        try:
            # Without pickle: a folder may come from anybody, and a pickle runs code.
            with np.load(path, allow_pickle=False) as stored:
                found = dict(stored)
            plain = json.loads(str(found["value"]))
            with _CONVERTING:
                value = msgspec.convert(plain, kind, str_keys=True, dec_hook=lambda _, stored: found[stored["@"]])
        # damaged, or of a step that kept another kind of value
        except (OSError, ValueError, EOFError, KeyError, TypeError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error):
            return None
        return value

    def _is_whole(self, path: Path) -> bool:
        """Return whether the content of a piece matches its checksum."""
        if path.is_symlink() or not path.is_file():
            return False
        is_whole = self._is_noted(str(path.relative_to(self.folder)), path)
        if not is_whole:
            report_note(_DAMAGED(), path)
        return is_whole

    def _is_noted(self, name: str, path: Path) -> bool:
        """Return whether a file has content that was recorded under a name. There may be several, if two runs made it at once."""
        if path.is_symlink() or not path.is_file():
            return False
        try:
            # Outside of the lock: files of frames are large, and other threads must not wait for their digests.
            key = name, file_digest(path)
        except OSError:
            return False
        with self._noting:
            if not self._is_repaired:
                self._checksums.repair()
                self._is_repaired = True
            if key not in self._checksums:  # another run may have made it since
                self._checksums.refresh()
            return key in self._checksums

    def _note(self, name: str, path: Path) -> None:
        """Record the checksum of a file."""
        with self._noting:
            self._checksums.add([{"name": name} | checksum_of(path)])


def _name_beside(path: Path) -> str:
    """Return the name in `kept.jsonl` of a file outside of the folder."""
    return f"beside/{key_of(path.resolve())}"


def require_work_folder(folder: Path) -> Path:
    """Return a work folder, made if it is missing. Raises OutputError if it is no folder, or contains links."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            "the work folder cannot be made", path=folder, found=error.strerror, hint="choose another --work-dir"
        ) from error
    for name in (_KEPT, _RUNS, *_LARGE):
        _require_no_link(folder / name)
    return folder


@contextmanager
def work_beside(out: Path | None, named: Path | None, seconds: Seconds) -> Iterator[Store]:
    """Yield where a command keeps finished work: in the folder that a user named, else beside a long output until it is written.

    out: None = there is no file to lie beside. seconds: length of the input. A run that was stopped finds its work again; of a
    short one nothing is kept. Raises OutputError for a folder that cannot be used.
    """
    if named is None and (out is None or seconds <= _SHORT_S):
        with private_folder() as scratch:
            yield Store(scratch)
        return

    folder = named or Path(f"{out}.work")
    # A folder that was there and is not ours is never deleted.
    goes = named is None and (not folder.exists() or (folder / _KEPT).is_file())
    with closing(Store(require_work_folder(folder))) as store:
        if out is not None:
            store.hold(out)
        yield store
    if goes:
        shutil.rmtree(folder)


def _require_no_link(path: Path) -> Path:
    """Return the path. Raises OutputError for a link."""
    if path.is_symlink():
        raise OutputError(
            "the work folder leads elsewhere", path=path, found="a link", hint="delete it, or choose another --work-dir"
        )
    return path


def _read_note(path: Path) -> set[str] | None:
    """Return the work that an output was made from. None, with a warning, if the note cannot be read; foreign names are dropped."""
    try:
        content = None if path.is_symlink() else json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        content = None
    if not isinstance(content, list):
        report_note(_NOTE_DAMAGED(), path)
        return None

    names = {name for name in content if isinstance(name, str) and _INSIDE.fullmatch(name)}
    if len(names) < len(content):
        report_note(_NOTE_STRANGE(), path)
    return names


# Models whose results are kept: what they read or recognize once, they do not read again


class CachingRecognizer:
    """A recognizer whose transcripts are kept in a store: the same sound is recognized once."""

    def __init__(self, recognizer: SpeechRecognizer, store: Store, made_of: tuple[str, ...]) -> None:
        """made_of: what its transcripts depend on beside the sound and its language."""
        self.name, self.recognizer, self.store, self.made_of = recognizer.name, recognizer, store, made_of

    @property
    def languages(self) -> tuple[str, ...]:
        """Two-letter names of the languages that it recognizes."""
        return self.recognizer.languages

    def transcribe(self, speech: Samples, language: str | None = None) -> Transcript:
        """Return the transcript of speech, float32 [S], made or found."""
        made_of = (speech, language, *self.made_of)
        return self.store.kept(Transcript, "recognized", made_of, lambda: self.recognizer.transcribe(speech, language))

    def languages_in(self, speech: Samples) -> Mapping[str, float]:
        """Return the probability of each language in speech, float32 [S], made or found."""
        made_of = (speech, *self.made_of)
        return self.store.kept(dict[str, float], "languages", made_of, lambda: dict(self.recognizer.languages_in(speech)))


@dataclass(frozen=True)
class CachingReader:
    """A unit-to-text model whose readings are kept in a store."""

    reader: "UnitReader"
    store: Store
    arithmetic: str
    """as `Models.arithmetic`"""

    @property
    def languages(self) -> tuple[str, ...]:
        """Two-letter names of the languages that it reads."""
        return self.reader.languages

    def read(self, units: Units) -> Transcript:
        """Return units with durations as text in their language, made or found."""
        made_of = (units.ids, units.durations, units.language, self.reader.fingerprint, self.arithmetic)
        return self.store.kept(Transcript, "readings", made_of, lambda: self.reader.read(units, units.language))

    def text(self, units: Units) -> str | None:
        """Return the text alone; None for units without durations, or in a language that the model does not read."""
        return self.read(units).text if units.durations is not None and units.language in self.languages else None

    def read_ahead(self, several: Sequence[Units], report: Callable[[int], None]) -> None:
        """Read several at once, as far as there are cores, so that `read` finds them. report: as in `map_in_threads`."""
        from avcore.compute.threads import map_in_threads, max_threads, workers_on

        map_in_threads(several, self.text, workers_on(self.reader.device, max_threads()), report)
