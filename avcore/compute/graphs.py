"""Work on a GPU that is recorded once and then launched as a whole (CUDA graphs)."""

from collections.abc import Callable
from typing import Generic, TypeVar

import torch

Made = TypeVar("Made")


def can_record(device: torch.device) -> bool:
    """Return whether work on a device can be recorded."""
    return device.type == "cuda"


class Recorded(Generic[Made]):
    """What a function does on a CUDA device, again and again in the same memory.

    The function must not wait for the device, and must have run before, so that libraries are loaded; recording it computes
    nothing. Whatever it reads, a replay reads from where it was, and writes what the function returned anew.
    """

    def __init__(self, work: Callable[[], Made]) -> None:
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._made = work()

    def replay(self) -> Made:
        """Do it; returns what the function returned, which the next replay changes."""
        self._graph.replay()
        return self._made
