"""Who spent the time: wall seconds of each stage, also where stages take turns inside generators or run side by side."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


class _ThreadState(threading.local):
    """What one thread is doing: the stages it is in, the innermost last, and since when."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self.mark = time.perf_counter()


class StageClock:
    """Counts each moment of a thread to the innermost stage that it runs.

    In one thread the stages add up to the whole; with stages side by side they add up to more.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._here = _ThreadState()
        self._lock = threading.Lock()

    def _settle(self) -> None:
        now = time.perf_counter()
        stage = self._here.running[-1] if self._here.running else None
        if stage is not None:
            with self._lock:
                self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._here.mark
        self._here.mark = now

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the block to a stage; stages may nest."""
        self._settle()
        self._here.running.append(name)
        try:
            yield
        finally:
            self._settle()
            self._here.running.pop()

    def timed(self, items: Iterable[Item], name: str) -> Iterator[Item]:
        """Yield items, counting the making of each to a stage and what is done with them to the caller's."""
        iterator = iter(items)
        while True:
            with self.stage(name):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item
