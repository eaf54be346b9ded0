"""What an output folder holds of a run: what its results were made with, and which utterance goes into which shard.

Nothing else is mixed in. The plan is decided once, kept with the results, only ever extended.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from avcore.errors import InputError, OutputError, UsageError
from avcore.files import keep_folder_apart, sweep, write_text
from avcore.journal import differing, iter_rows, write_rows
from avcore.texts import read_json
from avdata.manifest import Packed
from netflips.bulk.records import Source

SIDE_FOLDERS = ("units", "features", "speakers", "lips")
_FOLDERS = ("shards", "index", "work", *SIDE_FOLDERS)
_RUN = "run.json"
_FILES = ("plan.jsonl", "failed.jsonl", "closed.jsonl", _RUN)  # run.json last: without it the rest is not taken for ours
_FORMAT = "netflips-extract-1"
WAY_OUT = "put back a copy of it, choose another --out-dir, or delete the folder if its results are not needed"
_DIGEST_DIGITS = 16
_NO_FILE = -1


def prepare_folder(out_dir: Path, key: Mapping[str, Any], overwrite: bool) -> None:
    """Make sure that results made with `key` can go into a folder; overwrite: what is there of ours is deleted.

    Raises UsageError when there are results made otherwise, OutputError when other things have the names of ours.
    """
    path = out_dir / _RUN
    if path.exists() and overwrite:
        _read_run(path)
        _delete(out_dir)
    if not require_same(out_dir, key):
        taken = [name for name in (*_FOLDERS, *_FILES) if (out_dir / name).exists()]
        if taken:
            found = ", ".join(taken)
            raise OutputError("this folder holds other things", path=out_dir, found=found, hint="choose another --out-dir")
        write_text(path, json.dumps({"format": _FORMAT, **key}, indent=1) + "\n")
    _remove_leftovers(out_dir)


def require_apart(out_dir: Path, inputs: Iterable[Path]) -> None:
    """Raise OutputError when a file that is read is one that a run writes into its folder, or lies where it writes."""
    keep_folder_apart(out_dir, _FILES, _FOLDERS, inputs, "choose another --out-dir")


def require_same(out_dir: Path, key: Mapping[str, Any]) -> bool:
    """Return whether there are results in a folder; raises UsageError when they were not made with `key`."""
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


def _delete(out_dir: Path) -> None:
    for name in _FOLDERS:
        if (out_dir / name).is_symlink():
            (out_dir / name).unlink()
        elif (out_dir / name).exists():
            shutil.rmtree(out_dir / name)
    for name in _FILES:
        (out_dir / name).unlink(missing_ok=True)


def _remove_leftovers(out_dir: Path) -> None:
    """Remove files that a killed run had under a temporary name."""
    sweep(out_dir)
    for name in _FOLDERS:
        sweep(out_dir / name, below=True)


@dataclass(frozen=True)
class Shard:
    """The utterances of a shard in their order. digests: what each was made from, see `digest`."""

    number: int
    ids: tuple[str, ...]
    digests: tuple[str, ...]


def digest(source: Source) -> str:
    """Name what an utterance is made from: its row of the manifest, and the size of its files.

    A corpus may move, its files may not be exchanged. "" where none of the files is there.
    """
    entry = source.entry
    sizes = [_size(source.path(what)) for what in ("audio", "video", "lips")]
    if max(sizes) == _NO_FILE:
        return ""
    parts = (entry.audio, entry.video, entry.lips, entry.language, entry.speaker, *map(str, sizes))
    return sha256("\n".join(parts).encode()).hexdigest()[:_DIGEST_DIGITS]


def read_plan(path: Path) -> Iterator[Shard]:
    """Read the plan of an output folder, shard by shard; none where there is none. Raises InputError for a damaged one."""
    if not path.exists():
        return
    try:
        yield from (_shard(row, number) for number, row in enumerate(row for _, row in iter_rows(path)))
    except (InputError, UnicodeDecodeError, TypeError, KeyError, ValueError) as error:
        found = error.what if isinstance(error, InputError) else error
        raise InputError("this plan of an extraction is damaged", path=path, found=found, hint=WAY_OUT) from error


def packed_shards(shards: Iterable[Shard]) -> Packed[Shard]:
    """The same shards in little memory, by number."""
    return Packed(
        shards, lambda shard: [shard.number, shard.ids, shard.digests], lambda row: Shard(row[0], tuple(row[1]), tuple(row[2])), 1
    )


def _shard(row: Mapping[str, Any], number: int) -> Shard:
    shard = Shard(row["shard"], tuple(map(str, row["ids"])), tuple(map(str, row["digests"])))
    if shard.number != number or len(shard.ids) != len(shard.digests):
        raise ValueError(f"shard {shard.number} of {len(shard.ids)} utterances on line {number + 1}")
    return shard


def write_plan(path: Path, shards: Iterable[Shard]) -> None:
    """Write the plan, whole or not at all."""
    write_rows(path, ({"shard": shard.number, "ids": shard.ids, "digests": shard.digests} for shard in shards))


def _size(path: Path | None) -> int:
    try:
        return _NO_FILE if path is None else path.stat().st_size
    except OSError:
        return _NO_FILE
