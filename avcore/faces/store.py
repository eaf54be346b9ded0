"""Rows of arrays kept in a temporary file instead of memory, so that memory does not grow with the length of a video."""

import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from math import prod
from typing import IO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from avcore.errors import OutputError


class RowStore:
    """An array that grows row by row in a file without a name, which is gone with the process, however it ends."""

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self._shape, self._dtype = shape, np.dtype(dtype)
        self._row_bytes = prod(shape) * self._dtype.itemsize
        self._file = tempfile.TemporaryFile(prefix="netflips-")  # noqa: SIM115 (closed with the store)
        self._num_rows = 0
        weakref.finalize(self, _close, self._file)

    def __len__(self) -> int:
        return self._num_rows

    def append(self, row: NDArray[np.generic]) -> int:
        """Add a row of the store's shape; returns its number. Raises OutputError when there is no room for it."""
        if row.shape != self._shape:
            raise ValueError(f"a row must have shape {self._shape}, not {row.shape}")
        with _room_needed():
            self._file.seek(self._num_rows * self._row_bytes)
            self._file.write(np.ascontiguousarray(row, dtype=self._dtype).tobytes())
        self._num_rows += 1
        return self._num_rows - 1

    def read(self, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.generic]:
        """Read rows by number, in the order asked for: [len(rows), *shape]."""
        found = np.empty((len(rows), *self._shape), dtype=self._dtype)
        for place, row in enumerate(rows):
            if not 0 <= row < self._num_rows:
                raise IndexError(f"row {row} of {self._num_rows}")
            with _room_needed():  # what was added last is written when another row is read
                self._file.seek(int(row) * self._row_bytes)
            self._file.readinto(found[place].data)
        return found


@contextmanager
def _room_needed() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            "temporary files cannot be written",
            path=tempfile.gettempdir(),
            found=error.strerror,
            hint="free some space, or set TMPDIR to another folder",
        ) from error


def _close(file: IO[bytes]) -> None:
    with suppress(OSError):  # what it still holds nobody wants
        file.close()
