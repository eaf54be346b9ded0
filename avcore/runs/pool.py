"""Run many tasks on several processes; a task may have follow-ups, and one that fails is set aside by name."""

import errno
import logging
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol

from avcore.errors import NetflipsError, OutputError
from avcore.progress import Progress
from avcore.runs.records import Journal, Record

LOG = logging.getLogger(__name__)

_AHEAD = 2
"""Tasks handed to each process at a time: one under way and one waiting."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}


@dataclass(frozen=True)
class Task:
    """key: its name in the journal, like no other's. work: what there is to do; goes to another process.

    parent: the task that it is a follow-up of; set by whoever runs it.
    """

    key: str
    work: Any
    parent: str = ""


class Worker(Protocol):
    """Does tasks; goes to other processes."""

    def do(self, task: Task, journal: Journal) -> Iterable[Task]:
        """Do a task: make its files and then record what became of it, or return follow-ups."""

    def finish(self, task: Task) -> None:
        """Clear up behind a task whose follow-ups are all done."""


def run_tasks(
    tasks: Iterable[Task], worker: Worker, folder: Path, known: Iterable[str], num_workers: int, progress: Progress
) -> None:
    """Do all tasks but those that are known.

    folder: of the journal. Follow-ups come first, so that few tasks are half done at a time. A task that raises is recorded
    as failed, and so is one that kills its process. Raises OutputError when the results cannot be written.
    """
    journal = Journal(folder)
    plan = _Plan(tasks, worker, journal, set(known), progress)
    try:
        if num_workers <= 1:
            while (task := plan.next()) is not None:
                plan.done(task, _do(worker, task, journal))
        else:
            _Pool(worker, folder, num_workers).run(plan)
    finally:
        journal.close()


class _Plan:
    """Which task is next, and which are open because their follow-ups are not done."""

    def __init__(self, tasks: Iterable[Task], worker: Worker, journal: Journal, known: set[str], progress: Progress) -> None:
        self._tasks, self._worker, self.journal, self._known, self._progress = iter(tasks), worker, journal, known, progress
        self._ready: deque[Task] = deque()
        self._parent: dict[str, Task] = {}
        self._open: dict[str, int] = {}
        self._num_done = self._num_known = 0

    def next(self) -> Task | None:
        """The next task that is not known; None when there is none now."""
        if self._ready:
            return self._ready.popleft()
        task = next((one for one in self._tasks if self._is_new(one)), None)
        self._num_known += task is not None
        return task

    def put_back(self, task: Task) -> None:
        """Have a task done later: it was not begun."""
        self._ready.appendleft(task)

    def done(self, task: Task, follow_ups: list[Task]) -> None:
        """Take note that a task is done but for its follow-ups."""
        new = [replace(one, parent=task.key) for one in follow_ups if self._is_new(one)]
        self._ready.extend(new)
        self._num_known += len(new)
        self._num_done += 1
        self._parent.update({one.key: task for one in new})
        self._progress("preparing", self._num_done, self._num_known)
        if new:
            self._open[task.key] = len(new)
        elif follow_ups:
            self._close(task)
        parent = self._parent.pop(task.key, None)
        if parent is not None:
            self._open[parent.key] -= 1
            if not self._open[parent.key]:
                del self._open[parent.key]
                self._close(parent)

    def _close(self, task: Task) -> None:
        self._worker.finish(task)
        self.journal.add(Record(task.key, "done"))

    def _is_new(self, task: Task) -> bool:
        is_new = task.key not in self._known
        self._known.add(task.key)
        return is_new


class _Pool:
    """Processes that do the tasks of a plan; a process that dies takes nobody else's task with it."""

    def __init__(self, worker: Worker, folder: Path, size: int) -> None:
        self._worker, self._folder, self._size = worker, folder, size

    def run(self, plan: _Plan) -> None:
        """Do all tasks of a plan."""
        suspects = self._run_together(plan)
        while suspects:
            for task in suspects:
                self._run_alone(task, plan)
            suspects = self._run_together(plan)

    def _run_together(self, plan: _Plan) -> list[Task]:
        """Do tasks until all are done, or a process dies: then returns those that it may have died of."""
        pending: dict[Future[list[Task]], Task] = {}
        with self._start(self._size) as pool:
            try:
                while True:
                    self._hand_out(pool, plan, pending)
                    if not pending:
                        return []
                    for future in wait(pending, return_when=FIRST_COMPLETED).done:
                        plan.done(pending[future], future.result())
                        del pending[future]
            except BrokenProcessPool:
                return [task for future, task in pending.items() if not _take_result(future, task, plan)]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _hand_out(self, pool: ProcessPoolExecutor, plan: _Plan, pending: dict[Future[list[Task]], Task]) -> None:
        while len(pending) < _AHEAD * self._size and (task := plan.next()) is not None:
            try:
                pending[pool.submit(_do_in_process, self._worker, task, self._folder)] = task
            except BrokenProcessPool:
                plan.put_back(task)
                raise

    def _run_alone(self, task: Task, plan: _Plan) -> None:
        with self._start(1) as pool:
            try:
                plan.done(task, pool.submit(_do_in_process, self._worker, task, self._folder).result())
            except BrokenProcessPool:
                detail = "the process that worked on it died: out of memory, or a crash of a decoder"
                LOG.warning("%s: %s", task.key, detail)
                plan.journal.add(_failure(task, "died", detail))
                plan.done(task, [])

    def _start(self, size: int) -> ProcessPoolExecutor:
        # Processes are started afresh: LiteRT's threads do not survive a fork.
        return ProcessPoolExecutor(size, mp_context=get_context("spawn"), initializer=_start_process)


def _take_result(future: Future[list[Task]], task: Task, plan: _Plan) -> bool:
    """Take a result that was there before the pool broke; whether there was one."""
    if future.done() and future.exception() is None:
        plan.done(task, future.result())
        return True
    return False


def _start_process() -> None:
    """Leave Ctrl-C to the main process, one thread each, and end when the main process is gone, however it went."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(_ONE_THREAD)  # torch and OpenCV are not loaded yet
    main = parent_process()
    if main is not None:
        threading.Thread(target=_end_after, args=(main,), daemon=True).start()


def _end_after(main: BaseProcess) -> None:
    main.join()
    os._exit(1)


def _do_in_process(worker: Worker, task: Task, folder: Path) -> list[Task]:
    return _do(worker, task, _own_journal(folder))


@cache
def _own_journal(folder: Path) -> Journal:
    return Journal(folder)


def _do(worker: Worker, task: Task, journal: Journal) -> list[Task]:
    """Do a task; what goes wrong with it is recorded, unless results cannot be written at all."""
    try:
        return list(worker.do(task, journal))
    except OutputError:
        raise
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise OutputError("the results cannot be written", path=task.key, found=error.strerror) from error
        journal.add(_failure(task, "unexpected", str(error)))
    except NetflipsError as error:
        journal.add(_failure(task, type(error).__name__, str(error)))
    except Exception as error:  # one strange file must not end the work of a night
        LOG.debug("%s", task.key, exc_info=True)
        journal.add(_failure(task, "unexpected", f"unexpected error: {type(error).__name__}: {error}"))
    return []


def _failure(task: Task, reason: str, detail: str) -> Record:
    return Record(task.key, "failed", parent=task.parent, reason=reason, detail=detail)
