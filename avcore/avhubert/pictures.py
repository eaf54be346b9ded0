"""Lip pictures as AV-HuBERT sees them."""

import numpy as np

from avcore.arrays import Floats, Pictures
from avcore.errors import InputError


def lip_features(lips: Pictures, crop_size: int, mean: float, std: float) -> Floats:
    """Cut the centre out of gray lip pictures and normalise it.

    lips: uint8 [time, height, width], both sides at least `crop_size`. Returns float32 [time, crop, crop], equal to
    (lips / 255 - mean) / std in float64. Raises InputError for another form or no picture.
    """
    lips = np.asarray(lips)
    if lips.ndim != 3 or lips.dtype != np.uint8 or not len(lips) or min(lips.shape[1:]) < crop_size:
        raise InputError(
            "lips must be gray pictures",
            expected=f"uint8 [time, height, width], sides of {crop_size} pixels or more, 1 picture or more",
            found=f"{lips.dtype} {list(lips.shape)}",
        )
    top, left = ((side - crop_size) // 2 for side in lips.shape[1:])
    levels: Floats = ((np.arange(256) / 255 - mean) / std).astype(np.float32)
    return np.asarray(levels[lips[:, top : top + crop_size, left : left + crop_size]], dtype=np.float32)
