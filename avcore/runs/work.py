"""What the pool is given and gives back; importable without Ray."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from avcore.errors import EXIT_FAILED, NetflipsError

Item = TypeVar("Item")
Label = TypeVar("Label")


class WorkersFailError(NetflipsError):
    """The workers die whatever they are given."""

    exit_code = EXIT_FAILED


@dataclass(frozen=True)
class Task(Generic[Item]):
    """Items that go through a worker together. parts: as they are read. tries: how often a worker died of it alone."""

    parts: tuple[tuple[Item, ...], ...]
    is_alone: bool = False
    tries: int = 0

    @property
    def items(self) -> tuple[Item, ...]:
        """All items."""
        return tuple(item for part in self.parts for item in part)


@dataclass(frozen=True)
class Finished(Generic[Item, Label]):
    """What the worker returned for a task."""

    label: Label
    task: Task[Item]
    result: Any


@dataclass(frozen=True)
class Lost(Generic[Item, Label]):
    """An item that is set aside: workers died of it again and again."""

    label: Label
    item: Item
    reason: str


@dataclass(frozen=True)
class PoolSize:
    """How many there are of all.

    workers: model workers. readers: reading tasks at a time. gpus, cpus: what Ray reserves for each worker. queue: tasks
    that a worker is given at a time; 2 keep it busy while results travel, 1 suits long tasks.
    """

    workers: int = 1
    readers: int = 1
    gpus: float = 0.0
    cpus: float = 0.0
    queue: int = 2
