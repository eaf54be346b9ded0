"""How and where bulk work is spread: over the cores and GPUs of this machine, or of a running Ray cluster.

Workers of a cluster have working folders of their own, so all paths are made absolute.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from avcore.compute.memory import machine_memory_bytes
from avcore.compute.threads import num_cores
from avcore.errors import UsageError
from avcore.pool import Processes
from avcore.processes import Crew, LocalProcesses, PoolSize
from netflips.bulk.flags import SpreadFlags

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")
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
        is_whole = self.gpus_per_worker == int(self.gpus_per_worker)
        if not self.gpus_per_worker > 0 or (self.gpus_per_worker > 1 and not is_whole):
            raise UsageError("--gpus-per-worker must be a fraction up to 1, or whole", found=self.gpus_per_worker)

    @classmethod
    def of(cls, asked: SpreadFlags, readers: int = 0) -> "Spread":
        """Return how the user wants the work spread, as of a command's flags. Raises UsageError."""
        return cls(asked.workers, readers, asked.gpus_per_worker, asked.address)

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
        most = int(gpus / self.gpus_per_worker + 1e-9)  # 1e-9: a quotient may be a hair below a whole number
        workers = self.workers or most
        if not 0 < workers <= most:
            raise UsageError(
                "there are not as many GPUs",
                expected=f"at most {most} workers with --gpus-per-worker {self.gpus_per_worker:g}",
                found=f"{workers} workers, {gpus:g} GPUs",
                hint="a fraction, as --gpus-per-worker 0.5, lets workers share one",
            )
        return PoolSize(workers, self.readers or cores, gpus=self.gpus_per_worker)


def default_workers(weights: int) -> int:
    """Return the number of workers for a model of `weights` bytes: one a core, as far as memory allows."""
    fitting = int(machine_memory_bytes() * _MEMORY_PART // (weights * _COPIES_OF_WEIGHTS + _BYTES_BESIDE_WEIGHTS))
    return max(1, min(num_cores(), fitting))


def file_size(path: Path | None) -> int:
    """Return the bytes of a checkpoint, 0 for none."""
    return 0 if path is None else path.stat().st_size


@dataclass(frozen=True)
class Place:
    """Resources, and how to start processes on them."""

    resources: dict[str, float]
    """numbers of `CPU` and `GPU`"""
    processes: Callable[[Crew, PoolSize], Processes]
    """makes the processes of a pool"""

    def device(self, asked: str) -> str:
        """Return the device of the models. Only here is it known whether a cluster has GPUs."""
        return asked if asked != "auto" else "cuda" if self.resources.get("GPU") else "cpu"


@contextmanager
def place_at(address: str | None) -> Iterator[Place]:
    """Yield this machine, or join the Ray cluster at an address (host:port or `auto`) for a block.

    Raises UsageError when Ray is not installed or the cluster cannot be reached.
    """
    if address is None:
        yield Place(resources_here(), lambda crew, size: LocalProcesses(crew, size, is_silent=True))
        return
    from netflips.bulk.cluster import joined  # reads Ray's settings from the environment

    with joined(address) as (resources, processes):
        yield Place(resources, processes)


def resources_here() -> dict[str, float]:
    """Return the cores and GPUs of this machine."""
    import torch  # commands take their options from this module

    return {"CPU": float(num_cores()), "GPU": float(torch.cuda.device_count())}


def with_full_paths(settings: Settings) -> Settings:
    """Return settings, a dataclass, with all paths absolute, also those in dataclasses inside it."""
    return replace(settings, **{field.name: full_paths(getattr(settings, field.name)) for field in fields(settings) if field.init})


def full_paths(value: object) -> object:
    """Return a value that is sent to other machines with all paths absolute, inside dataclasses, dicts, tuples and lists, too."""
    if isinstance(value, Path):
        return value.absolute()
    if isinstance(value, dict):
        return {name: full_paths(one) for name, one in value.items()}
    if isinstance(value, tuple | list) and type(value) in (tuple, list):  # no named tuples
        return type(value)(full_paths(one) for one in value)
    return with_full_paths(value) if is_dataclass(value) and not isinstance(value, type) else value
