"""The encoder's settings, read from a checkpoint: names as in AV-HuBERT's own configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from avcore.checkpoint import Checkpoint
from avcore.errors import CheckpointError
from avcore.timeline import UNITS_PER_FRAME

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
"""Choices of the recipe that are built in; a checkpoint made with others is refused, not misread."""

_FRONT_KERNEL = "feature_extractor_video.resnet.frontend3D.0.weight"
_CLASS_EMBEDDINGS = "label_embs_concat"


@dataclass(frozen=True)
class AvHubertConfig:
    """Sizes and settings of the unit encoder; the defaults are the published ones (large, noise-augmented, two heads)."""

    encoder_layers: int = 24
    encoder_embed_dim: int = 1024
    encoder_ffn_embed_dim: int = 4096
    encoder_attention_heads: int = 16
    conv_pos: int = 128
    """Taps of the positional convolution."""
    conv_pos_groups: int = 16
    audio_feat_dim: int = 104
    final_dim: int = 256
    """Width of a class embedding; 0 = encoder_embed_dim."""
    untie_final_proj: bool = True
    """One projection for each head; otherwise one serves both."""
    logit_temp: float = 0.1
    dropout: float = 0.1
    attention_dropout: float = 0.1
    activation_dropout: float = 0.0
    dropout_input: float = 0.1
    encoder_layerdrop: float = 0.05

    normalize: bool = True
    """Whether audio rows are normalised one by one."""
    stack_order_audio: int = 4
    image_crop_size: int = 88
    """Pixels."""
    image_mean: float = 0.421
    image_std: float = 0.165

    resnet_width: int = 64
    """Channels of the 3-D convolution and of the trunk's first stage; each further stage doubles them."""
    mask_dim: int = 104
    """Width of the embedding that stands for masked audio in training."""
    num_classes: tuple[int, ...] = (1004, 1004)
    """Classes of each head: the units and four specials."""

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint) -> "AvHubertConfig":
        """Read the settings of a unit encoder's checkpoint; front end, mask and head sizes come from its tensors.

        Raises CheckpointError when the checkpoint was made with a choice that is not supported, or its heads do not
        fit its dictionaries.
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
        known = _known_values(task) | _known_values(model)
        known["final_dim"] = known.get("final_dim", cls.final_dim) or known.get("encoder_embed_dim", cls.encoder_embed_dim)
        return cls(
            **known,
            resnet_width=_tensor_length(checkpoint, _FRONT_KERNEL),
            mask_dim=_tensor_length(checkpoint, "mask_emb"),
            num_classes=_class_counts(checkpoint),
        )

    @property
    def projection_dim(self) -> int:
        """Width of `final_proj`: all heads side by side when untied."""
        return self.final_dim * (len(self.num_classes) if self.untie_final_proj else 1)


def _known_values(section: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(AvHubertConfig)} - {"resnet_width", "mask_dim", "num_classes"}
    return {name: value for name, value in section.items() if name in names and value is not None}


def _tensor_length(checkpoint: Checkpoint, key: str) -> int:
    """First dimension of a tensor that sizes are read from."""
    if key not in checkpoint.tensors:
        raise CheckpointError(f"the unit encoder's tensor {key} is missing", path=checkpoint.path, hint="download the file again")
    return int(checkpoint.tensors[key].shape[0])


def _class_counts(checkpoint: Checkpoint) -> tuple[int, ...]:
    """Classes of each head by its dictionary; together they must be the rows of the class embeddings."""
    counts = tuple(len(symbols) for symbols in checkpoint.config["dictionaries"])
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
