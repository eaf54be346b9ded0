"""Batches by length, the same for the same seed, epoch and position: what makes an exact resume possible."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avtrain.config import BatchConfig

Key = tuple[int, int]
"""(epoch, index): what a dataset is asked for, so that its randomness depends on nothing else."""


@dataclass(frozen=True)
class TakenBatches:
    """Batches of one epoch that were taken with the same settings. items: of an epoch; batches: of each of `world` processes."""

    batch: BatchConfig
    seed: int
    world: int
    items: int
    batches: int = 0

    @classmethod
    def from_state(cls, row: Mapping[str, Any]) -> "TakenBatches":
        """Read one as `dataclasses.asdict` writes it."""
        return cls(**{**row, "batch": BatchConfig(**row["batch"])})


class LengthBatches:
    """Batch sampler: shuffle, sort by length within buckets, cut into batches, shuffle the batches.

    lengths: int per item, in any unit. rank, world: this process's share of every epoch (each process gets the same
    number of batches). `start(epoch, position)` begins an epoch after `position` batches.
    """

    def __init__(self, lengths: Sequence[int], config: BatchConfig, seed: int, rank: int = 0, world: int = 1) -> None:
        self._lengths = np.asarray(lengths, dtype=np.int64)
        self._config, self._seed, self._rank, self._world = config, seed, rank, world
        self._epoch, self._position = 0, 0
        self._seen: tuple[int, NDArray[np.bool_]] | None = None

    @property
    def nothing_taken(self) -> TakenBatches:
        """These settings, with no batch taken."""
        return TakenBatches(self._config, self._seed, self._world, len(self._lengths))

    def skip(self, epoch: int, taken: Iterable[TakenBatches]) -> int:
        """Leave out of an epoch what was trained on in it with other settings; returns how many items that are."""
        seen = np.zeros(len(self._lengths), dtype=np.bool_)
        for one in taken:
            other = LengthBatches(self._lengths.tolist(), one.batch, one.seed)
            other._seen = epoch, seen.copy()
            for batch in other.epoch_batches(epoch)[: one.batches * one.world]:
                seen[batch] = True
        self._seen = epoch, seen
        return int(seen.sum())

    def start(self, epoch: int, position: int = 0) -> None:
        """Choose the epoch, and how many of its batches were used already."""
        self._epoch, self._position = epoch, position

    def epoch_batches(self, epoch: int) -> list[list[int]]:
        """Return all of this process's batches of an epoch, in order."""
        generator = np.random.default_rng((self._seed, epoch))
        order = generator.permutation(len(self._lengths))
        if self._seen is not None and self._seen[0] == epoch:
            order = order[~self._seen[1][order]]
        batches = [batch for chunk in self._buckets(order) for batch in self._cut(chunk)]
        batches = [batches[i] for i in generator.permutation(len(batches))]
        usable = len(batches) - len(batches) % self._world
        return batches[self._rank : usable : self._world]

    def _buckets(self, order: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        size = max(1, self._config.batch_size) * max(1, self._config.bucket)
        if not self._config.batch_size:
            size = len(order)
        for start in range(0, len(order), max(1, size)):
            chunk = order[start : start + size]
            yield chunk[np.argsort(self._lengths[chunk], kind="stable")]

    def _cut(self, chunk: NDArray[np.int64]) -> Iterator[list[int]]:
        batch: list[int] = []
        longest = 0
        for index in chunk.tolist():
            length = max(longest, int(self._lengths[index]))
            if batch and self._is_full(len(batch) + 1, length):
                yield batch
                batch, length = [], int(self._lengths[index])
            batch.append(index)
            longest = length
        if batch and not (self._config.drop_last and len(batch) < self._config.batch_size):
            yield batch

    def _is_full(self, items: int, longest: int) -> bool:
        config = self._config
        too_many = bool(config.batch_size) and items > config.batch_size
        return too_many or (bool(config.max_length_sum) and items * longest > config.max_length_sum)

    def __iter__(self) -> Iterator[list[Key]]:
        for batch in self.epoch_batches(self._epoch)[self._position :]:
            yield [(self._epoch, index) for index in batch]

    def __len__(self) -> int:
        return len(self.epoch_batches(self._epoch)) - self._position


class EndlessBatches:
    """Batch sampler: epoch after epoch without a pause, so that workers stay and read ahead into the next one.

    A loader reads ahead; `next_position` tells for each batch that comes out of it, in order, where the run then stands.
    """

    def __init__(self, batches: LengthBatches, epoch: int, position: int) -> None:
        self._batches, self._epoch, self._position = batches, epoch, position
        self._ahead: deque[tuple[int, int]] = deque()

    def __iter__(self) -> Iterator[list[Key]]:
        position = self._position
        for epoch in count(self._epoch):
            self._batches.start(epoch, position)
            for number, batch in enumerate(self._batches, position + 1):
                self._ahead.append((epoch, number))
                yield batch
            position = 0

    def next_position(self) -> tuple[int, int]:
        """Epoch, and how many of its batches are used with the batch that came out next."""
        return self._ahead.popleft()


def item_generator(seed: int, key: Key) -> np.random.Generator:
    """Randomness of one item in one epoch: the same whichever worker loads it, before and after a resume."""
    return np.random.default_rng((seed, *key))
