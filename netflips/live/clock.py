"""The clock of a live dub: the machine's, or a virtual one, on which a talk takes no time and each step what it takes to compute.

Times are in seconds since the beginning. A tick is 40 ms: sound that came is heard, and what is due is written.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

TICK_S = 0.04


class Clock(Protocol):
    """When it is."""

    is_virtual: bool

    def now(self) -> float:
        """Return the time (s)."""

    def ticks(self) -> Iterator[float]:
        """Yield the time of each tick, when it is there."""


class WallClock:
    """The machine's clock."""

    is_virtual = False

    def __init__(self) -> None:
        self._zero = time.monotonic()

    def now(self) -> float:
        """Return the time (s)."""
        return time.monotonic() - self._zero

    def ticks(self) -> Iterator[float]:
        """Yield the time of each tick. After a delay it is late, and none is made up for."""
        due = 0.0
        while True:
            time.sleep(max(due - self.now(), 0.0))
            yield self.now()
            due = max(due + TICK_S, self.now())


class VirtualClock:
    """A clock on which a talk takes no time: work that follows upon a tick is counted from there, and one core does it."""

    is_virtual = True

    def __init__(self, spent: Callable[[], float] = time.process_time) -> None:
        """spent: returns the seconds of work so far."""
        self._spent, self._waited, self._tick, self._free = spent, 0.0, 0.0, 0.0
        self._begun: tuple[float, float] | None = None

    def now(self) -> float:
        """Return the time (s): of the tick, or of the work that goes on."""
        if self._begun is None:
            return self._tick
        at, before = self._begun
        return at + self._spent() + self._waited - before

    def ticks(self) -> Iterator[float]:
        """Yield the time of each tick."""
        count = 0
        while True:
            self._tick = count * TICK_S
            yield self._tick
            count += 1

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count what is done in the block as work, which begins when the work of before is done."""
        self._begun = max(self._tick, self._free), self._spent() + self._waited
        try:
            yield
        finally:
            self._free, self._begun = self.now(), None

    @property
    def free_s(self) -> float:
        """When the work that was begun is done (s)."""
        return self._free

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time of the block in which this process does nothing, as while a program answers."""
        wall, spent = time.perf_counter(), self._spent()
        try:
            yield
        finally:
            self._waited += max(time.perf_counter() - wall - (self._spent() - spent), 0.0)
