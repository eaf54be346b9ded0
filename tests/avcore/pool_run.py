"""Runs on two processes that are stopped by a signal, for test_pool.py; as a command, one that works for a minute."""

import argparse
import os
import signal
import sys
import time
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


class Length:
    """Counts letters."""

    def __init__(self, _: str) -> None: ...

    def process(self, words: tuple[str]) -> int:
        return len(words[0])


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who is started in the background is deaf to it
    parser = Parser(prog="slow")
    parser.add_argument("folder", type=Path)
    sys.exit(run(parser, _work))
