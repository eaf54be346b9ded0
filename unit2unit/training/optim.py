"""Extensions of fairseq: a focal criterion, Muon for a network's layers, and a learning rate decay by minutes."""

from ast import literal_eval
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fairseq.criterions import register_criterion
from fairseq.criterions.label_smoothed_cross_entropy import (
    LabelSmoothedCrossEntropyCriterion,
    LabelSmoothedCrossEntropyCriterionConfig,
    label_smoothed_nll_loss,
)
from fairseq.optim import FairseqOptimizer, register_optimizer
from fairseq.optim.adam import FairseqAdamConfig
from fairseq.optim.lr_scheduler import register_lr_scheduler
from fairseq.optim.lr_scheduler.polynomial_decay_schedule import PolynomialDecayLRSchedule, PolynomialDecayLRScheduleConfig
from torch import Tensor, nn

from avcore.errors import UsageError
from avcore.train.config import OptimConfig
from avcore.train.optim import join_muon

MUON = "adam_muon"
TIMED = "timed_polynomial_decay"
_MARK = "is_of_layer"
_MATRIX_DIMS = 2


@dataclass
class FocalConfig(LabelSmoothedCrossEntropyCriterionConfig):  # type: ignore[misc]
    """Options of the criterion."""

    focal_gamma: float = field(default=2.0, metadata={"help": "exponent of the focal factor; 0 = plain label smoothing"})


@register_criterion("focal_label_smoothed_cross_entropy", dataclass=FocalConfig)
class FocalLabelSmoothedCrossEntropyCriterion(LabelSmoothedCrossEntropyCriterion):  # type: ignore[misc]
    """Gives less weight to tokens that the model already predicts (Lin et al. 2017, "Focal loss for dense object detection").

    The smoothed loss of each token is multiplied by (1 - p_target) ** gamma, taken as a constant.
    """

    def __init__(
        self,
        task: Any,
        sentence_avg: bool,
        label_smoothing: float,
        focal_gamma: float,
        ignore_prefix_size: int = 0,
        report_accuracy: bool = False,
    ) -> None:
        super().__init__(task, sentence_avg, label_smoothing, ignore_prefix_size, report_accuracy)
        self.gamma = focal_gamma

    def compute_loss(self, model: Any, net_output: Any, sample: Any, reduce: bool = True) -> tuple[Tensor, Tensor]:
        """Return (loss, nll): sums over the target tokens, or float [batch * time, 1] when not reduced; nll is unweighted."""
        log_probs, target = self.get_lprobs_and_target(model, net_output, sample)
        loss, nll = focal_loss(log_probs, target, self.eps, self.gamma, self.padding_idx)
        return (loss.sum(), nll.sum()) if reduce else (loss, nll)


def focal_loss(log_probs: Tensor, target: Tensor, smoothing: float, gamma: float, padding: int) -> tuple[Tensor, Tensor]:
    """Return the focal loss and the plain negative log-likelihood of each token, both float [tokens, 1].

    log_probs: float [tokens, vocabulary]; target: int64 [tokens]; tokens equal to `padding` count 0.
    """
    loss, nll = label_smoothed_nll_loss(log_probs, target, smoothing, ignore_index=padding, reduce=False)
    weight = (1.0 - (-nll.detach()).exp()) ** gamma
    return weight * loss, nll


def mark_layers(model: nn.Module) -> nn.Module:
    """Mark the matrices of a model's layers for Muon, as fairseq's optimizers get no names; returns the model."""
    for name, parameter in model.named_parameters():
        if ".layers." in f".{name}" and parameter.ndim == _MATRIX_DIMS:
            setattr(parameter, _MARK, True)
    return model


@register_optimizer(MUON, dataclass=FairseqAdamConfig)
class AdamMuon(FairseqOptimizer):  # type: ignore[misc]
    """Muon (Jordan et al. 2024) for matrices that `mark_layers` has marked, AdamW for all others, at the same learning rate.

    The options are those of `adam`. Raises UsageError when no matrix is marked.
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
        """Settings that a resumed run may override."""
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
    """Warm-up by updates, then fairseq's `polynomial_decay`, by updates or by time, whichever is further on.

    The time is the trainer's, by which it ends the run: it counts over resumes and is the same in all processes. It is 0 until
    `follow` is called.
    """

    def __init__(self, cfg: TimedDecayConfig, optimizer: Any) -> None:
        super().__init__(cfg, optimizer)
        self._trained: Callable[[], float] = float

    def follow(self, trained: Callable[[], float]) -> None:
        """Set the function that returns the seconds trained so far."""
        self._trained = trained

    def step_update(self, num_updates: int) -> float:
        """Set the learning rate after an update, and return it."""
        warmup, total = self.cfg.warmup_updates, self.total_num_update
        if self.cfg.decay_minutes > 0 and num_updates > warmup:
            share = self._trained() / (60 * self.cfg.decay_minutes)
            num_updates = min(total, max(num_updates, warmup + round(share * (total - warmup))))
        return float(super().step_update(num_updates))
