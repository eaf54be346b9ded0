"""The options of a command as one dataclass: its fields define the flags, their help, and the files that they name.

A field made by `flag` or `positional` is an option. The string under it is its help, and its type says how it is parsed:
bool is a switch, Literal a choice, tuple several values. A field made by `flags_of` has its own functions to add and to read
it. A field that is not given on the command line has its default, as in Python.

A command may have `keys`, a class variable with the names of fields that few people ask for: they have no flag, but --config reads
all fields from a YAML file. Flags win over the file.
"""

import argparse
import ast
import dataclasses
import inspect
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from avcore.bounds import checked
from avcore.checkpoints.stages import Precision
from avcore.command import Parser, did_you_mean, named_models, run, speed
from avcore.errors import InputError, UsageError
from avcore.files import Input, Output
from avcore.texts import read_yaml

Asked = TypeVar("Asked")
_FLAG = "flag"


@dataclass(frozen=True)
class _Flag:
    """The metadata of a field. See `flag` and `flags_of`."""

    names: Sequence[str] = ()
    group: str | tuple[str, str] = ""
    file: Input | Output | None = None
    read: Callable[[Any], Any] | None = None
    is_positional: bool = False
    add: Callable[[Any], None] | None = None
    make: Callable[[argparse.Namespace], Any] | None = None
    how: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def flag(
    *names: str,
    default: Any = MISSING,
    factory: Any = MISSING,
    file: Input | Output | None = None,
    group: str | tuple[str, str] = "",
    read: Callable[[Any], Any] | None = None,
    **how: Any,
) -> Any:
    """Return a field that is an option.

    names: by default --name. file: the file that it reads or writes. group: the heading in help from here on, or a heading and a
    sentence. read: makes the field's value from the parsed one. how: arguments of `add_argument` that the field's type does not
    give.
    """
    spec = _Flag(names, group, file, read, how=how)
    return field(default=default, default_factory=factory, metadata={_FLAG: spec})


def out_flag(what: str, default: Any = MISSING, **how: Any) -> Any:
    """Return the field of the file to write: -o, --out. what: its name in messages."""
    return flag("-o", "--out", default=default, file=Output(what), **how)


def report_flag(**how: Any) -> Any:
    """Return the field of the reports to write: --report."""
    return flag(default=(), file=Output("the report"), action="append", **how)


def speed_flag() -> Any:
    """Return the field of the speaking rate: --speed, above 1 is faster."""
    return flag(default=1.0, type=speed, metavar="X")


def voice_flag(*, may_be_name: bool = False, **how: Any) -> Any:
    """Return the field of the voice to speak in: --voice."""
    return flag("--voice", default=None, file=Input("the voice", may_be_name=may_be_name), **how)


def positional(
    name: str, default: Any = MISSING, file: Input | Output | None = None, group: str | tuple[str, str] = "", **how: Any
) -> Any:
    """Return a field for an argument without a flag: a file or a word. name: in help."""
    spec = _Flag((name,), group=group, file=file, is_positional=True, how=how)
    return field(default=default, metadata={_FLAG: spec})


def flags_of(
    add: Callable[[Any], None],
    make: Callable[[argparse.Namespace], Any],
    factory: Callable[[], Any],
    group: str = "",
    read: Callable[[Any], Any] | None = None,
) -> Any:
    """Return a field that is set by several options.

    add: adds the options to a group. make: makes the value from the parsed options. factory: makes the default. read: makes the
    value from an argument given in Python.
    """
    return field(default_factory=factory, metadata={_FLAG: _Flag(group=group, add=add, make=make, read=read)})


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options in a dataclass. Each is checked by its type; a path may be given as text. Raises UsageError."""

    def __post_init__(self) -> None:
        for one, spec, kind in _flags(type(self)):
            value = getattr(self, one.name)
            if spec.make is None:
                value = checked(value, kind, one.name if one.name in keys_of(type(self)) else _names(one, spec)[-1])
            elif spec.read is not None:
                value = spec.read(value)
            object.__setattr__(self, one.name, value)


@dataclass(frozen=True, kw_only=True)
class QuietOptions(Options):
    """Options that all commands share."""

    yes: bool = flag("-y", "--yes", default=False, group="running")
    """go on without asking"""
    quiet: bool = flag("-q", "--quiet", default=False)
    """print errors and warnings only"""
    verbose: bool = flag("-v", "--verbose", default=False)
    """print details, and tracebacks of unexpected errors"""


@dataclass(frozen=True, kw_only=True)
class CommonOptions(QuietOptions):
    """Options that all commands share that run models."""

    device: str = flag(group="running", default="auto")
    """auto, cpu, cuda, cuda:N or mps (default: auto); --cpu is --device cpu"""
    precision: Precision = flag(default="float32")
    """number format (default: float32)"""


@dataclass(frozen=True)
class Command(Generic[Asked]):
    """A command of the command line."""

    options: type[Asked]
    """The dataclass of its options."""
    prog: str
    """Its name, as `netflips models get`."""
    work: Callable[[Asked], int | None]
    """Runs it; returns the exit code, None = 0."""
    epilog: str | None = None
    """The last lines of its help."""

    def parser(self, prog: str | None = None) -> Parser:
        """Return the command's parser. prog: another name for the command."""
        return parser_for(self.options, prog or self.prog, self.epilog)

    def main(self, argv: Sequence[str] | None = None, prog: str | None = None) -> int:
        """Run the command and return its exit code; see `avcore.command.run`."""
        return run(self.parser(prog), self.work, argv, partial(options_from, self.options))


