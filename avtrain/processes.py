"""A run on this machine: whether its settings can work, its number format, and the processes that accelerate brings together.

What each process draws by chance is its own; on some things all must agree.
"""

import logging
import os
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object

from avcore.bounds import require_bounds
from avcore.compute.inference import has_quick_bfloat16, resolve_device
from avcore.errors import UsageError
from avcore.files import require_file
from avtrain.checkpoints import AUTO, BEGINNING, LAST, NEVER
from avtrain.config import LoopConfig, RunConfig, require_wandb
from avtrain.started import missing_processes, processes_line
from avtrain.task import Task

_AUTO = "auto"
LOG = logging.getLogger("netflips.train")


def check_run(config: RunConfig, task: Task | None = None) -> None:
    """Raise UsageError or InputError for settings that cannot work, before anything is built; with a task, for it."""
    require_bounds(config)
    loop = config.loop
    if loop.max_steps <= 0 and loop.max_minutes <= 0:
        raise UsageError("the run has no end", expected="loop.max_steps or loop.max_minutes above 0")
    if not config.batch.batch_size and not config.batch.max_length_sum:
        raise UsageError("batches have no bound", expected="batch.batch_size or batch.max_length_sum above 0")
    if task is not None and task.valid is not None and loop.best_metric not in task.figures:
        raise UsageError("loop.best_metric is not measured", expected=", ".join(task.figures), found=loop.best_metric)
    device = resolve_device(loop.device)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError("there is no such device", expected=f"cuda:0 to cuda:{torch.cuda.device_count() - 1}", found=loop.device)
    if device.index and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("each of several processes takes a device of its own", expected="loop.device=auto", found=loop.device)
    if loop.resume not in (NEVER, AUTO) and not Path(config.run_dir, "checkpoints", LAST).exists():
        require_file(loop.resume, BEGINNING)
    if loop.wandb_project:
        require_wandb("loop.wandb_project")


def number_format(loop: LoopConfig) -> str:
    """Return what accelerate computes in: no, bf16 or fp16."""
    if loop.precision != _AUTO:
        return loop.precision
    return "bf16" if has_quick_bfloat16(resolve_device(loop.device)) else "no"


def say_processes(accelerator: Accelerator, number_format: str) -> None:
    """Say how many processes train together, and warn where more were asked for."""
    number = int(accelerator.num_processes)
    if warning := missing_processes(number, os.environ):
        LOG.warning("%s", warning)
    if accelerator.is_main_process:
        LOG.info("%s", processes_line(number, str(accelerator.device), number_format))
        if number > 1:
            LOG.info("losses are means over the processes; they share the validation")


def of_all(accelerator: Accelerator, value: Any) -> list[Any]:
    """Return the plain values of all processes, in the order of their ranks; all must call it."""
    if accelerator.num_processes == 1:
        return [value]
    return list(gather_object([value]))


def of_first(accelerator: Accelerator, value: Any) -> Any:
    """The first process's plain value; all must call it."""
    if accelerator.num_processes == 1:
        return value
    box = [value]
    broadcast_object_list(box)
    return box[0]
