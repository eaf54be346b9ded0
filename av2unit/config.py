"""The unit encoder's settings, read from a checkpoint, under AV-HuBERT's names; and the units that its classes stand for."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from av2unit.features import NUM_MELS
from avcore.bounds import Number, Share, Size
from avcore.checkpoints.layouts import read_setting
from avcore.checkpoints.stages import Checkpoint
from avcore.errors import CheckpointError
from avcore.timeline import UNITS_PER_FRAME
from avcore.units import fingerprint, fingerprint_symbols

_FIXED = {
    "layer_norm_first": True,
    "modality_fuse": "concat",
    "sub_encoder_layers": 0,
    "resnet_relu_type": "prelu",
    "activation_fn": "gelu",
    "layer_type": "transformer",
    "sim_type": "cosine",
    "target_glu": False,
}
"""Settings of the recipe that are built in; a checkpoint with other values is refused."""

_CLASS_EMBEDDINGS = "label_embs_concat"
_FROM_TENSORS = ("resnet_width", "mask_dim", "num_classes")
_SIZES = {
    "encoder_embed_dim": ("post_extract_proj.weight", 0),
    "encoder_ffn_embed_dim": ("encoder.layers.0.fc1.weight", 0),
    "conv_pos": ("encoder.pos_conv.0.weight_v", 2),
    "audio_feat_dim": ("feature_extractor_audio.proj.weight", 1),
    "final_dim": (_CLASS_EMBEDDINGS, 1),
}
"""Sizes that can be checked against a tensor: its name and axis."""
_MOST = 1_000_000
_RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("encoder_layers", "encoder_attention_heads", "conv_pos_groups", "stack_order_audio", *_SIZES), (1, _MOST)),
    "final_dim": (0, _MOST),
    "logit_temp": (1e-6, 1e6),
    "image_crop_size": (1, 96),
    "image_mean": (-1e6, 1e6),
    "image_std": (1e-6, 1e6),
}
"""Range of each number. Numbers that are not listed are shares, 0 to 1."""

_FRONT_KERNEL = "feature_extractor_video.resnet.frontend3D.0.weight"
NO_UNIT = -1
_MOST_DIGITS = 6
_NUM_SPECIALS = 4
"""`<s>`, `<pad>`, `</s>`, `<unk>` at the head of each dictionary."""


@dataclass(frozen=True)
class AvHubertConfig:
    """Sizes and settings of the unit encoder; the defaults are the published ones (large, noise-augmented, two heads)."""

    encoder_layers: Size = 24
    encoder_embed_dim: Size = 1024
    encoder_ffn_embed_dim: Size = 4096
    encoder_attention_heads: Size = 16
    conv_pos: Size = 128
    """Taps of the positional convolution."""
    conv_pos_groups: Size = 16
    audio_feat_dim: Size = 104
    final_dim: Number = 256
    """Width of a class embedding; 0 = encoder_embed_dim."""
    untie_final_proj: bool = True
    """Whether each head has its own projection; otherwise they share one."""
    logit_temp: float = 0.1
    dropout: Share = 0.1
    attention_dropout: Share = 0.1
    activation_dropout: Share = 0.0
    dropout_input: Share = 0.1
    encoder_layerdrop: Share = 0.05

    normalize: bool = True
    """Whether audio rows are normalised one by one."""
    stack_order_audio: Size = 4
    image_crop_size: Size = 88
    """Pixels."""
    image_mean: float = 0.421
    image_std: float = 0.165

    resnet_width: Size = 64
    """Channels of the 3-D convolution and of the trunk's first stage; each further stage doubles them."""
    mask_dim: Number = 104
    """Width of the embedding that replaces masked audio in training."""
    num_classes: tuple[int, ...] = (1004, 1004)
    """Number of classes of each head: the units and four specials."""

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint) -> "AvHubertConfig":
        """Read the settings of a unit encoder's checkpoint; sizes of front end, mask and heads are read from its tensors.

        Raises CheckpointError when the checkpoint has an unsupported setting, or its heads do not fit its dictionaries.
        """
        missing = {"model", "task", "dictionaries"} - checkpoint.config.keys()
        if missing:
            raise CheckpointError("the unit encoder's settings are incomplete", path=checkpoint.path, found=f"no {min(missing)}")

        model, task = checkpoint.config["model"], checkpoint.config["task"]
        for name, needed in _FIXED.items():
            if model.get(name, needed) != needed:
                raise CheckpointError(
                    f"this AV-HuBERT variant is not supported: model.{name}",
                    path=checkpoint.path,
                    expected=needed,
                    found=model[name],
                    hint="give a checkpoint of the published recipe",
                )

        known = _known_values(task, checkpoint.path) | _known_values(model, checkpoint.path)
        known["final_dim"] = known.get("final_dim", cls.final_dim) or known.get("encoder_embed_dim", cls.encoder_embed_dim)
        config = cls(
            **known,
            resnet_width=_tensor_length(checkpoint, _FRONT_KERNEL),
            mask_dim=_tensor_length(checkpoint, "mask_emb"),
            num_classes=_class_counts(checkpoint),
        )

        _check_sizes(config, checkpoint)
        return config

    @property
    def projection_dim(self) -> int:
        """Width of `final_proj`: that of all heads together when untied."""
        return self.final_dim * (len(self.num_classes) if self.untie_final_proj else 1)


