"""How a process on the CPU holds its memory."""

import ctypes
import mmap
import sys
from pathlib import Path

from torch import Tensor

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Names of settings of glibc's mallopt (malloc.h)."""
_MOST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let the process keep memory that is freed, for what comes next, instead of giving it back to the system each time.

    Training steps, and pictures drawn batch after batch, ask for the same large tensors again and again, and the system
    clears each page that it gives: 15 to 25 % of the processor time, measured on the unit encoder's training and on the
    face renderer. Returns whether this system's allocator can be told so.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library than glibc
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, _MOST))


def let_go_of_mapped(tensor: Tensor) -> bool:
    """Give back the memory of a CPU tensor that lies in a file and was not changed; whoever looks at it reads the file again.

    Weights that were copied elsewhere would otherwise stay in memory as long as any tensor of their file is in use. Returns
    whether it was done; memory that lies in no file is left alone.
    """
    start = -(-tensor.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
    end = (tensor.data_ptr() + tensor.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE
    if not sys.platform.startswith("linux") or end <= start or not _lies_in_a_file(start, end):
        return False
    failed: int = ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED)
    return not failed


def _lies_in_a_file(start: int, end: int) -> bool:
    """Whether one mapping of a regular file covers these addresses."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        first, last = (int(address, 16) for address in fields[0].split("-"))
        if first <= start < last:
            return end <= last and len(fields) == 6 and Path(fields[5]).is_file()
    return False
