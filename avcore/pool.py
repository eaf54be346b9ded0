"""Tasks, and a pool of processes on this machine for them: bounded, and a process that dies loses its own task only."""

import os
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from types import FrameType
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


_AHEAD = 2
"""Tasks handed to each process at a time: one under way and one waiting."""
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}
_DIED = "the process that worked on it died: out of memory, or a crash of a decoder"


class ProcessPool(Pool[Item, Label]):
    """Processes with a worker each, started afresh; what a worker raises ends the run, and is raised there.

    worker_class: makes a worker of `arguments` in each process. num_workers: processes; with 1 or less all is done in this one.
    """

    def __init__(self, worker_class: Callable[..., Worker], arguments: Sequence[Any], num_workers: int) -> None:
        self._make = partial(worker_class, *arguments)
        self._num_workers = num_workers
        self._source: Iterator[tuple[Label, PoolTask[Item]]] = iter(())
        self._again: deque[tuple[Label, PoolTask[Item]]] = deque()
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._executor is not None:
            _end(self._executor)

    def run(self, tasks: Iterable[tuple[Label, PoolTask[Item]]]) -> Iterator[Finished[Item, Label] | Lost[Item, Label]]:
        """Do labelled tasks; one that was under way when a process died is tried alone, and set aside if it dies of it."""
        self._source = iter(tasks)
        if self._num_workers <= 1:
            worker = self._make()
            while (labelled := self._next()) is not None:
                yield Finished(*labelled, worker.process(*labelled[1].parts))
            return
        while suspects := (yield from self._run_together()):
            for label, task in suspects:
                for item in task.items:
                    yield self._run_alone(label, item)

    def _next(self) -> tuple[Label, PoolTask[Item]] | None:
        return self._again.popleft() if self._again else next(self._source, None)

    def _run_together(self) -> Generator[Finished[Item, Label], None, list[tuple[Label, PoolTask[Item]]]]:
        """Do tasks until all are done, or a process dies: then returns those that it may have died of."""
        pending: dict[Future[Any], tuple[Label, PoolTask[Item]]] = {}
        done = SimpleQueue[Future[Any]]()
        with self._processes(self._num_workers) as executor:
            try:
                while self._hand_out(executor, pending, done):
                    future = done.get()
                    result = future.result()
                    yield Finished(*pending.pop(future), result)
            except BrokenProcessPool:
                for future in [one for one in pending if one.done() and one.exception() is None]:
                    yield Finished(*pending.pop(future), future.result())
        return list(pending.values())

    def _hand_out(
        self,
        executor: ProcessPoolExecutor,
        pending: dict[Future[Any], tuple[Label, PoolTask[Item]]],
        done: SimpleQueue[Future[Any]],
    ) -> bool:
        """Keep the processes busy; whether anything is under way. done: gets each task when it has ended."""
        while len(pending) < _AHEAD * self._num_workers and (labelled := self._next()) is not None:
            try:
                pending[_submitted(executor, labelled[1], done)] = labelled
            except BrokenProcessPool:
                self._again.append(labelled)  # it was not begun
                raise
        return bool(pending)

    def _run_alone(self, label: Label, item: Item) -> Finished[Item, Label] | Lost[Item, Label]:
        task, done = PoolTask.of(item), SimpleQueue[Future[Any]]()
        with self._processes(1) as executor:
            try:
                _submitted(executor, task, done)
                return Finished(label, task, done.get().result())
            except BrokenProcessPool:
                return Lost(label, item, _DIED)

    @contextmanager
    def _processes(self, number: int) -> Iterator[ProcessPoolExecutor]:
        # Started afresh: LiteRT's threads do not survive a fork. What makes a worker is sent packed: its modules are loaded
        # when a process knows how many threads it may have.
        packed = pickle.dumps(self._make)
        self._executor = ProcessPoolExecutor(number, get_context("spawn"), initializer=_start_process, initargs=(packed,))
        try:
            yield self._executor
        finally:
            _end(self._executor)


def _submitted(executor: ProcessPoolExecutor, task: PoolTask[Any], done: SimpleQueue[Future[Any]]) -> Future[Any]:
    """Hand a task to the processes. done: gets it when it has ended; waiting there holds no lock of a future."""
    with _signals_held_back():
        future = executor.submit(_process, task.parts)
        future.add_done_callback(done.put)
    return future


def _end(executor: ProcessPoolExecutor) -> None:
    """Wait for the processes. After an error, as Ctrl-C is one, a signal ends the waiting at once."""
    with nullcontext() if sys.exc_info()[0] is not None else _signals_held_back():
        executor.shutdown(cancel_futures=True)


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Let what SIGINT and SIGTERM raise wait for the end of the block; a second signal does not wait.

    Raised between taking a lock of concurrent.futures and giving it back, it would leave the thread of the executor waiting for
    that lock for ever.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = {number: handler for number, handler in before.items() if callable(handler)}
    noted: list[signal.Signals] = []

    def note(number: int, frame: FrameType | None) -> None:
        noted.append(signal.Signals(number))
        if len(noted) > 1:
            handlers[noted[-1]](number, frame)

    for number in handlers:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if noted:
            handlers[noted[0]](noted[0], None)


_packed = b""
"""In a process of the pool: what makes its worker."""


def _start_process(packed: bytes) -> None:
    """Leave Ctrl-C to the main process, one thread each, and end when the main process is gone, however it went."""
    global _packed
    _packed = packed
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(_ONE_THREAD)
    if (torch := sys.modules.get("torch")) is not None:  # the main module, which is loaded here too, has loaded it
        torch.set_num_threads(1)
    main = parent_process()
    if main is not None:
        threading.Thread(target=_end_after, args=(main,), daemon=True).start()


def _end_after(main: BaseProcess) -> None:
    main.join()
    os._exit(1)


@cache
def _worker() -> Worker:
    make: Callable[[], Worker] = pickle.loads(_packed)
    return make()


def _process(parts: tuple[Any, ...]) -> Any:
    return _worker().process(*parts)
