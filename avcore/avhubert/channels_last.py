"""Norms and activations of pictures in channels-last order, quick on a CPU where there are few channels.

torch takes such pictures in runs as short as there are channels. Here a run is a whole row of a picture, [rows, width *
channels], and what belongs to a channel is repeated along it: with 8 channels forward and back take less than half of the time.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional


class ChannelPReLU(nn.PReLU):
    """One slope per channel."""

    def forward(self, pictures: Tensor) -> Tensor:
        """float [N, channels, height, width], N pictures -> the same shape."""
        slopes = self.weight.to(pictures.dtype)
        if not _is_slow(pictures):
            return functional.prelu(pictures, slopes)
        rows = _rows(pictures)
        activated: Tensor = _RowPReLU.apply(rows, slopes.repeat(rows.shape[1] // len(slopes)))  # type: ignore[no-untyped-call]
        return _pictures(activated, pictures)


class ChannelNorm(nn.BatchNorm2d):
    """Batch norm; by rows in training on a CPU."""

    def forward(self, pictures: Tensor) -> Tensor:
        """float [N, channels, height, width], N pictures -> the same shape."""
        if not self.training or not _is_slow(pictures) or self.momentum is None:
            return super().forward(pictures)
        normed, mean, variance = _RowNorm.apply(_rows(pictures), self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        count = pictures.numel() // self.num_features
        with torch.no_grad():
            cast(Tensor, self.num_batches_tracked).add_(1)
            cast(Tensor, self.running_mean).lerp_(mean, self.momentum)
            cast(Tensor, self.running_var).lerp_(variance * (count / max(1, count - 1)), self.momentum)
        return _pictures(normed, pictures)


class _RowPReLU(torch.autograd.Function):
    """PReLU of rows, [rows, columns] and [columns]; torch's own way back takes three times as long."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, slopes: Tensor) -> Tensor:
        ctx.save_for_backward(rows, slopes)
        return functional.prelu(rows, slopes)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        rows, slopes = ctx.saved_tensors
        above = torch.ops.aten.threshold_backward(gradient, rows, 0)
        below = gradient - above
        return above.addcmul_(below, slopes), (rows * below).sum(0)


class _RowNorm(torch.autograd.Function):
    """Batch norm of rows, [rows, width * channels], over rows and width (Ioffe and Szegedy 2015, section 3)."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the rows, and mean and biased variance of each channel."""
        width = rows.shape[1] // len(weight)
        unused = weight.new_zeros(rows.shape[1])  # running statistics: without them torch returns these in the rows' type
        means, variances = (part.view(width, -1) for part in torch.batch_norm_update_stats(rows, unused, unused, 0.0))
        mean = means.mean(0)
        variance = (variances + (means - mean).square()).mean(0)
        wide_mean, wide_variance = mean.repeat(width), variance.repeat(width)
        ctx.save_for_backward(rows, weight, wide_mean, wide_variance)
        ctx.mark_non_differentiable(mean, variance)
        ctx.eps = eps
        return _normed(rows, weight.repeat(width), bias.repeat(width), wide_mean, wide_variance, eps), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        rows, weight, mean, variance = ctx.saved_tensors
        channels, width = len(weight), rows.shape[1] // len(weight)
        direct, *columns = torch.ops.aten.native_batch_norm_backward(
            gradient, rows, weight.repeat(width), mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        of_weight, of_bias = (column.view(width, channels).sum(0) for column in columns)
        # What goes back through mean and variance is itself a norm of the rows, of other weight and bias.
        share = -weight * (variance[:channels] + ctx.eps).rsqrt() / (rows.shape[0] * width)
        scale, offset = (share * part for part in (of_weight, of_bias))
        indirect = _normed(rows, scale.repeat(width), offset.repeat(width), mean, variance, ctx.eps)
        return direct.add_(indirect), of_weight, of_bias, None


def _normed(rows: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, eps: float) -> Tensor:
    """Batch norm with known statistics, [rows, columns] and [columns]."""
    return torch.native_batch_norm(rows, weight, bias, mean, variance, False, 0.0, eps)[0]


def _is_slow(pictures: Tensor) -> bool:
    """Return whether torch would take them in short runs."""
    return pictures.device.type == "cpu" and pictures.is_contiguous(memory_format=torch.channels_last)


def _rows(pictures: Tensor) -> Tensor:
    """[pictures, channels, height, width] in channels-last order -> [pictures * height, width * channels], the same memory."""
    count, channels, height, width = pictures.shape
    return pictures.permute(0, 2, 3, 1).reshape(count * height, width * channels)


def _pictures(rows: Tensor, like: Tensor) -> Tensor:
    """Undo `_rows`."""
    count, channels, height, width = like.shape
    return rows.view(count, height, width, channels).permute(0, 3, 1, 2)
