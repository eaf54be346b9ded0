"""Progress, which the work reports and the caller shows as it likes; and how long each stage of the work took."""

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, TypeVar

from tqdm import tqdm

from avcore.notes import shown

LOG = logging.getLogger("netflips")

Progress = Callable[[str, int, int | None], None]
"""Called with stage, done, total (None = not known)."""

_REPORT_EVERY_S = 30.0
"""Seconds between lines of progress in a log."""

Item = TypeVar("Item")

_LISTENERS = ContextVar[tuple[Progress, ...]]("listeners", default=())
"""Who hears of the progress of a command."""


def silent(stage: str, done: int, total: int | None) -> None:
    """Report nothing."""


def track(items: Iterable[Item], stage: str, progress: Progress, total: int | None = None) -> Iterator[Item]:
    """Yield the items, and report before the first and after each."""
    progress(stage, 0, total)
    for done, item in enumerate(items, 1):
        yield item
        progress(stage, done, total)


class Bars:
    """One line on stderr with the stage's rate and remaining time (tqdm); where stderr is no terminal, a line every 30 s."""

    def __init__(self, is_quiet: bool = False, prefix: str = "") -> None:
        self._listeners = _LISTENERS.get()  # here, since threads report as well
        self._is_off = is_quiet or sys.stderr is None
        self._is_drawn = not self._is_off and (sys.stderr.isatty() or "ipykernel" in sys.modules)  # a notebook draws it, too
        self._prefix = shown(prefix)
        self._stage = ""
        self._bar: Any = None
        self._begun = self._reported = time.monotonic()

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        for listener in self._listeners:
            listener(stage, done, total)
        if self._is_off:
            return
        if self._is_drawn:
            self._draw(stage, done, total)
        elif (now := time.monotonic()) - self._reported >= _REPORT_EVERY_S:
            self._reported = now
            LOG.info("%s%s", self._prefix, self._line(stage, done, total))

    def _draw(self, stage: str, done: int, total: int | None) -> None:
        if stage != self._stage:
            self.close()
            self._stage, self._bar = stage, tqdm(total=total, desc=self._prefix + stage, dynamic_ncols=True, leave=False)
        if total is not None:
            self._bar.total = total
        self._bar.update(done - self._bar.n)

    def _line(self, stage: str, done: int, total: int | None) -> str:
        amount = f"{done}" if total is None else f"{done} of {total}"
        return f"{stage}: {amount}, after {timedelta(seconds=round(time.monotonic() - self._begun))}"

    def close(self) -> None:
        """End the bar of the current stage."""
        if self._bar is not None:
            self._bar.close()
        self._bar, self._stage = None, ""


@contextmanager
def report_to(listener: Progress) -> Iterator[None]:
    """Report all bars that begin in the block to a listener, also those that are off, so that a web page can show the progress."""
    token = _LISTENERS.set((*_LISTENERS.get(), listener))
    try:
        yield
    finally:
        _LISTENERS.reset(token)


@contextmanager
def bars(is_quiet: bool = False, prefix: str = "") -> Iterator[Bars]:
    """Yield bars; they are closed in all cases."""
    shown = Bars(is_quiet, prefix)
    try:
        yield shown
    finally:
        shown.close()


class StageClock:
    """Counts the time of each thread to the innermost stage that it is in.

    In one thread the stages add up to the wall time. With stages in parallel they add up to more.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        """wall seconds by stage"""
        self._here = threading.local()
        self._lock = threading.Lock()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the block to a stage; stages may nest."""
        before, self._here.nested_s = getattr(self._here, "nested_s", 0.0), 0.0
        begun = time.perf_counter()
        try:
            yield
        finally:
            took_s = time.perf_counter() - begun
            # All threads add to the same sums.
            with self._lock:
                self.seconds[name] = self.seconds.get(name, 0.0) + took_s - self._here.nested_s
            self._here.nested_s = before + took_s

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
