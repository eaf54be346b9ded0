"""A long sequence that stays small: packed a block at a time, unpacked when asked for. A million rows take tens of megabytes."""

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Generic, TypeVar, overload

Item = TypeVar("Item")

_LEVEL = 1
"""Of zlib: what is kept are names and numbers of like form, of which the higher levels make little more."""


class Packed(Sequence[Item], Generic[Item]):
    """Items in their order. One after another they are as quick as a list; each from somewhere else costs a block."""

    def __init__(self, items: Iterable[Item], pack: Callable[[Item], Any], unpack: Callable[[Any], Item], block: int = 64) -> None:
        """pack, unpack: an item as a JSON value, and back. block: items that are packed together."""
        self._pack, self._unpack, self._block = pack, unpack, block
        self._blocks: list[bytes] = []
        self._length = 0
        self._open: tuple[int, list[Item]] = (-1, [])
        self.extend(items)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, at: int) -> Item: ...

    @overload
    def __getitem__(self, at: slice) -> list[Item]: ...

    def __getitem__(self, at: int | slice) -> Item | list[Item]:
        if isinstance(at, slice):
            return [self[one] for one in range(*at.indices(self._length))]
        if not -self._length <= at < self._length:
            raise IndexError(at)
        number, place = divmod(at % self._length, self._block)
        return self._items(number)[place]

    def __iter__(self) -> Iterator[Item]:
        for number in range(len(self._blocks)):
            yield from self._items(number)

    def extend(self, items: Iterable[Item]) -> None:
        """Add items at the end."""
        source = iter(items)
        if rest := self._length % self._block:
            last = len(self._blocks) - 1
            part = [*self._items(last), *islice(source, self._block - rest)]
            self._blocks[last] = self._packed(part)
            self._length += len(part) - rest
            self._open = (-1, [])
        while part := list(islice(source, self._block)):
            self._blocks.append(self._packed(part))
            self._length += len(part)

    def _packed(self, items: Sequence[Item]) -> bytes:
        return zlib.compress(json.dumps([self._pack(item) for item in items]).encode(), _LEVEL)

    def _items(self, number: int) -> list[Item]:
        if self._open[0] != number:
            rows = json.loads(zlib.decompress(self._blocks[number]))
            self._open = (number, [self._unpack(row) for row in rows])
        return self._open[1]
