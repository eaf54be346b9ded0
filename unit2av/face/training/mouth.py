"""How a drawn mouth is compared with the true one: L1 with more weight on the mouth, and SSIM."""

import torch
import torch.nn.functional as F
from torch import Tensor

from unit2av.face.model import FACE_SIZE
from unit2av.face.training.config import MouthRegion

_WINDOW, _SIGMA = 11, 1.5
_K1, _K2 = 0.01, 0.03


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
