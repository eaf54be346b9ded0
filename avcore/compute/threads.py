"""Work in threads: items made ahead of their use, and pieces of work side by side, each with its share of the cores.

A matrix product on all cores ends when the slowest core is ready, and small products hardly gain from a second core. Where there
are as many independent pieces of work as cores, one core for each is faster and costs less processor time in total.
"""

import atexit
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from math import inf
from queue import Empty, Full, Queue
from threading import Event, Lock, Thread, current_thread, local
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

_LOOK_EVERY_S = 0.1
"""Seconds between checks whether the items of a waiting maker are still needed."""
_PATIENCE_S = 10.0
"""How long the end of a command waits for items in the making; a thread that runs on while Python ends would crash it."""
_BUFFER_BYTES = 64 << 20
_MOST_FRAMES = 20
_USUAL_BATCH_BYTES, _FRUGAL_BATCH_BYTES = 512 << 20, 128 << 20


@dataclass(frozen=True)
class _End:
    """Marks the end of the items."""

    error: BaseException | None = None
    """why there are no more; None = all were made"""


_running: list["_Maker[Any]"] = []


class _Maker(Thread, Generic[Item]):
    """Fills a queue until the items end or the reader stops."""

    def __init__(self, items: Iterable[Item], depth: int) -> None:
        super().__init__(daemon=True, name="ahead")
        self.made: Queue[Item | _End] = Queue(depth)
        self._items, self._is_unwanted, self._context = items, Event(), copy_context()

    def run(self) -> None:
        """Make all items; an error is passed on to the reader."""
        self._context.run(self._make)

    def _make(self) -> None:
        _running.append(self)
        end = _End()
        iterator = iter(self._items)
        try:
            while not self._is_unwanted.is_set() and not isinstance(item := next(iterator, end), _End):
                self._hand_over(item)
            if isinstance(iterator, Generator):
                iterator.close()
        except BaseException as error:
            # Whatever it is: a reader that gets neither items nor an end would wait for ever.
            end = _End(error)

        self._hand_over(end)
        _running.remove(self)

    def stop(self, patience_s: float = inf) -> None:
        """Let the thread end after its current item, and wait for that."""
        self._is_unwanted.set()
        if current_thread() is self:  # garbage collection in this thread may close its own reader
            return
        deadline = time.monotonic() + patience_s
        while self.is_alive() and time.monotonic() < deadline:
            with suppress(Empty):
                self.made.get_nowait()
            self.join(_LOOK_EVERY_S / 10)

    def _hand_over(self, item: Item | _End) -> None:
        while not self._is_unwanted.is_set():
            try:
                self.made.put(item, timeout=_LOOK_EVERY_S)
                return
            except Full:
                continue


