"""Commands as functions: each option is a keyword, checked by its type; error messages name it in place of the flag."""

import functools
import inspect
import operator
import os
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, is_dataclass
from numbers import Integral, Real
from pathlib import Path
from types import GenericAlias, NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from avcore.checkpoints.bundle import shipped_files
from avcore.command import PUBLISHED, did_you_mean, named_models
from avcore.errors import NetflipsError, UsageError
from avcore.files import check_files
from avcore.flags import declared_in, help_order, help_words, names_of, option_info

Options = TypeVar("Options")
Made = TypeVar("Made")
StrPath = str | os.PathLike[str]
_ONE_OF_MANY = {"videos": "video", "recordings": "recording"}
_OF_ONE = {"video": "the video or sound file", "recording": "the video or sound file"}
"""Help of the arguments that take one file."""
_MEANT = {"target": "to", "target_language": "to", "language": "to", "source_language": "source", "speaker": "voice"}
"""Names that other programs have for a keyword."""
_WIDTH = 100
_FLAG = re.compile(r"(?<![\w-])(--[a-z][\w-]*)(?:[ =]([^\s;:()]*[^\s;:(),]))?")
_COMMAND = re.compile(r"(?:netflips|python -m \S+) [^;:]*$")
_VALUE = re.compile(r"[A-Z]+|\S*[\d./]\S*|\w+(?:,\w+)+|cpu|cuda|largest|none|auto|off|own|source|target")
"""What may follow a flag as its value; any other word continues the sentence."""
_PLACE, _PLACES = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.VAR_POSITIONAL
_KINDS = {bool: "True or False", int: "a whole number", float: "a number", str: "a text", NoneType: "None"}
_PATHS = {str, os.PathLike}


class WrongArgumentError(UsageError, TypeError):
    """An argument has another type than its keyword, or is none of the allowed values."""


def command(
    options: type[Options], places: str, first: str = "", *, without: str = "", needed: str = ""
) -> Callable[[Callable[[Options], Made]], Callable[..., Made]]:
    """Return a decorator for a function of a command's options: it gets each option as a keyword.

    places: options that can be given by position. first: options that people use, first in the signature. without: options that
    the function lacks. needed: options that must be given, though the command has other ways. An argument of a wrong type is
    refused by name, an unknown keyword by the nearest one, and files are checked as in the command. The docstring gets the help.
    """
    known = _parameters(options, places.split(), first.split(), without.split(), needed.split())
    words = {_ONE_OF_MANY.get(name, name): text for name, text in help_words(options).items()}
    words |= {name: _OF_ONE[name] for many, name in _ONE_OF_MANY.items() if many in help_words(options)}
    flags = {flag: name for name, names in names_of(options).items() for flag in names}

    def decorate(function: Callable[[Options], Made]) -> Callable[..., Made]:
        signature = inspect.Signature([*known.values()], return_annotation=function.__annotations__["return"])

        @functools.wraps(function)
        def call(*given: Any, **named: Any) -> Made:
            called = f"netflips.{function.__name__}()"
            if strange := next((name for name in named if name not in known), None):
                flag = f"--{strange.replace('_', '-')}"
                near = _MEANT.get(strange) or flags.get(PUBLISHED.get(flag, flag)) or _near(flag, strange, flags, known)
                hint = f"; did you mean '{near}'?" if near in known else ""
                raise TypeError(f"{called} has no keyword '{strange}'{hint}")

            try:
                arguments = signature.bind(*given, **named).arguments
            except TypeError as error:
                raise TypeError(f"{called}: {error}") from None

            for name, value in arguments.items():
                _require(called, name, value, known[name])

            try:
                return function(_options_of(options, arguments))
            except NetflipsError as error:
                error.reword(lambda text: _in_python(text, flags, known))
                raise

        rows = (f"{name}: {_in_python(words[name], flags, known)}" for name in known if name in words)
        lines = (textwrap.fill(row, _WIDTH, subsequent_indent="    ") for row in rows)
        call.__doc__ = "\n".join([" ".join((function.__doc__ or "").split()), "", *lines])
        call.__signature__ = signature  # type: ignore[attr-defined]
        return call

    return decorate


def _parameters(
    options: type, places: Sequence[str], first: Sequence[str], without: Sequence[str], needed: Sequence[str]
) -> dict[str, inspect.Parameter]:
    """Return the parameters of a function by name, in their order."""
    found = {name: option_info(options, name) for name in help_order(options) if name not in without}
    order = [*(place.lstrip("*") for place in places), *first]
    kinds = {place.lstrip("*"): _PLACE if place[0] != "*" else _PLACES for place in places}
    result = dict[str, inspect.Parameter]()
    for many in [*order, *(name for name in found if name not in order)]:
        option, name, kind = found[many], _ONE_OF_MANY.get(many, many), kinds.get(many, inspect.Parameter.KEYWORD_ONLY)
        is_needed = option.is_needed or many in needed or name != many or kind is _PLACES
        default = option.default
        if is_needed:
            default = inspect.Parameter.empty
        elif isinstance(default, Path) or default is MISSING:  # one that a factory makes is shown as auto
            default = "auto" if default is MISSING else os.fspath(default)

        annotation = StrPath if name != many else str if kind is _PLACES else _kind(option.kind if is_needed else option.whole)
        result[name] = inspect.Parameter(name, kind, default=default, annotation=annotation)
    return result


def _kind(kind: Any) -> Any:
    """Return the type of a keyword from that of its field: a path may be text, a tuple may be a list, a choice may be a name."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Path:
        return StrPath
    if origin in (Union, UnionType):
        return functools.reduce(operator.or_, map(_kind, arguments))
    if origin is tuple and arguments[-1] is Ellipsis:
        several: Any = GenericAlias(Sequence, (_kind(arguments[0]),))
        return StrPath | several if arguments[0] is Path else several
    return str | kind if is_dataclass(kind) else kind


def _options_of(options: Callable[..., Options], arguments: Mapping[str, Any]) -> Options:
    """Return a command's options from arguments, with the files checked as in the command."""
    given = dict(arguments)
    for many, one in _ONE_OF_MANY.items():
        if one in given and many in inspect.signature(options).parameters:
            path = given.pop(one)
            if Path(path).is_dir():
                raise UsageError("this takes one file", found=path, hint="call it for each, or netflips.load().dub_all for many")
            given[many] = (path,)
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    asked = options(**{**given, **named_models(given)})
    check_files(declared_in(asked), shipped_files())
    return asked


def _near(flag: str, name: str, flags: Mapping[str, str], known: Iterable[str]) -> str:
    """Return the keyword nearest to a word, compared with the command's flags and with the keywords; "" = none is near."""
    found = [did_you_mean(flag, flags), did_you_mean(name, [one.replace("_", "-") for one in known])]
    near = next((one.removeprefix("did you mean ").removesuffix("?") for one in found if one), "")
    return flags.get(near, near.replace("-", "_"))


# Types


def _require(called: str, name: str, value: object, parameter: inspect.Parameter) -> None:
    """Raise WrongArgumentError for an argument of another type than its keyword has."""
    kind = parameter.annotation
    if parameter.kind is _PLACES or _fits(value, kind):
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
    # Numbers of NumPy are numbers, too; True is none.
    if kind in (int, float):
        return isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    return isinstance(value, origin or kind)


def _described(kind: Any) -> str:
    """Return a type in words, as `a text or None` or `'a', 'b'`."""
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
    """Return a message with keywords in place of flags, except within commands that it quotes."""

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
