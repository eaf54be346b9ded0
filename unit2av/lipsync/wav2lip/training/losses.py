"""What Wav2Lip's drawn faces are corrected by: the true picture, and from some moment on the sync expert."""

import torch
import torch.nn.functional as F
from torch import Tensor

from unit2av.lip_task import Batch, LipLossConfig, LipLosses
from unit2av.lipsync.wav2lip.training.critics import WINDOW, SyncNetColor, cosines, windows_of


class SoundLosses(LipLosses):
    """See `LipLosses`.

    The expert stays in evaluation mode whatever is asked: the published program leaves its batch norms in training mode, so that
    its judgement depends on what else is in the batch, and its statistics drift. Published sync losses (the switch at 0.75 too)
    were read off there.
    """

    def __init__(self, config: LipLossConfig, expert: SyncNetColor | None) -> None:
        super().__init__(config, None if expert is None else expert.eval().requires_grad_(False))

    def train(self, mode: bool = True) -> "SoundLosses":
        """As of any module, but for the expert."""
        super().train(mode)
        if self.expert is not None:
            self.expert.eval()
        return self

    def in_step(self, drawn: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """sound: float [batch, 1, 80, 16]."""
        if self.expert is None:
            raise ValueError("there is no sync expert")
        windows = drawn.view(-1, WINDOW, *drawn.shape[1:]).transpose(1, 2)
        scores = cosines(*self.expert(batch["sound"], windows_of(windows)))
        return scores, F.binary_cross_entropy(scores, torch.ones_like(scores), reduction="none")
