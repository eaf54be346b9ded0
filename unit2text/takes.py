"""What a text reader takes, and how its file shows that."""

from collections.abc import Iterable

LIPS, LIP_UNITS, UNITS = "lips", "lip units", "units"
"""Mouth video; the published units of lips (and sound), 25 a second; units as NetfLips has them."""
TAKES = (LIPS, LIP_UNITS, UNITS)

_LIP_PREFIX = "unit_encoder.w2v_model."
_UNIT_TABLE = "lip_unit_embedding.weight"


def takes_of(names: Iterable[object]) -> str | None:
    """Return what the text reader with tensors of these names takes, LIPS or LIP_UNITS; None where they are of another model."""
    known = set(map(str, names))
    if _UNIT_TABLE in known:
        return LIP_UNITS
    return LIPS if any(name.startswith(_LIP_PREFIX) for name in known) else None
