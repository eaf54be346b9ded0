"""Drop-in replacements for torch's convolutions, computed by faster kernels.

Sound comes in as [batch, channels, time]. On a CPU it becomes an image one pixel high, [batch, channels, 1, time], channels last:
1.4 times as fast as torch's convolutions of sound, and in training up to twice in narrow layers. Elementwise operations between
such layers are not affected by the axis.
"""

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avcore.compute.kernels import has_onednn

_IMAGE_DIMS = 4


class WeightNormed(nn.Module):
    """A weight as size times direction: w = g * v / |v| (Salimans and Kingma, 2016).

    While it can be trained it is stored as `weight_g` and `weight_v`, torch's names for weight norm; `fold` leaves the product.
    """

    weight: nn.Parameter | None

    def __init__(self, shape: tuple[int, int, int], outputs: int, over: tuple[int, int] = (1, 2), std: float = 0.01) -> None:
        """shape: of the weight. over: the axes that the norm is computed over. std: standard deviation of the initial weights."""
        super().__init__()
        self.over = over
        self.register_parameter("weight", None)
        self.weight_v = nn.Parameter(nn.init.normal_(torch.empty(shape), std=std))
        self.weight_g = nn.Parameter(torch.empty([1 if axis in over else size for axis, size in enumerate(shape)]))
        if not self.weight_v.is_meta:  # arithmetic on the meta device imports torch's compiler
            self.weight_g.data.copy_(self.norm_of_v().detach())
        self.bias = nn.Parameter(torch.zeros(outputs))

    def norm_of_v(self) -> Tensor:
        """Return |v|, of the shape of `weight_g`."""
        return cast(Tensor, torch.linalg.vector_norm(self.weight_v, dim=self.over, keepdim=True))

    def product(self) -> Tensor:
        """Return w, of the shape of `weight_v`."""
        return self.weight_v * (self.weight_g / self.norm_of_v())

    def effective_weight(self) -> Tensor:
        """Return the weight to convolve with."""
        return self.product() if self.weight is None else self.weight

    def restart(self) -> None:
        """Draw new initial weights, as torch's own convolutions do."""
        nn.init.kaiming_uniform_(self.weight_v, a=math.sqrt(5))
        bound = 1 / math.sqrt(self.weight_v[0].numel())
        nn.init.uniform_(self.bias, -bound, bound)
        self.weight_g.data.copy_(self.norm_of_v().detach())

    def fold(self) -> None:
        """Replace direction and size by their product; it cannot be trained afterwards."""
        if self.weight is None:
            self.weight = nn.Parameter(self.product().detach(), requires_grad=False)
            del self.weight_g, self.weight_v


