"""Finished work, kept by what it was made from: a dub that was stopped goes on by asking for the same again."""

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from avcore.journal import key_of
from avcore.work_folder import Arrays, WorkFolder

T = TypeVar("T")


class Store(WorkFolder):
    """A folder of finished work: values in `<step>/<key>.npz`, and files such as sound and pictures. Threads may share it.

    The name of a piece is all that it was made of; a piece that is damaged is made anew. A value may be a dataclass, a named tuple,
    a list or a plain value, with arrays in it.
    """

    def kept(self, kind: type[T], step: str, made_of: tuple[object, ...], make: Callable[[], T]) -> T:
        """Return a value that is made once for what it is made of."""
        value = self.find(kind, step, made_of)
        return self.keep(step, made_of, make()) if value is None else value

    def find(self, kind: type[T], step: str, made_of: tuple[object, ...]) -> T | None:
        """Return a kept value, None where there is none that can be read."""
        found = self.find_arrays(step, key_of(*made_of))
        return None if found is None else _read(kind, found)

    def again(self, kind: type[T], step: str, made_of: tuple[object, ...]) -> T:
        """Return what was kept in this run, once more."""
        found = self.read_arrays(step, key_of(*made_of))
        value = None if found is None else _read(kind, found)
        assert value is not None, f"{step} was kept a moment ago"
        return value

    def keep(self, step: str, made_of: tuple[object, ...], value: T) -> T:
        """Store a value under its name, whole or not at all. Raises OutputError."""
        arrays: Arrays = {}
        plain = _plain(value, arrays)
        self.keep_arrays(step, key_of(*made_of), {"value": np.array(json.dumps(plain)), **arrays})
        return value


def _read(kind: type[T], found: Arrays) -> T | None:
    try:
        value: T = _value(kind, json.loads(str(found["value"])), found)
    except (KeyError, TypeError, ValueError):  # of a step that kept another kind of value
        return None
    return value


def _plain(value: Any, arrays: Arrays) -> Any:
    """Return a value as JSON has it; arrays are put aside, each under a number."""
    if isinstance(value, np.ndarray):
        name = f"a{len(arrays)}"
        arrays[name] = value
        return {"@": name}
    if hasattr(value, "_asdict"):
        return {name: _plain(one, arrays) for name, one in value._asdict().items()}
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name), arrays) for one in fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(one, arrays) for one in value]
    if isinstance(value, dict):
        return {str(name): _plain(one, arrays) for name, one in value.items()}
    return value.item() if isinstance(value, np.generic) else value


def _value(kind: Any, plain: Any, arrays: Arrays) -> Any:
    """Return a value of a type again."""
    if isinstance(plain, dict) and "@" in plain:
        return arrays[plain["@"]]
    if get_origin(kind) in (Union, UnionType):
        kinds = [one for one in get_args(kind) if one is not NoneType]
        return None if plain is None else _value(kinds[0], plain, arrays)
    if get_origin(kind) is tuple:
        of = get_args(kind)
        return tuple(_value(of[0] if of[-1] is Ellipsis else of[place], one, arrays) for place, one in enumerate(plain))
    if is_dataclass(kind) or hasattr(kind, "_fields"):
        return kind(**{name: _value(_hints(kind)[name], one, arrays) for name, one in plain.items()})
    return plain


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
