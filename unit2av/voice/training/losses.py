"""Losses of a unit vocoder, and its discriminators.

Multi-period and multi-scale discriminators, adversarial, feature matching and mel losses follow Kong et al., "HiFi-GAN" (2020),
sections 2.3 and 2.4; multi-scale discriminators go back to Kumar et al., "MelGAN" (2019). The multi-resolution STFT loss follows
Yamamoto et al., "Parallel WaveGAN" (2020), the duration loss Ren et al., "FastSpeech" (2019).
"""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from avcore.bounds import Count, Number, Size, require, require_bounds
from avcore.timeline import SAMPLE_RATE
from avcore.train.data import pad
from avcore.units import Units
from unit2av.speaker import slaney_filters

# Discriminators

_SLOPE = 0.1
_PERIOD_KERNEL, _PERIOD_STRIDE = 5, 3
_POST_KERNEL = 3
_POOL_KERNEL, _POOL_STRIDE = 4, 2


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Sizes of the discriminators."""

    periods: tuple[Count, ...]
    """periods of the multi-period discriminators in samples, one discriminator each; empty = none"""
    period_channels: tuple[Size, ...]
    """width after each of their layers; all but the last have stride 3"""
    scales: Number
    """number of multi-scale discriminators, each at half the sample rate of the one before; 0 = none"""
    scale_channels: tuple[Size, ...]
    """this and the next three: one value a layer"""
    scale_kernels: tuple[Count, ...]
    scale_strides: tuple[Count, ...]
    scale_groups: tuple[Count, ...]
    resolutions: tuple[Size, ...] = ()
    """windows of the multi-resolution discriminators in samples, one discriminator each"""
    resolution_channels: Size = 16
    """their width"""

    def check(self) -> None:
        """Raise UsageError for sizes that no discriminator can be built with."""
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
    """The output of one discriminator for a batch."""

    score: Tensor
    """float [batch, ...], near 1 for speech that seems real"""
    features: list[Tensor]
    """outputs of its layers and the score, for the feature matching loss"""


class PeriodDiscriminator(nn.Module):
    """Scores sound folded by its period: float [batch, samples] is viewed as [batch, 1, rows, period]."""

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
    """Scores the samples themselves: float [batch, samples]."""

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


class ResolutionDiscriminator(nn.Module):
    """Scores log magnitudes of a spectrogram (Jang et al., "UnivNet", 2021): float [batch, samples]."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self._size = size
        self.register_buffer("window", torch.hann_window(size), persistent=False)
        shapes = ((1, (1, 2)), (width, (1, 2)), (width, (1, 2)), (width, (1, 1)))
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv2d(inputs, width, (3, 7), stride, padding=(1, 3))) for inputs, stride in shapes
        )
        self.conv_post = weight_norm(nn.Conv2d(width, 1, 3, padding=1))

    def forward(self, samples: Tensor) -> Judgement:
        with torch.autocast(samples.device.type, enabled=False):
            spectrum = torch.stft(
                samples.float(), self._size, self._size // 4, self._size, self.get_buffer("window"), return_complex=True
            )
            power = spectrum.real.square() + spectrum.imag.square()
            levels = torch.log(power.clamp(min=_SPECTRUM_FLOOR**2)) / 4
        return _judge(levels.transpose(1, 2).unsqueeze(1), self.convs, self.conv_post)


class Discriminators(nn.Module):
    """All multi-period, multi-scale and multi-resolution discriminators of a training run.

    The first scale uses spectral norm, all others use weight norm, as published.
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        require_bounds(config)
        self.periods = nn.ModuleList(PeriodDiscriminator(period, config.period_channels) for period in config.periods)
        self.scales = nn.ModuleList(ScaleDiscriminator(config, is_spectral=scale == 0) for scale in range(config.scales))
        self.resolutions = nn.ModuleList(ResolutionDiscriminator(size, config.resolution_channels) for size in config.resolutions)

    def forward(self, samples: Tensor) -> list[Judgement]:
        """Return one judgement for each discriminator of float [batch, samples]: multi-period, multi-resolution, multi-scale.

        On a CPU they run in float32: in bfloat16 they did harm (recipes/demo/NOTES.md).
        """
        is_exact = samples.device.type == "cpu"
        with torch.autocast("cpu", enabled=False) if is_exact else nullcontext():
            samples = samples.float() if is_exact else samples
            judgements = [judge(samples) for judge in (*self.periods, *self.resolutions)]
            for number, judge in enumerate(self.scales):
                samples = F.avg_pool1d(samples, _POOL_KERNEL, _POOL_STRIDE, _POOL_KERNEL // 2) if number else samples
                judgements.append(judge(samples))
        return judgements


def _column_conv(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Module:
    """Return a convolution along the rows, which treats each column by itself."""
    conv: nn.Module = weight_norm(nn.Conv2d(inputs, outputs, (kernel, 1), (stride, 1), (kernel // 2, 0)))
    return conv


def _judge(x: Tensor, convs: nn.ModuleList, conv_post: nn.Module) -> Judgement:
    features = []
    for conv in convs:
        x = F.leaky_relu(conv(x), _SLOPE)
        features.append(x)
    score = conv_post(x)
    return Judgement(score.flatten(1), [*features, score])


# Losses

_POWER_FLOOR = 1e-9
_LOG_FLOOR = 1e-5
_SPECTRUM_FLOOR = 1e-4
# In seconds, and about ln 4.
_ONSET_S, _ONSET_RISE = 0.02, 1.4
_QUIETEST = 0.2
"""Least norm of a spectrum in the denominator of the spectral convergence, as a share of the batch's mean norm."""


