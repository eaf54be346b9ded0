"""A pool of processes on this machine: bounded, and a process that dies loses its own task only."""

import os
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache, partial
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from typing import Any, Self

from avcore.runs.work import Finished, Item, Label, Lost, Pool, PoolTask, Worker

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
            self._executor.shutdown(cancel_futures=True)

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
        with self._processes(self._num_workers) as executor:
            try:
                while self._hand_out(executor, pending):
                    for future in wait(pending, return_when=FIRST_COMPLETED).done:
                        result = future.result()
                        yield Finished(*pending.pop(future), result)
            except BrokenProcessPool:
                for future in [one for one in pending if one.done() and one.exception() is None]:
                    yield Finished(*pending.pop(future), future.result())
        return list(pending.values())

    def _hand_out(self, executor: ProcessPoolExecutor, pending: dict[Future[Any], tuple[Label, PoolTask[Item]]]) -> bool:
        """Keep the processes busy; whether anything is under way."""
        while len(pending) < _AHEAD * self._num_workers and (labelled := self._next()) is not None:
            try:
                pending[executor.submit(_process, labelled[1].parts)] = labelled
            except BrokenProcessPool:
                self._again.append(labelled)  # it was not begun
                raise
        return bool(pending)

    def _run_alone(self, label: Label, item: Item) -> Finished[Item, Label] | Lost[Item, Label]:
        task = PoolTask.of(item)
        with self._processes(1) as executor:
            try:
                return Finished(label, task, executor.submit(_process, task.parts).result())
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
            self._executor.shutdown(cancel_futures=True)


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
