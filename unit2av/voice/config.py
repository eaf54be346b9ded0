"""The vocoder's sizes, read from its tensors, and what follows from them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from avcore.errors import CheckpointError
from avcore.timeline import SAMPLES_PER_UNIT

_PUBLISHED_RATES = {11: 5, 8: 4, 4: 2}
"""Kernel size -> stride of the published upsampling layers; the tensors themselves don't tell the stride."""
_PUBLISHED_DILATIONS = (1, 3, 5)
_DURATION_KERNEL = 3


@dataclass(frozen=True)
class VocoderConfig:
    """Sizes of a unit HiFi-GAN.

    num_units: rows of the unit table. unit_dim: width of a row. speaker_dim: width of the speaker vector that comes in.
    speaker_width: its width after the projection. duration_dim: hidden width of the duration predictor. channels: width
    after the first convolution, halved by each upsampling layer. upsample_rates: samples made of one, layer by layer;
    their product is 320. resblock_dilations: one row for each residual block of a layer, in the order of
    resblock_kernels.
    """

    num_units: int
    unit_dim: int
    speaker_dim: int
    speaker_width: int
    duration_dim: int
    channels: int
    pre_kernel: int
    post_kernel: int
    upsample_rates: tuple[int, ...]
    upsample_kernels: tuple[int, ...]
    resblock_kernels: tuple[int, ...]
    resblock_dilations: tuple[tuple[int, ...], ...]

    @property
    def samples_per_unit(self) -> int:
        """Samples that the upsampling layers make of one step."""
        return math.prod(self.upsample_rates)

    @property
    def halo(self) -> int:
        """Steps of 20 ms to each side of a stretch that its samples depend on: exact, so nothing beyond can matter.

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


def vocoder_config(tensors: Mapping[str, Tensor], settings: Mapping[str, Any], path: Path) -> VocoderConfig:
    """Read a vocoder's sizes from its tensors (weight norm stored as `weight_g` and `weight_v`).

    settings: what the tensors can't tell, "upsample_rates" and "dilations" (one row for all blocks or one row a block);
    what is absent there is taken as published where the shapes are the published ones. Raises CheckpointError where a
    size is missing or a stride or dilation is unknown.
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
    """Return how many numbered modules stand below a prefix."""
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


def _dilations(depths: list[int], settings: Mapping[str, Any], path: Path) -> tuple[tuple[int, ...], ...]:
    """Return one row of dilations for each residual block; depths: how many convolutions each has."""
    stored = settings.get("dilations", _PUBLISHED_DILATIONS)
    rows = stored if stored and isinstance(stored[0], list | tuple) else [stored] * len(depths)
    dilations = tuple(tuple(int(dilation) for dilation in row) for row in rows)
    if [len(row) for row in dilations] != depths:
        raise CheckpointError(
            "the dilations of the residual blocks are not known",
            path=path,
            expected=f"{depths} values for the blocks",
            found=[list(row) for row in dilations],
            hint='give "dilations" in the checkpoint\'s configuration',
        )
    return dilations
