"""A pool on Ray, in two steps: readers on the CPUs, then workers that hold the models. Bounded, and dead workers are replaced.

What a worker had in hand when its machine went away is not blamed for it. A new worker gets nothing before it has loaded its
models: where a cluster has become too small for it, the others go on.

A task is a batch of items. Its parts are read by plain Ray tasks; when all are read, one worker (an actor) gets them. Only
so many parts are under way at a time, so that memory does not grow with the amount of work. What is read goes from reader
to worker without passing through this process.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Self

import ray
from ray.exceptions import (
    ActorUnavailableError,
    NodeDiedError,
    ObjectLostError,
    RayActorError,
    RayError,
    RayTaskError,
    WorkerCrashedError,
)

from avcore.errors import CheckpointError
from avcore.pool import Finished, Item, Label, Lost, Pool, PoolSize, PoolTask, Worker, WorkersFailError
from netflips.bulk.session import full_disk_of_own_ray, is_own_ray_gone

LOG = logging.getLogger("netflips")

_TRIES_ALONE = 2
_MOST_DEATHS_IN_A_ROW = 12
_LOOK_EVERY_S, _PATIENCE_S, _LONGEST_WAIT_S = 5.0, 60.0, 900.0
"""How often a run that waits looks for what is wrong, until it is said that new workers find no place, and until a run ends that
has no other workers."""
_GOES_ON = "the same command goes on from here"
_NODE_LOST = ("node has died", "node was terminated")
"""In what Ray says of an actor whose machine went away."""
_READERS_FAULT = (WorkerCrashedError, NodeDiedError, RayTaskError, ObjectLostError)
"""Errors of a worker's call that come from what it was to be given, or from our own code, and leave the worker alive."""


@dataclass
class _Job(Generic[Item, Label]):
    label: Label
    task: PoolTask[Item]
    parts: list[Any] = field(default_factory=list)
    num_unread: int = 0


@dataclass(eq=False)
class _Actor(Generic[Item, Label]):
    """loading: the call that loads its models, None when they are there."""

    actor: Any
    loading: Any
    queue: deque[tuple[Any, _Job[Item, Label]]] = field(default_factory=deque)

    def takes(self, job: _Job[Item, Label], most: int) -> bool:
        """Return whether it may be given a job now. Suspects have a worker for themselves, so that the right one is blamed."""
        if self.loading is not None:
            return False
        if job.task.is_alone or any(queued.task.is_alone for _, queued in self.queue):
            return not self.queue
        return len(self.queue) < most


