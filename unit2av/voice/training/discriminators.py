"""What tells made speech from real speech while a vocoder is trained: multi-period and multi-scale discriminators.

After Kong et al., "HiFi-GAN" (2020), section 2.3; the multi-scale one goes back to Kumar et al., "MelGAN" (2019).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from avcore.bounds import Count, Number, Size, require, require_bounds

_SLOPE = 0.1
_PERIOD_KERNEL, _PERIOD_STRIDE = 5, 3
_POST_KERNEL = 3
_POOL_KERNEL, _POOL_STRIDE = 4, 2


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Sizes of the discriminators.

    periods: samples between the columns that a multi-period discriminator looks at, one discriminator each; empty =
    none. period_channels: width after each of its layers; all but the last take every third row. scales: multi-scale
    discriminators, each on sound of half the rate of the one before; 0 = none. scale_channels, scale_kernels,
    scale_strides, scale_groups: one value a layer.
    """

    periods: tuple[Count, ...]
    period_channels: tuple[Size, ...]
    scales: Number
    scale_channels: tuple[Size, ...]
    scale_kernels: tuple[Count, ...]
    scale_strides: tuple[Count, ...]
    scale_groups: tuple[Count, ...]

    def check(self) -> None:
        """Raise UsageError for sizes of which no discriminator can be built."""
        lengths = [len(row) for row in (self.scale_channels, self.scale_kernels, self.scale_strides, self.scale_groups)]
        require(
            len(set(lengths)) == 1,
            "the settings of the multi-scale discriminators differ in length",
            expected="as many scale_channels as scale_kernels, scale_strides and scale_groups",
            found=", ".join(map(str, lengths)),
        )
        for (inputs, outputs), groups in zip(pairwise((1, *self.scale_channels)), self.scale_groups, strict=True):
            falls, found = inputs % groups == outputs % groups == 0, f"{inputs} -> {outputs}, {groups} groups"
            require(falls, "a layer's channels do not fall into its groups", found=found)
        require(all(kernel % 2 for kernel in self.scale_kernels), "scale_kernels must be odd", found=list(self.scale_kernels))
        has_width = bool(self.period_channels or not self.periods)
        require(has_width, "discriminators.periods or period_channels cannot be used", found=list(self.periods))


class Judgement(NamedTuple):
    """What one discriminator says of a batch.

    score: float [batch, ...], near 1 for speech that it takes for real. features: what its layers made, the score
    included, as they are compared by the feature matching loss.
    """

    score: Tensor
    features: list[Tensor]


class PeriodDiscriminator(nn.Module):
    """Looks at every period-th sample together: float [batch, samples] folded to [batch, 1, rows, period]."""

    def __init__(self, period: int, channels: Iterable[int]) -> None:
        super().__init__()
        self.period = period
        widths = list(pairwise((1, *channels)))
        strides = [_PERIOD_STRIDE] * (len(widths) - 1) + [1]
        self.convs = nn.ModuleList(
            _column_conv(*width, _PERIOD_KERNEL, stride) for width, stride in zip(widths, strides, strict=True)
        )
        self.conv_post = _column_conv(widths[-1][1], 1, _POST_KERNEL, 1)

    def forward(self, samples: Tensor) -> Judgement:
        missing = -samples.shape[1] % self.period
        x = F.pad(samples.unsqueeze(1), (0, missing), mode="reflect") if missing else samples.unsqueeze(1)
        return _judge(x.reshape(len(x), 1, -1, self.period), self.convs, self.conv_post)


class ScaleDiscriminator(nn.Module):
    """Looks at the samples as they are: float [batch, samples]."""

    def __init__(self, config: DiscriminatorConfig, is_spectral: bool) -> None:
        super().__init__()
        norm = spectral_norm if is_spectral else weight_norm
        layers = zip(
            pairwise((1, *config.scale_channels)), config.scale_kernels, config.scale_strides, config.scale_groups, strict=True
        )
        self.convs = nn.ModuleList(
            norm(nn.Conv1d(*width, kernel, stride, kernel // 2, groups=groups)) for width, kernel, stride, groups in layers
        )
        self.conv_post = norm(nn.Conv1d(config.scale_channels[-1], 1, _POST_KERNEL, padding=_POST_KERNEL // 2))

    def forward(self, samples: Tensor) -> Judgement:
        return _judge(samples.unsqueeze(1), self.convs, self.conv_post)


class Discriminators(nn.Module):
    """All multi-period and multi-scale discriminators of a training run.

    The first scale is held by spectral norm, everything else by weight norm, as published.
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        require_bounds(config)
        self.periods = nn.ModuleList(PeriodDiscriminator(period, config.period_channels) for period in config.periods)
        self.scales = nn.ModuleList(ScaleDiscriminator(config, is_spectral=scale == 0) for scale in range(config.scales))

    def forward(self, samples: Tensor) -> list[Judgement]:
        """Judge float [batch, samples]: one judgement a discriminator, multi-period ones first."""
        judgements = [judge(samples) for judge in self.periods]
        for number, judge in enumerate(self.scales):
            samples = F.avg_pool1d(samples, _POOL_KERNEL, _POOL_STRIDE, _POOL_KERNEL // 2) if number else samples
            judgements.append(judge(samples))
        return judgements


def _column_conv(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Module:
    """Return a convolution along the rows of each column by itself."""
    conv: nn.Module = weight_norm(nn.Conv2d(inputs, outputs, (kernel, 1), (stride, 1), (kernel // 2, 0)))
    return conv


def _judge(x: Tensor, convs: nn.ModuleList, conv_post: nn.Module) -> Judgement:
    features = []
    for conv in convs:
        x = F.leaky_relu(conv(x), _SLOPE)
        features.append(x)
    score = conv_post(x)
    return Judgement(score.flatten(1), [*features, score])