@dataclass(frozen=True)
class Commands:
    """A group of commands under one name, as `netflips models get` and its like."""

    prog: str
    """The name of the group."""
    about: str
    """What the commands do."""
    parts: Mapping[str, Command[Any]]
    """Each command by its own name."""

    def parser(self) -> Parser:
        """Return the parser of all commands."""
        parser = Parser(prog=self.prog, description=self.about)
        commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        for name, command in self.parts.items():
            words = inspect.cleandoc(command.options.__doc__ or "")
            in_list = " ".join(words.split()).rstrip(".").replace("%", "%%")
            _fill(commands.add_parser(name, help=in_list, description=words), command.options)
        return parser

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Run the named command and return its exit code; see `avcore.command.run`."""

        def read(given: argparse.Namespace) -> Callable[[], int | None]:
            command = self.parts[given.action]
            return partial(command.work, options_from(command.options, given))

        return run(self.parser(), lambda work: work(), argv, read)


def parser_for(options: type, prog: str, epilog: str | None = None) -> Parser:
    """Return the parser of a command's options. epilog: the last lines of its help."""
    return _fill(Parser(prog=prog, description=inspect.cleandoc(options.__doc__ or ""), epilog=epilog), options)


def _fill(parser: Parser, options: type) -> Parser:
    container, groups, words = parser, dict[str, Any](), _words(options)
    parser.keys = {one.name: words[one.name] for one, _, _ in _flags(options) if one.name in keys_of(options)}
    if parser.keys:
        how = "read options from a file, with lines as `pace: [0.9, 1.1]`; flags win; may be repeated"
        parser.add_argument("--config", action="append", type=Input("the options"), metavar="YAML", help=how)
    for one, spec, kind in _flags(options):
        if spec.group:
            title, text = (spec.group, None) if isinstance(spec.group, str) else spec.group
            container = groups.get(title) or groups.setdefault(title, parser.add_argument_group(title, text))
        if spec.add is not None:
            spec.add(container)
        elif one.name not in parser.keys:
            _add_one(container, one, spec, kind, words.get(one.name, ""))
    return parser


def options_from(options: type[Asked], given: argparse.Namespace) -> Asked:
    """Return the parsed options. Raises what the dataclass raises, and UsageError or InputError for a file of --config."""
    files = (given.config or ()) if keys_of(options) else ()  # one of another meaning stays as it is
    values = {name: value for path in files for name, value in _read_config(options, path).items()}
    for one, spec, _ in _flags(options):
        if spec.make is not None:
            made, default = spec.make(given), one.default_factory
            if one.name not in values or default is MISSING or made != default():
                values[one.name] = made
        elif (value := getattr(given, one.name, None)) is not None:
            value = tuple(value) if isinstance(value, list) else value
            values[one.name] = value if spec.read is None else spec.read(value)
    return options(**values)


def keys_of(options: type) -> frozenset[str]:
    """Return the names of a command's fields that have no flag."""
    return getattr(options, "keys", frozenset())


def shown_name(options: type, name: str) -> str:
    """Return what messages call a field: its flag, or its key of --config."""
    return name if name in keys_of(options) else f"--{name.replace('_', '-')}"


def _read_config(options: type, path: Path) -> dict[str, Any]:
    """Read fields of a command's options from a file. Raises InputError, and UsageError for an unknown key or a wrong value."""
    content = read_yaml(path, "the options")
    if not isinstance(content, dict):
        raise InputError("these are no options", path=path, expected="lines of `key: value`")

    kinds = {one.name: kind for one, spec, kind in _flags(options) if not spec.is_positional}
    makes = {one.name for one, spec, _ in _flags(options) if spec.make is not None}
    values = {str(key).replace("-", "_"): value for key, value in content.items()}
    if strange := next((key for key in values if key not in kinds), None):
        raise UsageError(f"there is no key {strange}", path=path, hint=did_you_mean(strange, kinds) or "netflips help dub --all")
    given = {key: value for key, value in values.items() if value is not None}
    given |= named_models(given)
    return {key: checked(value, str if key in makes else kinds[key], key, path) for key, value in given.items()}


