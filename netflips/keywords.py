"""Commands as functions: an option is a keyword, which is checked by its type, and which errors name in place of its flag."""

import functools
import inspect
import os
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from avcore.command import PUBLISHED, did_you_mean
from avcore.errors import NetflipsError, UsageError
from avcore.flags import help_words, names_of

Function = TypeVar("Function", bound=Callable[..., Any])
_ONE_OF_MANY = {"videos": "video", "recordings": "recording"}
_OF_ONE = {"video": "the video", "recording": "the video or sound file"}
"""The help of those."""
_MEANT = {"target": "to", "target_language": "to", "language": "to", "source_language": "source", "speaker": "voice"}
"""Words that other programs have for a keyword."""
_WIDTH = 100
_FLAG = re.compile(r"(?<![\w-])(--[a-z][\w-]*)(?:[ =]([^\s;:()]*[^\s;:(),]))?")
_COMMAND = re.compile(r"(?:netflips|python -m \S+) [^;:]*$")
_VALUE = re.compile(r"[A-Z]+|\S*[\d./]\S*|\w+(?:,\w+)+|cpu|cuda|largest|none|auto|off|own|source|target")
"""What may stand behind a flag as its value; other words go on in the sentence."""
_KINDS = {bool: "True or False", int: "a whole number", float: "a number", str: "a text", NoneType: "None"}
_PATHS = {str, os.PathLike}


class WrongArgumentError(UsageError, TypeError):
    """An argument of a function that has another type, or that is none of the values that there are."""


def of_options(options: type) -> Callable[[Function], Function]:
    """Return a decorator for the function of a command: the signature names all keywords, the help of the options stands in the
    docstring. Arguments of other types are refused by name, and a keyword that is none names the nearest one."""
    words = {_ONE_OF_MANY.get(name, name): text for name, text in help_words(options).items()} | _OF_ONE
    flags = {flag: name for name, names in names_of(options).items() for flag in names}

    def decorate(function: Function) -> Function:
        own, of_all = inspect.signature(function), inspect.signature(options).parameters
        shared = get_args(function.__annotations__.get("more"))
        kinds = get_type_hints(shared[0]) if shared else {}
        rest = [of_all[name].replace(annotation=kind) for name, kind in kinds.items()]
        whole = own.replace(parameters=[*(one for name, one in own.parameters.items() if name != "more"), *rest])
        known = whole.parameters

        @functools.wraps(function)
        def call(*given: Any, **named: Any) -> Any:
            called = f"netflips.{function.__name__}()"
            if strange := next((name for name in named if name not in known), None):
                flag = f"--{strange.replace('_', '-')}"
                near = _MEANT.get(strange) or flags.get(PUBLISHED.get(flag, flag)) or _near(flag, strange, flags, known)
                hint = f"; did you mean '{near}'?" if near in known else ""
                raise TypeError(f"{called} has no keyword '{strange}'{hint}")
            for name, value in own.bind_partial(*given, **named).arguments.items():
                for one, part in value.items() if name == "more" else ((name, value),):
                    _require(called, one, part, known[one])
            try:
                return function(*given, **named)
            except NetflipsError as error:
                error.reword(lambda text: _in_python(text, flags, known))
                raise

        rows = (f"{name}: {_in_python(words[name], flags, known)}" for name in known if name in words)
        told = (textwrap.fill(row, _WIDTH, subsequent_indent="    ") for row in rows)
        call.__doc__ = "\n".join([" ".join((function.__doc__ or "").split()), "", *told])
        call.__signature__ = whole  # type: ignore[attr-defined]
        return call  # type: ignore[return-value]

    return decorate


def _near(flag: str, name: str, flags: Mapping[str, str], known: Iterable[str]) -> str:
    """Return the keyword that is nearest to a word, by the flags of the command and by the keywords; "" = none is near."""
    found = [did_you_mean(flag, flags), did_you_mean(name, [one.replace("_", "-") for one in known])]
    near = next((one.removeprefix("did you mean ").removesuffix("?") for one in found if one), "")
    return flags.get(near, near.replace("-", "_"))


# Types


def _require(called: str, name: str, value: object, parameter: inspect.Parameter) -> None:
    """Raise WrongArgumentError for an argument of another type than its keyword has."""
    kind = parameter.annotation
    if parameter.kind is inspect.Parameter.VAR_POSITIONAL or _fits(value, kind):
        return
    is_several = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    if is_several and _fits("", kind) and name in _OF_ONE:
        raise WrongArgumentError(
            f"{called} takes one file", found=repr(value)[:60], hint="call it for each, or netflips.load().dub_all for many"
        )
    hint = f"write {str(value)!r}" if isinstance(value, int) and _fits("", kind) and not isinstance(value, bool) else None
    raise WrongArgumentError(f"{name} of {called} cannot be used", expected=_described(kind), found=repr(value)[:60], hint=hint)


def _fits(value: object, kind: Any) -> bool:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in arguments)
    if origin is Literal:
        return any(value == one and isinstance(value, type(one)) for one in arguments)
    if origin is tuple:
        return isinstance(value, tuple | list) and len(value) == len(arguments) and all(map(_fits, value, arguments))
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return isinstance(value, Sequence) and not isinstance(value, str) and all(_fits(one, arguments[0]) for one in value)
    if kind in (int, float):
        return isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    return isinstance(value, origin or kind)


def _described(kind: Any) -> str:
    """Return a type in words: a text or None, one of 'a', 'b'."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        parts = {get_origin(one) or one for one in arguments}
        rest = [one for one in arguments if not (parts >= _PATHS and (get_origin(one) or one) in _PATHS)]
        return " or ".join((["a path"] if parts >= _PATHS else []) + list(map(_described, rest)))
    if origin is Literal:
        return ", ".join(map(repr, arguments))
    if origin is tuple:
        return f"({', '.join(map(_described, arguments))})"
    if origin is not None:
        return f"a list, each {_described(arguments[0])}"
    return _KINDS.get(kind) or f"a {kind.__name__}"


# Messages


def _in_python(text: str, flags: Mapping[str, str], known: Mapping[str, inspect.Parameter]) -> str:
    """Return a message with keywords in place of flags, except in a command that it shows."""

    def keyword(found: re.Match[str]) -> str:
        flag, value = found[1], found[2]
        name = _ONE_OF_MANY.get(flags.get(flag, ""), flags.get(flag, ""))
        if name not in known or _COMMAND.search(text, 0, found.start()):
            return found[0]
        behind = "" if value is None else f" {value}"
        kind = known[name].annotation
        if kind is bool:
            return f"{name}=True{behind}"
        if value is None or not (_VALUE.fullmatch(value) or value in _choices(kind)):
            return f"{name}={behind}"
        is_plain = value.isupper() or (not _fits("", kind) and re.fullmatch(r"[\d.]+", value))
        return f"{name}={value}" if is_plain else f'{name}="{value}"'

    return _FLAG.sub(keyword, text)


def _choices(kind: Any) -> tuple[Any, ...]:
    parts = (kind, *get_args(kind))
    return tuple(choice for part in parts if get_origin(part) is Literal for choice in get_args(part))
