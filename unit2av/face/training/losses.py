"""What drawn faces are corrected by: the true picture, a discriminator, and from some moment on the sync expert."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avcore.timeline import UNITS_PER_FRAME
from unit2av.face.model import FACE_SIZE
from unit2av.face.training.config import FaceLossConfig, MouthRegion
from unit2av.face.training.sync import SyncExpert, drawn_windows
from unit2av.lip_task import Batch, LipLosses
from unit2av.renderer import network_picture

_WINDOW, _SIGMA = 11, 1.5
_K1, _K2 = 0.01, 0.03
"""Of structural similarity: its Gaussian window and its constants."""
_SLOPE, _KERNEL = 0.2, 5
_GROWTH = (1, 2, 4, 8, 16)
"""Of the discriminator: its layers' widths in units of the first; each halves the picture."""


class FaceLosses(LipLosses):
    """What the face renderer is corrected by: see `LipLosses`."""

    weights: Tensor
    config: FaceLossConfig
    expert: SyncExpert | None

    def __init__(self, config: FaceLossConfig, mouth: MouthRegion, expert: SyncExpert | None) -> None:
        super().__init__(config, expert)
        self.register_buffer("weights", l1_weights(mouth, config.mouth_weight), persistent=False)

    def l1(self, drawn: Tensor, truth: Tensor, batch: Batch) -> Tensor:
        """Weighted by the mouth and by what moved: see `FaceLossConfig`."""
        reference = network_picture(batch["reference"].flatten(0, 1))
        return weighted_l1(drawn, truth, self.weights * moved_weights(truth, reference, self.config.moved_weight))

    def in_step(self, drawn: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """units: int64 [batch, 20]; shown: int64 [batch, P], which of a window's pictures, one after another."""
        if self.expert is None:
            raise ValueError("there is no sync expert")
        units, shown = batch["units"], batch["shown"]
        faces = drawn.view(*shown.shape, *drawn.shape[1:])
        steps = UNITS_PER_FRAME * shown[..., None] + torch.arange(UNITS_PER_FRAME, device=shown.device)
        said = units.gather(1, steps.flatten(1))
        logits = self.expert(*drawn_windows(faces, said, self.expert.config.frames)).flatten()
        return logits.sigmoid(), F.softplus(-logits)


# How a drawn mouth is compared with the true one


def mouth_of(faces: Tensor, region: MouthRegion) -> Tensor:
    """Cut the mouth out of faces [..., 96, 96]."""
    rows, columns = region.slices
    return faces[..., rows, columns]


def l1_weights(region: MouthRegion, weight: float) -> Tensor:
    """float [96, 96] with mean 1: a pixel of the mouth region counts `weight` times as much as another."""
    weights = torch.ones(FACE_SIZE, FACE_SIZE)
    rows, columns = region.slices
    weights[rows, columns] = weight
    return weights / weights.mean()


def moved_weights(truth: Tensor, reference: Tensor, weight: float) -> Tensor:
    """float [batch, 1, 96, 96]: 1 + weight * the difference of both pictures there, so that what units change counts more.

    truth, reference: float [batch, 3, 96, 96] in 0..1.
    """
    return 1 + weight * (truth - reference).abs().mean(dim=1, keepdim=True)


def weighted_l1(drawn: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """Mean of |drawn - truth| * weights; drawn, truth: float [batch, 3, 96, 96]; weights: float [96, 96], or one per picture."""
    return ((drawn - truth).abs() * weights).mean()


def ssim(drawn: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity of each picture pair, 1 = equal.

    drawn, truth: float [batch, channel, height, width] in 0..1, 11 pixels high and wide or more. Returns float [batch].
    Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity", with its Gaussian window
    of 11 x 11 and sigma 1.5, over places where the window lies inside, averaged over channels.
    """
    drawn, truth = drawn.float(), truth.float()
    mean_a, mean_b = _blur(drawn), _blur(truth)
    var_a, var_b = _blur(drawn * drawn) - mean_a**2, _blur(truth * truth) - mean_b**2
    covariance = _blur(drawn * truth) - mean_a * mean_b
    c1, c2 = _K1**2, _K2**2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * covariance + c2) / (var_a + var_b + c2)
    return (luminance * structure).mean(dim=(1, 2, 3))


def _blur(pictures: Tensor) -> Tensor:
    """Weighted mean over the window around each place, [batch, channel, height - 10, width - 10]."""
    distance = torch.arange(_WINDOW, dtype=pictures.dtype, device=pictures.device) - _WINDOW // 2
    kernel = torch.exp(-(distance**2) / (2 * _SIGMA**2))
    kernel = kernel / kernel.sum()
    channels = pictures.shape[1]
    rows = F.conv2d(pictures, kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
    return F.conv2d(rows, kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)


# The discriminator


class LipDiscriminator(nn.Module):
    """Tells drawn mouths from real ones: one judgement for each lower half. width: channels of the first layer.

    The idea is the visual quality discriminator of Prajwal et al. 2020, "A Lip Sync Expert Is All You Need", section 3.3: it
    sees the lower half of one picture at a time and is trained together with the renderer, with binary cross-entropy.
    """

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
