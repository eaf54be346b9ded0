"""The output folder of a run: what its results were made with, the plan that assigns utterances to shards, and the shards.

Nothing else is mixed in. The plan is made once, kept with the results, and only ever extended. A finished shard is JSON lines, one
row an utterance; it is complete as soon as it has its name.

The content of a closed shard is recorded, so that it is used only while it is unchanged: `closed.jsonl` has a row for it, written
before the shard has its name. The row holds the digest of the shard's file, the planned utterances without a row in it, and the
sizes and checksums of the files beside its rows. So a corpus is checked by reading its shards and files once, without parsing any.
Features, which are a thousand times as large, are checked by their sizes.
"""

import json
import logging
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from avcore.data.manifest import Packed
from avcore.errors import InputError, OutputError, UsageError
from avcore.files import BOXES_ENDING, LIP_ENDING, atomic_output, keep_folder_apart, remove_temporary, write_text
from avcore.journal import Row, Rows, differing, file_digest, iter_rows, put_rows, write_rows
from avcore.notes import several
from avcore.texts import read_json
from netflips.bulk.records import Source
from netflips.bulk.settings import ShardLayout

SIDE_FOLDERS = ("units", "features", "speakers", "lips")
_FOLDERS = ("shards", "index", *SIDE_FOLDERS)
_RUN = "run.json"
_FILES = ("plan.jsonl", "work.jsonl", "failed.jsonl", "closed.jsonl", _RUN)
"""Deleted in this order: without run.json, the rest is not recognized as ours."""
_FORMAT = "netflips-extract-1"
WAY_OUT = "put back a copy of it, choose another --out-dir, or delete the folder if its results are not needed"
_DIGEST_DIGITS = 16
_NO_FILE = -1
LOG = logging.getLogger("netflips")
_UNITS = "units/{}.unit"
_BESIDE = {
    "features": "features/{}.npy",
    "speaker_path": "speakers/{}.npy",
    "lips": f"lips/{{}}{LIP_ENDING}",
    "boxes": f"lips/{{}}{BOXES_ENDING}",
}
"""Files below the output folder that belong to a row, by field of the row."""
_LARGE = (_BESIDE["features"],)
"""Files that are checked by their size alone."""
_MISSING = -1
_SIZE_BITS = 32
"""A size is stored in the bits above a checksum of this many bits."""
_BLOCK = 1 << 20
ShardState = Literal["gone", "whole", "damaged"]
"""State of a shard's file; a damaged one cannot be used."""


def prepare_folder(out_dir: Path, key: Mapping[str, Any], overwrite: bool) -> None:
    """Make sure that results made with `key` can go into a folder. overwrite: delete earlier results first.

    Raises UsageError when there are results made with another key, OutputError when other files have the names of ours.
    """
    path = out_dir / _RUN
    if path.exists() and overwrite:
        # Raises for a run.json that is not ours: whatever is beside it must not be deleted.
        _read_run(path)
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
    if not (out_dir / _RUN).exists():
        return False

    before = _read_run(out_dir / _RUN)
    changed = differing({name: value for name, value in before.items() if name != "format"}, key)
    if changed:
        raise UsageError(
            f"the results in {out_dir} were made otherwise",
            expected=_list(before, changed),
            found=_list(key, changed),
            hint="choose another --out-dir, or begin anew with --overwrite",
        )
    return True


def _read_run(path: Path) -> dict[str, Any]:
    content = read_json(path, "the run.json of an extraction", hint=WAY_OUT)
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise InputError("this is not the run.json of an extraction", path=path, expected=_FORMAT, found=found, hint=WAY_OUT)
    return content


def _list(key: Mapping[str, Any], names: list[str]) -> str:
    return ", ".join(f"{name} {key.get(name, 'none')}" for name in names)


@dataclass(frozen=True)
class Shard:
    """The utterances of a shard, in order."""

    number: int
    """from 0, in the order of the plan"""
    ids: tuple[str, ...]
    """of the utterances"""
    digests: tuple[str, ...]
    """of what each utterance was made from, see `digest`"""


def digest(source: Source) -> str:
    """Return a digest of what an utterance is made from: its row of the manifest, and the sizes of its files; "" where none of them
    exists.

    A corpus may move, but its files may not be exchanged.
    """
    entry = source.entry
    # Sizes and not contents: this is asked of every utterance each time that a run begins.
    sizes = [_size(source.path(what)) for what in ("audio", "video", "lips")]
    if max(sizes) == _NO_FILE:
        return ""

    parts = (entry.audio, entry.video, entry.lips, entry.language, entry.speaker, *map(str, sizes))
    return sha256("\n".join(parts).encode()).hexdigest()[:_DIGEST_DIGITS]


def read_plan(path: Path) -> Iterator[Shard]:
    """Yield the shards of the plan of an output folder; none where there is no plan. Raises InputError for a damaged one."""
    if not path.exists():
        return

    try:
        for number, (_, row) in enumerate(iter_rows(path)):
            shard = Shard(row["shard"], tuple(map(str, row["ids"])), tuple(map(str, row["digests"])))
            if shard.number != number or len(shard.ids) != len(shard.digests):
                raise ValueError(f"shard {shard.number} of {len(shard.ids)} utterances on line {number + 1}")
            yield shard
    except (InputError, UnicodeDecodeError, TypeError, KeyError, ValueError) as error:
        found = error.what if isinstance(error, InputError) else error
        raise InputError("this plan of an extraction is damaged", path=path, found=found, hint=WAY_OUT) from error


