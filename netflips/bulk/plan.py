"""Which utterance goes into which shard: decided once, kept with the results, only ever extended."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from avcore.errors import InputError
from avcore.runs.rows import iter_rows, write_rows
from netflips.bulk.records import Source
from netflips.bulk.run_folder import WAY_OUT

_DIGEST_DIGITS = 16
_NO_FILE = -1


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


def read_plan(path: Path) -> list[Shard]:
    """Read the plan of an output folder; empty when there is none. Raises InputError for a damaged one."""
    if not path.exists():
        return []
    try:
        return [_shard(row, number) for number, row in enumerate(row for _, row in iter_rows(path))]
    except (InputError, UnicodeDecodeError, TypeError, KeyError, ValueError) as error:
        found = error.what if isinstance(error, InputError) else error
        raise InputError("this plan of an extraction is damaged", path=path, found=found, hint=WAY_OUT) from error


def _shard(row: Mapping[str, Any], number: int) -> Shard:
    shard = Shard(row["shard"], tuple(map(str, row["ids"])), tuple(map(str, row["digests"])))
    if shard.number != number or len(shard.ids) != len(shard.digests):
        raise ValueError(f"shard {shard.number} of {len(shard.ids)} utterances on line {number + 1}")
    return shard


def write_plan(path: Path, shards: Iterable[Shard]) -> None:
    """Write the plan, whole or not at all."""
    write_rows(path, ({"shard": shard.number, "ids": shard.ids, "digests": shard.digests} for shard in shards))


def new_shards(first: int, sources: Sequence[Source], digests: Sequence[str], size: int) -> list[Shard]:
    """Put utterances into shards of `size`, in their order, numbered from `first`."""
    starts = range(0, len(sources), size)
    return [
        Shard(first + number, tuple(one.id for one in sources[start : start + size]), tuple(digests[start : start + size]))
        for number, start in enumerate(starts)
    ]


def _size(path: Path | None) -> int:
    try:
        return _NO_FILE if path is None else path.stat().st_size
    except OSError:
        return _NO_FILE
