"""Load a pickled checkpoint without running or importing anything it names.

torch's weights-only reader resolves the names in a pickle from a list of allowed objects. Every name that is not
torch's own gets an inert stand-in here; a few stand-ins keep what the file stored, because configurations and
dictionaries consist of them. So it does not matter what the file names, nor whether fairseq or omegaconf are installed.
"""

import argparse
import pickle
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from avcore.errors import CheckpointError

_LOCK = threading.Lock()


class Placeholder:
    """Stands for an object of a class that means nothing to us; calling, building and filling it does nothing else.

    `args` and `state` are what the file stored. Subclasses carry the name in `stands_for`.
    """

    stands_for = ""
    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any, **_: Any) -> "Placeholder":
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

    @property
    def symbols(self) -> list[str]:
        """The symbols, the four special ones first; empty when the file holds none."""
        symbols = self.state.get("symbols") if isinstance(self.state, dict) else None
        return symbols if isinstance(symbols, list) and all(isinstance(symbol, str) for symbol in symbols) else []


class ConfigNode(Placeholder):
    """A container or leaf of omegaconf; `content` is the dict, list or value it holds."""

    @property
    def content(self) -> Any:
        """What the node holds: `_content` of a container, `_val` of a leaf."""
        state = self.state if isinstance(self.state, dict) else {}
        return state.get("_content", state.get("_val"))


_CONFIG_NODES = ("dictconfig.DictConfig", "listconfig.ListConfig", *(f"nodes.{name}Node" for name in (
    "Any", "String", "Integer", "Float", "Boolean", "Enum", "Bytes", "Path",
)))  # fmt: skip


def _empty_dict(*_: Any) -> dict[Any, Any]:
    return {}


def _plain_list(items: Any = (), *_: Any) -> list[Any]:
    return list(items) if isinstance(items, (list, tuple)) else []


_KNOWN: dict[str, Any] = {
    "argparse.Namespace": argparse.Namespace,
    "fairseq.data.dictionary.Dictionary": Dictionary,
    **{f"omegaconf.{name}": ConfigNode for name in _CONFIG_NODES},
    "collections.defaultdict": _empty_dict,
    "collections.deque": _plain_list,
}


def load_pickled(path: Path) -> Any:
    """Return the content of a torch.save file on the CPU, memory-mapped when it is a zip file; raises CheckpointError."""
    is_zip = _is_zip(path)
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(str(path)) if is_zip else []
        stand_ins = {name: _KNOWN.get(name) or _placeholder(name) for name in {*names, *_KNOWN}}
        with _only_these(stand_ins), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except (RuntimeError, EOFError, pickle.UnpicklingError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise CheckpointError("the checkpoint cannot be read", path=path, found=str(error).splitlines()[0]) from error


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _placeholder(name: str) -> type[Placeholder]:
    return type("Placeholder", (Placeholder,), {"stands_for": name})


@contextmanager
def _only_these(stand_ins: dict[str, Any]) -> Iterator[None]:
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
