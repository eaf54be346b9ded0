"""From items to batches: by length, the same for the same seed, epoch and position, which is what makes an exact resume possible.

A bad file is skipped by name, counted and reported, never silently.
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
from avtrain.config import BatchConfig

LOG = logging.getLogger(__name__)
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


# Items, and what becomes of bad ones

Item = TypeVar("Item", covariant=True)
_ITEM_ERRORS = (NetflipsError, OSError, ValueError, EOFError)


class ItemSource(Protocol[Item]):
    """What a trainer provides: items by key, with names and lengths known beforehand."""

    def __len__(self) -> int: ...

    def load(self, key: Key) -> Item:
        """Load item key[1] in epoch key[0]; raises NetflipsError, OSError or ValueError for a bad file."""

    def name(self, index: int) -> str:
        """Return what to call an item in a report."""

    def lengths(self) -> Sequence[int]:
        """Return a length per item, for the buckets."""


class Identified(Protocol):
    """What an item is made of: a clip, an utterance."""

    @property
    def id(self) -> str:
        """Its name."""


Row = TypeVar("Row", bound=Identified)


class ItemsOf(ABC, Generic[Row, Item]):
    """An item source of rows, an item each. rows: what the items are made of, all in memory; lengths: of each."""

    def __init__(self, rows: Sequence[Row], lengths: Iterable[int]) -> None:
        self.rows, self._lengths = rows, list(lengths)

    def __len__(self) -> int:
        return len(self.rows)

    def name(self, index: int) -> str:
        """Return the id of the row."""
        return self.rows[index].id

    def lengths(self) -> list[int]:
        """Return the length of each row."""
        return self._lengths

    @abstractmethod
    def load(self, key: Key) -> Item:
        """Load item key[1] in epoch key[0], as `ItemSource.load`."""


@dataclass(frozen=True)
class BadItem:
    """An item that could not be loaded, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class LoadedBatch(Generic[Item]):
    """A collated batch (None when all its items were bad) and the items that were left out."""

    content: Any
    bad: tuple[BadItem, ...]
    size: int


class Guarded(Dataset[Any]):
    """Turns a failing item into a BadItem, in the worker that met it."""

    def __init__(self, source: ItemSource[Any]) -> None:
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
    source: ItemSource[Any], collate: Callable[[list[Any]], Any], batches: Iterable[list[Key]], num_workers: int
) -> DataLoader[Any]:
    """Return a loader over the batches, to be read within `reading`.

    Its workers run one torch thread each. They ignore Ctrl-C and SIGTERM, which schedulers send to a whole group of
    processes: the run saves first, and ends them itself.
    """
    return DataLoader(
        Guarded(source),
        batch_sampler=batches,
        collate_fn=Collate(collate),
        num_workers=num_workers,
        prefetch_factor=4 if num_workers else None,
        worker_init_fn=_prepare_worker,
        generator=torch.Generator(),  # its own: a loader must not draw from the stream that dropout uses
    )


@contextmanager
def reading(loader: Iterable[LoadedBatch[Any]]) -> Iterator[Iterator[LoadedBatch[Any]]]:
    """The batches of a loader, whose workers end with the block in all cases."""
    stream = iter(loader)
    try:
        yield stream
    finally:
        # There is no public way to end them; waiting for the iterator's own end would hang where an error keeps it alive.
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
    """Counts bad items, names each once, and stops a run whose data are mostly bad."""

    def __init__(self, max_share: float) -> None:
        self._max_share = max_share
        self._names: dict[str, str] = {}
        self._seen = 0
        self._failed = 0

    def note(self, batch: LoadedBatch[Any]) -> None:
        """Count a batch's bad items; raises InputError when their share is beyond the bound."""
        self._seen += batch.size + len(batch.bad)
        self._failed += len(batch.bad)
        for item in batch.bad:
            if item.name not in self._names:
                LOG.warning("skipped %s: %s", item.name, item.reason)
                self._names[item.name] = item.reason
        if self._failed > self._max_share * self._seen and self._seen >= 20:  # too few say nothing yet
            raise InputError(
                "too many training items cannot be read",
                expected=f"at most {self._max_share:.0%}",
                found=f"{self._failed} of {self._seen}",
                hint=f"first: {next(iter(self._names.items()))}",
            )

    @property
    def names(self) -> dict[str, str]:
        """Bad items met so far and why."""
        return dict(self._names)


def move(content: Any, device: torch.device) -> Any:
    """Move every tensor in dicts, lists and tuples (named ones too) to the device; other values stay as they are."""
    if isinstance(content, torch.Tensor):
        return content.to(device, non_blocking=True)
    if isinstance(content, dict):
        return {key: move(value, device) for key, value in content.items()}
    if isinstance(content, tuple) and hasattr(content, "_fields"):
        return type(content)(*(move(value, device) for value in content))
    if isinstance(content, (list, tuple)):
        return type(content)(move(value, device) for value in content)
    return content
