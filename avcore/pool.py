"""Tasks, and a pool of workers for them: bounded, and a worker that dies loses its own task only.

A task is a batch of items. Where there are readers, they read its parts; when all are read, one worker gets them. Only so many
parts are under way at a time, so that memory does not grow with the amount of work. The pool decides who does what and when;
processes of this machine (`avcore.processes`) or of a cluster (`netflips.bulk.cluster`) do it.
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
"""Of an item, in all: in its batch and twice alone, or three times alone."""
_MOST_DEATHS_IN_A_ROW = 12


class WorkersFailError(NetflipsError):
    """The workers die whatever they are given, or over something that cannot be done without."""

    exit_code = EXIT_FAILED


@dataclass(frozen=True)
class PoolTask(Generic[Item]):
    """Items that go through a worker together."""

    parts: tuple[tuple[Item, ...], ...]
    """As they are read."""
    tries: int = 0
    """How often a process died that may have died of it."""
    deaths: tuple[str, ...] = ()
    """Why it was tried again, each time, in words."""

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
    """Made in each process of a pool, of a class and arguments that can be sent there.

    It may have `load() -> str`, called before any task, which says what is wrong with its models, "" = nothing.
    """

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


class Processes(Protocol):
    """Where the work of a pool is done. What a process is asked for is a call, of which there is a result once it has ended."""

    def new_worker(self, place: int) -> Any:
        """Start the process of a worker. place: its number in the pool, which that of a dead one passes on."""

    def load(self, worker: Any) -> Any:
        """Have a worker made and loaded; the result says what is wrong with its models."""

    def read(self, items: tuple[Any, ...]) -> Any:
        """Have a part read by whoever is free; without readers the result is the part itself."""

    def process(self, worker: Any, parts: Sequence[Any]) -> Any:
        """Have a worker do a task. parts: calls of `read`. A worker does what it is given in order."""

    def wait(self, calls: Sequence[Any]) -> Sequence[Any]:
        """Wait until at least one of some calls has ended; returns those that have."""

    def result(self, call: Any) -> Any:
        """Wait for a call and return its result; raises DiedError, and what was raised there."""

    def end(self, worker: Any) -> None:
        """End the process of a worker, at once."""

    def close(self) -> None:
        """End all."""


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
    """The call that loads its models, None when they are there."""
    queue: deque[tuple[Any, _Job[Item, Label]]] = field(default_factory=deque)


class WorkerPool(Pool[Item, Label]):
    """Workers, and readers for them, that are started as there is work; what a worker raises ends the run, and is raised there.

    Items of a task that a process died of are tried again, each alone, and set aside when they were tried three times. What a
    worker had in hand when its machine went away is not blamed for it. A new worker gets nothing before it has loaded its models:
    where a cluster has become too small for it, the others go on.
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
        """Start all workers and readers before there is work.

        Raises CheckpointError with what is wrong with the models, WorkersFailError when a process dies over it.
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
        """Do labelled tasks, in about their order; yields what became of each."""
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
                    job = self._reading.pop(call)  # a part is read, or its reader died: its worker's call will say
                    job.num_unread -= 1
                    if not job.num_unread:
                        self._read.append(job)
                elif call in loading:
                    self._end_of_loading(loading[call])
                elif at_work[call] in self._hands:  # what stood behind a task that its worker died of is begun anew
                    outcomes += self._end_of_work(at_work[call])
            if outcomes:  # what is written down of them must not keep a worker waiting
                self._begin(source)
            yield from outcomes

    def _begin(self, source: Iterator[tuple[Label, PoolTask[Item]]]) -> None:
        """Have tasks read while there is room, and give what is read to the workers that have least to do."""
        while self._has_room() and (job := self._next_job(source)) is not None:
            job.parts = [self._processes.read(part) for part in job.task.parts]
            self._widest = max(self._widest, len(job.parts))
            if self._num_readers:
                job.num_unread = len(job.parts)
                self._reading.update(dict.fromkeys(job.parts, job))
            else:
                self._read.append(job)

        while self._read:
            free = [hand for hand in self._hands if hand.loading is None and len(hand.queue) < self._size.queue]
            if not free or (all(hand.queue for hand in free) and len(self._hands) < self._size.workers):
                break
            hand = min(free, key=lambda one: len(one.queue))
            job = self._read.popleft()
            hand.queue.append((self._processes.process(hand.process, job.parts), job))

        num_loading = sum(hand.loading is not None for hand in self._hands)
        for place in range(len(self._hands), min(self._size.workers, len(self._hands) + len(self._read) - num_loading)):
            self._hands.append(self._new_hand(place))

    def _has_room(self) -> bool:
        """Return whether more may be read: what is being read, or not yet with a worker, is bounded."""
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
                # It died of the first in its queue; those behind are innocent, and are read already.
                self._read.extendleft(queued for _, queued in reversed(hand.queue))
                self._replace(hand)
            yield from self._retry(job, error)
            return
        self._deaths = 0
        yield Finished(job.label, job.task, result)

    def _end_of_loading(self, hand: _Hand[Item, Label]) -> None:
        """A new worker has its models, or died over them. Raises CheckpointError with what is wrong with the models."""
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
        """Try the items of a failed task again, each alone; give up one that was tried often enough."""
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
    """Raise CheckpointError with what a worker said is wrong with its models."""
    if complaint:
        raise CheckpointError(complaint)


class ProcessPool(WorkerPool[Item, Label]):
    """Workers in processes of this machine, of one class and its arguments; with one or none all is done in this process."""

    def __init__(self, worker_class: Callable[..., Worker], arguments: Sequence[Any], num_workers: int) -> None:
        crew, size = Crew(worker_class, tuple(arguments)), PoolSize(num_workers)
        super().__init__(LocalProcesses(crew, size), size)
        self._crew = crew

    def run(self, tasks: Iterable[tuple[Label, PoolTask[Item]]]) -> Iterator[Finished[Item, Label] | Lost[Item, Label]]:
        """Do labelled tasks; yields what became of each."""
        if self._size.workers > 1:
            yield from super().run(tasks)
            return
        worker, source = self._crew.worker_class(*self._crew.arguments), iter(tasks)
        while (labelled := next(source, None)) is not None:
            yield Finished(*labelled, worker.process(*labelled[1].parts))
