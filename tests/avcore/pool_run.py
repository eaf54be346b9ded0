"""A command that works for a minute on two processes; run by test_pool.py, which stops it."""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from avcore.command import Parser, run
from avcore.runs.pool import ProcessPool
from avcore.runs.work import PoolTask


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


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who is started in the background is deaf to it
    parser = Parser(prog="slow")
    parser.add_argument("folder", type=Path)
    sys.exit(run(parser, _work))
