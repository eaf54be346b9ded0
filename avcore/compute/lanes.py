"""Several pieces of work side by side in threads of one process, each with its share of the processor's cores.

A matrix product on all cores ends when the slowest core is ready, and small ones hardly gain from a second core at all. Where
there are as many independent pieces of work as cores, one core for each is quicker and costs less processor time in all.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from threading import Event, Thread
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Lane(Thread, Generic[Result]):
    """Does one piece of work in a thread; what it gave, or what went wrong, is kept."""

    def __init__(self, work: Callable[[], Result], num_threads: int) -> None:
        super().__init__(daemon=True, name="lane")
        self._work, self._num_threads = work, num_threads
        self.results: list[Result] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        """Do the work on its share of the cores."""
        import torch

        torch.set_num_threads(self._num_threads)  # of this thread; and of those that are started from now on
        try:
            self.results.append(self._work())
        except BaseException as error:
            self.error = error


class StoppedError(Exception):
    """Raised in a lane whose results are no longer needed."""


def side_by_side(work: Sequence[Callable[[Callable[[], None]], Result]]) -> list[Result]:
    """Do pieces of work at once and return what they give, in their order; the first one runs in the caller's own thread.

    Each is called with a function that it calls from time to time: it raises `StoppedError` when another piece has failed, so that
    an error or Ctrl-C does not wait for results that are not needed. The first error of any is raised once all have ended.
    """
    import torch

    failed = Event()

    def check() -> None:
        if failed.is_set():
            raise StoppedError

    num_threads = torch.get_num_threads()
    share = max(num_threads // max(len(work), 1), 1)
    lanes = [_Lane(_telling(one, check, failed), share) for one in work[1:]]
    try:
        for lane in lanes:
            lane.start()
        torch.set_num_threads(share)
        own = [_telling(one, check, failed)() for one in work[:1]]
    except StoppedError:
        own = []
    finally:
        for lane in lanes:
            lane.join()
        torch.set_num_threads(num_threads)
    for lane in lanes:
        if lane.error is not None and not isinstance(lane.error, StoppedError):
            raise lane.error
    return [*own, *(lane.results[0] for lane in lanes)]


def lanes_on(device: "torch.device", most: int) -> int:
    """Return how many pieces of work to do at once on a device: one for each core, `most` at most; on a GPU one."""
    import torch

    return max(min(torch.get_num_threads(), most), 1) if device.type == "cpu" else 1


def taken(left: "deque[Item]") -> Item | None:
    """Return the next piece of work, which no other lane gets; None when none is left."""
    try:
        return left.popleft()
    except IndexError:
        return None


def each_in_lanes(
    items: Sequence[Item], work: Callable[[Item], Result], num_lanes: int, report: Callable[[int], None] = lambda _: None
) -> list[Result]:
    """Do the same to each item, some at once; returns what it gives, in the order of the items.

    report: called with how many are done, from the caller's own thread. Raises what work raises, see `side_by_side`.
    """
    left, found = deque(enumerate(items)), dict[int, Result]()

    def lane(is_told: bool, check: Callable[[], None]) -> None:
        while (one := taken(left)) is not None:
            check()
            place, item = one
            found[place] = work(item)
            if is_told:
                report(len(found))

    side_by_side([partial(lane, number == 0) for number in range(min(num_lanes, len(items)))])
    return [found[place] for place in range(len(items))]


def _telling(work: Callable[[Callable[[], None]], Result], check: Callable[[], None], failed: Event) -> Callable[[], Result]:
    """Wrap the work so that its failure stops the others."""

    def done() -> Result:
        try:
            return work(check)
        except BaseException:
            failed.set()
            raise

    return done