def _known_values(section: Any, path: Path) -> dict[str, Any]:
    """Return the settings that `AvHubertConfig` has. Raises CheckpointError for one of another type or out of range."""
    if not isinstance(section, Mapping):
        raise CheckpointError("the unit encoder's settings cannot be read", path=path, expected="objects: model and task")
    names = [
        field.name for field in fields(AvHubertConfig) if field.name not in _FROM_TENSORS and section.get(field.name) is not None
    ]
    defaults: dict[str, Any] = {name: getattr(AvHubertConfig, name) for name in names}
    return {
        name: read_setting(section, name, defaults[name], "the unit encoder", path, _RANGES.get(name, (0, 1))) for name in names
    }


def _check_sizes(config: AvHubertConfig, checkpoint: Checkpoint) -> None:
    """Compare sizes with the tensors before a network of these sizes is built. Raises CheckpointError."""
    dim = config.encoder_embed_dim
    layers = {key.split(".")[2] for key in checkpoint.tensors if key.startswith("encoder.layers.")}
    stored = {"encoder_layers": len(layers)} | {name: _tensor_length(checkpoint, *place) for name, place in _SIZES.items()}

    for name, size in stored.items():
        if getattr(config, name) != size:
            raise CheckpointError(
                f"the unit encoder's setting {name} does not fit its tensors",
                path=checkpoint.path,
                expected=size,
                found=getattr(config, name),
            )

    if config.stack_order_audio * NUM_MELS != config.audio_feat_dim:
        raise CheckpointError(
            "the unit encoder's setting stack_order_audio does not fit audio_feat_dim",
            path=checkpoint.path,
            expected=f"{config.audio_feat_dim} / {NUM_MELS}",
            found=config.stack_order_audio,
        )

    for name in ("encoder_attention_heads", "conv_pos_groups"):
        if dim % getattr(config, name):
            raise CheckpointError(
                f"the unit encoder's setting {name} does not divide its width",
                path=checkpoint.path,
                expected=f"a divisor of {dim}",
                found=getattr(config, name),
            )


def _tensor_length(checkpoint: Checkpoint, key: str, axis: int = 0) -> int:
    """Return one dimension of a tensor. Raises CheckpointError when the tensor or the axis is missing."""
    if key not in checkpoint.tensors:
        raise CheckpointError(f"the unit encoder's tensor {key} is missing", path=checkpoint.path, hint="download the file again")
    shape = checkpoint.tensors[key].shape
    if axis >= len(shape):
        raise CheckpointError(f"the unit encoder's tensor {key} has too few axes", path=checkpoint.path, found=list(shape))
    return int(shape[axis])


def _class_counts(checkpoint: Checkpoint) -> tuple[int, ...]:
    """Return the number of classes of each head by its dictionary; their sum must be the rows of the class embeddings."""
    dictionaries = checkpoint.config["dictionaries"]
    is_read = isinstance(dictionaries, list) and all(
        isinstance(symbols, list) and all(isinstance(symbol, str) for symbol in symbols) for symbols in dictionaries
    )
    if not is_read:
        raise CheckpointError("the label dictionaries cannot be read", path=checkpoint.path, expected="lists of symbols")

    counts = tuple(map(len, dictionaries))
    if len(counts) != UNITS_PER_FRAME:
        raise CheckpointError(
            "units come 50 a second from two heads at 25 Hz",
            path=checkpoint.path,
            expected=f"{UNITS_PER_FRAME} label dictionaries",
            found=len(counts),
            hint="give the unit encoder (mavhubert), not a plain AV-HuBERT checkpoint",
        )
    rows = _tensor_length(checkpoint, _CLASS_EMBEDDINGS)
    if sum(counts) != rows:
        raise CheckpointError(
            "the label dictionaries do not fit the class embeddings",
            path=checkpoint.path,
            expected=f"{rows} classes",
            found=" + ".join(str(count) for count in counts),
        )

    return counts


def unit_of_class(checkpoint: Checkpoint) -> NDArray[np.int64]:
    """Return the unit of each class, int64 of shape [classes]; NO_UNIT for a class without a unit.

    The first dictionary names the classes of both heads, as published. Specials, symbols that are no whole number and classes
    beyond the dictionary have no unit. Raises CheckpointError when no class has a unit, or a unit has too many digits.
    """
    dictionaries = checkpoint.config["dictionaries"]
    units = np.full(max(len(symbols) for symbols in dictionaries), NO_UNIT, dtype=np.int64)

    for class_id, symbol in enumerate(dictionaries[0]):
        if class_id >= _NUM_SPECIALS and symbol.isascii() and symbol.isdecimal():
            if len(symbol) > _MOST_DIGITS:
                raise CheckpointError(
                    "a unit of the label dictionary is larger than any quantizer's", path=checkpoint.path, found=symbol[:40]
                )
            units[class_id] = int(symbol)

    if not (units >= 0).any():
        raise CheckpointError(
            "the label dictionary holds no units",
            path=checkpoint.path,
            expected="decimal units after four special symbols",
            found=" ".join(dictionaries[0][:6]),
        )

    return units


def vocabulary_of(checkpoint: Checkpoint) -> str:
    """Return the fingerprint of the quantizer: the one recorded with the model, or else one over dictionaries and heads."""
    recorded = checkpoint.config.get("vocabulary")
    if recorded:
        return str(recorded)
    symbols = [fingerprint_symbols(symbols) for symbols in checkpoint.config["dictionaries"]]
    # The dictionaries of two quantizers are often equal, 0 to 999: the heads tell them apart.
    heads = [key for key in sorted(checkpoint.tensors) if key == "label_embs_concat" or key.startswith("final_proj.")]
    arrays = [checkpoint.tensors[key].float().contiguous().numpy() for key in heads]
    return fingerprint(*symbols, *(array.astype("<f4", copy=False).tobytes() for array in arrays))