class WeightNormConv1d(WeightNormed):
    """Convolution that keeps the length: [batch, in, time] -> [batch, out, time], on a CPU [batch, out, 1, time]; kernel odd."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int = 1) -> None:
        super().__init__((outputs, inputs, kernel), outputs)
        self.dilation, self.padding = dilation, (kernel - 1) * dilation // 2

    def forward(self, x: Tensor) -> Tensor:
        weight = self.effective_weight()
        if x.device.type != "cpu":
            return F.conv1d(x, weight, self.bias, padding=self.padding, dilation=self.dilation)
        return F.conv2d(_flat(x), _flat(weight), self.bias, padding=(0, self.padding), dilation=(1, self.dilation))


class WeightNormUpsampling(WeightNormed):
    """Transposed convolution: [batch, in, time] -> [batch, out, rate * time], on a CPU [batch, out, 1, rate * time]."""

    def __init__(self, inputs: int, outputs: int, kernel: int, rate: int) -> None:
        super().__init__((inputs, outputs, kernel), outputs)
        self.rate, self.padding = rate, (kernel - rate) // 2

    def forward(self, x: Tensor) -> Tensor:
        weight = self.effective_weight()
        if x.device.type != "cpu":
            return F.conv_transpose1d(x, weight, self.bias, stride=self.rate, padding=self.padding)
        return F.conv_transpose2d(_flat(x), _flat(weight), self.bias, stride=(1, self.rate), padding=(0, self.padding))


class FlatConv1d(nn.Module):
    """A `WeightNormConv1d` for inference: its weight is laid out once, and a leaky ReLU behind it may be part of it."""

    def __init__(self, conv: WeightNormConv1d, slope: float = 1.0) -> None:
        """slope: of the leaky ReLU; 1 = there is none."""
        super().__init__()
        self.weight = nn.Parameter(_flat(conv.effective_weight().detach()), requires_grad=False)
        self.bias, self.padding, self.dilation, self.slope = conv.bias, conv.padding, conv.dilation, slope

    def forward(self, x: Tensor) -> Tensor:
        """Float [batch, in, time], or with an axis of 1 before the last -> [batch, out, 1, time]."""
        flat = _flat(x)
        if self.slope != 1 and x.device.type == "cpu" and has_onednn(x.dtype):  # fused: saves another pass through memory
            out: Tensor = torch.ops.mkldnn._convolution_pointwise(
                flat, self.weight, self.bias, [0, self.padding], [1, 1], [1, self.dilation], 1, "leaky_relu", [self.slope], ""
            )
        else:
            out = F.conv2d(flat, self.weight, self.bias, padding=(0, self.padding), dilation=(1, self.dilation))
            out = out if self.slope == 1 else F.leaky_relu(out, self.slope)
        return out


class FlatUpsampling(nn.Module):
    """A `WeightNormUpsampling` for inference: its weight is laid out once."""

    def __init__(self, conv: WeightNormUpsampling) -> None:
        super().__init__()
        self.weight = nn.Parameter(_flat(conv.effective_weight().detach()), requires_grad=False)
        self.bias, self.padding, self.rate = conv.bias, conv.padding, conv.rate

    def forward(self, x: Tensor) -> Tensor:
        """Float [batch, in, time], or with an axis of 1 before the last -> [batch, out, 1, rate * time]."""
        return F.conv_transpose2d(_flat(x), self.weight, self.bias, stride=(1, self.rate), padding=(0, self.padding))


class GrownPixel(nn.Module):
    """A transposed convolution of images of one pixel, without stride and padding, for inference: one matrix product, in a quarter
    of the time."""

    def __init__(self, conv: nn.ConvTranspose2d) -> None:
        super().__init__()
        taps = conv.weight.detach().permute(2, 3, 1, 0)  # [height, width, out, in]
        self.shape = taps.shape[:3]
        self.weight = nn.Parameter(taps.flatten(0, 2).contiguous(), requires_grad=False)
        self.bias = conv.bias

    def forward(self, pixels: Tensor) -> Tensor:
        """[batch, in, 1, 1] -> [batch, out, height, width], channels last."""
        grown = F.linear(pixels.flatten(1), self.weight).view(-1, *self.shape)
        return (grown if self.bias is None else grown + self.bias).permute(0, 3, 1, 2)


class ConvRelu(nn.Module):
    """A convolution of images, optionally plus its input (is_residual), and a ReLU, for inference: in as few passes through memory
    as possible."""

    def __init__(self, conv: nn.Module, is_residual: bool) -> None:
        super().__init__()
        self.conv, self.is_residual = conv, is_residual

    def forward(self, images: Tensor) -> Tensor:
        """[batch, in, height, width] -> [batch, out, height', width']."""
        conv = self.conv
        if not self.is_residual and isinstance(conv, nn.Conv2d) and images.device.type == "cpu" and has_onednn(images.dtype):
            fused: Tensor = torch.ops.mkldnn._convolution_pointwise(
                images, conv.weight, conv.bias, conv.padding, conv.stride, conv.dilation, conv.groups, "relu", [], ""
            )
            return fused
        # The residual is added afterwards: inside oneDNN's kernel it made the vocoder a seventh slower.
        result: Tensor = conv(images)
        return (result.add_(images) if self.is_residual else result).relu_()


def _flat(x: Tensor) -> Tensor:
    """Turn [.., .., time] into an image one pixel high, [.., .., 1, time], channels last; 4 axes are returned unchanged."""
    return x if x.dim() == _IMAGE_DIMS else x.unsqueeze(2).contiguous(memory_format=torch.channels_last)
