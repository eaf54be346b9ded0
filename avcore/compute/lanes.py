"""Several pieces of work side by side in threads of one process, each with its share of the processor's cores.

A matrix product on all cores ends when the slowest core is ready, and small ones hardly gain from a second core at all. Where
there are as many independent pieces of work as cores, one core for each is quicker and costs less processor time in all.
"""

from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import Generic, TypeVar

import torch

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
        torch.set_num_threads(self._num_threads)  # of this thread; and of those that are started from now on
        try:
            self.results.append(self._work())
        except BaseException as error:
            self.error = error


class StoppedError(Exception):
    """Raised in a lane whose results nobody wants any more."""


def side_by_side(work: Sequence[Callable[[Callable[[], None]], Result]]) -> list[Result]:
    """Do pieces of work at once and return what they give, in their order; the first one runs in the caller's own thread.

    Each is called with a function that it calls from time to time: it raises `StoppedError` when another piece has failed, so that
    an error or Ctrl-C does not wait for what nobody wants. The first error of any is raised once all have ended.
    """
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


def _telling(work: Callable[[Callable[[], None]], Result], check: Callable[[], None], failed: Event) -> Callable[[], Result]:
    """The work, which tells the others when it fails."""

    def done() -> Result:
        try:
            return work(check)
        except BaseException:
            failed.set()
            raise

    return done
