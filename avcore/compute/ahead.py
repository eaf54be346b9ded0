"""Make items in a thread of their own, while those before them are used."""

import atexit
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")

_LOOK_EVERY_S = 0.1
"""Seconds between checks of a waiting maker that its items are still needed."""
_PATIENCE_S = 10.0
"""How long the end of a command waits for what is being made; a thread that runs on while Python ends would crash it."""
_BUFFER_BYTES = 64 << 20
_MOST_PICTURES = 20
_USUAL_BATCH_BYTES, _FRUGAL_BATCH_BYTES = 512 << 20, 128 << 20


@dataclass(frozen=True)
class _End:
    """After the last item. error: why there are no more, None = all were made."""

    error: BaseException | None = None


_running: list["_Maker[Any]"] = []


class _Maker(Thread, Generic[Item]):
    """Fills a queue until the items end or the reader stops."""

    def __init__(self, items: Iterable[Item], depth: int) -> None:
        super().__init__(daemon=True, name="ahead")
        self.made: Queue[Item | _End] = Queue(depth)
        self._items, self._is_unwanted = items, Event()

    def run(self) -> None:
        """Make all items; what goes wrong is handed on."""
        _running.append(self)
        end = _End()
        iterator = iter(self._items)
        try:
            while not self._is_unwanted.is_set() and not isinstance(item := next(iterator, end), _End):
                self._hand_over(item)
            if isinstance(iterator, Generator):
                iterator.close()
        except BaseException as error:
            end = _End(error)
        self._hand_over(end)
        _running.remove(self)

    def stop(self, patience_s: float = inf) -> None:
        """Let the thread end after the item it is making, and wait for it."""
        self._is_unwanted.set()
        deadline = time.monotonic() + patience_s
        while self.is_alive() and time.monotonic() < deadline:
            with suppress(Empty):
                self.made.get_nowait()
            self.join(_LOOK_EVERY_S / 10)

    def _hand_over(self, item: Item | _End) -> None:
        while not self._is_unwanted.is_set():
            try:
                self.made.put(item, timeout=_LOOK_EVERY_S)
                return
            except Full:
                continue


def ahead(items: Iterable[Item], depth: int) -> Iterator[Item]:
    """Yield items that a thread makes in advance, up to `depth` of them and one in the making.

    It pays where both sides let go of the interpreter, as decoding, encoding and matrix products do. An error in the making
    is raised where its item would have come. The thread starts with the first item wanted, and ends with the last one or
    when the iterator is closed.
    """
    maker = _Maker(items, depth)
    maker.start()
    try:
        while not isinstance(item := maker.made.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        maker.stop()


@atexit.register
def _stop_all() -> None:
    """End what a signal left running; threads that others feed began first, and end those."""
    for maker in list(_running):
        maker.stop(_PATIENCE_S)


def pictures_ahead(width: int, height: int) -> int:
    """Return how many pictures of a size to make in advance: 1 to 20, 64 MB if that is enough for more than one."""
    return min(max(_BUFFER_BYTES // max(width * height * 3, 1), 1), _MOST_PICTURES)


def pictures_at_once(width: int, height: int, most: int) -> int:
    """Return how many pictures of a size to hold as a batch: `most` if 512 MB do, as up to 4K, else those of 128 MB, but 1 or
    more."""
    picture_bytes = max(width * height * 3, 1)
    return most if most * picture_bytes <= _USUAL_BATCH_BYTES else max(_FRUGAL_BATCH_BYTES // picture_bytes, 1)
