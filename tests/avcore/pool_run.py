"""Runs on two processes that are stopped by a signal, for test_pool.py; as a command, one that works for a minute."""

import argparse
import os
import signal
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path

from avcore.command import Parser, run
from avcore.pool import PoolTask, ProcessPool


class Slow:
    """Takes its time, and leaves a file that has its process for a name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def process(self, words: tuple[str]) -> None:
        (self._folder / str(os.getpid())).touch()
        time.sleep(0.1)


def _work(options: argparse.Namespace) -> None:
    with ProcessPool[str, int](Slow, (options.folder,), 2) as pool:
        for _ in pool.run((number, PoolTask.of("word")) for number in range(1200)):
            time.sleep(0.01)


class _StopsWhenTaken(threading.Condition):
    """A lock whose first holder in the main thread gets Ctrl-C before it can give the lock back."""

    was_taken = False

    def __enter__(self) -> bool:
        got = super().__enter__()
        if threading.current_thread() is threading.main_thread() and not _StopsWhenTaken.was_taken:
            _StopsWhenTaken.was_taken = True
            signal.raise_signal(signal.SIGINT)
        return got


class _Length:
    """Counts letters."""

    def process(self, words: tuple[str]) -> int:
        return len(words[0])


def stop_within_lock() -> None:
    """Raise AssertionError unless a signal that comes while a future's lock is held ends a run, and all of its threads."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    make = Future.__init__

    def with_lock(self: Future[int]) -> None:
        make(self)
        self._condition = _StopsWhenTaken()

    Future.__init__ = with_lock  # type: ignore[assignment, method-assign]
    try:
        with ProcessPool[str, int](_Length, (), 2) as pool:
            list(pool.run((number, PoolTask.of("word")) for number in range(20)))
    except KeyboardInterrupt:
        assert threading.active_count() == 1, threading.enumerate()
        return
    raise AssertionError("the signal was lost")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who is started in the background is deaf to it
    parser = Parser(prog="slow")
    parser.add_argument("folder", type=Path)
    sys.exit(run(parser, _work))
