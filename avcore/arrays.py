"""Names for the arrays that pass between packages, and numpy's files read from people who may not mean well.

Of `.npy` and `.npz` files nothing is unpickled and no size is believed.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avcore.errors import InputError
from avcore.files import require_file

Samples = NDArray[np.float32]
"""Sound in [-1, 1]: [samples]."""
Pictures = NDArray[np.uint8]
"""Pictures of one size: [time, height, width] gray or [time, height, width, 3] RGB."""
Pixels = NDArray[np.uint8]
"""One picture: [height, width, 3] RGB."""
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
"""Numbers of any shape; what they are is said where they are used."""

LOUDEST = 4.0
"""Of a sample, where 1 is full scale: a loud recording in floating point may pass it a little, numbers of 16 bits by far."""
_MAX_ARCHIVE_BYTES = 2 << 30
"""What the arrays of an archive may take together once they are unpacked: voices of two million recordings."""
_UNREADABLE = (
    ValueError, EOFError, OSError, KeyError, TypeError, SyntaxError, OverflowError, MemoryError, TokenError, zipfile.BadZipFile,
)  # fmt: skip


def floats(values: ArrayLike) -> Floats:
    """Return values as a float32 array of their shape, e.g. [n, 2]; an array of that kind is returned as it is."""
    return np.asarray(values, dtype=np.float32)


def load_array(path: str | Path, what: str, is_mapped: bool = False) -> NDArray[Any]:
    """Read a `.npy` file. what: what it is for, as "the speaker vector". is_mapped: leave its numbers on the disk.

    Its shape and number format are the file's. Raises InputError when it is missing, no `.npy` file, holds objects, or claims
    more numbers than it has bytes for.
    """
    path = require_file(path, what)
    try:
        # Mapped first: that fails, without any memory taken, where the header claims more than there is.
        with np.errstate(over="ignore"):
            mapped: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")  # type: ignore[no-untyped-call]
        return mapped if is_mapped else np.array(mapped)
    except _UNREADABLE as error:
        raise _unreadable(path, what, "a .npy file of numbers", error) from error


def load_arrays(path: str | Path, what: str) -> Mapping[str, NDArray[Any]]:
    """Read all arrays of a `.npz` file, by name, in the shapes and number formats of the file.

    Raises InputError as `load_array` does, and for one that unpacks to gigabytes.
    """
    path = require_file(path, what)
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > _MAX_ARCHIVE_BYTES:
            expected = f"up to {_MAX_ARCHIVE_BYTES >> 30} GB once unpacked"
            raise InputError(f"{what} cannot be read", path=path, expected=expected, found=f"{unpacked / 2**30:.0f} GB")
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except _UNREADABLE as error:
        raise _unreadable(path, what, "an .npz file of numbers", error) from error
    for name, array in found.items():
        if not isinstance(array, np.ndarray):
            raise InputError(f"{what} cannot be read", path=path, expected="an .npz file of numbers", found=f"{name!r}, no array")
    return found


def _unreadable(path: Path, what: str, expected: str, error: Exception) -> InputError:
    found = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return InputError(f"{what} cannot be read", path=path, expected=expected, found=found)
