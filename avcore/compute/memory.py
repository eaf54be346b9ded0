"""Memory of a process: keep or release freed pages on the CPU; measure free memory on a GPU."""

import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import torch

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Names of settings of glibc's mallopt (malloc.h)."""
_MOST = 2**31 - 1
_KILOBYTE = 1024
_GROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""File with the limit of the control group (version 2); "max" = none."""


def keep_freed_memory() -> bool:
    """Let the process keep freed memory for later use, instead of giving it back to the system each time.

    Training steps, and frames drawn batch after batch, ask for the same large tensors again and again, and the system clears each
    page that it gives: 15 to 25 % of the processor time, measured on the unit encoder's training and on the face renderer. Returns
    whether this system's allocator supports it.
    """
    mallopt = _of_glibc("mallopt")
    # glibc maps large blocks one by one, and unmaps each as soon as it is freed; with no such mappings they come from the heap.
    return mallopt is not None and bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, _MOST))


def release_freed_memory() -> bool:
    """Give all free pages back to the system, including those that `keep_freed_memory` keeps; returns False if not supported."""
    trim = _of_glibc("malloc_trim")
    return trim is not None and bool(trim(ctypes.c_size_t(0)))


def peak_memory_bytes() -> int | None:
    """Return the most memory that this process has held so far; None where the system does not report it."""
    try:
        import resource
    except ImportError:
        return None
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS reports bytes, Linux kilobytes.
    return held if sys.platform == "darwin" else held * _KILOBYTE


def machine_memory_bytes() -> int:
    """Return the memory that this process may use: the machine's, or less where a container or a cluster's job has a limit."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = _GROUP_LIMIT.read_text(encoding="ascii").strip()
    except OSError:
        return found
    return min(found, int(limit)) if limit.isdecimal() else found


def free_memory_bytes(device: "torch.device") -> int:
    """Return the memory of a CUDA device that is free for tensors, including unused blocks of this process."""
    import torch

    spare = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + spare


def _of_glibc(name: str) -> Callable[..., int] | None:
    """Return a function of glibc's allocator; None with another C library."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return cast(Callable[..., int], getattr(ctypes.CDLL(None), name))
    except (OSError, AttributeError):
        return None
