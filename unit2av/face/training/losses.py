"""What drawn faces are corrected by: the true picture, and from some moment on the sync expert."""

import torch
from torch import Tensor, nn

from avcore.timeline import UNITS_PER_FRAME
from unit2av.face.training.config import LipLossConfig, MouthRegion
from unit2av.face.training.mouth import l1_weights, moved_weights, weighted_l1
from unit2av.face.training.sync import SyncExpert, drawn_windows, sync_loss


class LipLosses(nn.Module):
    """Losses without weights that learn; a run saves it, for it knows whether the sync loss counts already."""

    weights: Tensor
    is_sync_on: Tensor

    def __init__(self, config: LipLossConfig, mouth: MouthRegion, expert: SyncExpert | None) -> None:
        super().__init__()
        self.config, self.expert = config, expert
        self.register_buffer("weights", l1_weights(mouth, config.mouth_weight), persistent=False)
        self.register_buffer("is_sync_on", torch.tensor(False))

    @property
    def sync_weight(self) -> float:
        """The share of the sync loss in the whole: 0 until `notice` switched it on."""
        return self.config.sync if self.expert is not None and bool(self.is_sync_on) else 0.0

    def notice(self, valid_loss: float) -> bool:
        """Switch the sync loss on, for good, when it was low enough on held-out windows; returns whether it just was."""
        is_now_on = not bool(self.is_sync_on) and valid_loss < self.config.sync_threshold
        if is_now_on:
            self.is_sync_on.fill_(True)
        return is_now_on

    def l1(self, drawn: Tensor, truth: Tensor, reference: Tensor) -> Tensor:
        """drawn, truth, reference: float [batch, 3, 96, 96]; see `weighted_l1`. reference: what is changed into `drawn`."""
        return weighted_l1(drawn, truth, self.weights * moved_weights(truth, reference, self.config.moved_weight))

    def sync_logits(self, drawn: Tensor, units: Tensor, shown: Tensor) -> Tensor:
        """The expert's judgement of drawn windows.

        drawn: float [batch * P, 3, 96, 96], BGR, window by window; units: int64 [batch, 20]; shown: int64 [batch, P], which
        of a window's pictures, one after another. Returns logits [n]. There must be an expert.
        """
        if self.expert is None:
            raise ValueError("there is no sync expert")
        faces = drawn.view(*shown.shape, *drawn.shape[1:])
        steps = UNITS_PER_FRAME * shown[..., None] + torch.arange(UNITS_PER_FRAME, device=shown.device)
        said = units.gather(1, steps.flatten(1))
        return torch.as_tensor(self.expert(*drawn_windows(faces, said, self.expert.config.frames)).flatten())

    def sync(self, drawn: Tensor, units: Tensor, shown: Tensor) -> Tensor:
        """Binary cross-entropy of `sync_logits` against all aligned."""
        return sync_loss(self.sync_logits(drawn, units, shown))
