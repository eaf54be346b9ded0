"""Optimizers and their schedules, computed from where the run stands, so that nothing has to be restored."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from avcore.errors import UsageError
from avtrain.config import OptimConfig

_NO_DECAY_DIMS, _MATRIX_DIMS = 1, 2
_MULTIPLE = "multiple"
"""Key of a group of parameters: its rate as a multiple of the others'."""


def make_optimizer(parameters: Mapping[str, nn.Parameter], config: OptimConfig) -> torch.optim.Optimizer:
    """AdamW over the parameters that learn, and Muon over the matrices and kernels of the parts that it is named for.

    Raises UsageError where such a part has none that learn.
    """
    learning = {name: parameter for name, parameter in parameters.items() if parameter.requires_grad}
    by_muon = _matrices_of(learning, config.muon)
    others = [parameter for name, parameter in learning.items() if name not in by_muon]
    return join_muon(by_muon.values(), others, config) if by_muon else _adamw(others, config)


def join_muon(by_muon: Iterable[Tensor], others: Iterable[Tensor], config: OptimConfig) -> "Joined":
    """Muon over matrices and kernels, at `config.muon_rate` times the rate, and AdamW over the others, whatever `config.muon` says.

    by_muon: weights of shape [n, ...], each seen as a matrix of its n rows; others: weights of any shape. Muon's steps are made
    as long as AdamW's, so that one rate can fit both (Liu et al. 2025, "Muon is scalable for LLM training").
    """
    muon = KernelMuon(by_muon, lr=config.lr, weight_decay=config.weight_decay, adjust_lr_fn="match_rms_adamw")
    muon.param_groups[0][_MULTIPLE] = config.muon_rate
    return Joined([_adamw(others, config), muon])


def _adamw(parameters: Iterable[Tensor], config: OptimConfig) -> torch.optim.AdamW:
    """AdamW; vectors (biases, norms) are not decayed."""
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


def _matrices_of(parameters: Mapping[str, nn.Parameter], parts: Iterable[str]) -> dict[str, nn.Parameter]:
    """Return the matrices and kernels below names of parts. Raises UsageError for a part without any."""
    found: dict[str, nn.Parameter] = {}
    for part in parts:
        below = {
            name: parameter
            for name, parameter in parameters.items()
            if name.startswith(f"{part}.") and parameter.ndim >= _MATRIX_DIMS
        }
        if not below:
            raise UsageError(
                "optim.muon names a part without matrices that learn",
                found=part,
                expected=f"the beginning of a name such as {next(iter(parameters), '')}",
            )
        found |= below
    return found


class KernelMuon(torch.optim.Optimizer):
    """torch's Muon, which takes matrices only, for kernels of convolutions too: each as a matrix of its first axis's rows."""

    def __init__(self, parameters: Iterable[Tensor], **settings: Any) -> None:
        known = list(parameters)
        self._muon = torch.optim.Muon([nn.Parameter(_rows(parameter)) for parameter in known], **settings)
        super().__init__(known, self._muon.defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Make one update and return the loss of `closure`."""
        loss = None if closure is None else closure()
        ours, inner = self.param_groups[0], self._muon.param_groups[0]
        inner["lr"] = ours["lr"]
        pairs = list(zip(ours["params"], inner["params"], strict=True))
        for parameter, matrix in pairs:
            matrix.data = _rows(parameter)
            matrix.grad = None if parameter.grad is None else _rows(parameter.grad)
        self._muon.step()  # type: ignore[no-untyped-call]
        for parameter, matrix in pairs:
            matrix.grad = None  # it would keep the gradients' memory until the next update
            if matrix.data_ptr() != parameter.data_ptr():  # a kernel in channels last: its rows are a copy
                parameter.copy_(matrix.view_as(parameter))
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return the state of Muon."""
        return self._muon.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Put back what `state_dict` gave. Raises ValueError for the state of other parameters."""
        self._muon.load_state_dict(state_dict)
        self.param_groups[0]["lr"] = self._muon.param_groups[0]["lr"]


def _rows(tensor: Tensor) -> Tensor:
    return tensor.detach().flatten(1)


class Joined(torch.optim.Optimizer):
    """Optimizers of different parameters as one."""

    def __init__(self, parts: Sequence[torch.optim.Optimizer]) -> None:
        super().__init__([group for part in parts for group in part.param_groups], {})
        self._parts = list(parts)

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Make one update of each and return the loss of `closure`."""
        loss = None if closure is None else closure()
        for part in self._parts:
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return the state of each, in order."""
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Put back what `state_dict` gave. Raises KeyError or ValueError for the state of other optimizers."""
        for part, state in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self.param_groups = [group for part in self._parts for group in part.param_groups]


def learning_rate(config: OptimConfig, step: int, progress: float, epoch: int) -> float:
    """Return the rate of update number `step` (from 0).

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
    """Set the rate of all groups, or of each its multiple."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get(_MULTIPLE, 1.0)
