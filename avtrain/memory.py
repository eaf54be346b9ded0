"""Memory of a training process on the CPU."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Names of settings of glibc's mallopt (malloc.h)."""
_MOST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let the process keep memory that is freed, for what comes next, instead of giving it back to the system each time.

    A training step asks for the same large tensors again and again, and the system clears each page that it gives: 15 to 25 %
    of a step's processor time, measured on the unit encoder. Returns whether this system's allocator can be told so.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library than glibc
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, _MOST))
