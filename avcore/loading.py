"""The first seconds of a command, while its libraries are loaded."""

import atexit
import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module

from avcore import end_interrupted

TERMINATED = 143
"""Exit code after SIGTERM."""
_AT_WORK = threading.Event()
"""Set once the work of this process's command has begun."""


@contextmanager
def loading() -> Iterator[None]:
    """Import modules in a block without garbage collection; Ctrl-C ends the process at once (see `_ended_at_once`)."""
    is_collecting = gc.isenabled()
    # What an import makes stays, so each collection in between would go through all of it for nothing.
    gc.disable()
    try:
        with _ended_at_once():
            yield
    finally:
        if is_collecting:
            gc.enable()
        if _AT_WORK.is_set():
            _freeze_loaded()


@cache
def _freeze_loaded() -> None:
    """Exclude what is loaded from garbage collection, including the last one at the end of the process.

    Libraries stay loaded; going through their million objects again and again takes most of a second of a short dub.
    """
    gc.freeze()
    atexit.register(gc.freeze)


@contextmanager
def _ended_at_once() -> Iterator[None]:
    """Let Ctrl-C, and SIGTERM where it would be an exception, end the process at once, in one line, while modules are imported.

    An exception would come out of the middle of some library's import: as a traceback, or swallowed, which leaves half a module
    to fail later. Nothing that needs cleaning up has begun yet.
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
    _AT_WORK.set()
    if _is_heard() and signal.getsignal(signal.SIGINT) is end_interrupted:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def names_from(owner: str, homes: dict[str, str]) -> Callable[[str], object]:
    """Return a `__getattr__` for module `owner`: public names of other modules, which are loaded on first use. homes: name to
    module."""

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {owner!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    return get


def _is_heard() -> bool:
    """Return whether this thread handles Ctrl-C, and it was not switched off (as `nohup` and `&` do)."""
    return threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
