"""Values from outside, checked by their types: options, settings of training, and fields of forms.

    flip: Share = 0.0
    kind: Annotated[str, one_of("mfcc", "fbank")] = "mfcc"

A type may be `Annotated` with msgspec's `Meta`, or a Literal. Conditions over several values go into a method `check`:

    def check(self) -> None:
        require(self.least <= self.most, "no clip can be used", expected="least <= most")
"""

import os
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from math import isfinite
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from msgspec import Meta, ValidationError, convert

from avcore.errors import Message, UsageError

Share = Annotated[float, Meta(ge=0, le=1)]
Amount = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Number = Annotated[int, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]
Size = Annotated[int, Meta(ge=1, le=1 << 24)]
"""Size of a part of a network: anything larger fits no machine."""
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a path"}
_MOST_SHOWN = 60


def one_of(*words: str) -> Meta:
    """Return the bound of a text that is one of some words, where a Literal cannot be: OmegaConf knows none."""
    return Meta(pattern=f"^(?:{'|'.join(words)})$", description=" or ".join(word or "nothing" for word in words))


def checked(value: Any, kind: Any, name: str, path: Path | None = None) -> Any:
    """Return a value as its type has it: paths may be text, and numbers are finite. Raises UsageError, which calls it `name`.

    path: of the file that it is from.
    """
    try:
        found = convert(value, kind, dec_hook=_path)
        if all(isfinite(number) for number in (found if isinstance(found, tuple) else (found,)) if isinstance(number, float)):
            return found
    except (ValidationError, OverflowError):
        pass
    shown = repr(value) if value == "" or not isinstance(value, str | int | float) else str(value)
    raise UsageError(Message("{name} cannot be used", name=name), path=path, expected=allowed(kind), found=shown[:_MOST_SHOWN])


def allowed(kind: Any) -> str:
    """Return what a type allows in words, as `0 to 1` or `keep or mute`."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return next((_bounds(one) for one in kind.__metadata__ if isinstance(one, Meta)), allowed(inside[0]))
    if origin in (Union, UnionType):
        return " or ".join(allowed(one) for one in inside if one is not NoneType)
    if origin is Literal:
        return " or ".join(map(str, inside))
    if origin is tuple or origin is list:
        return f"a list, each {allowed(inside[0])}" if inside[-1] in (..., inside[0]) else ", ".join(map(allowed, inside))
    return _WORDS.get(kind) or f"a {kind.__name__}"


def _bounds(meta: Meta) -> str:
    if meta.description:
        return meta.description
    if meta.max_length is not None:
        return f"{meta.min_length or 0} to {meta.max_length} letters"
    most = "" if meta.le is None else f"{meta.le:,}"
    if meta.gt is not None:
        return f"above {meta.gt:g}{f', at most {most}' if most else ''}"
    return f"{meta.ge:g} to {most}" if most else f"{meta.ge:g} or more"


def _path(kind: Any, value: Any) -> Path:
    if kind is not Path or not isinstance(value, str | os.PathLike):
        raise TypeError
    return Path(value)


def require(holds: bool, what: str, expected: object = None, found: object = None, hint: str | None = None) -> None:
    """Raise UsageError where a condition on the settings does not hold."""
    if not holds:
        raise UsageError(what, expected=expected, found=found, hint=hint)


def require_rising(name: str, pair: Sequence[float]) -> None:
    """Raise UsageError for a range whose lower end is not first."""
    require(pair[0] <= pair[1], Message("{name} cannot be used", name=name), expected="[lowest, highest]", found=list(pair))


def require_bounds(config: Any, place: str = "") -> None:
    """Raise UsageError for the first setting of a dataclass that is not as its type has it, at any depth.

    If the dataclass has a method `check`, it is called too: it raises UsageError for settings that do not go together.
    """
    hints = get_type_hints(type(config), include_extras=True)
    for setting in fields(config):
        name, value = f"{place}{setting.name}", getattr(config, setting.name)
        if is_dataclass(value):
            require_bounds(value, f"{name}.")
        else:
            checked(value, hints[setting.name], name)

    if hasattr(config, "check"):
        config.check()
