"""One manifest for all corpora: JSON lines, one utterance a line, paths relative to a root.

    {"id": "003_0001", "audio": "003/0001.flac", "duration_s": 4.28, "language": "ko", "speaker": "003"}

The root is the manifest's own folder unless another is given at run time, so a corpus can be moved. Entries can be held packed in
blocks, which are unpacked on access: a million rows then take tens of megabytes.
"""

import json
import math
import os
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import islice
from pathlib import Path
from typing import Any, overload
from unicodedata import normalize

import numpy as np

from avcore.errors import InputError
from avcore.files import require_file
from avcore.journal import iter_rows, write_rows
from avcore.timeline import frames_to_seconds, samples_to_seconds, seconds_to_samples
from avcore.units import normalise_language

_LEVEL = 1
"""zlib's level. Names and numbers of similar form get hardly smaller at higher levels."""
_BLOCK = 64
"""Entries that are packed together."""


PATH_FIELDS = ("audio", "video", "lips", "boxes", "reference")
"""Fields of an entry that name files."""
_MOST_BYTES = 1024
"""Longest id or path: file names and folders are made from ids."""


@dataclass(frozen=True)
class Entry:
    """One utterance. Files are relative to the root, "" = none."""

    id: str
    audio: str = ""
    video: str = ""
    lips: str = ""
    """lip video, 96x96, 25 fps"""
    boxes: str = ""
    """face boxes"""
    reference: str = ""
    """video of the same frames with another mouth, for lip training"""
    duration_s: float = 0.0
    """0 = not stated"""
    frames: int = 0
    """at 25 Hz, 0 = no frames"""
    samples: int = 0
    """at 16 kHz, 0 = not known"""
    language: str = ""
    speaker: str = ""
    text: str = ""
    translation: str = ""
    """the text in the other language"""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """further fields of the corpus"""

    @property
    def seconds(self) -> float:
        """Its stated length; 0 = not stated."""
        return self.duration_s or float(samples_to_seconds(self.samples)) or float(frames_to_seconds(self.frames))

    @property
    def sentence(self) -> str:
        """The same for all utterances of the same words; "" if the words are not known."""
        return str(self.extra.get("sentence") or (f"{self.language}:{self.text}" if self.text else ""))

    def repeat(self, path: Path | None = None) -> int:
        """Return how often an epoch has it. Raises InputError naming the path if `repeat` is no integer of 0 or more."""
        repeat = self.extra.get("repeat", 1)
        if isinstance(repeat, bool) or not isinstance(repeat, int) or repeat < 0:
            raise InputError(
                f"the entry {self.id!r} cannot be repeated so", path=path, expected="repeat: 0, 1, 2, ...", found=repeat
            )
        return repeat

    def to_row(self) -> dict[str, Any]:
        """Return the entry as a JSON object without empty fields."""
        row = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "extra"}
        return {name: value for name, value in row.items() if value or name == "id"} | dict(self.extra)


_NAMES = tuple(one.name for one in fields(Entry))
_KINDS = {one.name: one.type for one in fields(Entry) if one.name != "extra"}
_TEXTS = ("text", "translation")
"""Fields that are normalised to NFC, so that Hangul is composed; names of files stay as they are."""


@dataclass(frozen=True)
class Manifest:
    """Entries and the folder that their paths start from."""

    root: Path
    entries: Sequence[Entry]

    def __len__(self) -> int:
        return len(self.entries)

    def path(self, entry: Entry, what: str) -> Path | None:
        """Return the file of an entry (one of PATH_FIELDS), None where it has none."""
        relative = getattr(entry, what)
        return self.root / relative if relative else None


