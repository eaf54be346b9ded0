"""Wall seconds of each stage, even where stages alternate inside generators or run in parallel threads."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


class _ThreadState(threading.local):
    """The stages that one thread is in."""

    def __init__(self) -> None:
        self.running: list[str] = []
        """names of stages, the innermost last"""
        self.mark = time.perf_counter()
        """since when the innermost has run, as of `time.perf_counter`"""


class StageClock:
    """Counts the time of each thread to the innermost stage that it is in.

    In one thread the stages add up to the wall time. With stages in parallel they add up to more.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._here = _ThreadState()
        self._lock = threading.Lock()

    def _settle(self) -> None:
        now = time.perf_counter()
        stage = self._here.running[-1] if self._here.running else None
        if stage is not None:
            # Stages belong to a thread, but all threads add to the same sums.
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
        """Yield items. The time to make each counts to a stage; the time between them counts to the caller's stage."""
        iterator = iter(items)
        while True:
            with self.stage(name):
                try:
                    item = next(iterator)
                except StopIteration:
                    # A StopIteration that leaves a generator would become a RuntimeError (PEP 479).
                    return
            yield item
