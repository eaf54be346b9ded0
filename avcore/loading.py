"""The first seconds of a command, in which its libraries are loaded."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

INTERRUPTED = 130
"""Exit code after Ctrl-C."""
_STARTERS = ("-m", "netflips")
"""What stands in argv[0] while `python -m` looks for its module, and for the installed command."""


@contextmanager
def loading() -> Iterator[None]:
    """Let Ctrl-C end the process at once, in one line, while modules are imported.

    An exception there would come out of the middle of some library's import: as a traceback, or swallowed, with half a module
    left to fail later. Nothing that needs tidying is begun yet.
    """
    if not _is_heard():
        yield
        return
    before = signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def guard_start() -> None:
    """Do the same from the first import of a package on, if it is imported to run a command; `end_start` ends it."""
    is_worker = "multiprocessing.spawn" in sys.modules  # which imports us with the command's argv
    if sys.argv and Path(sys.argv[0]).name in _STARTERS and not is_worker and _is_heard():
        signal.signal(signal.SIGINT, _leave)


def end_start() -> None:
    """From here on Ctrl-C is an exception again: the command's work begins."""
    if _is_heard() and signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def names_from(owner: str, homes: dict[str, str]) -> Callable[[str], object]:
    """A module's `__getattr__` for public names that live in other modules, by name, and are loaded when they are asked for."""

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {owner!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    return get


def _is_heard() -> bool:
    """Whether Ctrl-C is for this thread to handle, and was not switched off (as `nohup` and `&` do)."""
    return threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


def _leave(*_: object) -> None:
    os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)
