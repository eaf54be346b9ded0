"""Rewrite a growing file during work: often enough to be of use, seldom enough to cost little."""

import time
from collections.abc import Callable

_SHARE = 0.05
"""Of the time, at most, that is spent on it: written after each of many pieces, it would take their number squared."""


class Seldom:
    """Does something at once the first time, then when it has not been done for twenty times as long as it takes."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._next = 0.0

    def maybe(self) -> None:
        """Do it if it is time."""
        if time.monotonic() >= self._next:
            self.now()

    def now(self) -> None:
        """Do it."""
        begin = time.monotonic()
        self._act()
        end = time.monotonic()
        self._next = end + (end - begin) / _SHARE
