"""Optimizers and their schedules. Rates are computed from the position of the run, so that no schedule is restored."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from avcore.compute.inference import has_quick_bfloat16
from avcore.errors import UsageError
from avcore.train.config import OptimConfig

_NO_DECAY_DIMS, _MATRIX_DIMS = 1, 2
_MULTIPLE = "multiple"
"""Key of a parameter group: its rate as a multiple of the schedule's."""


def make_optimizer(parameters: Mapping[str, nn.Parameter], config: OptimConfig) -> torch.optim.Optimizer:
    """Return AdamW over the parameters that learn, and Muon over the matrices and kernels of the parts that `config.muon` names.

    Raises UsageError if such a part has none that learn.
    """
    learning = {name: parameter for name, parameter in parameters.items() if parameter.requires_grad}
    by_muon: dict[str, nn.Parameter] = {}
    for part in config.muon:
        below = {
            name: parameter
            for name, parameter in learning.items()
            if name.startswith(f"{part}.") and parameter.ndim >= _MATRIX_DIMS
        }
        if not below:
            raise UsageError(
                "optim.muon names a part without matrices that learn",
                found=part,
                expected=f"the beginning of a name such as {next(iter(learning), '')}",
            )
        by_muon |= below

    others = [parameter for name, parameter in learning.items() if name not in by_muon]
    return join_muon(by_muon.values(), others, config) if by_muon else _adamw(others, config)


def join_muon(by_muon: Iterable[Tensor], others: Iterable[Tensor], config: OptimConfig) -> "Joined":
    """Return Muon over `by_muon`, at `config.muon_rate` times the rate, and AdamW over the others. `config.muon` is not read.

    by_muon: weights of shape [n, ...], each treated as a matrix of n rows; others: weights of any shape. Muon's steps are made as
    long as AdamW's, so that one rate can fit both (Liu et al. 2025, "Muon is scalable for LLM training").
    """
    muon = Muon(by_muon, lr=config.lr, weight_decay=config.weight_decay)
    muon.param_groups[0][_MULTIPLE] = config.muon_rate
    return Joined([_adamw(others, config), muon])


def _adamw(parameters: Iterable[Tensor], config: OptimConfig) -> torch.optim.AdamW:
    """Return AdamW without decay of vectors (biases, norms)."""
    known = list(parameters)
    matrices = [parameter for parameter in known if parameter.ndim > _NO_DECAY_DIMS]
    vectors = [parameter for parameter in known if parameter.ndim <= _NO_DECAY_DIMS]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=config.lr,
        betas=config.betas,
        eps=config.eps,
        weight_decay=config.weight_decay,
        fused=True,
    )


class Muon(torch.optim.Optimizer):
    """Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks") for weights of shape [n, ...], each
    treated as a matrix of n rows.

    torch.optim.Muon takes matrices only, and multiplies in bfloat16 on every device, which is 13 to 46 times slower than float32 on
    a processor without bfloat16 products.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, weight_decay: float, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Make one update and return the loss of `closure`."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            learning = [parameter for parameter in group["params"] if parameter.grad is not None]
            quick = {device: has_quick_bfloat16(device) for device in {parameter.device for parameter in learning}}

            for parameter in learning:
                state = self.state[parameter]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(parameter.grad)
                mean = state["momentum_buffer"].lerp_(parameter.grad, 1 - group["momentum"])
                ahead = parameter.grad.lerp(mean, group["momentum"]).flatten(1)  # Nesterov's

                update = orthogonal(ahead.bfloat16() if quick[parameter.device] else ahead)
                as_long_as_adam = 0.2 * math.sqrt(max(ahead.shape))  # Liu et al. 2025, section 2.2
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(update.reshape(parameter.shape), alpha=-group["lr"] * as_long_as_adam)

        return loss


def orthogonal(matrix: Tensor, eps: float = 1e-7) -> Tensor:
    """Return U S V^T for a matrix U s V^T of shape [m, n]: S is 0.68 to 1.21 wherever s is 0.005 of the matrix's norm or more.

    Makes five Newton-Schulz steps with Jordan's coefficients, in the number format of the matrix.
    """
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix  # products with the shorter side are smaller
    # Divided by the Frobenius norm, no singular value exceeds 1, which the iteration needs to converge.
    wide = wide / wide.norm().clamp(min=eps)
    for _ in range(5):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=-4.7750, alpha=2.0315), wide, beta=3.4445)
    return wide.T if matrix.shape[0] > matrix.shape[1] else wide


class Joined(torch.optim.Optimizer):
    """Several optimizers, of different parameters, as one."""

    def __init__(self, parts: Sequence[torch.optim.Optimizer]) -> None:
        super().__init__([group for part in parts for group in part.param_groups], {})
        self._parts = list(parts)

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Make one update with each and return the loss of `closure`."""
        loss = None if closure is None else closure()
        for part in self._parts:
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return the states of all, in order."""
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a state that `state_dict` returned. Raises KeyError or ValueError for the state of other optimizers."""
        for part, state in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        # Loading gives each part new groups.
        self.param_groups = [group for part in self._parts for group in part.param_groups]


def learning_rate(config: OptimConfig, step: int, progress: float, epoch: int) -> float:
    """Return the learning rate of update number `step` (from 0).

    progress: share of the run that is done, 0 to 1. Raises UsageError for an unknown schedule.
    """
    # From `step + 1`, so that the first update has a rate above 0, too.
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
    """Set the rate of all groups; a group with a multiple gets that multiple of it."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get(_MULTIPLE, 1.0)