def ahead(items: Iterable[Item], depth: int) -> Generator[Item, None, None]:
    """Yield items that a thread makes in advance, up to `depth` of them and one in the making.

    It pays where both sides release the interpreter lock, as decoding, encoding and matrix products do. An error is raised in
    place of the item that failed. The thread starts when the first item is asked for, and ends with the last one or when the
    iterator is closed.
    """
    maker = _Maker(items, depth)
    maker.start()
    try:
        while not isinstance(item := maker.made.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        maker.stop()


@atexit.register
def _stop_all() -> None:
    """End threads that a signal left running. A thread that reads from another one started first, and ends that one."""
    for maker in list(_running):
        maker.stop(_PATIENCE_S)


def frames_ahead(width: int, height: int) -> int:
    """Return how many frames of a size to make in advance: 1 to 20, as many as fit into 64 MB."""
    return min(max(_BUFFER_BYTES // max(width * height * 3, 1), 1), _MOST_FRAMES)


def frames_at_once(width: int, height: int, most: int) -> int:
    """Return how many frames of a size to hold as a batch: `most` if they fit into 512 MB, as up to 4K, else as many as fit into
    128 MB, at least 1."""
    frame_bytes = max(width * height * 3, 1)
    return most if most * frame_bytes <= _USUAL_BATCH_BYTES else max(_FRUGAL_BATCH_BYTES // frame_bytes, 1)


class _Worker(Thread, Generic[Result]):
    """Does one piece of work in a thread, and keeps its result or error."""

    def __init__(self, work: Callable[[], Result], num_threads: int) -> None:
        super().__init__(daemon=True, name="lane")
        self._work, self._num_threads, self._context = work, num_threads, copy_context()
        self.results: list[Result] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        """Do the work on its share of the cores."""
        import torch

        torch.set_num_threads(self._num_threads)  # for this thread, and for those that are started from now on
        try:
            self.results.append(self._context.run(self._work))
        except BaseException as error:
            self.error = error


class StoppedError(Exception):
    """Raised in a lane whose results are no longer needed."""


def side_by_side(work: Sequence[Callable[[Callable[[], None]], Result]]) -> list[Result]:
    """Do pieces of work at the same time and return their results in order; the first one runs in the caller's own thread.

    Each gets a function to call from time to time, which raises `StoppedError` when another piece has failed: so an error or Ctrl-C
    does not wait for results that are not needed. The first error of any piece is raised once all have ended.
    """
    import torch

    failed = Event()

    def check() -> None:
        if failed.is_set():
            raise StoppedError

    num_threads = torch.get_num_threads()
    share = max(num_threads // max(len(work), 1), 1)
    workers = [_Worker(_telling(one, check, failed), share) for one in work[1:]]

    try:
        for worker in workers:
            worker.start()
        torch.set_num_threads(share)
        own = [_telling(one, check, failed)() for one in work[:1]]
    except StoppedError:
        # What stopped this piece is the error of another one, which is raised below.
        own = []
    finally:
        for worker in workers:
            worker.join()
        torch.set_num_threads(num_threads)

    for worker in workers:
        if worker.error is not None and not isinstance(worker.error, StoppedError):
            raise worker.error
    return [*own, *(worker.results[0] for worker in workers)]


def workers_on(device: "torch.device", most: int) -> int:
    """Return how many pieces of work to do at the same time on a device: one for each core, up to `most`; on a GPU one."""
    import torch

    return max(min(torch.get_num_threads(), most), 1) if device.type == "cpu" else 1


class _Products(local):
    """threads: number of threads for the products of this thread; 0 = as for everything else."""

    threads = 0


_products = _Products()


@contextmanager
def products_alone_on(threads: int) -> Iterator[None]:
    """Compute products of `on_all_cores` on several threads of torch, and everything else on one: waking a thread takes longer than
    most operations between two products of a search."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    _products.threads = threads
    try:
        yield
    finally:
        _products.threads = 0
        torch.set_num_threads(before)


def on_all_cores(product: Callable[..., Result], *given: object) -> Result:
    """Compute a product; within `products_alone_on`, on the threads given there."""
    if not (threads := _products.threads):
        return product(*given)
    import torch

    torch.set_num_threads(threads)
    try:
        return product(*given)
    finally:
        torch.set_num_threads(1)


def num_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def max_threads() -> int:
    """Return how many threads may work at once: as many as there are cores, or fewer where OMP_NUM_THREADS is less."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return min(num_cores(), int(asked)) if asked.isdecimal() and int(asked) else num_cores()


def taken(left: "deque[Item]") -> Item | None:
    """Return the next piece of work, which no other thread gets; None when none is left."""
    try:
        return left.popleft()
    except IndexError:
        return None


def map_in_threads(
    items: Sequence[Item], work: Callable[[Item], Result], num_workers: int, report: Callable[[int], None] = lambda _: None
) -> list[Result]:
    """Apply `work` to each item, in several threads; returns the results in the order of the items.

    report: called with the number of finished items, from the caller's own thread. Raises what `work` raises, see `side_by_side`.
    """
    return run_in_threads(items, lambda item, _: work(item), num_workers, report)


def run_in_threads(
    items: Sequence[Item],
    work: Callable[[Item, Callable[[], None]], Result],
    num_workers: int,
    report: Callable[[int], None] = lambda _: None,
) -> list[Result]:
    """Do the same for long work, which also gets a function to call from time to time, see `side_by_side`."""
    left, found = deque(enumerate(items)), dict[int, Result]()

    def worker(is_reported: bool, check: Callable[[], None]) -> None:
        while (one := taken(left)) is not None:
            check()
            place, item = one
            found[place] = work(item, check)
            if is_reported:
                report(len(found))

    side_by_side([partial(worker, number == 0) for number in range(min(num_workers, len(items)))])
    return [found[place] for place in range(len(items))]


class Tally:
    """Counts the work of all threads; only the thread that made it reports, since displays of progress are not thread-safe."""

    def __init__(self, report: Callable[[int], None]) -> None:
        self._report, self._owner, self._lock, self._done = report, current_thread(), Lock(), 0

    def add(self, count: int) -> None:
        """Add to the count, and report it from the thread that made this."""
        with self._lock:
            self._done += count
        if current_thread() is self._owner:
            self._report(self._done)


def _telling(work: Callable[[Callable[[], None]], Result], check: Callable[[], None], failed: Event) -> Callable[[], Result]:
    """Wrap the work so that its failure stops the others."""

    def done() -> Result:
        try:
            return work(check)
        except BaseException:
            failed.set()
            raise

    return done
