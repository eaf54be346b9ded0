"""From items to batches of similar length. Batches depend only on seed, epoch and position, so that a run resumes exactly.

A bad file is skipped, counted and reported by name.
"""

import logging
import signal
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from avcore.errors import InputError, NetflipsError
from avcore.train.config import BatchConfig

LOG = logging.getLogger(__name__)
Key = tuple[int, int]
"""(epoch, index) of an item. Its randomness depends on nothing else."""


@dataclass(frozen=True)
class TakenBatches:
    """Batches of one epoch that were taken with the same settings."""

    batch: BatchConfig
    seed: int
    world: int
    """number of processes"""
    items: int
    """items of an epoch"""
    batches: int = 0
    """batches that each process took"""

    @classmethod
    def from_state(cls, row: Mapping[str, Any]) -> "TakenBatches":
        """Make one from the dict that `dataclasses.asdict` returned."""
        return cls(**{**row, "batch": BatchConfig(**row["batch"])})


class LengthBatches:
    """Batch sampler: shuffles, sorts by length within buckets, cuts into batches, shuffles the batches.

    lengths: int per item, in any unit. rank, world: this process's number, and how many processes share an epoch; each gets the
    same number of batches. `start(epoch, position)` begins an epoch after `position` batches.
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
        """Leave out of an epoch the items that were trained on in it with other settings; returns how many."""
        seen = np.zeros(len(self._lengths), dtype=np.bool_)
        for one in taken:
            other = LengthBatches(self._lengths.tolist(), one.batch, one.seed)
            other._seen = epoch, seen.copy()
            for batch in other.epoch_batches(epoch)[: one.batches * one.world]:
                seen[batch] = True
        self._seen = epoch, seen
        return int(seen.sum())

    def start(self, epoch: int, position: int = 0) -> None:
        """Choose the epoch, and the number of its batches that are already used."""
        self._epoch, self._position = epoch, position

    def epoch_batches(self, epoch: int) -> list[list[int]]:
        """Return all of this process's batches of an epoch, in order."""
        generator = np.random.default_rng((self._seed, epoch))
        order = generator.permutation(len(self._lengths))
        if self._seen is not None and self._seen[0] == epoch:
            order = order[~self._seen[1][order]]
        batches = [batch for chunk in self._buckets(order) for batch in self._cut(chunk)]
        batches = [batches[i] for i in generator.permutation(len(batches))]
        # All processes must take equally many steps, or some would wait for the others without end.
        usable = len(batches) - len(batches) % self._world
        return batches[self._rank : usable : self._world]

    def _buckets(self, order: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        size = max(1, self._config.batch_size) * max(1, self._config.bucket)
        if not self._config.batch_size:
            size = len(order)
        # Sorted in buckets: sorted as a whole, batches would hardly differ from epoch to epoch.
        for start in range(0, len(order), max(1, size)):
            chunk = order[start : start + size]
            yield chunk[np.argsort(self._lengths[chunk], kind="stable")]

    def _cut(self, chunk: NDArray[np.int64]) -> Iterator[list[int]]:
        config, batch = self._config, list[int]()
        longest = 0
        for index in chunk.tolist():
            length = max(longest, int(self._lengths[index]))
            too_many = bool(config.batch_size) and len(batch) + 1 > config.batch_size
            too_long = bool(config.max_length_sum) and (len(batch) + 1) * length > config.max_length_sum
            if batch and (too_many or too_long):
                yield batch
                batch, length = [], int(self._lengths[index])
            batch.append(index)
            longest = length

        if batch and not (config.drop_last and len(batch) < config.batch_size):
            yield batch

    def __iter__(self) -> Iterator[list[Key]]:
        for batch in self.epoch_batches(self._epoch)[self._position :]:
            yield [(self._epoch, index) for index in batch]

    def __len__(self) -> int:
        return len(self.epoch_batches(self._epoch)) - self._position


class EndlessBatches:
    """Batch sampler: epoch after epoch without a pause, so that workers live on and read ahead into the next epoch.

    Because a loader reads ahead, `next_position` must be called once for each batch that comes out of it, in order: it returns the
    position of the run after that batch.
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
        """Return the epoch of the next batch that came out, and how many batches of the epoch are used with it."""
        return self._ahead.popleft()


def item_generator(seed: int, key: Key) -> np.random.Generator:
    """Return the random generator of one item in one epoch: the same in any worker, before and after a resume."""
    return np.random.default_rng((seed, *key))


# Items and bad items

Item = TypeVar("Item")
_ITEM_ERRORS = (NetflipsError, OSError, ValueError, EOFError)


class Identified(Protocol):
    """The row that an item is made of, such as a clip or an utterance."""

    @property
    def id(self) -> str:
        """Its name."""


Row = TypeVar("Row", bound=Identified)


class ItemsOf(ABC, Generic[Row, Item]):
    """Items of a trainer, one of each row.

    rows: all in memory. lengths: the length of each, for the buckets. seed: of all that is drawn.
    """

    def __init__(self, rows: Sequence[Row], lengths: Iterable[int], seed: int = 0) -> None:
        self.rows, self._lengths, self._seed = rows, list(lengths), seed

    def __len__(self) -> int:
        return len(self.rows)

    def name(self, index: int) -> str:
        """Return the name of an item in reports, the id of its row."""
        return self.rows[index].id

    def lengths(self) -> list[int]:
        """Return the length of each row."""
        return self._lengths

    def load(self, key: Key) -> Item:
        """Load item key[1] for epoch key[0]. Raises NetflipsError, OSError or ValueError for a bad file."""
        # By seed, epoch and index alone, so that a run that goes on draws what it would have drawn.
        return self.item(key[1], item_generator(self._seed, key))

    @abstractmethod
    def item(self, index: int, rng: np.random.Generator) -> Item:
        """Make an item of row `index`. rng: draws what is random in it."""


def pad(rows: Sequence[NDArray[Any]], value: float = 0) -> torch.Tensor:
    """Put rows [T, ...] of one type into a tensor [batch, longest T, ...], with `value` behind the shorter ones."""
    padded = np.full((len(rows), max(map(len, rows)), *rows[0].shape[1:]), value, rows[0].dtype)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = row
    return torch.from_numpy(padded)


@dataclass(frozen=True)
class BadItem:
    """An item that could not be loaded, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class LoadedBatch(Generic[Item]):
    """A collated batch and the items that were left out."""

    content: Any
    """what the task's collate returned; None if all items were bad"""
    bad: tuple[BadItem, ...]
    """items that were left out"""
    size: int
    """number of items in the content"""


class Guarded(Dataset[Any]):
    """A dataset that returns a BadItem for an item that cannot be loaded, in the worker that loads it."""

    def __init__(self, source: ItemsOf[Any, Any]) -> None:
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, key: Key) -> Any:
        try:
            return self._source.load(key)
        except _ITEM_ERRORS as error:
            return BadItem(self._source.name(key[1]), f"{type(error).__name__}: {error}")