class RayPool(Pool[Item, Label]):
    """Workers of one class, and readers for them.

    worker_class: made with `arguments` in each worker's process; has `load() -> str` beside `process`, which says what is wrong
    with the models, "" = nothing. read: called with `read_arguments` and a part's items where there is a reading step; else
    `process` gets the items as its parts.
    """

    def __init__(
        self,
        worker_class: type[Worker],
        arguments: Sequence[Any],
        size: PoolSize,
        read: Callable[..., Any] | None = None,
        read_arguments: Sequence[Any] = (),
    ) -> None:
        options = {"num_cpus": size.cpus, "num_gpus": size.gpus, "max_restarts": 0, "scheduling_strategy": "SPREAD"}
        self._make_actor: Callable[[], Any] = lambda: ray.remote(worker_class).options(**options).remote(*arguments)
        self._read = None if read is None else ray.remote(read).options(num_cpus=1, max_retries=0, scheduling_strategy="SPREAD")
        self._read_arguments, self._size = tuple(read_arguments), size
        self._workers: list[_Actor[Item, Label]] = []
        self._reading: dict[Any, _Job[Item, Label]] = {}
        self._read_jobs: deque[_Job[Item, Label]] = deque()
        self._again: deque[_Job[Item, Label]] = deque()
        self._widest = 1
        self._deaths = 0
        self._has_warned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if is_own_ray_gone():
            return
        for ref in self._reading:
            ray.cancel(ref, force=True)
        for worker in self._workers:
            ray.kill(worker.actor)

    def start(self) -> None:
        """Start the workers, and readers beside them.

        Raises CheckpointError with what `load` says is wrong with the models, WorkersFailError when a worker dies over it.
        """
        self._workers = [self._new_worker() for _ in range(self._size.workers)]
        readers = range(self._size.readers if self._read is not None else 0)
        try:
            warm = [self._submit_part(()) for _ in readers]
            complaints = [text for text in _got([worker.loading for worker in self._workers]) if text]
            _got(warm)
        except RayError as error:
            _require_ray()
            what = "a worker died while it loaded the models"
            raise WorkersFailError(what, found=_reason(error), hint="if memory is short, use fewer --workers") from error
        if complaints:
            raise CheckpointError(complaints[0])
        for worker in self._workers:
            worker.loading = None

    def run(self, tasks: Iterable[tuple[Label, PoolTask[Item]]]) -> Iterator[Finished[Item, Label] | Lost[Item, Label]]:
        """Do labelled tasks; items of one that its worker died of are tried alone, and set aside if it dies of them again."""
        source = iter(tasks)
        while True:
            self._top_up(source)
            self._hand_out()
            if not (self._reading or self._read_jobs or any(worker.queue for worker in self._workers)):
                return
            outcomes = list[Finished[Item, Label] | Lost[Item, Label]]()
            for ref in self._next_ready():
                if ref in self._reading:
                    job = self._reading.pop(ref)  # a part is read, or its reader died: its worker's call will say
                    job.num_unread -= 1
                    if not job.num_unread:
                        self._read_jobs.append(job)
                elif (worker := next((one for one in self._workers if one.loading == ref), None)) is not None:
                    self._end_of_loading(worker)
                else:
                    outcomes += self._end_of_work(ref)
            if outcomes:  # what is written down of them must not keep a worker waiting
                self._top_up(source)
                self._hand_out()
            yield from outcomes

    def _next_ready(self) -> list[Any]:
        """Return what is ready first. Raises WorkersFailError when there is no worker any more, and no place for another."""
        at_work = [ref for worker in self._workers for ref, _ in worker.queue]
        loading = [worker.loading for worker in self._workers if worker.loading is not None]
        begin = time.monotonic()
        while True:
            _require_ray()  # workers go on without its first process, until Ray ends this one after a minute
            ready, _ = ray.wait([*self._reading, *at_work, *loading], num_returns=1, timeout=_LOOK_EVERY_S, fetch_local=False)
            if ready:
                return list(ready)
            is_slow = self._read is not None and time.monotonic() - begin > _PATIENCE_S  # a video alone takes minutes
            if is_slow and (full := full_disk_of_own_ray()) is not None:
                hint = f"make room there, or set TMPDIR to another disk; {_GOES_ON}"
                raise WorkersFailError("the disk is full on which Ray puts what is read", path=full, hint=hint)
            if loading and not self._has_warned and time.monotonic() - begin > _PATIENCE_S:
                self._has_warned = True
                LOG.warning("%d of %d workers wait for a place: is the cluster smaller now?", len(loading), len(self._workers))
            if len(loading) == len(self._workers) and time.monotonic() - begin > _LONGEST_WAIT_S:
                what = f"no worker has found a place for {_LONGEST_WAIT_S / 60:.0f} min"
                raise WorkersFailError(what, hint="the same command goes on when the cluster has its machines again")

    def _top_up(self, source: Iterator[tuple[Label, PoolTask[Item]]]) -> None:
        """Start reading while there is room."""
        most = 2 * self._size.readers if self._read is not None else 0
        while True:
            jobs = {id(job): job for job in (*self._reading.values(), *self._read_jobs)}  # being read, or not yet with a worker
            if sum(len(job.task.parts) for job in jobs.values()) >= self._size.workers * self._widest + most:
                return
            if self._again:
                self._submit(self._again.popleft())
                continue
            labelled = next(source, None)
            if labelled is None:
                return
            self._submit(_Job(*labelled))

    def _submit(self, job: _Job[Item, Label]) -> None:
        self._widest = max(self._widest, len(job.task.parts))
        if self._read is None:
            job.parts = [ray.put(part) for part in job.task.parts]
            self._read_jobs.append(job)
            return
        job.parts = [self._submit_part(part) for part in job.task.parts]
        job.num_unread = len(job.parts)
        self._reading.update(dict.fromkeys(job.parts, job))

    def _submit_part(self, part: tuple[Item, ...]) -> Any:
        assert self._read is not None
        return self._read.remote(*self._read_arguments, part)

    def _hand_out(self) -> None:
        """Give what is read to the workers that have least to do."""
        while self._read_jobs:
            job = self._read_jobs[0]
            free = [worker for worker in self._workers if worker.takes(job, self._size.queue)]
            if not free:
                return
            worker = min(free, key=lambda one: len(one.queue))
            worker.queue.append((worker.actor.process.remote(*job.parts), job))
            self._read_jobs.popleft()

    def _end_of_work(self, ref: Any) -> Iterator[Finished[Item, Label] | Lost[Item, Label]]:
        worker = next(one for one in self._workers if ref in (queued for queued, _ in one.queue))
        while worker.queue and ray.wait([worker.queue[0][0]], timeout=0, fetch_local=False)[0]:
            first, job = worker.queue.popleft()
            try:
                result = ray.get(first)
            except RayError as error:
                if not isinstance(error, _READERS_FAULT):
                    # It died of the first in its queue; those behind are innocent, and are read already.
                    self._read_jobs.extendleft(queued for _, queued in reversed(worker.queue))
                    self._replace(worker)
                yield from self._retry(job, error)
                return
            self._deaths = 0
            yield Finished(job.label, job.task, result)

    def _end_of_loading(self, worker: _Actor[Item, Label]) -> None:
        """A new worker has its models, or died over them. Raises CheckpointError with what is wrong with the models."""
        try:
            complaint = ray.get(worker.loading)
        except RayError as error:
            self._count_death(error)
            self._replace(worker)
            return
        if complaint:
            raise CheckpointError(complaint)
        worker.loading = None

    def _new_worker(self) -> _Actor[Item, Label]:
        actor = self._make_actor()
        return _Actor(actor, actor.load.remote())

    def _replace(self, worker: _Actor[Item, Label]) -> None:
        ray.kill(worker.actor)
        self._workers[self._workers.index(worker)] = self._new_worker()

    def _retry(self, job: _Job[Item, Label], error: Exception) -> Iterator[Lost[Item, Label]]:
        """Try the items of a failed task again, each alone; give up those that were alone before."""
        self._count_death(error)
        task, deaths = job.task, (*job.task.deaths, _reason(error))
        if _is_node_lost(error) or _is_out_of_reach(error):
            self._again.append(_Job(job.label, replace(task, deaths=deaths)))
            return
        tries = task.tries + (len(task.items) == 1 and task.is_alone)
        if tries >= _TRIES_ALONE:
            yield Lost(job.label, task.items[0], f"given up: {_reason(error)}")
            return
        self._again.extend(_Job(job.label, PoolTask(((item,),), True, tries, deaths)) for item in task.items)

    def _count_death(self, error: Exception) -> None:
        _require_ray()
        self._deaths += 1
        if self._deaths >= _MOST_DEATHS_IN_A_ROW:
            what = f"the workers died {self._deaths} times in a row"
            raise WorkersFailError(what, found=_reason(error), hint="if memory is short, use fewer --workers or --readers")


