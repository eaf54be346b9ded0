"""The first seconds of a command, in which its libraries are loaded."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module

INTERRUPTED = 130
"""Exit code after Ctrl-C."""


@contextmanager
def loading() -> Iterator[None]:
    """Let Ctrl-C end the process at once, in one line, while modules are imported.

    An exception there would come out of the middle of some library's import: as a traceback, or swallowed, with half a module
    left to fail later. Nothing that needs tidying is begun yet.
    """
    is_ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    if not is_ours:
        yield
        return
    before = signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def names_from(owner: str, homes: dict[str, str]) -> Callable[[str], object]:
    """A module's `__getattr__` for public names that live in other modules, by name, and are loaded when they are asked for."""

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {owner!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    return get


def _leave(*_: object) -> None:
    os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)
