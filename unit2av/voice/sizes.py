"""The sizes of a unit HiFi-GAN, read from its tensors and from what a checkpoint's configuration says of them."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from avcore.errors import CheckpointError
from avcore.timeline import SAMPLES_PER_UNIT
from unit2av.voice.vocoder import VocoderConfig

_PUBLISHED_RATES = {11: 5, 8: 4, 4: 2}
"""Kernel size -> stride of the published upsampling layers; the tensors themselves don't tell the stride."""
_PUBLISHED_DILATIONS = (1, 3, 5)
_DURATION_KERNEL = 3


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
