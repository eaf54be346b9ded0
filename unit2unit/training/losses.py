"""The focal form of label-smoothed cross entropy, as a fairseq criterion."""

from dataclasses import dataclass, field
from typing import Any

from fairseq.criterions import register_criterion
from fairseq.criterions.label_smoothed_cross_entropy import (
    LabelSmoothedCrossEntropyCriterion,
    LabelSmoothedCrossEntropyCriterionConfig,
    label_smoothed_nll_loss,
)
from torch import Tensor


@dataclass
class FocalConfig(LabelSmoothedCrossEntropyCriterionConfig):  # type: ignore[misc]
    """Options of the criterion."""

    focal_gamma: float = field(default=2.0, metadata={"help": "exponent of the focal factor; 0 = plain label smoothing"})


@register_criterion("focal_label_smoothed_cross_entropy", dataclass=FocalConfig)
class FocalLabelSmoothedCrossEntropyCriterion(LabelSmoothedCrossEntropyCriterion):  # type: ignore[misc]
    """Tokens that the model already predicts weigh less (Lin et al. 2017, "Focal loss for dense object detection").

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