def _got(refs: list[Any]) -> list[Any]:
    """Return what calls give, as `ray.get` does, which would wait for ever for a Ray that has died."""
    waiting = refs
    while waiting:
        ready, waiting = ray.wait(waiting, timeout=_LOOK_EVERY_S, fetch_local=False)
        ray.get(ready)
        _require_ray()
    return list(ray.get(refs))


def _require_ray() -> None:
    """Raise WorkersFailError where the Ray that this command started is gone."""
    if is_own_ray_gone():
        raise WorkersFailError("Ray has died, which this command had started", hint=_GOES_ON)


def _is_node_lost(error: Exception) -> bool:
    """Return whether a machine of the cluster went away, with whatever ran there."""
    cause = getattr(error, "cause", None) or error
    return isinstance(cause, NodeDiedError) or (isinstance(cause, RayActorError) and any(text in str(cause) for text in _NODE_LOST))


def _is_out_of_reach(error: Exception) -> bool:
    """Return whether the line to a worker broke; whether its machine or it alone is gone is not known then."""
    return isinstance(getattr(error, "cause", None) or error, ActorUnavailableError)


def _reason(error: Exception) -> str:
    """Return one line for a call that failed."""
    cause = getattr(error, "cause", None) or error
    if isinstance(cause, WorkerCrashedError):
        return "the process that read it died"
    if _is_node_lost(error):
        return "its machine went away"
    if _is_out_of_reach(error):
        return "it could not be reached any more"
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    text = lines[0] if lines else type(cause).__name__
    return text if isinstance(cause, RayError) else f"{type(cause).__name__}: {text}"
