"""Arrays of float32, which all drawing is done in."""

import numpy as np
from numpy.typing import ArrayLike

from avcore.arrays import Floats


def floats(values: ArrayLike) -> Floats:
    """Values as a float32 array of their shape, e.g. [n, 2]; an array of that kind is returned as it is."""
    return np.asarray(values, dtype=np.float32)
