"""Limits of time for what answers when it likes: one for a whole answer, however many pieces it comes in."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from time import monotonic
from typing import TypeVar

_Result = TypeVar("_Result")


class Deadline:
    """A moment that lies so many seconds ahead of now."""

    def __init__(self, limit_s: float) -> None:
        self._end_s = monotonic() + limit_s

    @property
    def left_s(self) -> float:
        """Seconds until then, 0 once it has passed."""
        return max(self._end_s - monotonic(), 0.0)


def within(limit_s: float, work: Callable[[], _Result]) -> _Result:
    """Return what `work` returns; it runs in a thread, so that Ctrl-C and SIGTERM end the waiting.

    Raises what it raises, and TimeoutError where it takes longer than `limit_s` seconds: it is then left to itself.
    """
    future: Future[_Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # it is raised where it is waited for
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return future.result(limit_s)
    except TimeoutError as error:
        raise TimeoutError(str(error) or f"no answer within {limit_s:g} s") from error
