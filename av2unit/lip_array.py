"""Lips kept as arrays, which are read without decoding."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.errors import InputError

LIP_ARRAY = ".npy"


def map_lips(path: str | Path) -> NDArray[np.uint8]:
    """Map lips from a `.npy` file of uint8 [time, height, width]. Raises InputError when it holds something else."""
    try:
        lips = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise InputError("these are no lips", path=path, expected="a .npy array of uint8", found=error) from error
    if lips.dtype != np.uint8 or lips.ndim != 3 or not len(lips):
        raise InputError(
            "these are no lips", path=path, expected="uint8 [time, height, width]", found=f"{lips.dtype} {list(lips.shape)}"
        )
    return lips  # type: ignore[no-any-return]
