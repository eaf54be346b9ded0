"""Tasks and results of a pool of workers, such as processes of this machine or Ray."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

from avcore.errors import EXIT_FAILED, NetflipsError

Item = TypeVar("Item")
Label = TypeVar("Label")


class WorkersFailError(NetflipsError):
    """The workers die whatever they are given, or over something that cannot be done without."""

    exit_code = EXIT_FAILED


@dataclass(frozen=True)
class PoolTask(Generic[Item]):
    """Items that go through a worker together.

    parts: as they are read. tries: how often a worker died of it alone. deaths: why it was tried again, each time, in words.
    """

    parts: tuple[tuple[Item, ...], ...]
    is_alone: bool = False
    tries: int = 0
    deaths: tuple[str, ...] = ()

    @classmethod
    def of(cls, item: Item) -> "PoolTask[Item]":
        """Return a task of one item."""
        return cls(((item,),))

    @property
    def items(self) -> tuple[Item, ...]:
        """All items."""
        return tuple(item for part in self.parts for item in part)


@dataclass(frozen=True)
class Finished(Generic[Item, Label]):
    """What the worker returned for a task."""

    label: Label
    task: PoolTask[Item]
    result: Any


@dataclass(frozen=True)
class Lost(Generic[Item, Label]):
    """An item that is set aside: workers died of it again and again."""

    label: Label
    item: Item
    reason: str


class Worker(Protocol):
    """Made in each process of a pool, of a class and arguments that can be sent there."""

    @property
    def process(self) -> Callable[..., Any]:
        """Does a task, given its parts: as they were read, or as they stand in the task."""


class Pool(Protocol[Item, Label]):
    """Workers for tasks. A context manager: its workers end with it."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def run(self, tasks: Iterable[tuple[Label, PoolTask[Item]]]) -> Iterator[Finished[Item, Label] | Lost[Item, Label]]:
        """Do labelled tasks, in about their order; yields the result of each. Tasks are taken as there is room.

        They are asked for again after each outcome: an iterator that had none left may have some then.
        """


def result_of(outcome: Finished[Item, Label] | Lost[Item, Label]) -> Any:
    """Return what the worker returned; raises WorkersFailError that names an item that was set aside."""
    if isinstance(outcome, Lost):
        raise WorkersFailError("some of the work cannot be done", found=f"{outcome.label}: {outcome.reason}")
    return outcome.result


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
