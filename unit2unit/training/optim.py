"""An optimizer and a schedule that fairseq lacks: Muon for a network's layers, and a decay that ends after so many minutes."""

from ast import literal_eval
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

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

    Time is the trainer's, which ends the run by it, counts over resumes and is the same in all processes; none passes before
    `follow`.
    """

    def __init__(self, cfg: TimedDecayConfig, optimizer: Any) -> None:
        super().__init__(cfg, optimizer)
        self._trained: Callable[[], float] = float

    def follow(self, trained: Callable[[], float]) -> None:
        """Take the time from here: seconds trained so far."""
        self._trained = trained

    def step_update(self, num_updates: int) -> float:
        """Set the learning rate that follows an update, and return it."""
        warmup, total = self.cfg.warmup_updates, self.total_num_update
        if self.cfg.decay_minutes > 0 and num_updates > warmup:
            share = self._trained() / (60 * self.cfg.decay_minutes)
            num_updates = min(total, max(num_updates, warmup + round(share * (total - warmup))))
        return float(super().step_update(num_updates))
