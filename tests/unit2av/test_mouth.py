"""Mouth L1 and SSIM against an independent truth."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from unit2av.face.training.config import MouthRegion
from unit2av.face.training.losses import l1_weights, mouth_of, moved_weights, ssim, weighted_l1


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.3])
def test_ssim_is_that_of_scikit_image(noise: float) -> None:
    generator = np.random.default_rng(0)
    truth = np.kron(generator.uniform(0, 1, (2, 3, 10, 16)), np.ones((1, 1, 4, 4))).astype(np.float32)
    drawn = np.clip(truth + noise * generator.normal(size=truth.shape), 0, 1).astype(np.float32)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0, "channel_axis": 0}
    expected = [structural_similarity(a, b, **options) for a, b in zip(drawn, truth, strict=True)]
    found = ssim(torch.from_numpy(drawn), torch.from_numpy(truth))
    assert found.numpy() == pytest.approx(expected, abs=2e-5)
    assert noise or found.min() > 1 - 1e-5


def test_the_mouth_weighs_more_and_the_whole_as_before() -> None:
    region = MouthRegion(50, 90, 20, 70)
    weights = l1_weights(region, 3.0)
    assert weights.mean() == pytest.approx(1.0)
    assert weights[60, 30] == pytest.approx(3 * weights[10, 10])
    truth = torch.rand(2, 3, 96, 96)
    assert weighted_l1(truth + 0.25, truth, weights) == pytest.approx(0.25, abs=1e-6)
    wrong_mouth, wrong_ear = truth.clone(), truth.clone()
    wrong_mouth[:, :, 60, 30] += 1
    wrong_ear[:, :, 10, 10] += 1
    assert weighted_l1(wrong_mouth, truth, weights) == pytest.approx(3 * weighted_l1(wrong_ear, truth, weights).item(), rel=1e-4)
    assert weighted_l1(wrong_ear, truth, l1_weights(region, 1.0)) == pytest.approx((wrong_ear - truth).abs().mean().item())
    assert mouth_of(truth, region).shape == (2, 3, 40, 50)


def test_what_moves_counts_more() -> None:
    truth = torch.rand(2, 3, 96, 96) / 2
    reference = truth.clone()
    reference[0, :, 70:80, 40:50] += 0.5
    weights = moved_weights(truth, reference, 20.0)
    assert weights.shape == (2, 1, 96, 96)
    assert torch.allclose(weights[0, :, 70:80, 40:50], torch.tensor(11.0))
    assert (weights[1] == 1).all()
    assert (moved_weights(truth, reference, 0.0) == 1).all()
    wrong = reference.clone()
    wrong[1, :, 70:80, 40:50] += 0.5
    inside = weighted_l1(wrong[:1], truth[:1], weights[:1]) / weighted_l1(wrong[1:], truth[1:], weights[1:])
    assert inside == pytest.approx(11)
