"""Folded convolutions do what convolution and norm did."""

import pytest
import torch
from torch import nn

from avcore.compute.modules import fold_norm


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
@torch.no_grad()
def test_a_folded_convolution_does_what_both_did(kind: type[nn.Conv2d], has_bias: bool) -> None:
    torch.manual_seed(0)
    convolution, norm = kind(3, 5, 3, bias=has_bias), nn.BatchNorm2d(5)
    for values in (norm.weight, norm.bias, norm.running_mean):
        values.normal_()
    norm.running_var.uniform_(0.5, 2)
    pictures = torch.randn(2, 3, 8, 8)
    expected = norm.eval()(convolution(pictures))
    before, given = convolution.weight.clone(), convolution.weight
    assert fold_norm(convolution, norm) is convolution
    torch.testing.assert_close(convolution(pictures), expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(given, before), "weights that lie in a file stay as they are"
