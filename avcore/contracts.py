"""What is handed to the models from Python: of the right kind, or one clear error."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.errors import InputError, UnitError
from avcore.units import Units

LOUDEST = 4.0
"""Of a sample, where 1 is full scale: a loud recording in floating point may pass it a little, numbers of 16 bits by far."""


def require_units(units: object) -> Units:
    """Return units; raises UnitError for a list or an array, which say neither language nor durations."""
    if not isinstance(units, Units):
        raise UnitError("these are no Units", expected="Units(ids), with ids such as [71, 12, 12]", found=kind_of(units))
    return units


def require_full_scale(speech: NDArray[np.floating[Any]]) -> None:
    """Raise InputError for finite samples far beyond -1..1."""
    loudest = float(np.abs(speech).max(initial=0.0))
    if loudest > LOUDEST:
        raise InputError(
            "speech is out of range", expected="samples in [-1, 1]", found=f"{loudest:g}", hint="divide 16-bit samples by 32768"
        )


def require_picture(picture: object) -> NDArray[np.uint8]:
    """Return an RGB picture uint8 [height, width, 3]; raises InputError for another form."""
    if isinstance(picture, np.ndarray):
        is_rgb = picture.ndim == 3 and picture.shape[2] == 3 and min(picture.shape) > 0
        if is_rgb and picture.dtype == np.uint8:
            return picture
    raise InputError("this is no RGB picture", expected="uint8 [height, width, 3]", found=kind_of(picture))


def kind_of(value: object) -> str:
    """What a value is, in words for an error: an array by its type and shape."""
    return f"{value.dtype} {list(value.shape)}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
