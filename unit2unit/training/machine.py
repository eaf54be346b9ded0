"""What a run finds where it starts: fairseq, GPUs, and the other processes, where fairseq does not know them."""

import os
from typing import Any

from avcore.errors import UsageError
from unit2unit.training.config import TrainingRun


def require_fairseq() -> None:
    """Raise UsageError naming `make fairseq` when fairseq, or something that it needs, cannot be imported."""
    try:
        import fairseq  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "training unit2unit needs fairseq", found=str(error), hint="run `make fairseq` (translating does not need it)"
        ) from error


def is_launched() -> bool:
    """Return whether torchrun, or another program that sets its variables, has started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def is_main_process() -> bool:
    """Return whether this process is the first of those that were started together."""
    return int(os.environ.get("RANK", "0")) == 0


def has_gpu(run: TrainingRun) -> bool:
    """Return whether the run trains on GPUs."""
    import torch

    return torch.cuda.is_available() and not run.option("cpu")


def launched_options(run: TrainingRun) -> dict[str, Any]:
    """fairseq's options for a process that torchrun has started, {} for any other.

    fairseq asks for the number of processes only where it expects several, and divides by the number of GPUs: on a CPU its
    processes must be told how to find one another, and gradients are averaged by its own code instead of torch's, which it
    gives a GPU.
    """
    if "WORLD_SIZE" not in os.environ:
        return {}
    options: dict[str, Any] = {"distributed_world_size": int(os.environ["WORLD_SIZE"])}
    if has_gpu(run) or not is_launched() or run.option("distributed_init_method"):
        return options
    return options | {
        "distributed_init_method": "env://",
        "distributed_rank": int(os.environ["RANK"]),
        "distributed_backend": "gloo",
        "distributed_no_spawn": True,
        "ddp_backend": "legacy_ddp",
    }
