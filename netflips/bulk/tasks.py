"""From what is left to do to batches for the pool."""

from collections.abc import Iterable, Iterator

from avcore.runs.work import Task
from netflips.bulk.grouping import by_length
from netflips.bulk.lengths import expected_seconds
from netflips.bulk.records import Source
from netflips.bulk.settings import ExtractSettings
from netflips.bulk.store import ShardWork

_UNKNOWN_S = 8.0
"""Taken for the length (s) of an utterance that nothing is known of."""


def shard_tasks(work: Iterable[ShardWork], settings: ExtractSettings) -> Iterator[tuple[int, Task[Source]]]:
    """Yield the tasks of each shard with its number: a batch a task, read in parts.

    Batches are those of the whole shard, less what is done already, so that a run that goes on makes the batches of one
    that was never stopped.
    """
    for shard in work:
        if not shard.pending:
            continue
        ids = (source.id for source in shard.planned)
        lengths = dict(zip(ids, expected_seconds(shard.planned), strict=True))

        def seconds(source: Source, lengths: dict[str, float] = lengths) -> float:
            return lengths[source.id] or _UNKNOWN_S

        for batch in by_length(shard.planned, seconds, settings.batch_s, settings.padding_s):
            left = [source for source in batch if source.id in shard.pending]
            parts = tuple(tuple(part) for part in by_length(left, seconds, settings.part_s))
            if parts:
                yield shard.number, Task(parts)
