"""Memory of a process on the CPU: keeping freed pages, and releasing them."""

import ctypes
import mmap
import os
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from torch import Tensor

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Names of settings of glibc's mallopt (malloc.h)."""
_MOST = 2**31 - 1
_KILOBYTE = 1024
_GROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""Of the control group (version 2); "max" = none."""


def keep_freed_memory() -> bool:
    """Let the process keep memory that is freed, for what comes next, instead of giving it back to the system each time.

    Training steps, and pictures drawn batch after batch, ask for the same large tensors again and again, and the system
    clears each page that it gives: 15 to 25 % of the processor time, measured on the unit encoder's training and on the
    face renderer. Returns whether this system's allocator supports it.
    """
    mallopt = _of_glibc("mallopt")
    return mallopt is not None and bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, _MOST))


def release_freed_memory() -> bool:
    """Give all free pages back to the system, those that `keep_freed_memory` keeps too; False where that is not supported."""
    trim = _of_glibc("malloc_trim")
    return trim is not None and bool(trim(ctypes.c_size_t(0)))


def peak_memory_bytes() -> int | None:
    """Return the most memory that this process has held so far; None where the system does not say it."""
    try:
        import resource
    except ImportError:
        return None
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held if sys.platform == "darwin" else held * _KILOBYTE


def machine_memory_bytes() -> int:
    """Return the memory that this process may take: the machine's, or less where a container or a cluster's job has less."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = _GROUP_LIMIT.read_text(encoding="ascii").strip()
    except OSError:
        return found
    return min(found, int(limit)) if limit.isdecimal() else found


def _of_glibc(name: str) -> Callable[..., int] | None:
    """Return a function of glibc's allocator; None with another C library."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return cast(Callable[..., int], getattr(ctypes.CDLL(None), name))
    except (OSError, AttributeError):
        return None


class MappedFiles:
    """The files that are mapped into this process, as they were when this was made."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []
        if sys.platform.startswith("linux"):
            self._ranges = sorted(_mapped_files())

    def touch(self, tensor: "Tensor") -> bool:
        """Return whether a CPU tensor begins in one of them."""
        start = tensor.data_ptr()
        place = bisect_right(self._ranges, start, key=lambda mapping: mapping[0]) - 1
        return place >= 0 and start < self._ranges[place][1]

    def hold(self, tensor: "Tensor") -> bool:
        """Return whether one mapping covers this CPU tensor. It stays so while the tensor is kept, which keeps the mapping."""
        first, last = _whole_pages(tensor)
        place = bisect_right(self._ranges, first, key=lambda mapping: mapping[0]) - 1
        return first < last and place >= 0 and last <= self._ranges[place][1]


def copy_from_files(parameters: Iterable["Tensor"], files: MappedFiles) -> None:
    """Give parameters that lie in mapped files memory of their own, so that the files can be let go."""
    for parameter in parameters:
        if parameter.device.type == "cpu" and files.touch(parameter):
            parameter.data = parameter.data.clone()


def let_go_of_mapped(tensor: "Tensor") -> bool:
    """Give back the memory of a CPU tensor that lies in a file and was not changed; the next access reads the file again.

    Only for a tensor of which `MappedFiles.hold` said so: memory that lies in no file would be lost. Weights that were copied
    elsewhere would otherwise stay in memory as long as any tensor of their file is in use. Returns whether it was done.
    """
    start, end = _whole_pages(tensor)
    failed: int = ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED)
    return not failed


def _whole_pages(tensor: "Tensor") -> tuple[int, int]:
    """Return the addresses between which there are pages of this tensor alone."""
    start = -(-tensor.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
    return start, (tensor.data_ptr() + tensor.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE


def _mapped_files() -> Iterator[tuple[int, int]]:
    """Yield the first and last address of each mapping of a regular file."""
    is_file = cache(lambda name: Path(name).is_file())
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and is_file(fields[5]):
            first, last = (int(address, 16) for address in fields[0].split("-"))
            yield first, last


def is_no_memory(error: BaseException) -> bool:
    """Return whether an exception, of Python, torch, safetensors or the loader of libraries, says that there is no memory left."""
    words = ("cannot allocate memory", "not enough memory", "can't allocate memory", "out of memory", "failed to map segment")
    return isinstance(error, MemoryError) or any(one in str(error).lower() for one in words)
