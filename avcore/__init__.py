"""The ground floor: what every stage needs and no stage owns."""

import _signal  # type: ignore[import-not-found]  # built in: nothing is read from the disk before Ctrl-C is one line
import os
import sys

INTERRUPTED = 130
"""Exit code after Ctrl-C."""
_STARTERS = ("-m", "netflips", "inference_av2av.py")
"""The argv[0] while `python -m` looks for its module, and for the installed command and the published one."""


def end_interrupted(*_: object) -> None:
    """End the process at once, in one line: what Ctrl-C does as long as modules are imported."""
    os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)


def _is_command() -> bool:
    """Return whether the process is a command of ours: neither another program that imports us, nor a process of a pool."""
    return os.path.basename((getattr(sys, "argv", None) or [""])[0]) in _STARTERS and "multiprocessing.spawn" not in sys.modules


def _guard_start() -> None:
    """Let Ctrl-C end a command so from here on; `avcore.loading.end_start` ends it. One that is handled or ignored stays so."""
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        try:  # noqa: SIM105  contextlib is not read yet
            _signal.signal(_signal.SIGINT, end_interrupted)
        except ValueError:  # not the main thread
            pass


# Read once, when torch loads its OpenMP runtime, so every room imports this one first. Threads that wait for others would
# spin by default: when another process has one of two cores, two threads then take three times as long as on a free machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# The same of numpy's: they spin for 20 ms after each product, a fifth of the processor time of a short dub. 2^4 cycles is least.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")

if _is_command():
    _guard_start()
    # A command's products in numpy are small, and where another process has a core each of them waits for it (21 x 1404 numbers:
    # 12 us alone, 5,700 us with a second thread). A program that imports us keeps its threads.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
