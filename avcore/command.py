"""Parts of all commands: options for device and logging, and exit codes for failures."""

import argparse
import errno
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from avcore import INTERRUPTED
from avcore.checkpoints.stages import PRECISIONS, stages
from avcore.compute.memory import is_no_memory, keep_freed_memory
from avcore.errors import EXIT_BAD_INPUT, EXIT_DONE, EXIT_FAILED, NetflipsError, OutputError, UsageError, reason
from avcore.loading import TERMINATED, end_start
from avcore.notes import NoteKind, ToldNote, hand_on
from avcore.outputs import Input, Output, check_files
from avcore.plain_text import NEW_COMMAND, PlainFormatter
from avcore.usage import Parser, add_quiet_options

LOG = logging.getLogger("netflips")
_REFUSED = (
    errno.ENAMETOOLONG,
    errno.ENOSPC,
    errno.EFBIG,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.ELOOP,
    errno.EMFILE,
    errno.ENOTDIR,
)
"""Errors of the system about a name, a place or a limit; a user can correct them."""
_MOST_SHOWN = 200
_LESS = "close other programs, raise the limit (ulimit -v), or give something shorter"


class Terminated(KeyboardInterrupt):
    """SIGTERM came: what is under way ends as with Ctrl-C."""


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add --device, --cpu, --precision, --quiet and --verbose."""
    group = parser.add_argument_group("running")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default: auto)")
    group.add_argument("--cpu", action="store_true", help="the same as --device cpu")
    group.add_argument("--precision", default="float32", choices=PRECISIONS, help="number format (default: float32)")
    add_quiet_options(group)


def device_name(options: argparse.Namespace) -> str:
    """Return the device asked for, with --cpu taken into account."""
    return "cpu" if options.cpu else str(options.device)


def run(
    parser: Parser,
    work: Callable[[Any], int | None],
    argv: Sequence[str] | None = None,
    read: Callable[[argparse.Namespace], Any] | None = None,
) -> int:
    """Parse, set up logging on stderr, check the files that options name, do the work, and return the exit code.

    read: makes of what was parsed what the work gets; may raise NetflipsError.
    0 done; 2 bad input or usage, in one line; 1 anything else; 130 after Ctrl-C; 143 after SIGTERM.
    """
    from avcore.checkpoints.bundle import shipped_files  # with NumPy, for which help need not wait

    options = parser.parse_args(argv)
    is_verbose = getattr(options, "verbose", False)
    level = logging.DEBUG if is_verbose else logging.WARNING if getattr(options, "quiet", False) else logging.INFO
    _log_to_stderr()
    LOG.setLevel(level)
    for forget in NEW_COMMAND:
        forget()
    end_start()
    keep_freed_memory()
    try:
        with stopped_by_sigterm():
            if not stages():
                raise UsageError("NetfLips is not installed", hint="run `pip install --no-deps -e .` in its folder")
            asked = options if read is None else read(options)
            files = list(parser.declared(options))
            if any(isinstance(file, Output) and paths for file, paths in files):
                check_files(files, shipped_files())
            else:
                check_files(files)
            return work(asked) or EXIT_DONE
    except NetflipsError as error:
        _complain(parser.prog, str(error), lasts=error.exit_code != EXIT_FAILED and not isinstance(error, OutputError))
        return error.exit_code
    except Terminated:
        LOG.error("%s: terminated", parser.prog)
        return TERMINATED
    except KeyboardInterrupt:
        LOG.error("%s: interrupted", parser.prog)
        return INTERRUPTED
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _REFUSED:
            place = str(error.filename or "a file")
            _complain(parser.prog, f"{place[:_MOST_SHOWN]}: it cannot be used; found {error.strerror}")
            return EXIT_BAD_INPUT
        if is_no_memory(error):
            _complain(parser.prog, f"there is not enough memory for this; found {reason(error)}; {_LESS}")
            return EXIT_BAD_INPUT
        _complain(f"{parser.prog}: unexpected", f"{type(error).__name__}: {error}", is_verbose)
        return EXIT_FAILED


COMPLAINT = NoteKind("failed", "{text}", "오류: {text}")
"""Sent to listeners of a command's notes: the error that ended it. lasts: the same command on the same files fails again."""


def _complain(prog: str, text: str, is_verbose: bool = False, lasts: bool = False) -> None:
    """Print the error that ends a command. prog: the command; an unforeseen error is named too."""
    LOG.error("%s%serror: %s", prog, " " if prog.endswith("unexpected") else ": ", text, exc_info=is_verbose)
    hand_on(ToldNote(COMPLAINT(text=text, lasts=lasts)))


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainFormatter("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """Let SIGTERM, as batch systems send it, end the block as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    is_told = False

    def stop(*_: object) -> None:
        nonlocal is_told
        is_told = True
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt as error:
        if is_told and not isinstance(error, Terminated):  # Ray makes a plain one of it while it waits
            raise Terminated from error
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


__all__ = [
    "EXIT_BAD_INPUT",
    "EXIT_DONE",
    "EXIT_FAILED",
    "LOG",
    "Input",
    "Output",
    "Parser",
    "Terminated",
    "add_common_options",
    "device_name",
    "run",
    "stopped_by_sigterm",
]
