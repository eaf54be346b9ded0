"""Memory and CPU time of a process and all that it started, and of the machine, over time."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

_MIB_KIB = 1024
_TICKS = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found


def memory_mib(pid: int) -> float:
    """Memory (MiB) of a process tree, what is shared counted once (PSS)."""
    total = 0
    for one in tree(pid):
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue  # it has ended
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / _MIB_KIB


def cpu_s(pid: int) -> float:
    """CPU seconds that a process tree has used, those of ended children counted.

    One file for each process is read, not one for each thread as in `tree`: asking must not cost what is asked for.
    """
    parents, ticks = dict[int, int](), dict[int, int]()
    for one in (int(name) for name in os.listdir("/proc") if name.isdecimal()):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        parents[one], ticks[one] = int(fields[1]), sum(map(int, fields[11:15]))
    return sum(its for one, its in ticks.items() if _descends(one, pid, parents)) / _TICKS


def _descends(one: int, pid: int, parents: dict[int, int]) -> bool:
    while one != pid and one in parents:
        one = parents[one]
    return one == pid


def machine_cpu_s() -> float:
    """CPU seconds that the whole machine has worked since it was started."""
    user, nice, system, _idle, _waiting, *rest = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:8])
    return (user + nice + system + sum(rest)) / _TICKS


class Watch(threading.Thread):
    """Samples a figure of a process tree until it is stopped: `samples` holds `time.monotonic()` and the figure."""

    def __init__(self, figure: Callable[[int], float], pid: int, every_s: float = 2.0) -> None:
        super().__init__(daemon=True)
        self._figure, self._pid, self._every_s, self._stop_now = figure, pid, every_s, threading.Event()
        self.samples: list[tuple[float, float]] = []

    def run(self) -> None:
        while not self._stop_now.wait(self._every_s):
            self.samples.append((time.monotonic(), self._figure(self._pid)))

    def stop(self) -> None:
        self._stop_now.set()
        self.join()

    def at(self, moment: float) -> float:
        """A figure that only grows at a moment of `time.monotonic()`, between the samples before and after it.

        What the system forgets of processes that have ended is not taken off again.
        """
        times, figures = zip(*self.samples, strict=True)
        return float(np.interp(moment, times, np.maximum.accumulate(figures)))
