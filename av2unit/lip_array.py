"""Lips kept as arrays, which are read without decoding."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import load_array
from avcore.errors import InputError

LIP_ARRAY = ".npy"


def map_lips(path: str | Path) -> NDArray[np.uint8]:
    """Map lips from a `.npy` file of uint8 [time, height, width]. Raises InputError when it holds something else."""
    lips = load_array(path, "the lips", is_mapped=True)
    if lips.dtype != np.uint8 or lips.ndim != 3 or not len(lips):
        raise InputError(
            "these are no lips", path=path, expected="uint8 [time, height, width]", found=f"{lips.dtype} {list(lips.shape)}"
        )
    return lips
