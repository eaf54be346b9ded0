"""Bounds of settings, declared with the setting: `flip: Share = 0.0`. Conditions over several settings go into `check`.

    def check(self) -> None:
        require(self.least <= self.most, "no clip can be used", expected="least <= most")

`require_bounds` checks both in a whole config.
"""

import math
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from avcore.errors import UsageError


class Bounds:
    """Numbers from `least` to `most`; with is_open, `least` itself is excluded."""

    def __init__(self, least: float = -math.inf, most: float = math.inf, *, is_open: bool = False) -> None:
        self._least, self._most, self._is_open = least, most, is_open

    def holds(self, value: float) -> bool:
        """Return whether a value is within the bounds."""
        return self._least <= value <= self._most and not (self._is_open and value == self._least)

    def __str__(self) -> str:
        if self._most == math.inf:
            return f"above {self._least:g}" if self._is_open else f"{self._least:g} or more"
        return f"above {self._least:g}, at most {self._most:,.0f}" if self._is_open else f"{self._least:g} to {self._most:,.0f}"


class OneOf:
    """One of some words or numbers."""

    def __init__(self, *words: str | int) -> None:
        self._words = words

    def holds(self, value: str | int) -> bool:
        """Return whether a value is one of them."""
        return value in self._words

    def __str__(self) -> str:
        return " or ".join(str(word) or "nothing" for word in self._words)


class Rising:
    """Two numbers, the lower one first, from `least` to `most`."""

    def __init__(self, least: float = -math.inf, most: float = math.inf) -> None:
        self._least, self._most = least, most

    def holds(self, value: Sequence[float]) -> bool:
        """Return whether a value is such a pair."""
        return len(value) == 2 and self._least <= value[0] <= value[1] <= self._most

    def __str__(self) -> str:
        within = "" if math.isinf(self._most) else f" within {self._least:g} to {self._most:g}"
        return f"[lowest, highest]{within}"


Share = Annotated[float, Bounds(0, 1)]
Amount = Annotated[float, Bounds(0)]
Positive = Annotated[float, Bounds(0, is_open=True)]
Number = Annotated[int, Bounds(0)]
Count = Annotated[int, Bounds(1)]
Size = Annotated[int, Bounds(1, 1 << 24)]
"""Size of a part of a network: anything larger fits no machine."""


def require(holds: bool, what: str, expected: object = None, found: object = None, hint: str | None = None) -> None:
    """Raise UsageError where a condition on the settings does not hold."""
    if not holds:
        raise UsageError(what, expected=expected, found=found, hint=hint)


def require_bounds(config: Any, place: str = "") -> None:
    """Raise UsageError for the first setting of a dataclass that is out of its bounds or not finite, at any depth.

    If the dataclass has a method `check`, it is called too: it raises UsageError for settings that do not go together.
    """
    hints = get_type_hints(type(config), include_extras=True)
    for one in fields(config):
        name, value = f"{place}{one.name}", getattr(config, one.name)
        if is_dataclass(value):
            require_bounds(value, f"{name}.")
        elif isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"{name} cannot be used", expected="a number", found=value)
        else:
            _require(name, value, hints[one.name])

    if hasattr(config, "check"):
        config.check()


def _require(name: str, value: Any, hint: Any) -> None:
    if get_origin(hint) is Annotated:
        for bounds in hint.__metadata__:
            if isinstance(bounds, Bounds | OneOf | Rising) and not bounds.holds(value):
                raise UsageError(f"{name} cannot be used", expected=bounds, found=repr(value) if value == "" else value)
    elif isinstance(value, list | tuple):
        inside = get_args(hint)
        if inside and inside[0] is str and not all(isinstance(item, str) for item in value):
            raise UsageError(f"{name} cannot be used", expected="a list of texts", found=f"{list(value)!r:.80}")
        for item in value if inside else ():
            _require(name, item, inside[0])
