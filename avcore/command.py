"""What all commands share: options for device and noise, and how a failure becomes an exit code."""

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from avcore.errors import EXIT_BAD_INPUT, EXIT_DONE, EXIT_FAILED, NetflipsError
from avcore.loading import INTERRUPTED, end_start
from avcore.memory import keep_freed_memory
from avcore.plain_text import PlainFormatter
from avcore.precision import PRECISIONS
from avcore.usage import Parser

LOG = logging.getLogger("netflips")


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add --device, --cpu, --precision, --quiet and --verbose."""
    group = parser.add_argument_group("running")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default: auto)")
    group.add_argument("--cpu", action="store_true", help="the same as --device cpu")
    group.add_argument("--precision", default="float32", choices=PRECISIONS, help="number format (default: float32)")
    group.add_argument("--quiet", action="store_true", help="print errors and warnings only")
    group.add_argument("--verbose", action="store_true", help="print details, and tracebacks of unexpected errors")


def device_name(options: argparse.Namespace) -> str:
    """The device asked for, with --cpu taken into account."""
    return "cpu" if options.cpu else str(options.device)


def run(
    parser: argparse.ArgumentParser, work: Callable[[argparse.Namespace], int | None], argv: Sequence[str] | None = None
) -> int:
    """Parse, set up logging on stderr, do the work, and return the exit code.

    0 done; 2 bad input or usage, in one line; 1 anything else; 130 after Ctrl-C.
    """
    options = parser.parse_args(argv)
    is_verbose = getattr(options, "verbose", False)
    level = logging.DEBUG if is_verbose else logging.WARNING if getattr(options, "quiet", False) else logging.INFO
    _log_to_stderr()
    LOG.setLevel(level)
    end_start()
    keep_freed_memory()
    try:
        return work(options) or EXIT_DONE
    except NetflipsError as error:
        LOG.error("%s: error: %s", parser.prog, error)
        return error.exit_code
    except KeyboardInterrupt:
        LOG.error("%s: interrupted", parser.prog)
        return INTERRUPTED
    except Exception as error:
        LOG.error("%s: unexpected error: %s: %s", parser.prog, type(error).__name__, error, exc_info=is_verbose)
        return EXIT_FAILED


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

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


__all__ = [
    "EXIT_BAD_INPUT", "EXIT_DONE", "EXIT_FAILED", "LOG", "Parser", "add_common_options", "device_name", "run", "stopped_by_sigterm",
]  # fmt: skip
