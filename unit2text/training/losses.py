"""What a text reader minimises: label-smoothed cross-entropy of the decoder, and CTC of the encoder (Watanabe et al. 2017)."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from avcore.units import PAD
from unit2text.search import BLANK_ROW

_FADE_FROM, _FADE_TO = 0.1, 0.7
"""Shares of a run between which the units of the sound vanish."""
_EXACT_DIGITS = 6
"""Counts that differ by less from a whole number are that number."""


class Losses(NamedTuple):
    """Sums over a batch, each a scalar. attention: label-smoothed; nll: not smoothed. right: rows that the decoder got right."""

    attention: Tensor
    nll: Tensor
    ctc: Tensor
    right: Tensor

    def total(self, ctc_weight: float) -> Tensor:
        """Return what is minimised, of shape [], before it is divided by anything."""
        return (1 - ctc_weight) * self.attention + ctc_weight * self.ctc


def joint_loss(logits: Tensor, target: Tensor, log_probs: Tensor, lengths: Tensor, smoothing: float = 0.1) -> Losses:
    """Both losses of a batch.

    logits: float of shape [batch, target time, row], the decoder's. target: int64 [batch, target time], the end included, padded
    with PAD. log_probs: of CTC, float [batch, time, row]; lengths: real steps of each clip, int64 [batch] (the reference takes
    those of the first clip's padding for all). A text that has no room in its clip costs CTC nothing.
    """
    is_token = target != PAD
    scores = torch.log_softmax(logits.float(), dim=-1)[is_token]
    wanted = target[is_token]
    nll = -scores.gather(1, wanted[:, None]).sum()
    each = smoothing / (scores.shape[1] - 1)
    attention = (1 - smoothing - each) * nll - each * scores.sum()
    ctc = F.ctc_loss(
        log_probs.float().transpose(0, 1), wanted, lengths, is_token.sum(1), blank=BLANK_ROW, reduction="sum", zero_infinity=True
    )
    return Losses(attention, nll, ctc, (scores.argmax(1) == wanted).sum())


def num_faded(progress: float, count: int) -> int:
    """Return how many of `count` units of the sound are hidden when this share of the run is done: none at first, all at last."""
    share = (progress - _FADE_FROM) / (_FADE_TO - _FADE_FROM)
    return int(round(min(1.0, max(0.0, share)) * count, _EXACT_DIGITS))
