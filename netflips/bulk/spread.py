"""How work is spread over cores, GPUs and machines, with the options that all bulk commands share."""

import os
from dataclasses import dataclass
from pathlib import Path

from avcore.compute.memory import machine_memory_bytes
from avcore.errors import UsageError
from avcore.flags import flag
from avcore.processes import PoolSize

_MEMORY_PART = 0.6
_BYTES_BESIDE_WEIGHTS = 750 << 20
_COPIES_OF_WEIGHTS = 1.5


@dataclass(frozen=True)
class Spread:
    """How the user wants the work spread."""

    workers: int = 0
    """model workers, 0 = one for each share of a GPU; without a GPU, one for each core that memory allows"""
    readers: int = 0
    """reading tasks at a time, 0 = one a core"""
    gpus_per_worker: float = 1.0
    """may be a fraction"""
    address: str | None = None
    """of a Ray cluster, None = this machine"""

    def __post_init__(self) -> None:
        if self.workers < 0 or self.readers < 0:
            raise UsageError("--workers and --readers must be 1 or more", found=min(self.workers, self.readers))
        is_whole = self.gpus_per_worker == int(self.gpus_per_worker)
        if not self.gpus_per_worker > 0 or (self.gpus_per_worker > 1 and not is_whole):
            raise UsageError("--gpus-per-worker must be a fraction up to 1, or whole", found=self.gpus_per_worker)

    @property
    def num_readers(self) -> int:
        """Number of readers on this machine."""
        return self.readers or num_cores()

    def pool_size(self, device: str, weights: int, resources: dict[str, float], has_readers: bool = True) -> PoolSize:
        """Return the numbers of workers and readers.

        device: of the models. weights: bytes of the checkpoint. resources: `ray.cluster_resources()`. has_readers: whether readers
        need cores of a cluster, too. Raises UsageError when more is asked for than there is, which would wait for ever.
        """
        if device.startswith("cuda"):
            return self._on_gpus(resources.get("GPU", 0.0), int(resources.get("CPU", 1)))
        if self.address is None:
            return PoolSize(self.workers or default_workers(weights), self.num_readers)
        cores = int(resources.get("CPU", 0))
        if not has_readers:
            if self.workers > cores:
                raise UsageError("the cluster has not as many cores", expected=f"--workers {cores} at most", found=self.workers)
            return PoolSize(self.workers or max(1, cores), 1, cpus=1.0)
        workers = self.workers or max(1, cores // 2)
        if workers >= cores:
            raise UsageError("a core of the cluster must be left to read", expected=f"--workers {cores - 1} at most", found=workers)
        return PoolSize(workers, self.readers or cores - workers, cpus=1.0)

    def _on_gpus(self, gpus: float, cores: int) -> PoolSize:
        most = int(gpus / self.gpus_per_worker + 1e-9)
        workers = self.workers or most
        if not 0 < workers <= most:
            raise UsageError(
                "there are not as many GPUs",
                expected=f"at most {most} workers with --gpus-per-worker {self.gpus_per_worker:g}",
                found=f"{workers} workers, {gpus:g} GPUs",
                hint="a fraction, as --gpus-per-worker 0.5, lets workers share one",
            )
        return PoolSize(workers, self.readers or cores, gpus=self.gpus_per_worker)


def num_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_workers(weights: int) -> int:
    """Return the number of workers for a model of `weights` bytes: one a core, as far as memory allows."""
    fitting = int(machine_memory_bytes() * _MEMORY_PART // (weights * _COPIES_OF_WEIGHTS + _BYTES_BESIDE_WEIGHTS))
    return max(1, min(num_cores(), fitting))


def file_size(path: Path | None) -> int:
    """Return the bytes of a checkpoint, 0 for none."""
    return 0 if path is None else path.stat().st_size


@dataclass(frozen=True, kw_only=True)
class SpreadFlags:
    """The options of bulk commands for it."""

    workers: int = flag(group="many files", default=Spread.workers)
    """model workers (default: one per GPU; without a GPU, one per core as far as memory allows)"""
    gpus_per_worker: float = flag(default=Spread.gpus_per_worker)
    """0.5 = two share one (default: 1)"""
    address: str | None = flag(default=Spread.address, metavar="HOST:PORT")
    """Ray cluster to work on, host:port or auto (default: here)"""
    retry_failed: bool = flag(default=False)
    """try failed files of an earlier run again"""

    def spread(self, readers: int = 0) -> Spread:
        """Return how the work is spread. Raises UsageError."""
        return Spread(self.workers, readers, self.gpus_per_worker, self.address)
