"""Where bulk work is done: in processes of this machine, or on a running Ray cluster.

Workers of a cluster have working folders of their own, so all paths are made absolute.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch

from avcore.pool import Processes
from avcore.processes import Crew, LocalProcesses, PoolSize
from netflips.bulk.spread import num_cores

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")


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
