"""From a checked task to an exit code: what every trainer's command ends with."""

import logging
from pathlib import Path

import torch

from avcore.compute.memory import keep_freed_memory
from avcore.plain_text import several
from avtrain.config import RunConfig
from avtrain.loop import Trainer
from avtrain.task import Task

LOG = logging.getLogger("netflips.train")
_STOPPED = 128
"""A run that a signal stopped ends with this plus the signal's number, as shells have it."""


def run_task(task: Task, config: RunConfig) -> int | None:
    """Train to the end or until a signal, say where the result lies, and return the exit code (None = done)."""
    if config.loop.device == "cpu" or not torch.cuda.is_available():
        keep_freed_memory()
    trainer = Trainer(task, config)
    result = trainer.train()
    best = "" if result.best is None else f", best {config.loop.best_metric} {result.best:.4g}"
    if trainer.is_main:
        LOG.info("%s: %s%s", Path(config.run_dir) / "checkpoints", several(result.step, "step"), best)
    if result.bad_items:
        what = several(len(result.bad_items), "item could not be used; it is", "items could not be used; they are")
        LOG.warning("%s named above", what)
    return None if result.stop_signal is None else _STOPPED + result.stop_signal
