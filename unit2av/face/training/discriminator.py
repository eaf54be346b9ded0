"""What tells drawn mouths from real ones while the face renderer is trained: one judgement for each lower half.

The idea is the visual quality discriminator of Prajwal et al. 2020, "A Lip Sync Expert Is All You Need", section 3.3: it
sees the lower half of one picture at a time and is trained together with the renderer, with binary cross-entropy.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unit2av.face.model import FACE_SIZE

_SLOPE = 0.2
_GROWTH = (1, 2, 4, 8, 16)
"""Width of each layer, in units of the first; each halves the picture."""
_KERNEL = 5


class LipDiscriminator(nn.Module):
    """Judges lower halves of faces. width: channels of the first layer."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        widths = pairwise((3, *(width * growth for growth in _GROWTH)))
        self.convs = nn.ModuleList(nn.Conv2d(before, after, _KERNEL, 2, _KERNEL // 2) for before, after in widths)
        self.judge = nn.Conv2d(width * _GROWTH[-1], 1, 3, padding=1)

    def forward(self, mouths: Tensor) -> Tensor:
        """Judge float [batch, 3, 48, 96] in 0..1, BGR: a logit each, [batch], above 0 for what it takes for real."""
        for conv in self.convs:
            mouths = F.leaky_relu(conv(mouths), _SLOPE)
        logits: Tensor = self.judge(mouths)
        return logits.float().mean(dim=(1, 2, 3))


def lower_half(faces: Tensor) -> Tensor:
    """The lower half of faces, [..., 96, 96] to [..., 48, 96]."""
    return faces[..., FACE_SIZE // 2 :, :]


def realness_loss(logits: Tensor, is_real: bool) -> Tensor:
    """Binary cross-entropy of logits [batch] against all real or all drawn."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(is_real)))
