"""The first seconds of a command, in which its libraries are loaded."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from inspect import Signature, signature
from types import ModuleType
from typing import Any

from avcore import end_interrupted

TERMINATED = 143
"""Exit code after SIGTERM."""


@contextmanager
def loading() -> Iterator[None]:
    """Let Ctrl-C, and SIGTERM where it would be an exception, end the process at once, in one line, while modules are imported.

    An exception there would come out of the middle of some library's import: as a traceback, or swallowed, with half a module
    left to fail later. Nothing that needs tidying is begun yet.
    """
    if not _is_heard():
        yield
        return
    before = {signal.SIGINT: signal.signal(signal.SIGINT, end_interrupted)}
    if callable(signal.getsignal(signal.SIGTERM)):
        before[signal.SIGTERM] = signal.signal(signal.SIGTERM, _end_terminated)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_terminated(*_: object) -> None:
    os.write(2, b"terminated\n")
    os._exit(TERMINATED)


def end_start() -> None:
    """Make Ctrl-C an exception again: the command's work begins."""
    if _is_heard() and signal.getsignal(signal.SIGINT) is end_interrupted:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def names_from(owner: str, homes: dict[str, str]) -> Callable[[str], object]:
    """Return a module's `__getattr__` for public names that live in other modules, by name, and are loaded when they are asked
    for."""

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {owner!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    return get


class _Called(ModuleType):
    """A module that is a function, too: that of its name in the module `called_from`."""

    called_from: str

    def __call__(self, *given: object, **keywords: object) -> object:
        return self._function()(*given, **keywords)

    @property
    def __signature__(self) -> Signature:
        return signature(self._function())

    def _function(self) -> Callable[..., object]:
        function: Callable[..., object] = getattr(import_module(self.called_from), self.__name__.rpartition(".")[2])
        return function


def functions_from(package: str, home: str, names: Sequence[str]) -> None:
    """Give a package the functions of a module, `home`, which is loaded when one is asked for.

    A submodule of a function's name stays what it is, and can be called.
    """

    class Package(ModuleType):
        def __getattr__(self, name: str) -> object:
            if name not in names:
                raise AttributeError(f"module {package!r} has no attribute {name!r}")
            return getattr(import_module(home), name)

        def __setattr__(self, name: str, value: Any) -> None:
            if name in names and isinstance(value, ModuleType):  # it was imported
                value.__class__ = _Called
                value.__dict__["called_from"] = home
            super().__setattr__(name, value)

    sys.modules[package].__class__ = Package


def _is_heard() -> bool:
    """Return whether Ctrl-C is for this thread to handle, and was not switched off (as `nohup` and `&` do)."""
    return threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
