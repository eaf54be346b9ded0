"""Optimizers and their schedules, computed from where the run stands, so that nothing has to be restored."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from avcore.errors import UsageError
from avtrain.config import OptimConfig

_NO_DECAY_DIMS = 1


def make_optimizer(parameters: Iterable[nn.Parameter], config: OptimConfig) -> torch.optim.AdamW:
    """AdamW over the parameters that learn; biases, norms and other vectors are not decayed."""
    learning = [parameter for parameter in parameters if parameter.requires_grad]
    matrices = [parameter for parameter in learning if parameter.ndim > _NO_DECAY_DIMS]
    vectors = [parameter for parameter in learning if parameter.ndim <= _NO_DECAY_DIMS]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=config.lr, betas=config.betas, eps=config.eps, weight_decay=config.weight_decay, fused=True,
    )  # fmt: skip


def learning_rate(config: OptimConfig, step: int, progress: float, epoch: int) -> float:
    """The rate of update number `step` (from 0).

    progress: share of the run that is done, 0..1. Raises UsageError for an unknown schedule.
    """
    warm = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    if config.schedule == "constant":
        return config.lr * warm
    if config.schedule == "exponential":
        return config.lr * warm * float(config.decay**epoch)
    if config.schedule == "polynomial":
        left = float(max(0.0, 1.0 - progress) ** config.power)
        return warm * (config.end_lr + (config.lr - config.end_lr) * left)
    raise UsageError("unknown schedule", expected="constant, polynomial or exponential", found=config.schedule)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the rate of all groups."""
    for group in optimizer.param_groups:
        group["lr"] = rate