def declared_in(options: Any) -> Iterator[tuple[Input | Output, list[Path]]]:
    """Yield the files that options name, each declaration with its paths."""
    for one, spec, _ in _flags(type(options)):
        value = getattr(options, one.name)
        if spec.file is not None:
            given = value if isinstance(value, tuple | list) else () if value is None else (value,)
            yield spec.file, [Path(path) for path in given]
        elif value is not None and is_dataclass(value):
            files: Mapping[str, Any] = getattr(value, "files", None) or {}
            if not callable(files):
                yield from (
                    (Input(what, may_be_folder=True), [paths] if isinstance(paths, Path) else list(paths))
                    for what, paths in files.items()
                )


def files_written(options: Any) -> dict[str, Any]:
    """Return the fields of the files to write, with their values: a path, several, or None."""
    written = (one.name for one, spec, _ in _flags(type(options)) if isinstance(spec.file, Output) and not spec.file.is_folder)
    return {name: getattr(options, name) for name in written}


def _add_one(container: Any, one: Field[Any], spec: _Flag, kind: Any, help: str) -> None:
    is_needed = _is_needed(one)
    how = {"help": help.replace("%", "%%"), **_reading(kind, spec, one), **spec.how}
    if spec.is_positional:
        nargs = {} if is_needed or "nargs" in how else {"nargs": "?"}
        how |= {"metavar": spec.names[0], "default": None}  # argparse would read SUPPRESS as a value
        container.add_argument(one.name, **nargs, **how)
        return

    names = _names(one, spec)
    required = {"required": True} if is_needed else {}
    # An option that is not given leaves no attribute, so that the default of the dataclass holds.
    container.add_argument(*names, dest=one.name, default=argparse.SUPPRESS, **required, **how)


def _reading(kind: Any, spec: _Flag, one: Field[Any]) -> dict[str, Any]:
    """Return the arguments of `add_argument` that follow from a field's type."""
    kind = _inner(kind)
    if spec.file is not None:
        return {"type": spec.file, "metavar": "FILE"} | ({"nargs": "+"} if get_origin(kind) is tuple and spec.is_positional else {})
    if kind is bool:
        return {"action": "store_false" if one.default is True else "store_true"}
    if get_origin(kind) is Literal:
        return {"choices": get_args(kind)}
    if get_origin(kind) is tuple:
        parts = get_args(kind)
        return {"type": _inner(parts[0]), "nargs": "+" if parts[-1] is Ellipsis else len(parts)}
    if kind in (int, float) and "type" not in spec.how:
        return {"type": kind, "metavar": "N" if kind is int else "X"}
    return {"metavar": "FILE", "type": Path} if kind is Path else {}


def _flags(options: Any) -> "list[tuple[Field[Any], _Flag, Any]]":
    """Return the fields of a dataclass that are options, its own before inherited ones, with their types."""
    return _read_flags(options)


@cache
def _read_flags(options: Any) -> "list[tuple[Field[Any], _Flag, Any]]":
    if not any(_FLAG in one.metadata for one in fields(options)):
        return []
    hints = get_type_hints(options, include_extras=True)
    homes = [name for base in options.__mro__ for name in inspect.get_annotations(base)]
    named = sorted((one for one in fields(options) if _FLAG in one.metadata), key=lambda one: homes.index(one.name))
    return [(one, one.metadata[_FLAG], hints[one.name]) for one in named]


def _inner(kind: Any) -> Any:
    """Return the type of a value on the command line: X for `X | None` and for X with bounds."""
    if get_origin(kind) in (Union, types.UnionType):
        left = [one for one in get_args(kind) if one is not type(None)]
        return _inner(left[0]) if len(left) == 1 else kind
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


class OptionInfo(NamedTuple):
    """Facts about an option."""

    names: tuple[str, ...]
    """Its flags."""
    kind: Any
    """Its type, X for `X | None`."""
    default: Any
    is_needed: bool
    """It must be given."""
    is_positional: bool


def option_info(options: type, name: str) -> OptionInfo:
    """Return the facts about a command's option. name: of its field."""
    one, spec, kind = next(found for found in _flags(options) if found[0].name == name)
    return OptionInfo(_names(one, spec), _inner(kind), one.default, _is_needed(one), spec.is_positional)


def _names(one: Field[Any], spec: _Flag) -> tuple[str, ...]:
    return tuple(spec.names) or (f"--{one.name.replace('_', '-')}",)


def _is_needed(one: Field[Any]) -> bool:
    return one.default is MISSING and one.default_factory is MISSING


@cache
def _words(options: Any) -> dict[str, str]:
    """Return the string under each field, of a class and its bases."""
    found = dict[str, str]()
    # Python does not keep the string under a field, so it is read from the source.
    for base in reversed(options.__mro__[:-1]):
        body = _bodies(sys.modules[base.__module__].__file__ or "").get(base.__name__, [])
        for before, after in pairwise(body):
            text = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else None
            if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and isinstance(text, str):
                found[before.target.id] = " ".join(text.split())
    return found


@cache
def _bodies(path: str) -> dict[str, list[ast.stmt]]:
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    return {one.name: one.body for one in tree.body if isinstance(one, ast.ClassDef)}
