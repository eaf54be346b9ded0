"""Lip videos that a user made before."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.errors import InputError
from avcore.media import read_gray_video

_SIDE = 96


def read_lip_crops(path: Path) -> NDArray[np.uint8]:
    """Read a lip video at 25 fps, uint8 [T, 96, 96]. Raises InputError for one of another size."""
    lips = read_gray_video(path)
    if lips.shape[1:] != (_SIDE, _SIDE):
        raise InputError(
            "this is no lip video",
            path=path,
            expected=f"{_SIDE}x{_SIDE} pictures",
            found=f"{lips.shape[2]}x{lips.shape[1]}",
            hint="leave --in-lip-path out to have the lips found in the video",
        )
    return lips