class Collate:
    """Collates the good items of a batch and passes on the bad ones."""

    def __init__(self, collate: Callable[[list[Any]], Any]) -> None:
        self._collate = collate

    def __call__(self, items: list[Any]) -> LoadedBatch[Any]:
        good = [item for item in items if not isinstance(item, BadItem)]
        bad = tuple(item for item in items if isinstance(item, BadItem))
        return LoadedBatch(self._collate(good) if good else None, bad, len(good))


def make_loader(
    source: ItemsOf[Any, Any], collate: Callable[[list[Any]], Any], batches: Iterable[list[Key]], num_workers: int
) -> DataLoader[Any]:
    """Return a loader over the batches, to be read within `reading`.

    Its workers run one torch thread each. They ignore Ctrl-C and SIGTERM, which schedulers send to all processes of a group: the
    run saves first and then ends them itself.
    """
    return DataLoader(
        Guarded(source),
        batch_sampler=batches,
        collate_fn=Collate(collate),
        num_workers=num_workers,
        prefetch_factor=4 if num_workers else None,
        worker_init_fn=_prepare_worker,
        generator=torch.Generator(),  # a loader must not draw from the stream that dropout uses
    )


@contextmanager
def reading(loader: Iterable[LoadedBatch[Any]]) -> Iterator[Iterator[LoadedBatch[Any]]]:
    """Iterate over the batches of a loader. Its workers end with the block, also on an error."""
    stream = iter(loader)
    try:
        yield stream
    finally:
        # torch has no public way to end workers, and waiting for the end of the iterator hangs if an error keeps it alive.
        end_workers = getattr(stream, "_shutdown_workers", None)
        if end_workers is not None:
            end_workers()
        for worker in getattr(stream, "_workers", ()):
            worker.kill()


def _prepare_worker(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    torch.set_num_threads(1)


class BadItems:
    """Counts bad items, logs each once, and stops a run if too large a share is bad."""

    def __init__(self, max_share: float) -> None:
        self._max_share = max_share
        self._names: dict[str, str] = {}
        self._seen = 0
        self._failed = 0

    def note(self, batch: LoadedBatch[Any]) -> None:
        """Count a batch's bad items. Raises InputError if their share exceeds the bound."""
        self._seen += batch.size + len(batch.bad)
        self._failed += len(batch.bad)
        for item in batch.bad:
            if item.name not in self._names:
                LOG.warning("skipped %s: %s", item.name, item.reason)
                self._names[item.name] = item.reason

        if self._failed > self._max_share * self._seen and self._seen >= 20:  # a share of fewer means little
            raise InputError(
                "too many training items cannot be read",
                expected=f"at most {self._max_share:.0%}",
                found=f"{self._failed} of {self._seen}",
                hint=f"first: {next(iter(self._names.items()))}",
            )

    @property
    def names(self) -> dict[str, str]:
        """Names of the bad items so far, with the reasons."""
        return dict(self._names)