class PackedEntries(Sequence[Entry]):
    """Entries that are held packed in blocks. Access in order is as quick as of a list; random access unpacks a block."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._length = 0
        self._blocks: list[bytes] = []
        self._open: tuple[int, list[Entry]] = (-1, [])
        rows = ([getattr(entry, name) for name in _NAMES] for entry in entries)
        while part := list(islice(rows, _BLOCK)):
            self._blocks.append(zlib.compress(json.dumps(part).encode(), _LEVEL))
            self._length += len(part)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, at: int) -> Entry: ...

    @overload
    def __getitem__(self, at: slice) -> list[Entry]: ...

    def __getitem__(self, at: int | slice) -> Entry | list[Entry]:
        if isinstance(at, slice):
            return [self[place] for place in range(*at.indices(self._length))]
        if not -self._length <= at < self._length:
            raise IndexError(at)
        number, place = divmod(at % self._length, _BLOCK)
        return self._entries(number)[place]

    def __iter__(self) -> Iterator[Entry]:
        for number in range(len(self._blocks)):
            yield from self._entries(number)

    def _entries(self, number: int) -> list[Entry]:
        if self._open[0] != number:
            rows = json.loads(zlib.decompress(self._blocks[number]))
            self._open = (number, [Entry(*row) for row in rows])
        return self._open[1]


def read_manifest(
    path: str | Path, root: str | Path | None = None, keep: Callable[[Iterable[Entry]], Sequence[Entry]] = tuple
) -> Manifest:
    """Read a manifest. Raises InputError naming the first line that is no entry, and doubled ids.

    keep: how the entries are held. `PackedEntries` takes a tenth of the memory, for a corpus that is read in its order.
    """
    path = require_file(path, "the manifest")
    # A hash takes 8 bytes; a set of the ids would take more than packed entries do.
    hashes = array("q")

    def each() -> Iterator[Entry]:
        for _, entry in iter_entries(path):
            hashes.append(hash(entry.id))
            yield entry

    entries = keep(each())
    if not entries:
        raise InputError("the manifest holds no entries", path=path)

    # Equal hashes may be chance, so the ids are compared, in another reading.
    if len(np.unique(hashes)) < len(hashes):
        seen: dict[str, int] = {}
        for number, entry in iter_entries(path):
            if entry.id in seen:
                raise InputError(f"the id {entry.id!r} stands on lines {seen[entry.id]} and {number}", path=path)
            seen[entry.id] = number

    return Manifest(path.parent if root is None else Path(root), entries)


def iter_entries(path: str | Path) -> Iterator[tuple[int, Entry]]:
    """Read a manifest line by line: yields line number (from 1) and entry. Blank lines are skipped."""
    for number, row in iter_rows(path):
        try:
            yield number, parse_entry(row)
        except (TypeError, ValueError) as error:
            raise InputError(f"line {number} is no manifest entry", path=path, found=error) from error


def parse_entry(row: Mapping[str, Any]) -> Entry:
    """Make an entry from a JSON object. Raises ValueError, whose text says what is wrong."""
    values = {name: _value(name, _KINDS[name], value) for name, value in row.items() if name in _KINDS and value is not None}
    if not values.get("id"):
        raise ValueError("it has no id")

    for name in ("id", *PATH_FIELDS):
        if name in values and len(str(values[name]).encode()) > _MOST_BYTES:
            raise ValueError(f"{name} is longer than a path can be: {str(values[name])[:40]}...")
    for name in PATH_FIELDS:
        if name in values and os.path.isabs(str(values[name])):
            raise ValueError(f"{name} is an absolute path: {values[name]}; paths are relative to the root")

    if "language" in values:
        values["language"] = normalise_language(str(values["language"]))
    return Entry(**values, extra={name: value for name, value in row.items() if name not in _KINDS})  # type: ignore[arg-type]


def relative_path(path: str | Path, folder: Path) -> str:
    """Return the way from a folder to a file, as manifests have it; links are followed. "" stays ""."""
    return Path(os.path.relpath(Path(path).resolve(), folder.resolve())).as_posix() if str(path) else ""


def sound_entry(name: str, sound: Path, folder: Path, language: str) -> Entry:
    """Return the entry of a sound file for a manifest in `folder`, with its length. Raises MediaError if it cannot be read."""
    from avcore.media import probe  # slow to import

    seconds = float(probe(sound).duration_s)
    samples = seconds_to_samples(seconds)
    return Entry(name, relative_path(sound, folder), duration_s=round(seconds, 4), samples=samples, language=language)


def write_manifest(path: str | Path, entries: Iterable[Entry]) -> int:
    """Write a manifest atomically; returns the number of entries."""
    return write_rows(path, (entry.to_row() for entry in entries))


def _value(name: str, kind: Any, value: Any) -> str | int | float:
    if kind is str and isinstance(value, str | int):
        return normalize("NFC", str(value)) if name in _TEXTS else str(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    if kind is int and is_number and value == int(value):
        return int(value)
    if kind is float and is_number:
        return float(value)
    raise ValueError(f"{name} must be {kind.__name__}, found {value!r}")
