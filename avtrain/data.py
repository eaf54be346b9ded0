"""Datasets that survive a bad file: it is skipped by name, counted and reported, never silently."""

import logging
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from avcore.errors import InputError, NetflipsError
from avtrain.sampling import Key

LOG = logging.getLogger(__name__)
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
