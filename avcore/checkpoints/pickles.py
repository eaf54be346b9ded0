"""Load a pickled checkpoint without running or importing anything it names.

torch's weights-only reader resolves the names in a pickle from a list of allowed objects. Every name that is not
torch's own gets an inert stand-in here; a few stand-ins keep what the file stored, because configurations and
dictionaries consist of them. So it does not matter what the file names, nor whether fairseq or omegaconf are installed.
"""

import argparse
import pickle
import pickletools
import reprlib
import threading
import warnings
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from avcore.checkpoints.sniff import Format, check_pickles, damaged, no_memory, truncated
from avcore.compute.memory import is_no_memory
from avcore.errors import CheckpointError

_LOCK = threading.Lock()
_BRIEF = reprlib.Repr()
_SYSTEM_MODULES = ("nt", "os", "posix", "sys")
"""Modules that torch never lets a file name, not even for a stand-in."""
_OLD_FILE_PICKLES = 4
"""An old file begins with four pickles: magic number, protocol, machine, content."""


class Placeholder:
    """Stands for an object of a class that means nothing to us; calling, building and filling it does nothing else.

    `args` and `state` are what the file stored. Subclasses carry the name in `stands_for`.
    """

    stands_for = ""
    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any, **_: Any) -> Any:
        self = super().__new__(cls)
        self.args, self.state = args, None
        return self

    def __init__(self, *_: Any, **__: Any) -> None:
        """Accept whatever the file passes."""

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __repr__(self) -> str:
        return f"<{self.stands_for}>"


class Dictionary(Placeholder):
    """fairseq's Dictionary; only its symbols, in id order, mean anything."""

    stands_for = "fairseq.data.dictionary.Dictionary"

    @property
    def symbols(self) -> list[str]:
        """The symbols, the four special ones first; empty when the file holds none."""
        symbols = self.state.get("symbols") if isinstance(self.state, dict) else None
        return symbols if isinstance(symbols, list) and all(isinstance(symbol, str) for symbol in symbols) else []


class ConfigNode(Placeholder):
    """A container or leaf of omegaconf; `content` is the dict, list or value it holds."""

    stands_for = "omegaconf node"

    @property
    def content(self) -> Any:
        """What the node holds: `_content` of a container, `_val` of a leaf."""
        state = self.state if isinstance(self.state, dict) else {}
        return state.get("_content", state.get("_val"))


class _Mapping(Placeholder):
    """A class of dicts; torch fills exact dicts only, so its objects become one."""

    def __new__(cls, *_: Any, **__: Any) -> Any:
        return OrderedDict()


class _Sequence(Placeholder):
    """A class of lists; torch fills exact lists only, so its objects become one."""

    def __new__(cls, *_: Any, **__: Any) -> Any:
        return []


_CONFIG_LEAVES = ("Any", "Boolean", "Bytes", "Enum", "Float", "Integer", "Interpolation", "Path", "String")
_KNOWN: dict[str, type[Any]] = {
    "argparse.Namespace": argparse.Namespace,
    "collections.defaultdict": _Mapping,
    "collections.deque": _Sequence,
    "fairseq.data.dictionary.Dictionary": Dictionary,
    "omegaconf.dictconfig.DictConfig": ConfigNode,
    "omegaconf.listconfig.ListConfig": ConfigNode,
    **{f"omegaconf.nodes.{leaf}Node": ConfigNode for leaf in _CONFIG_LEAVES},
}


def load_pickled(path: Path, stored: Format) -> Any:
    """Return the content of a torch.save file on the CPU, mapped from disk when it is a zip; raises CheckpointError.

    Nothing that the file names is imported or called: what is not torch's, and has no meaning here, is a Placeholder.
    """
    try:
        if stored is Format.ZIP:
            check_pickles(path)
        names = _names_in_zip(path) if stored is Format.ZIP else _names_in_old_file(path)
        _refuse_system_calls(names, path)
        return _load(path, {**_KNOWN, **{name: _placeholder(name) for name in names - _KNOWN.keys()}}, mapped=stored is Format.ZIP)
    except CheckpointError:
        raise
    # A damaged or hostile file can make the readers fail in any way; whichever it is, the file is at fault.
    except Exception as error:
        if is_no_memory(error):
            raise no_memory(path) from error
        if isinstance(error, EOFError) or "unexpected EOF" in str(error):
            raise truncated(path) from error
        raise damaged(path, _reason(error)) from error


def _load(path: Path, stand_ins: dict[str, type[Any]], mapped: bool) -> Any:
    while True:
        try:
            with _only_these(stand_ins), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
        except pickle.UnpicklingError as error:
            # Which classes are dicts or lists shows only when the file fills one: try again with that known.
            name = next((name for name, item in stand_ins.items() if f"but got {item!r}" in str(error)), None)
            if name is None or name in _KNOWN:
                raise
            container = _Sequence if "lists" in str(error) else _Mapping
            if issubclass(stand_ins[name], container):
                raise
            stand_ins = {**stand_ins, name: _placeholder(name, container)}


def _names_in_zip(path: Path) -> set[str]:
    with _only_these({}):
        return set(torch.serialization.get_unsafe_globals_in_checkpoint(str(path)))


def _names_in_old_file(path: Path) -> set[str]:
    with path.open("rb") as file:
        operations = (operation for _ in range(_OLD_FILE_PICKLES) for operation in pickletools.genops(file))
        names = {str(argument) for operation, argument, _ in operations if operation.name == "GLOBAL"}
    return {_current_name(*name.split(" ", 1)) for name in names}


def _current_name(module: str, name: str) -> str:
    """Return the name in Python 3 of what pickles name as in Python 2 (`__builtin__.list`), with the same tables as torch."""
    module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
    return f"{module}.{name}"


def _refuse_system_calls(names: set[str], path: Path) -> None:
    found = sorted(name for name in names if name.split(".")[0] in _SYSTEM_MODULES)
    if found:
        raise CheckpointError(
            "the checkpoint calls the operating system; nothing of it was run",
            path=path,
            expected="tensors and settings",
            found=", ".join(found[:3]),
            hint="do not use this file; get it from a source you trust",
        )


def _placeholder(name: str, base: type[Placeholder] = Placeholder) -> type[Placeholder]:
    return type(name, (base,), {"stands_for": name})


@contextmanager
def _only_these(stand_ins: dict[str, type[Any]]) -> Iterator[None]:
    """Make torch allow these names and nothing that other code in this process has allowed."""
    with _LOCK:
        others = torch.serialization.get_safe_globals()
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals([(stand_in, name) for name, stand_in in stand_ins.items()])
        try:
            yield
        finally:
            torch.serialization.clear_safe_globals()
            torch.serialization.add_safe_globals(others)


def brief(value: object) -> str:
    """Return what a value of a file is, in 80 letters; one that holds itself a thousand million times over takes no time."""
    return _BRIEF.repr(value)[:80]


def _reason(error: Exception) -> str:
    """Return the one sentence of a torch error that says what is wrong; the rest is advice to load the file unsafely."""
    text = str(error)
    text = text.partition("WeightsUnpickler error: ")[2] or text
    return text.strip().splitlines()[0].split(". Please use")[0].strip() if text.strip() else type(error).__name__
