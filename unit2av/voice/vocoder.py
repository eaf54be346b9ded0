"""Unit HiFi-GAN: units, their durations and a speaker vector to a waveform.

The generator is that of Kong et al., "HiFi-GAN: Generative Adversarial Networks for Efficient and High Fidelity Speech Synthesis"
(2020), section 2.2: transposed convolutions, each followed by residual blocks of several kernels and dilations whose outputs are
averaged (multi-receptive field fusion). Units, duration predictor and speaker projection are those of Polyak et al., "Speech
Resynthesis from Discrete Disentangled Self-Supervised Representations" (2021) and Lee et al., "Direct Speech-to-Speech Translation
With Discrete Units" (2022). Module names are those of the published checkpoints, whose sizes are read from
their tensors and configuration.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avcore.bounds import Number, Size
from avcore.compute.convolutions import WeightNormConv1d, WeightNormUpsampling
from avcore.errors import CheckpointError
from avcore.timeline import SAMPLES_PER_UNIT

SLOPE = 0.1
_LAST_SLOPE = 0.01
"""Before the last convolution the published model uses the default slope of LeakyReLU."""
_DURATION_DROPOUT = 0.5
_PUBLISHED_RATES = {11: 5, 8: 4, 4: 2}
"""Kernel size -> stride of the published upsampling layers; strides cannot be read from tensors."""
_PUBLISHED_DILATIONS = (1, 3, 5)
_DURATION_KERNEL = 3


@dataclass(frozen=True)
class TimedUnitsConfig:
    """Sizes that every unit vocoder has."""

    num_units: Number
    """rows of the unit table"""
    unit_dim: Size
    """width of a row"""
    speaker_dim: Number
    """width of the speaker vector"""
    speaker_width: Size
    """its width after the projection"""
    duration_dim: Size
    """hidden width of the duration predictor"""


@dataclass(frozen=True)
class VocoderConfig(TimedUnitsConfig):
    """Sizes of a unit HiFi-GAN."""

    channels: Size
    """width after the first convolution; each upsampling layer halves it"""
    pre_kernel: Size
    post_kernel: Size
    upsample_rates: tuple[int, ...]
    """factor of each upsampling layer; their product is 320"""
    upsample_kernels: tuple[int, ...]
    resblock_kernels: tuple[int, ...]
    resblock_dilations: list[list[int]]
    """one row for each residual block of a layer, in the order of resblock_kernels"""

    @property
    def samples_per_unit(self) -> int:
        """Samples that the upsampling layers make from one step."""
        return math.prod(self.upsample_rates)

    @property
    def halo(self) -> int:
        """Steps of 20 ms on each side that the samples of a stretch depend on; the number is exact.

        The samples of one unit are followed back through the layers; a residual block reaches as far as all its
        convolutions together.
        """
        first, last = -(self.post_kernel // 2), SAMPLES_PER_UNIT - 1 + self.post_kernel // 2
        reach = max(
            sum((kernel - 1) * dilation // 2 + kernel // 2 for dilation in dilations)
            for kernel, dilations in zip(self.resblock_kernels, self.resblock_dilations, strict=True)
        )

        for rate, kernel in zip(reversed(self.upsample_rates), reversed(self.upsample_kernels), strict=True):
            first, last = first - reach, last + reach
            padding = (kernel - rate) // 2
            first, last = math.ceil((first + padding - kernel + 1) / rate), (last + padding) // rate
        return max(-first, last) + self.pre_kernel // 2


class ResidualBlock(nn.Module):
    """Pairs of convolutions, a dilated one and a plain one, each pair added to what came in (HiFi-GAN, figure 1)."""

    def __init__(self, channels: int, kernel: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(WeightNormConv1d(channels, channels, kernel, dilation) for dilation in dilations)
        self.convs2 = nn.ModuleList(WeightNormConv1d(channels, channels, kernel) for _ in dilations)
        self.inner: nn.Module = nn.LeakyReLU(SLOPE)

    def forward(self, x: Tensor) -> Tensor:
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            x = x + plain(self.inner(dilated(F.leaky_relu(x, SLOPE))))
        return x


class DurationPredictor(nn.Module):
    """Log-durations of units from their neighbours: [batch, units, unit_dim] -> [batch, units]."""

    def __init__(self, unit_dim: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv1d(unit_dim, width, 3, padding=1), nn.ReLU())
        self.ln1 = nn.LayerNorm(width)
        self.conv2 = nn.Sequential(nn.Conv1d(width, width, 3, padding=1), nn.ReLU())
        self.ln2 = nn.LayerNorm(width)
        self.proj = nn.Linear(width, 1)
        self.dropout = nn.Dropout(_DURATION_DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(self.ln1(self.conv1(x.transpose(1, 2)).transpose(1, 2)))
        x = self.dropout(self.ln2(self.conv2(x.transpose(1, 2)).transpose(1, 2)))
        return cast(Tensor, self.proj(x).squeeze(2))


class TimedUnits(nn.Module):
    """The parts that every unit vocoder has: the unit table, the speaker projection and the duration predictor."""

    def __init__(self, config: TimedUnitsConfig) -> None:
        super().__init__()
        self.dict: Any = nn.Embedding(config.num_units, config.unit_dim)
        self.spkr = nn.Linear(config.speaker_dim, config.speaker_width)
        self.dur_predictor = DurationPredictor(config.unit_dim, config.duration_dim)

    def log_durations(self, ids: Tensor, is_unit: Tensor | None = None) -> Tensor:
        """Predict ln(duration + 1) for int64 [batch, units] of merged ids; float32 [batch, units].

        is_unit: bool [batch, units], False for padding, which is zeroed as in training.
        """
        units = self.dict(ids)
        return cast(Tensor, self.dur_predictor(units if is_unit is None else units * is_unit.unsqueeze(2)))

    def condition(self, frame_ids: Tensor, speaker: Tensor) -> Tensor:
        """Concatenate units and speaker along the channels.

        frame_ids: int64 [batch, time], one id every 20 ms. speaker: float32 [batch, speaker_dim]. Returns float32
        [batch, unit_dim + speaker_width, time].
        """
        units = self.dict(frame_ids).transpose(1, 2)
        voice = self.spkr(speaker).unsqueeze(2).expand(-1, -1, units.shape[2])
        return torch.cat([units, voice], dim=1)


class UnitHifiGan(TimedUnits):
    """The vocoder of one language."""

    def __init__(self, config: VocoderConfig) -> None:
        super().__init__(config)
        self.config = config
        self.conv_pre = WeightNormConv1d(config.unit_dim + config.speaker_width, config.channels, config.pre_kernel)

        self.ups, self.resblocks = nn.ModuleList(), nn.ModuleList()
        width = config.channels
        for rate, kernel in zip(config.upsample_rates, config.upsample_kernels, strict=True):
            self.ups.append(WeightNormUpsampling(width, width // 2, kernel, rate))
            width //= 2
            for block_kernel, dilations in zip(config.resblock_kernels, config.resblock_dilations, strict=True):
                self.resblocks.append(ResidualBlock(width, block_kernel, dilations))

        self.conv_post = WeightNormConv1d(width, 1, config.post_kernel)

    def generate(self, condition: Tensor) -> Tensor:
        """Synthesise [batch, channel, time]; returns float32 [batch, 320 * time] in (-1, 1)."""
        x = self.conv_pre(condition.to(self.conv_pre.bias))
        per_layer = len(self.config.resblock_kernels)
        for layer, upsample in enumerate(self.ups):
            x = upsample(F.leaky_relu(x, SLOPE))
            blocks = self.resblocks[layer * per_layer : (layer + 1) * per_layer]
            x = sum((block(x) for block in blocks[1:]), start=blocks[0](x)) / per_layer

        # The last layer stays float32 in every precision, training's too: bfloat16 samples would have 8 bits.
        with torch.autocast(x.device.type, enabled=False):
            return torch.tanh(self.conv_post(F.leaky_relu(x, _LAST_SLOPE).float())).flatten(1)

    def forward(self, frame_ids: Tensor, speaker: Tensor) -> Tensor:
        """int64 [batch, time] and float32 [batch, speaker_dim] to float32 [batch, 320 * time]."""
        return self.generate(self.condition(frame_ids, speaker))


def vocoder_config(tensors: Mapping[str, Tensor], settings: Mapping[str, Any], path: Path) -> VocoderConfig:
    """Read a vocoder's sizes from its tensors (weight norm stored as `weight_g` and `weight_v`).

    settings: "upsample_rates" and "dilations" (one row for all blocks or one row a block), which cannot be read from tensors.
    Where they are absent and the shapes are the published ones, the published values are taken. Raises CheckpointError where
    a size is missing or a stride or dilation is unknown.
    """
    shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}

    try:
        upsample = [shapes[f"ups.{i}.weight_v"][2] for i in range(max(1, count_modules(shapes, "ups")))]
        per_layer = max(1, count_modules(shapes, "resblocks") // len(upsample))
        kernels = tuple(shapes[f"resblocks.{j}.convs1.0.weight_v"][2] for j in range(per_layer))
        config = VocoderConfig(
            num_units=shapes["dict.weight"][0],
            unit_dim=shapes["dict.weight"][1],
            speaker_dim=shapes["spkr.weight"][1],
            speaker_width=shapes["spkr.weight"][0],
            duration_dim=shapes["dur_predictor.conv1.0.weight"][0],
            channels=shapes["conv_pre.weight_v"][0],
            pre_kernel=shapes["conv_pre.weight_v"][2],
            post_kernel=shapes["conv_post.weight_v"][2],
            upsample_rates=_upsample_rates(upsample, settings, path),
            upsample_kernels=tuple(upsample),
            resblock_kernels=kernels,
            resblock_dilations=_dilations(
                [count_modules(shapes, f"resblocks.{j}.convs1") for j in range(per_layer)], settings, path
            ),
        )
        duration_kernel = shapes["dur_predictor.conv1.0.weight"][2]
    except KeyError as error:
        raise CheckpointError("these tensors are no unit vocoder", path=path, found=f"no {error}") from error
    except IndexError as error:
        raise CheckpointError("these tensors are no unit vocoder", path=path, found="tensors with too few axes") from error

    if duration_kernel != _DURATION_KERNEL:
        raise CheckpointError("unknown duration predictor", path=path, expected="kernel size 3", found=duration_kernel)
    return config


def count_modules(shapes: Mapping[str, tuple[int, ...]], prefix: str) -> int:
    """Return the number of numbered modules below a prefix."""
    depth = prefix.count(".") + 1
    return len({key.split(".")[depth] for key in shapes if key.startswith(f"{prefix}.")})


def _upsample_rates(kernels: list[int], settings: Mapping[str, Any], path: Path) -> tuple[int, ...]:
    hint = 'give "upsample_rates" in the checkpoint\'s configuration'
    stored = settings.get("upsample_rates")
    unknown = [kernel for kernel in kernels if kernel not in _PUBLISHED_RATES]
    if stored is None and unknown:
        raise CheckpointError(f"the stride of an upsampling layer of kernel size {unknown[0]} is not known", path=path, hint=hint)

    rates = tuple(int(rate) for rate in stored) if stored is not None else tuple(_PUBLISHED_RATES[kernel] for kernel in kernels)
    if len(rates) != len(kernels):
        raise CheckpointError(
            "one upsampling rate a layer is needed", path=path, expected=len(kernels), found=len(rates), hint=hint
        )
    if math.prod(rates) != SAMPLES_PER_UNIT:
        raise CheckpointError(
            "the upsampling rates do not make 20 ms of a unit",
            path=path,
            expected=SAMPLES_PER_UNIT,
            found=math.prod(rates),
            hint=hint,
        )

    for rate, kernel in zip(rates, kernels, strict=True):
        if kernel < rate or (kernel - rate) % 2:
            raise CheckpointError(
                "an upsampling layer does not fit its rate", path=path, found=f"kernel size {kernel}, rate {rate}"
            )
    return rates


def _dilations(depths: list[int], settings: Mapping[str, Any], path: Path) -> list[list[int]]:
    """Return one row of dilations for each residual block; depths: how many convolutions each has."""
    stored = settings.get("dilations", _PUBLISHED_DILATIONS)
    rows = stored if stored and isinstance(stored[0], list | tuple) else [stored] * len(depths)
    dilations = [[int(dilation) for dilation in row] for row in rows]

    if [len(row) for row in dilations] != depths:
        raise CheckpointError(
            "the dilations of the residual blocks are not known",
            path=path,
            expected=f"{depths} values for the blocks",
            found=dilations,
            hint='give "dilations" in the checkpoint\'s configuration',
        )
    return dilations
