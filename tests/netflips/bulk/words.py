"""Workers and readers of words, which fail on purpose; a module that Ray's processes can import quickly."""

import os
import time
from collections.abc import Sequence
from pathlib import Path


def read_words(folder: Path, part: Sequence[str]) -> list[str]:
    """Read words; leaves a file for each, and dies of some."""
    for word in part:
        (folder / f"{word}.read").touch()
        if word == "crash-reader":
            os._exit(1)
        if word == "raise-reader":
            raise ValueError("this one cannot be read")
    return list(part)


class WordWorker:
    """Gives words back, leaves a file for each and dies of one."""

    def __init__(self, folder: Path, delay_s: float = 0.0) -> None:
        self._folder, self._delay_s = folder, delay_s

    def load(self) -> str:
        return ""

    def process(self, *parts: list[str]) -> tuple[int, list[str], int]:
        time.sleep(self._delay_s)
        words = [word for part in parts for word in part]
        if "crash-worker" in words:
            os._exit(1)
        num_read = len(list(self._folder.glob("*.read")))
        for word in words:
            (self._folder / f"{word}.done").touch()
        return os.getpid(), words, num_read


class NeverWorker(WordWorker):
    """Dies of everything."""

    def process(self, *_: list[str]) -> tuple[int, list[str], int]:
        os._exit(1)


class ModellessWorker(WordWorker):
    """Says what is wrong with its models, or dies over them where nothing is."""

    def __init__(self, wrong: str) -> None:
        self._wrong = wrong

    def load(self) -> str:
        if not self._wrong:
            os._exit(1)
        return self._wrong
