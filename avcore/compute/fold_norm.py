"""Batch norms that become part of the convolution before them, for inference."""

from typing import TypeVar

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils.fusion import fuse_conv_bn_weights

Convolution = TypeVar("Convolution", bound=_ConvNd)


def fold_norm(convolution: Convolution, norm: nn.Module) -> Convolution:
    """Let a convolution do what the norm behind it does in evaluation mode: its weight and bias are replaced, and it is returned.

    `torch.nn.utils.fusion.fuse_conv_bn_eval` without the copy that that makes of the weights first; they may lie in a file.
    """
    assert isinstance(norm, _BatchNorm)
    mean, variance = norm.running_mean, norm.running_var
    assert isinstance(mean, Tensor)
    assert isinstance(variance, Tensor)
    convolution.weight, convolution.bias = fuse_conv_bn_weights(
        convolution.weight,
        convolution.bias,
        mean,
        variance,
        norm.eps,
        norm.weight,
        norm.bias,
        transpose=isinstance(convolution, _ConvTransposeNd),
    )
    return convolution
