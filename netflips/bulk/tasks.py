"""From what is left to do to batches for the pool.

How long utterances are is known before they are read: as the manifest says, else as the head of the file says.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av

from avcore.errors import NetflipsError
from avcore.media.opening import open_media
from avcore.pool import PoolTask
from avcore.timeline import frames_to_seconds, samples_to_seconds
from avdata.manifest import Entry
from netflips.bulk.records import Source, by_length
from netflips.bulk.settings import ExtractSettings
from netflips.bulk.store import ShardWork

_FILES_AT_ONCE = 8
_UNKNOWN_S = 8.0
"""Taken for the length (s) of an utterance that nothing is known of."""


def stated_seconds(entry: Entry) -> float:
    """Return the length (s) that a manifest states, 0 = none."""
    if entry.duration_s:
        return entry.duration_s
    return float(samples_to_seconds(entry.samples) if entry.samples else frames_to_seconds(entry.frames))


def expected_seconds(sources: Sequence[Source]) -> list[float]:
    """Return the length (s) of each utterance, close to exact, 0 where nothing says; heads of files are read side by side."""
    stated = [stated_seconds(source.entry) for source in sources]
    if all(stated):
        return stated
    with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
        return list(pool.map(_seconds, stated, sources))


def _seconds(stated: float, source: Source) -> float:
    path = source.path("video") or source.path("audio") or source.path("lips")
    return stated or (0.0 if path is None else _declared_seconds(path))


def _declared_seconds(path: Path) -> float:
    try:
        with open_media(path) as container:
            return float(Fraction(container.duration or 0, av.time_base))
    except NetflipsError:
        return 0.0  # reading it will say what is wrong


def iter_pending(work: Iterable[ShardWork]) -> Iterator[Source]:
    """Utterances that are left to do, shard by shard."""
    for shard in work:
        if shard.num_pending:
            pending = shard.pending
            yield from (source for source in shard.planned if source.id in pending)


def total_seconds(sources: Iterable[Source]) -> float:
    """Return the length (s) that is stated of all together, 0 when that of one is not."""
    total = 0.0
    for source in sources:
        seconds = stated_seconds(source.entry)
        if not seconds:
            return 0.0
        total += seconds
    return total


def shard_tasks(work: Iterable[ShardWork], settings: ExtractSettings) -> Iterator[tuple[int, PoolTask[Source]]]:
    """Yield the tasks of each shard with its number: a batch a task, read in parts.

    Batches are those of the whole shard, less what is done already, so that a run that goes on makes the batches of one
    that was never stopped.
    """
    for shard in work:
        if not shard.num_pending:
            continue
        planned, pending = shard.planned, shard.pending
        lengths = dict(zip((source.id for source in planned), expected_seconds(planned), strict=True))

        def seconds(source: Source, lengths: dict[str, float] = lengths) -> float:
            return lengths[source.id] or _UNKNOWN_S

        for batch in by_length(planned, seconds, settings.batch_s, settings.padding_s):
            left = [source for source in batch if source.id in pending]
            parts = tuple(tuple(part) for part in by_length(left, seconds, settings.part_s))
            if parts:
                yield shard.number, PoolTask(parts)
