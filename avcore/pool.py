"""A bounded pool of workers for tasks; a worker that dies loses only its own task.

A task is a batch of items. Readers, if any, read its parts; when all are read, one worker gets them. The number of parts in flight
is bounded, so that memory does not grow with the amount of work. The pool schedules; processes of this machine
(`avcore.processes`) or of a cluster (`netflips.bulk.cluster`) do the work.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, Self, TypeVar

from avcore.errors import EXIT_FAILED, CheckpointError, NetflipsError
from avcore.processes import Crew, DiedError, LocalProcesses, PoolSize

Item = TypeVar("Item")
Label = TypeVar("Label")
_TRIES = 3
"""Most tries of an item: in its batch and twice alone, or three times alone."""
_MOST_DEATHS_IN_A_ROW = 12


class WorkersFailError(NetflipsError):
    """The workers die on every task, or on one that is required."""

    exit_code = EXIT_FAILED


@dataclass(frozen=True)
class PoolTask(Generic[Item]):
    """Items that one worker processes together."""

    parts: tuple[tuple[Item, ...], ...]
    """Items in the groups in which they are read."""
    tries: int = 0
    """How often it may have made a process die."""
    deaths: tuple[str, ...] = ()
    """The reason of each retry, in words."""

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
    """A task with its worker's result."""

    label: Label
    task: PoolTask[Item]
    result: Any


@dataclass(frozen=True)
class Lost(Generic[Item, Label]):
    """An item that is given up: workers died of it again and again."""

    label: Label
    item: Item
    reason: str


class Worker(Protocol):
    """Made in each process of a pool, from a class and arguments that can be pickled.

    It may have `load() -> str`, called before any task, which returns what is wrong with its models, "" = nothing.
    """

    @property
    def process(self) -> Callable[..., Any]:
        """Processes the parts of a task: as the readers return them, or as they are in the task."""


class Pool(Protocol[Item, Label]):
    """Workers for tasks. A context manager that ends its workers."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def run(self, tasks: Iterable[tuple[Label, PoolTask[Item]]]) -> Iterator[Finished[Item, Label] | Lost[Item, Label]]:
        """Do labelled tasks, roughly in order, and yield the result of each. Tasks are taken from the iterator as capacity allows.

        The iterator is asked again after each outcome, even when it was exhausted before.
        """


def result_of(outcome: Finished[Item, Label] | Lost[Item, Label]) -> Any:
    """Return a worker's result. Raises WorkersFailError that names an item that was given up."""
    if isinstance(outcome, Lost):
        raise WorkersFailError("some of the work cannot be done", found=f"{outcome.label}: {outcome.reason}")
    return outcome.result


class Processes(Protocol):
    """The processes of a pool. Each request returns a call, which has a result when it has ended."""

    def new_worker(self, place: int) -> Any:
        """Start the process of a worker. place: its number in the pool; a replacement has the same."""

    def load(self, worker: Any) -> Any:
        """Create a worker and load its models; the result is what is wrong with them, "" = nothing."""

    def read(self, items: tuple[Any, ...]) -> Any:
        """Read a part in any free reader; without readers the result is the part itself."""

    def process(self, worker: Any, parts: Sequence[Any]) -> Any:
        """Give a task to a worker. parts: calls of `read`. A worker does its tasks in order."""

    def wait(self, calls: Sequence[Any]) -> Sequence[Any]:
        """Wait until at least one of the calls has ended, and return those that have."""

    def result(self, call: Any) -> Any:
        """Wait for a call and return its result. Raises DiedError, and errors from the process."""

    def end(self, worker: Any) -> None:
        """End the process of a worker at once."""

    def close(self) -> None:
        """End all processes."""


@dataclass
class _Job(Generic[Item, Label]):
    label: Label
    task: PoolTask[Item]
    parts: list[Any] = field(default_factory=list)
    num_unread: int = 0


@dataclass(eq=False)
class _Hand(Generic[Item, Label]):
    process: Any
    loading: Any
    """The call that loads its models, None when they are loaded."""
    queue: deque[tuple[Any, _Job[Item, Label]]] = field(default_factory=deque)


