"""An optimizer and a schedule that fairseq lacks: Muon for a network's layers, and a decay that ends after so many minutes."""

import time
from ast import literal_eval
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from fairseq.optim import FairseqOptimizer, register_optimizer
from fairseq.optim.adam import FairseqAdamConfig
from fairseq.optim.lr_scheduler import register_lr_scheduler
from fairseq.optim.lr_scheduler.polynomial_decay_schedule import PolynomialDecayLRSchedule, PolynomialDecayLRScheduleConfig
from torch import Tensor, nn

from avcore.errors import UsageError
from avtrain.config import OptimConfig
from avtrain.optim import join_muon

MUON = "adam_muon"
TIMED = "timed_polynomial_decay"
_LAYERS = ".layers."
_MARK = "is_of_layer"
_MATRIX_DIMS = 2
_SECONDS = "seconds"


def mark_layers(model: nn.Module) -> nn.Module:
    """Mark the matrices of a model's layers as Muon's (fairseq tells its optimizers no names); returns the model."""
    for name, parameter in model.named_parameters():
        if _LAYERS in f".{name}" and parameter.ndim == _MATRIX_DIMS:
            setattr(parameter, _MARK, True)
    return model


@register_optimizer(MUON, dataclass=FairseqAdamConfig)
class AdamMuon(FairseqOptimizer):  # type: ignore[misc]
    """AdamW, and for matrices that `mark_layers` has marked Muon (Jordan et al. 2024), at the same rate; the options of `adam`.

    Raises UsageError when none is marked.
    """

    def __init__(self, cfg: FairseqAdamConfig, params: Iterable[Tensor]) -> None:
        super().__init__(cfg)
        every = list(params)
        by_muon = [parameter for parameter in every if getattr(parameter, _MARK, False)]
        if not by_muon:
            raise UsageError(
                f"optimizer={MUON} finds no layers to learn", hint="fp16 hides them in one vector: fp16=false, or optimizer=adam"
            )
        others = [parameter for parameter in every if not getattr(parameter, _MARK, False)]
        settings = self.optimizer_config
        self._optimizer = join_muon(by_muon, others, OptimConfig(**settings))

    @property
    def optimizer_config(self) -> dict[str, Any]:
        """What a resumed run may override."""
        rate, betas = self.cfg.lr, self.cfg.adam_betas
        return {
            "lr": float(rate[0] if isinstance(rate, Sequence) else rate),
            "betas": tuple(literal_eval(betas) if isinstance(betas, str) else betas),
            "eps": self.cfg.adam_eps,
            "weight_decay": self.cfg.weight_decay,
        }


@dataclass
class TimedDecayConfig(PolynomialDecayLRScheduleConfig):  # type: ignore[misc]
    """Options of the schedule."""

    decay_minutes: float = field(default=0.0, metadata={"help": "the decay ends after this time; 0 = by updates alone"})


@register_lr_scheduler(TIMED, dataclass=TimedDecayConfig)
class TimedPolynomialDecay(PolynomialDecayLRSchedule):  # type: ignore[misc]
    """Warm-up by updates, then the decay of fairseq's `polynomial_decay`, by updates or by time, whichever is further on.

    Time counts over resumes. Several processes of a run follow the first one's clock.
    """

    def __init__(self, cfg: TimedDecayConfig, optimizer: Any) -> None:
        super().__init__(cfg, optimizer)
        self._before = 0.0
        self._start = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """fairseq's state and the seconds trained so far."""
        return {**super().state_dict(), _SECONDS: self._seconds()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state, of this schedule or of another."""
        super().load_state_dict(state_dict)
        self._before, self._start = float(state_dict.get(_SECONDS, 0.0)), time.monotonic()

    def step_update(self, num_updates: int) -> float:
        """Set the learning rate that follows an update, and return it."""
        warmup, total = self.cfg.warmup_updates, self.total_num_update
        if self.cfg.decay_minutes > 0 and num_updates > warmup:
            share = self._agreed(self._seconds() / (60 * self.cfg.decay_minutes))
            num_updates = min(total, max(num_updates, warmup + round(share * (total - warmup))))
        return float(super().step_update(num_updates))

    def _seconds(self) -> float:
        return self._before + time.monotonic() - self._start

    def _agreed(self, share: float) -> float:
        if not (torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1):
            return share
        told = torch.tensor(share, dtype=torch.float64, device=self.optimizer.params[0].device)
        torch.distributed.broadcast(told, src=0)
        return float(told)