@dataclass(frozen=True)
class MelConfig:
    """The mel spectrogram by which generated and real speech are compared. fft, hop, window: samples at the voice's rate."""

    fft: Size
    hop: Size
    window: Size
    mels: Size
    """number of bands"""
    max_hz: float


class LogMel(nn.Module):
    """Differentiable log mel spectrogram. Its buffers are not saved."""

    filters: Tensor
    window: Tensor

    def __init__(self, config: MelConfig, rate: int = SAMPLE_RATE) -> None:
        super().__init__()
        self.config, self._rate = config, rate
        filters = slaney_filters(config.mels, config.fft, rate, config.max_hz)
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("window", torch.hann_window(config.window), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """float32 [batch, samples] to float32 [batch, mel, samples // hop]; the ends are reflected, frames are not centred."""
        config, edge = self.config, (self.config.fft - self.config.hop) // 2
        padded = F.pad(samples.unsqueeze(1), (edge, edge), mode="reflect").squeeze(1)
        spectrum = torch.stft(padded, config.fft, config.hop, config.window, self.window, center=False, return_complex=True)
        # As in HiFi-GAN, a little is added before the root, which has no gradient at 0.
        power = spectrum.real.square() + spectrum.imag.square()
        return torch.log((self.filters @ torch.sqrt(power + _POWER_FLOOR)).clamp(min=_LOG_FLOOR))

    def onsets(self, log_mels: Tensor) -> Tensor:
        """Return how near each frame of `forward` is to an onset, 0 to 1, above 0 within 20 ms of it: float32 [batch, time].

        At an onset the mean of the bands rises by a factor of four within 20 ms, as after silence or a closure.
        """
        reach = max(1, round(_ONSET_S * self._rate / self.config.hop))
        level = F.pad(log_mels.mean(1, keepdim=True), (reach, reach), mode="replicate")
        rise = (level[..., reach + reach // 2 + 1 :][..., : log_mels.shape[2]] - level[..., : log_mels.shape[2]]) / _ONSET_RISE
        near = F.max_pool1d(rise.clamp(0, 1), 2 * reach + 1, 1, reach)
        return near[:, 0, : log_mels.shape[2]]


def mel_loss(made: Tensor, real: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the mean absolute difference of log mels, float32 [batch, mel, time]; weight: of frames, float32 [batch, time]."""
    if weight is None:
        return F.l1_loss(made, real)
    return ((made - real).abs().mean(1) * weight).sum() / weight.sum()


class StftLoss(nn.Module):
    """Distance of magnitude spectra, averaged over several resolutions: spectral convergence plus L1 of the logarithms."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self._sizes = tuple(sizes)
        for size in self._sizes:
            self.register_buffer(f"window_{size}", torch.hann_window(size), persistent=False)

    def draw(self, count: int) -> tuple[int, ...]:
        """Draw `count` window lengths at random; 0 = all of them."""
        order = torch.randperm(len(self._sizes)).tolist() if count else range(len(self._sizes))
        return tuple(self._sizes[place] for place in order[: count or None])

    def forward(self, made: Tensor, real: Tensor, sizes: Sequence[int] = ()) -> Tensor:
        """float32 [batch, samples] twice to a scalar. sizes: window lengths to use, empty = all."""
        distances = []
        for size in sizes or self._sizes:
            ours, truth = self._magnitude(made, size), self._magnitude(real, size)
            size_of = torch.linalg.vector_norm(truth, dim=(1, 2))
            # The norm of a silent segment is almost 0: divided by it, it would outweigh the others a thousand times, and gradient
            # clipping would then shrink their gradients as well.
            least = torch.maximum(size_of, size_of.mean() * _QUIETEST).clamp(min=1e-3)
            gap = torch.linalg.vector_norm(truth - ours, dim=(1, 2)) / least
            distances.append(gap.mean() + F.l1_loss(ours.log(), truth.log()))
        return torch.stack(distances).mean()

    def _magnitude(self, samples: Tensor, size: int) -> Tensor:
        window = self.get_buffer(f"window_{size}")
        spectrum = torch.stft(samples, size, size // 4, size, window, return_complex=True)
        # The floor is applied before the root, because the root of 0 has no gradient.
        return torch.sqrt((spectrum.real.square() + spectrum.imag.square()).clamp(min=_SPECTRUM_FLOOR**2))


def discriminator_loss(real: Sequence[Judgement], made: Sequence[Judgement]) -> Tensor:
    """Return equation 1 of HiFi-GAN (least squares), summed over discriminators: scores [batch, n] should be 1 for real speech and
    0 for generated speech."""
    terms = [(1 - truth.score).square().mean() + ours.score.square().mean() for truth, ours in zip(real, made, strict=True)]
    return torch.stack(terms).sum()


def adversarial_loss(made: Sequence[Judgement]) -> Tensor:
    """Return equation 2 of HiFi-GAN, summed over discriminators: scores [batch, n] of generated speech should be 1."""
    return torch.stack([(1 - judgement.score).square().mean() for judgement in made]).sum()


def feature_loss(real: Sequence[Judgement], made: Sequence[Judgement]) -> Tensor:
    """Return equation 4 of HiFi-GAN, of shape []: mean absolute difference of features, summed over layers and discriminators.

    Features that are compared have the same shape, float [batch, ...].
    """
    pairs = zip(real, made, strict=True)
    terms = [F.l1_loss(b, a) for truth, ours in pairs for a, b in zip(truth.features, ours.features, strict=True)]
    return torch.stack(terms).sum()


class Runs(NamedTuple):
    """Runs of equal units of a batch, padded with zeros."""

    ids: Tensor
    """int64 [batch, runs]"""
    lengths: Tensor
    """int64 [batch, runs], in steps of 20 ms"""
    is_run: Tensor
    """bool [batch, runs], False at padding"""


def whole_runs(frames: NDArray[np.int64]) -> Units:
    """Return the runs of frames without the first and the last, which the segment may cut; all runs if there are only two.

    frames: int64 of shape [T], the unit of each 20 ms.
    """
    runs = Units.from_frames(frames)
    if len(runs) <= 2 or runs.durations is None:
        return runs
    return Units(runs.ids[1:-1], runs.durations[1:-1], is_merged=True)


def stack_runs(rows: Sequence[Units]) -> Runs:
    """Put the runs of several segments into a batch."""
    lengths = pad([np.asarray(row.durations) for row in rows])
    return Runs(pad([row.ids for row in rows]), lengths, lengths > 0)


def duration_loss(log_durations: Tensor, runs: Runs) -> Tensor:
    """Return the mean squared error of float [batch, runs] against ln(length + 1), without padding."""
    target = torch.log(runs.lengths[runs.is_run].to(log_durations.dtype) + 1)
    return F.mse_loss(log_durations[runs.is_run], target)


def length_loss(log_durations: Tensor, runs: Runs) -> Tensor:
    """Return the squared relative error of the sum of all durations of a batch, given as ln(length + 1), float [batch, runs].

    `duration_loss` alone leads to the mean of the logarithms, which is shorter than the mean, and speech becomes too fast. The sum
    is taken over the batch, where random errors average out.
    """
    predicted = (torch.exp(log_durations[runs.is_run]) - 1).sum()
    return (predicted / runs.lengths[runs.is_run].sum() - 1).square()


def contour_loss(found: Tensor, z: Tensor, voiced: Tensor, weight: Tensor) -> Tensor:
    """Return the smooth L1 distance of contours, float [batch, time], in voiced steps; interpolated steps count a little."""
    distance = F.smooth_l1_loss(found.float(), z, reduction="none")
    return (distance * (voiced + 0.05) * weight).sum() / (voiced * weight).sum().clamp(min=1)


def voicing_loss(logits: Tensor, voiced: Tensor, weight: Tensor) -> Tensor:
    """Return the binary cross entropy of voicing, float [batch, time], 0 or 1."""
    return F.binary_cross_entropy_with_logits(logits.float(), voiced, weight, reduction="sum") / weight.sum().clamp(min=1)
