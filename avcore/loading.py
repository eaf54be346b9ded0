"""The first seconds of a command, in which its libraries are loaded, and its last ones, in which they are not taken down."""

import atexit
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from inspect import Signature, signature
from types import ModuleType
from typing import Any, NoReturn

from avcore import end_interrupted

_UNWRITTEN = 120
"""Exit code of Python where what was printed could not be written."""
TERMINATED = 143
"""Exit code after SIGTERM."""
_MANY_MODULES = 200


@contextmanager
def loading() -> Iterator[None]:
    """Let Ctrl-C, and SIGTERM where it would be an exception, end the process at once, in one line, while modules are imported.

    An exception there would come out of the middle of some library's import: as a traceback, or swallowed, with half a module
    left to fail later. Nothing that needs tidying is begun yet.
    """
    with _uncollected():
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


@contextmanager
def postponed(*names: str) -> Iterator[None]:
    """Let these modules, imported meanwhile by others, be executed when something is asked of them; most are never asked.

    For parts of a library that it imports by itself and that an inference has no use for. What such a module does to others by
    being imported is postponed too.
    """
    finder = _Postponing(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Postponing(MetaPathFinder):
    """Finds some modules as ever, with a loader that waits."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname in self._names else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


@contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no garbage meanwhile: modules are none, and hundreds of thousands of their objects would be visited each time.

    Nor later, where many were loaded; where few were, what a process that runs for days has thrown away must not be kept.
    """
    was_on, num_before = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > num_before + _MANY_MODULES:
            gc.freeze()
        if was_on:
            gc.enable()


def leave(code: int) -> NoReturn:
    """End this process, which ran a command and nothing else, with its exit code.

    What is registered for the end of a process is done, threads are waited for, and output is written, as ever. Modules are not
    taken down one by one: with torch loaded that takes half a second and 120 MB, to tidy memory that the system takes back.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # as multiprocessing ends its processes
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            code = code or _UNWRITTEN
    os._exit(code)


def end_start() -> None:
    """From here on Ctrl-C is an exception again: the command's work begins."""
    if _is_heard() and signal.getsignal(signal.SIGINT) is end_interrupted:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def names_from(owner: str, homes: dict[str, str]) -> Callable[[str], object]:
    """A module's `__getattr__` for public names that live in other modules, by name, and are loaded when they are asked for."""

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
    """Whether Ctrl-C is for this thread to handle, and was not switched off (as `nohup` and `&` do)."""
    return threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
