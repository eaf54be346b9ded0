"""The output folder of an extraction. A run may be killed at any moment, and continues where it was.

    run.json              what the results were made with
    work.jsonl            finished rows of shards that are not complete yet
    shards/00012.jsonl    a complete shard, in the order of the input
    failed.jsonl          utterances that were set aside, with the reason

A shard has the rows of as many utterances of the input as `shard_size`; in the layout `files`, shards are in `index` and hold
everything but the units. An utterance is done when its row is in a shard or in `work.jsonl`, and the files that the row names are
there. Each row holds a digest of what it was made from: a corpus may move, but its files may not be exchanged.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.data.manifest import Manifest
from avcore.errors import InputError, OutputError
from avcore.files import keep_folder_apart, remove_temporary, write_text
from avcore.journal import Row, Rows, folder_lock, read, require_settings, write_rows
from avcore.texts import read_json
from netflips.bulk.records import MadeFile, Rejected, Source
from netflips.bulk.settings import ExtractSettings

_FOLDERS = ("shards", "index", "units", "features", "speakers", "lips")
_RUN = "run.json"
_FILES = ("work.jsonl", "failed.jsonl", _RUN)
"""Deleted in this order: without run.json, the rest is not recognized as ours."""
_FORMAT = "netflips-extract-2"
_MADE_OF = "made_of"
_BESIDE = ("features", "speaker_path", "lips", "boxes")
"""Fields of a row that name a file below the output folder."""
_DIGEST_DIGITS = 16


@contextmanager
def open_store(
    settings: ExtractSettings, key: Mapping[str, Any], manifest: Manifest, overwrite: bool = False, retry_failed: bool = False
) -> Iterator["ResultStore"]:
    """Open an output folder for this run alone.

    key: what the results are made with. overwrite: delete earlier results first. retry_failed: what was set aside is pending again.
    Raises UsageError when there are results made with another key, OutputError when another run is at work or other files have the
    names of ours, InputError when finished results were made from other files.
    """
    with folder_lock(settings.out_dir):
        _prepare(settings.out_dir, key, overwrite)
        yield ResultStore(settings, manifest, retry_failed)


def _prepare(out_dir: Path, key: Mapping[str, Any], overwrite: bool) -> None:
    path = out_dir / _RUN
    if path.exists() and overwrite:
        # Whatever is beside a run.json that is not ours must not be deleted.
        content = read_json(path, "the run.json of an extraction")
        if not isinstance(content, dict) or not str(content.get("format")).startswith(_FORMAT[:-1]):
            raise InputError("this is not the run.json of an extraction", path=path, hint="choose another --out-dir")
        for name in _FOLDERS:
            if (out_dir / name).is_symlink():  # the link goes, and what it points to stays
                (out_dir / name).unlink()
            elif (out_dir / name).exists():
                shutil.rmtree(out_dir / name)
        for name in _FILES:
            (out_dir / name).unlink(missing_ok=True)

    if not require_same(out_dir, key):
        taken = [name for name in (*_FOLDERS, *_FILES) if (out_dir / name).exists()]
        if taken:
            found = ", ".join(taken)
            raise OutputError("this folder holds other things", path=out_dir, found=found, hint="choose another --out-dir")
        write_text(path, json.dumps({"format": _FORMAT, **key}, indent=1) + "\n")

    remove_temporary(out_dir)  # files that a killed run had under a temporary name
    for name in _FOLDERS:
        remove_temporary(out_dir / name, below=True)


def require_apart(out_dir: Path, inputs: Iterable[Path]) -> None:
    """Raise OutputError when an input file is also an output file of a run, or is inside a folder where the run writes."""
    keep_folder_apart(out_dir, _FILES, _FOLDERS, inputs, "choose another --out-dir")


def require_same(out_dir: Path, key: Mapping[str, Any]) -> bool:
    """Return whether there are results in a folder. Raises UsageError when they were not made with `key`."""
    wanted, way_out = {"format": _FORMAT, **key}, "choose another --out-dir, or begin anew with --overwrite"
    return bool(require_settings(out_dir / _RUN, wanted, "the results were made otherwise", out_dir, way_out))


@dataclass(frozen=True, eq=False)
class ShardWork:
    """The pending work of a shard. Utterances are looked up when they are needed, so that not all are in memory at a time."""

    number: int
    """from 0, in the order of the input"""
    manifest: Manifest
    first: int
    """place in the manifest of its first utterance"""
    is_left: NDArray[np.bool_]
    """bool, which of its utterances were left when the folder was looked at"""

    @property
    def num_pending(self) -> int:
        """Number of utterances that are left."""
        return int(self.is_left.sum())

    @property
    def planned(self) -> tuple[Source, ...]:
        """All utterances of the shard, in order."""
        entries = self.manifest.entries[self.first : self.first + len(self.is_left)]
        return tuple(Source(entry, self.manifest.root) for entry in entries)

    @property
    def pending(self) -> frozenset[str]:
        """Ids of the utterances that are left."""
        return frozenset(source.id for source, is_left in zip(self.planned, self.is_left, strict=True) if is_left)


class ResultStore:
    """What is done, left and set aside of an input. `open_store` makes one that may be written to."""

    def __init__(self, settings: ExtractSettings, manifest: Manifest, retry_failed: bool = False, is_trial: bool = False) -> None:
        """is_trial: nothing is written. Raises InputError when finished results were made from other files."""
        self._out_dir, self._size, self._manifest = settings.out_dir, settings.shard_size, manifest
        self._has_unit_files = settings.layout == "files"
        self._folder = self._out_dir / ("index" if self._has_unit_files else "shards")
        self.failed = Rows[str](self._out_dir / "failed.jsonl", "id", "reason")
        """utterances that were set aside"""
        self._work = Rows[str](self._out_dir / "work.jsonl", "id", _MADE_OF)
        if not is_trial:
            self.failed.repair()
            self._work.repair()

        self._places = {entry.id: place for place, entry in enumerate(manifest.entries)}
        self._is_done = np.zeros(len(manifest), bool)
        twice = self._look()
        self.num_done = int(self._is_done.sum())
        """number of utterances of the input that earlier runs finished"""

        again = self.failed.keys() & self._places.keys() if retry_failed else set[str]()
        is_failed = np.fromiter((name in self.failed and name not in again for name in self._places), bool, len(manifest))
        is_left = ~(self._is_done | is_failed)
        starts = range(0, len(manifest), self._size)
        self.shards = [ShardWork(at, manifest, start, is_left[start : start + self._size]) for at, start in enumerate(starts)]
        """what is left, shard by shard"""

        if not is_trial:
            for rows, names in ((self.failed, again), (self._work, twice)):
                if names:
                    rows.forget(names)
            for number in {self._number(name) for name in self._work if name in self._places}:
                if not self.shards[number].num_pending:
                    self.close(number)

    def _look(self) -> set[str]:
        """Find what is done; returns ids that a killed run left both in a shard and in `work.jsonl`."""
        twice = set[str]()
        for path in sorted(self._folder.glob("[0-9]*.jsonl")):
            twice |= {name for name in map(self._look_at, read(path, "id", _MADE_OF)) if name in self._work}
        for row in self._work.values():
            self._look_at(row)
        return twice

    def _look_at(self, row: Row) -> str:
        """Take an utterance of the input as done when its files are there; returns its id, "" when it is not done."""
        place = self._places.get(row["id"])
        if place is None or not self._is_whole(row):
            return ""
        self._require_same_files(place, row)
        self._is_done[place] = True
        return str(row["id"])

    def add(self, made: Sequence[MadeFile]) -> None:
        """Store finished utterances."""
        places = [self._places[file.id] for file in made]
        self._work.add({**file.row, _MADE_OF: self._digest(place)} for file, place in zip(made, places, strict=True))
        self._is_done[places] = True

    def reject(self, rejected: Iterable[Rejected]) -> None:
        """Record utterances that cannot be used."""
        self.failed.add({"id": one.id, "reason": one.reason} for one in rejected)

    def close(self, number: int) -> None:
        """Write a shard to its place, whole or not at all: the rows that were there and are good, and those made since."""
        path = self._folder / f"{number:05d}.jsonl"
        before = (row for row in read(path, "id", _MADE_OF) if not self._is_lost(row["id"]))
        rows = {row["id"]: row for row in before}
        new = {name: row for name, row in self._work.items() if self._number(name) == number}
        write_rows(path, self._in_order((rows | new).values()))
        # Only now: a run that is killed before this has the rows twice, and never loses them.
        self._work.forget(new)

    def tidy(self) -> None:
        """Sort the list of what was set aside in the order of the input."""
        self.failed.replace(self._in_order(self.failed.values()))

    def _in_order(self, rows: Iterable[Row]) -> list[Row]:
        return sorted(rows, key=lambda row: self._places.get(row["id"], -1))

    def _is_lost(self, name: str) -> bool:
        """Return whether an utterance of the input is not done any more, because files of its row were gone."""
        return name in self._places and not self._is_done[self._places[name]]

    def _number(self, name: str) -> int:
        """Return the number of an utterance's shard, -1 for one that the input does not have."""
        return self._places.get(name, -1) // self._size

    def _is_whole(self, row: Row) -> bool:
        """Return whether the files that belong to a row are there. They have their names only when they are whole."""
        beside = [str(row[name]) for name in _BESIDE if row.get(name)]
        if self._has_unit_files:
            beside.append(f"units/{row['id']}.unit")
        return all(_size(self._out_dir / name) > 0 for name in beside)

    def _require_same_files(self, place: int, row: Row) -> None:
        now = self._digest(place)
        if now and row[_MADE_OF] and now != row[_MADE_OF]:
            raise InputError(
                f"the utterance {row['id']!r} is done, but from another file or with another speaker or language",
                path=self._out_dir,
                hint="give each corpus an --out-dir of its own, or begin anew with --overwrite",
            )

    def _digest(self, place: int) -> str:
        """Return a digest of what an utterance is made from: its entry and the sizes of its files; "" where none of them exists."""
        entry = self._manifest.entries[place]
        # Sizes and not contents: this is asked of every finished utterance each time that a run begins.
        sizes = [_size(self._manifest.path(entry, what)) for what in ("audio", "video", "lips")]
        if max(sizes) < 0:
            return ""
        parts = (entry.audio, entry.video, entry.lips, entry.language, entry.speaker, *map(str, sizes))
        return sha256("\n".join(parts).encode()).hexdigest()[:_DIGEST_DIGITS]


def _size(path: Path | None) -> int:
    """Return the size of a file, -1 where there is none."""
    try:
        return -1 if path is None else path.stat().st_size
    except (OSError, ValueError):
        return -1
