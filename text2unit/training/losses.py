"""Losses of both networks of a speller."""

import torch
import torch.nn.functional as F
from torch import Tensor

from text2unit.model import Training, aligned_duration_loss, mask_of
from text2unit.training.config import TextLossConfig

_BLANK_LOGIT = -1.0
"""Of no letter at a step, as in Badlani et al. (2021)."""


def ctc_loss(log_probs: Tensor, num_places: Tensor, units: Tensor, num_units: Tensor) -> Tensor:
    """CTC loss a unit.

    log_probs: float32 [batch, places, units + 1], the blank last; num_places: int64 [batch]; units: int64 [batch, U], num_units:
    int64 [batch].
    """
    blank = log_probs.shape[2] - 1
    return F.ctc_loss(log_probs.transpose(0, 1), units, num_places, num_units, blank, reduction="mean", zero_infinity=True)


def aligned_losses(
    made: Training, frames: Tensor, num_frames: Tensor, num_letters: Tensor, config: TextLossConfig
) -> dict[str, Tensor]:
    """units, forward_sum, binary, duration: the losses of an aligned network, without their weights.

    frames: int64 [batch, T]; num_frames, num_letters: int64 [batch].
    """
    mask = mask_of(num_frames, frames.shape[1])
    classes = made.classes[mask].float()
    return {
        "units": F.cross_entropy(classes, frames[mask], label_smoothing=config.label_smoothing),
        "forward_sum": forward_sum(made.alignment, num_frames, num_letters),
        "binary": binary_loss(made.alignment, made.durations, mask),
        "duration": aligned_duration_loss(made.log_durations, made.durations, num_letters),
    }


def forward_sum(alignment: Tensor, num_frames: Tensor, num_letters: Tensor) -> Tensor:
    """Return how improbable it is that the letters come in their order, over all alignments, a letter.

    alignment: float32 [batch, T, J], log-probabilities; computed as the CTC loss of the sequence 1, 2, ... J.
    """
    batch, _, letters = alignment.shape
    with_blank = F.pad(alignment, (1, 0), value=_BLANK_LOGIT)
    log_probs = torch.log_softmax(with_blank, dim=-1).transpose(0, 1)
    order = torch.arange(1, letters + 1, device=alignment.device).expand(batch, -1)
    return F.ctc_loss(log_probs, order, num_frames, num_letters, blank=0, reduction="mean", zero_infinity=True)


def binary_loss(alignment: Tensor, durations: Tensor, mask: Tensor) -> Tensor:
    """Mean of minus the log-probability of the letter that each step was given.

    alignment: float32 [batch, T, J]; durations: int64 [batch, J]; mask: bool [batch, T].
    """
    steps = torch.arange(mask.shape[1], device=mask.device).expand(len(durations), -1).contiguous()
    owner = torch.searchsorted(durations.cumsum(1), steps, right=True).clamp(max=durations.shape[1] - 1)
    chosen = torch.log_softmax(alignment, dim=-1).gather(2, owner[..., None]).squeeze(-1)
    return -chosen[mask].mean()