def packed_shards(shards: Iterable[Shard]) -> Packed[Shard]:
    """Return the shards, by number, in a form that takes little memory."""
    return Packed(
        shards, lambda shard: [shard.number, shard.ids, shard.digests], lambda row: Shard(row[0], tuple(row[1]), tuple(row[2])), 1
    )


def write_plan(path: Path, shards: Iterable[Shard]) -> None:
    """Write the plan, whole or not at all."""
    write_rows(path, ({"shard": shard.number, "ids": shard.ids, "digests": shard.digests} for shard in shards))


def _size(path: Path | None) -> int:
    try:
        return _NO_FILE if path is None else path.stat().st_size
    except OSError:
        return _NO_FILE


class ShardFiles:
    """The complete shards of an output folder, by number, and what each of them held when it was closed.

    In the layout `files`, shards are in `index` and hold everything but the units.
    """

    def __init__(self, out_dir: Path, layout: ShardLayout) -> None:
        self._out_dir, self._has_unit_files = out_dir, layout == "files"
        self.folder = out_dir / ("index" if layout == "files" else "shards")
        self.closed = Rows[tuple[int, str]](out_dir / "closed.jsonl", ("shard", "sha256"), "plan", "left_out", "beside")
        """by number and digest: a shard may have been closed several times"""

    def path(self, number: int) -> Path:
        """Return the file of a shard."""
        return self.folder / f"{number:05d}.jsonl"

    def read(self, number: int) -> Iterator[Row]:
        """Yield the rows of a shard; none when there is no such file, or all its utterances were set aside."""
        path = self.path(number)
        if path.exists() and path.stat().st_size:
            yield from (row for _, row in iter_rows(path))

    def close(self, shard: Shard, rows: Sequence[Mapping[str, Any]]) -> None:
        """Record the content of a shard, then write it, whole or not at all."""
        with atomic_output(self.path(shard.number)) as temporary:
            put_rows(temporary, rows)
            self.closed.add([self._record(shard, {row["id"]: row for row in rows}, file_digest(temporary))])

    def look(self, shard: Shard, is_open: bool) -> tuple[ShardState, frozenset[str]]:
        """Check a shard's file; returns its state, and the ids whose rows and files are intact.

        is_open: its utterances were being made.
        """
        path = self.path(shard.number)
        if not path.exists() and not path.is_symlink():
            if shard.number in self._numbers and not is_open:
                LOG.warning("%s is not there any more; its utterances are made again", path)
            return "gone", frozenset()

        # A link is not followed, because what it leads to may be anybody's.
        record = None if path.is_symlink() or not path.is_file() else self.closed.get((shard.number, file_digest(path)))
        if record is None or record["plan"] != _name(shard):
            LOG.warning("%s is damaged; its utterances are made again", path)
            return "damaged", frozenset()
        return "whole", self._complete(shard, record)

    @cached_property
    def _numbers(self) -> frozenset[int]:
        """Numbers of the shards that earlier runs closed."""
        return frozenset(number for number, _ in self.closed)

    def _complete(self, shard: Shard, record: Row) -> frozenset[str]:
        """Return the ids of the rows whose files are there and unchanged."""
        left_out, lost = set(record["left_out"]), set()
        names = [name for name in shard.ids if name not in left_out]
        for kind, sizes in record["beside"].items():
            known = ((name, size) for name, size in zip(names, sizes, strict=False) if size is not None)
            lost |= {name for name, size in known if not self._is_as_recorded(kind, name, size)}

        if lost:
            LOG.warning(
                "%s: files of %s of shard %d are missing or damaged, as %s; they are made again",
                self._out_dir,
                several(len(lost), "utterance"),
                shard.number,
                min(lost),
            )
        return frozenset(names) - lost

    def _record(self, shard: Shard, rows: Mapping[str, Mapping[str, Any]], digest: str) -> Row:
        names = [name for name in shard.ids if name in rows]
        beside = {
            kind: [self._size(kind, name) if rows[name].get(field) else None for name in names] for field, kind in _BESIDE.items()
        }
        if self._has_unit_files:
            beside[_UNITS] = [self._size(_UNITS, name) for name in names]
        beside = {kind: sizes for kind, sizes in beside.items() if any(size is not None for size in sizes)}

        left_out = [name for name in shard.ids if name not in rows]
        return {"shard": shard.number, "sha256": digest, "plan": _name(shard), "left_out": left_out, "beside": beside}

    def _is_as_recorded(self, kind: str, name: str, recorded: int) -> bool:
        if recorded <= 0:
            return False
        if kind not in _LARGE:
            return self._size(kind, name) == recorded
        try:
            return os.lstat(f"{self._out_dir}/{kind.format(name)}").st_size == recorded >> _SIZE_BITS
        except (OSError, ValueError):
            return False

    def _size(self, kind: str, name: str) -> int:
        """Return the size of a file in the bits above its checksum, -1 where there is no such file."""
        size = checksum = 0
        try:
            with open(f"{self._out_dir}/{kind.format(name)}", "rb") as file:
                while block := file.read(_BLOCK):
                    size, checksum = size + len(block), zlib.crc32(block, checksum)
        except (OSError, ValueError):
            return _MISSING
        return size << _SIZE_BITS | checksum


def _name(shard: Shard) -> str:
    """Return a digest of the utterances that are planned for a shard."""
    return sha256(json.dumps(shard.ids).encode()).hexdigest()