class WorkerPool(Pool[Item, Label]):
    """Workers and their readers, started on demand. An error that a worker raises ends the run, and is raised from `run`.

    When a process dies of a task, its items are tried again, each alone, and given up after three tries. A task is not blamed when
    the machine of its worker went away. A new worker gets no task before it has loaded its models: where a cluster has become too
    small for it, the others go on.
    """

    def __init__(self, processes: Processes, size: PoolSize, has_readers: bool = False) -> None:
        self._processes, self._size = processes, size
        self._num_readers = size.readers if has_readers else 0
        self._hands: list[_Hand[Item, Label]] = []
        self._reading: dict[Any, _Job[Item, Label]] = {}
        self._read: deque[_Job[Item, Label]] = deque()
        self._again: deque[_Job[Item, Label]] = deque()
        self._widest = 1
        self._deaths = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._processes.close()

    def start(self) -> None:
        """Start all workers and readers in advance.

        Raises CheckpointError with what is wrong with the models, WorkersFailError when a process dies while it loads them.
        """
        self._hands = [self._new_hand(place) for place in range(self._size.workers)]
        warm = [self._processes.read(()) for _ in range(self._num_readers)]
        try:
            for hand in self._hands:
                _require_models(self._processes.result(hand.loading))
                hand.loading = None
            for call in warm:
                self._processes.result(call)
        except DiedError as error:
            what = "a worker died while it loaded the models"
            raise WorkersFailError(what, found=error.reason, hint="if memory is short, use fewer --workers") from error

    def run(self, tasks: Iterable[tuple[Label, PoolTask[Item]]]) -> Iterator[Finished[Item, Label] | Lost[Item, Label]]:
        """Do labelled tasks, roughly in order, and yield the outcome of each."""
        source = iter(tasks)
        while True:
            self._begin(source)
            if not (self._reading or self._read or any(hand.queue for hand in self._hands)):
                return

            loading = {hand.loading: hand for hand in self._hands if hand.loading is not None}
            at_work = {call: hand for hand in self._hands for call, _ in hand.queue}
            outcomes = list[Finished[Item, Label] | Lost[Item, Label]]()
            for call in self._processes.wait([*self._reading, *at_work, *loading]):
                if call in self._reading:
                    job = self._reading.pop(call)  # the part is read, or its reader died, which the worker's call reports
                    job.num_unread -= 1
                    if not job.num_unread:
                        self._read.append(job)
                elif call in loading:
                    self._end_of_loading(loading[call])
                elif at_work[call] in self._hands:  # else the worker died before, and this task is begun again
                    outcomes += self._end_of_work(at_work[call])

            if outcomes:  # workers get new tasks before the caller stores these
                self._begin(source)
            yield from outcomes

    def _begin(self, source: Iterator[tuple[Label, PoolTask[Item]]]) -> None:
        """Start reading tasks while capacity allows, and give read tasks to the workers with the shortest queues."""
        while self._has_capacity() and (job := self._next_job(source)) is not None:
            job.parts = [self._processes.read(part) for part in job.task.parts]
            self._widest = max(self._widest, len(job.parts))
            if self._num_readers:
                job.num_unread = len(job.parts)
                self._reading.update(dict.fromkeys(job.parts, job))
            else:
                self._read.append(job)

        while self._read:
            free = [hand for hand in self._hands if hand.loading is None and len(hand.queue) < self._size.queue]
            # Tasks wait for workers that are still to be started, rather than queue behind others.
            if not free or (all(hand.queue for hand in free) and len(self._hands) < self._size.workers):
                break
            hand = min(free, key=lambda one: len(one.queue))
            job = self._read.popleft()
            hand.queue.append((self._processes.process(hand.process, job.parts), job))

        num_loading = sum(hand.loading is not None for hand in self._hands)
        for place in range(len(self._hands), min(self._size.workers, len(self._hands) + len(self._read) - num_loading)):
            self._hands.append(self._new_hand(place))

    def _has_capacity(self) -> bool:
        """Return whether more may be read: the number of parts that are being read, or wait for a worker, is bounded."""
        jobs = {id(job): job for job in (*self._reading.values(), *self._read)}
        num_parts = sum(len(job.parts) for job in jobs.values())
        return num_parts < self._size.workers * self._widest + 2 * self._num_readers

    def _next_job(self, source: Iterator[tuple[Label, PoolTask[Item]]]) -> _Job[Item, Label] | None:
        if self._again:
            return self._again.popleft()
        labelled = next(source, None)
        return None if labelled is None else _Job(*labelled)

    def _end_of_work(self, hand: _Hand[Item, Label]) -> Iterator[Finished[Item, Label] | Lost[Item, Label]]:
        call, job = hand.queue.popleft()
        try:
            result = self._processes.result(call)
        except DiedError as error:
            if error.was_worker:
                # It died of the first task in its queue; the others are read already, and go to other workers.
                self._read.extendleft(queued for _, queued in reversed(hand.queue))
                self._replace(hand)
            yield from self._retry(job, error)
            return

        self._deaths = 0
        yield Finished(job.label, job.task, result)

    def _end_of_loading(self, hand: _Hand[Item, Label]) -> None:
        """Handle a worker that has loaded its models, or died. Raises CheckpointError with what is wrong with the models."""
        try:
            _require_models(self._processes.result(hand.loading))
            hand.loading = None
        except DiedError as error:
            self._count_death(error)
            self._replace(hand)

    def _new_hand(self, place: int) -> _Hand[Item, Label]:
        process = self._processes.new_worker(place)
        return _Hand(process, self._processes.load(process))

    def _replace(self, hand: _Hand[Item, Label]) -> None:
        self._processes.end(hand.process)
        place = self._hands.index(hand)
        self._hands[place] = self._new_hand(place)

    def _retry(self, job: _Job[Item, Label], error: DiedError) -> Iterator[Lost[Item, Label]]:
        """Queue the items of a failed task again, each alone; give up an item after `_TRIES`."""
        self._count_death(error)
        task = replace(job.task, deaths=(*job.task.deaths, error.reason), tries=job.task.tries + error.is_blamed)
        if not error.is_blamed:
            self._again.append(_Job(job.label, task))
        elif len(task.items) == 1 and task.tries >= _TRIES:
            yield Lost(job.label, task.items[0], error.reason)
        else:
            self._again.extend(_Job(job.label, replace(task, parts=((item,),))) for item in task.items)

    def _count_death(self, error: DiedError) -> None:
        self._deaths += 1
        if self._deaths >= _MOST_DEATHS_IN_A_ROW:
            what = f"the workers died {self._deaths} times in a row"
            raise WorkersFailError(what, found=error.reason, hint="if memory is short, use fewer --workers or --readers")


def _require_models(complaint: str) -> None:
    """Raise CheckpointError where a worker reports that something is wrong with its models."""
    if complaint:
        raise CheckpointError(complaint)


class ProcessPool(WorkerPool[Item, Label]):
    """Workers of one class in processes of this machine; with one worker or none, tasks are done in this process."""

    def __init__(self, worker_class: Callable[..., Worker], arguments: Sequence[Any], num_workers: int) -> None:
        crew, size = Crew(worker_class, tuple(arguments)), PoolSize(num_workers)
        super().__init__(LocalProcesses(crew, size), size)
        self._crew = crew

    def run(self, tasks: Iterable[tuple[Label, PoolTask[Item]]]) -> Iterator[Finished[Item, Label] | Lost[Item, Label]]:
        """Do labelled tasks, and yield the outcome of each."""
        if self._size.workers > 1:
            yield from super().run(tasks)
            return
        worker, source = self._crew.worker_class(*self._crew.arguments), iter(tasks)
        while (labelled := next(source, None)) is not None:
            yield Finished(*labelled, worker.process(*labelled[1].parts))
