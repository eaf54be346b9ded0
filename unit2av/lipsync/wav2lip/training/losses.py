"""What Wav2Lip's drawn faces are corrected by: the true picture, a discriminator, and from some moment on the sync expert."""

import torch
import torch.nn.functional as F
from torch import Tensor

from unit2av.face.training.losses import SyncSwitch
from unit2av.lipsync.wav2lip.training.config import SoundLossConfig
from unit2av.lipsync.wav2lip.training.critics import WINDOW, SyncNetColor, cosines, windows_of


class SoundLipLosses(SyncSwitch):
    """Losses without weights that learn; a run saves it, for it knows whether the sync loss counts already.

    The expert stays in evaluation mode whatever is asked: the published program leaves its batch norms in training mode, so that
    its judgement depends on what else is in the batch, and its statistics drift. Published sync losses (the switch at 0.75 too)
    were read off there.
    """

    def __init__(self, config: SoundLossConfig, expert: SyncNetColor | None) -> None:
        super().__init__(config.sync, config.sync_threshold)
        self.expert = None if expert is None else expert.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "SoundLipLosses":
        """As of any module, but for the expert."""
        super().train(mode)
        if self.expert is not None:
            self.expert.eval()
        return self

    def sync_score(self, drawn: Tensor, sound: Tensor) -> Tensor:
        """Probability, by the expert, that drawn windows and sound belong together: float [batch].

        drawn: float [batch * 5, 3, 96, 96], BGR, window by window; sound: float [batch, 1, 80, 16]. There must be an expert.
        """
        if self.expert is None:
            raise ValueError("there is no sync expert")
        windows = drawn.view(-1, WINDOW, *drawn.shape[1:]).transpose(1, 2)
        return cosines(*self.expert(sound, windows_of(windows)))


def in_step_loss(scores: Tensor) -> Tensor:
    """Binary cross-entropy of probabilities [batch] against all in step: float [batch]."""
    return F.binary_cross_entropy(scores, torch.ones_like(scores), reduction="none")


def wav2lip_realness_loss(judged: Tensor, is_real: bool) -> Tensor:
    """Binary cross-entropy, of shape [], of probabilities [batch, 1] against all real or all drawn."""
    return F.binary_cross_entropy(judged, torch.full_like(judged, float(is_real)))
