"""Names for the arrays that pass between packages, and safe reading of numpy files from untrusted sources.

Nothing in a `.npy` or `.npz` file is unpickled, and the sizes that it claims are checked before memory is taken.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avcore.errors import InputError, Message
from avcore.files import require_file

Samples = NDArray[np.float32]
"""Sound in [-1, 1]: [samples]."""
Frames = NDArray[np.uint8]
"""Frames of one size: [time, height, width] gray or [time, height, width, 3] RGB."""
Pixels = NDArray[np.uint8]
"""One frame: [height, width, 3] RGB."""
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
"""Numbers of any shape; each use states its own."""

LOUDEST = 4.0
"""Largest sample, where 1 is full scale: a loud floating-point recording may exceed 1 a little, 16-bit integers by far."""
_MAX_ARCHIVE_BYTES = 2 << 30
"""Limit for all arrays of an archive together, unpacked: the voices of two million recordings."""
_UNREADABLE = (
    ValueError, EOFError, OSError, KeyError, TypeError, SyntaxError, OverflowError, MemoryError, TokenError, zipfile.BadZipFile,
)  # fmt: skip


def floats(values: ArrayLike) -> Floats:
    """Return values as a float32 array of their shape, e.g. [n, 2]; a float32 array is returned without a copy."""
    return np.asarray(values, dtype=np.float32)


def load_array(path: str | Path, what: str, is_mapped: bool = False) -> NDArray[Any]:
    """Read a `.npy` file; shape and number format are the file's.

    what: its name in messages, as "the speaker vector". is_mapped: leave its numbers on the disk. Raises InputError when the file
    is missing, is no `.npy` file, holds objects, or claims more numbers than it has bytes for.
    """
    path = require_file(path, what)
    try:
        # Mapped first: where the header claims more than there is, that fails before any memory is taken.
        with np.errstate(over="ignore"):
            mapped: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")  # type: ignore[no-untyped-call]
        return mapped if is_mapped else np.array(mapped)
    except _UNREADABLE as error:
        raise _unreadable(path, what, "a .npy file of numbers", error) from error


def load_arrays(path: str | Path, what: str) -> Mapping[str, NDArray[Any]]:
    """Read all arrays of a `.npz` file, by name, in the shapes and number formats of the file.

    Raises InputError as `load_array` does, and for an archive that unpacks to more than 2 GB.
    """
    path = require_file(path, what)
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > _MAX_ARCHIVE_BYTES:
            expected = f"up to {_MAX_ARCHIVE_BYTES >> 30} GB once unpacked"
            raise InputError(
                Message("{what} cannot be read", what=what), path=path, expected=expected, found=f"{unpacked / 2**30:.0f} GB"
            )
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except _UNREADABLE as error:
        raise _unreadable(path, what, "an .npz file of numbers", error) from error

    # numpy hands out a member that is no .npy file as plain bytes.
    for name, array in found.items():
        if not isinstance(array, np.ndarray):
            raise InputError(
                Message("{what} cannot be read", what=what),
                path=path,
                expected="an .npz file of numbers",
                found=f"{name!r}, no array",
            )
    return found


def _unreadable(path: Path, what: str, expected: str, error: Exception) -> InputError:
    found = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return InputError(Message("{what} cannot be read", what=what), path=path, expected=expected, found=found)
