"""Read one setting of a checkpoint's configuration: of its type and within bounds, or one clear error."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from avcore.checkpoints.pickles import brief
from avcore.errors import CheckpointError

Value = TypeVar("Value", bool, int, float)


def read_setting(
    section: Mapping[str, Any], name: str, default: Value, owner: str, path: Path | None, bounds: tuple[float, float] = (0, 1)
) -> Value:
    """A setting of the type of its default, which is taken where the section has none.

    owner: whose setting it is, for messages. bounds: least and most of a number. Raises CheckpointError for another type or a
    number outside.
    """
    value, kind = section.get(name), type(default)
    if value is None:
        return default
    if kind is bool:
        is_usable, expected = isinstance(value, bool), "true or false"
    else:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        is_usable = is_number and bounds[0] <= value <= bounds[1] and (kind is float or value == int(value))
        expected = f"{'a number' if kind is float else 'a whole number'} of {bounds[0]:g} to {bounds[1]:g}"
    if not is_usable:
        raise CheckpointError(f"{owner}'s setting {name} cannot be used", path=path, expected=expected, found=brief(value))
    return kind(value)
