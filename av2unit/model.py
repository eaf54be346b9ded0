"""AV-HuBERT with two unit heads (Shi et al. 2022), under the published parameter names, and its settings.

The settings are read from a checkpoint: their names are AV-HuBERT's, and say what the classes of the heads mean, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from av2unit.features import NUM_MELS
from avcore.avhubert import HubertEncoder, HubertLayer, LipFrontEnd, PositionalConv
from avcore.checkpoints.checkpoint import load_strict
from avcore.checkpoints.layouts import read_setting
from avcore.checkpoints.stages import Checkpoint
from avcore.compute.inference import skeleton
from avcore.compute.kernels import MappedFiles, copy_from_files, pack_linears
from avcore.errors import CheckpointError
from avcore.progress import Progress, silent
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
"""Choices of the recipe that are built in; a checkpoint made with others is refused, not misread."""

_CLASS_EMBEDDINGS = "label_embs_concat"
_FROM_TENSORS = ("resnet_width", "mask_dim", "num_classes")
_SIZES = {
    "encoder_embed_dim": ("post_extract_proj.weight", 0),
    "encoder_ffn_embed_dim": ("encoder.layers.0.fc1.weight", 0),
    "conv_pos": ("encoder.pos_conv.0.weight_v", 2),
    "audio_feat_dim": ("feature_extractor_audio.proj.weight", 1),
    "final_dim": (_CLASS_EMBEDDINGS, 1),
}
"""Sizes that tensors have too: the tensor and its axis."""
_MOST = 1_000_000
_RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("encoder_layers", "encoder_attention_heads", "conv_pos_groups", "stack_order_audio", *_SIZES), (1, _MOST)),
    "final_dim": (0, _MOST),
    "logit_temp": (1e-6, 1e6),
    "image_crop_size": (1, 96),
    "image_mean": (-1e6, 1e6),
    "image_std": (1e-6, 1e6),
}
"""Least and most of each number; of those that are not named, which are shares, 0 and 1."""

_FRONT_KERNEL = "feature_extractor_video.resnet.frontend3D.0.weight"
NO_UNIT = -1
_MOST_DIGITS = 6
_NUM_SPECIALS = 4
"""`<s>`, `<pad>`, `</s>`, `<unk>` at the head of each dictionary."""


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
        """Width of `final_proj`: all heads side by side when untied."""
        return self.final_dim * (len(self.num_classes) if self.untie_final_proj else 1)


def _known_values(section: Any, path: Path) -> dict[str, Any]:
    """Return the settings that are ours. Raises CheckpointError for one of another type or outside of what can be computed with."""
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
    """Compare sizes with the tensors before anything of these sizes is built. Raises CheckpointError."""
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
    """Return one dimension of a tensor that sizes are read from."""
    if key not in checkpoint.tensors:
        raise CheckpointError(f"the unit encoder's tensor {key} is missing", path=checkpoint.path, hint="download the file again")
    shape = checkpoint.tensors[key].shape
    if axis >= len(shape):
        raise CheckpointError(f"the unit encoder's tensor {key} has too few axes", path=checkpoint.path, found=list(shape))
    return int(shape[axis])


def _class_counts(checkpoint: Checkpoint) -> tuple[int, ...]:
    """Return the classes of each head by its dictionary; together they must be the rows of the class embeddings."""
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
    """Return the unit that each class stands for, int64 of shape [classes]; NO_UNIT where a class stands for none.

    The first dictionary names the classes of both heads, as published; specials, symbols that are no whole number and
    classes beyond it stand for no unit. Raises CheckpointError when no class stands for a unit, or for one that cannot be.
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
    """Return the fingerprint of the quantizer: that recorded with the model, or one over dictionaries and heads."""
    recorded = checkpoint.config.get("vocabulary")
    if recorded:
        return str(recorded)
    symbols = [fingerprint_symbols(symbols) for symbols in checkpoint.config["dictionaries"]]
    heads = [key for key in sorted(checkpoint.tensors) if key == "label_embs_concat" or key.startswith("final_proj.")]
    arrays = [checkpoint.tensors[key].float().contiguous().numpy() for key in heads]
    return fingerprint(*symbols, *(array.astype("<f4", copy=False).tobytes() for array in arrays))


_SMALLEST_NORM = 1e-6


class AudioFrontEnd(nn.Module):
    """Filterbank rows to the encoder's width."""

    def __init__(self, feature_dim: int, embed_dim: int) -> None:
        super().__init__()
        self.proj = nn.Linear(feature_dim, embed_dim)

    def forward(self, audio: Tensor) -> Tensor:
        """[batch, time, feature_dim] -> [batch, time, embed_dim]."""
        return cast(Tensor, self.proj(audio))


class AvHubert(nn.Module):
    """The unit encoder: front ends, fusion, transformer, heads.

    `forward` is `front_ends`, `fuse`, `encoder` and `logits` in a row; training composes them itself. `mask_emb` is used in
    training only.
    """

    def __init__(self, config: AvHubertConfig) -> None:
        super().__init__()
        dim = config.encoder_embed_dim
        self.config = config
        self.feature_extractor_audio = AudioFrontEnd(config.audio_feat_dim, dim)
        self.feature_extractor_video = LipFrontEnd(config.resnet_width, dim)
        self.layer_norm = nn.LayerNorm(2 * dim)
        self.post_extract_proj = nn.Linear(2 * dim, dim)
        self.dropout_input = nn.Dropout(config.dropout_input)
        self.encoder = HubertEncoder(config)
        self.final_proj = nn.Linear(dim, config.projection_dim)
        self.mask_emb = nn.Parameter(torch.rand(config.mask_dim))
        self.label_embs_concat = nn.Parameter(torch.rand(sum(config.num_classes), config.final_dim))

    def forward(
        self,
        audio: Tensor | None,
        video: Tensor | None,
        lengths: Sequence[int] | None = None,
        progress: Progress = silent,
    ) -> list[Tensor]:
        """Logits of each head, float [batch, time, classes]; arguments as of `encode`."""
        return self.logits(self.encode(audio, video, lengths, progress=progress))

    def encode(
        self,
        audio: Tensor | None,
        video: Tensor | None,
        lengths: Sequence[int] | None = None,
        num_layers: int | None = None,
        progress: Progress = silent,
    ) -> Tensor:
        """Encode a batch of utterances, with both modalities or one.

        audio: float [batch, time, audio_feat_dim]; video: float [batch, time, height, width]; one may be None.
        lengths: steps of each utterance when the batch is padded: each comes out as it would alone. num_layers: the
        raw output of that layer; None = the normalised output of the last. Returns [batch, time, encoder_embed_dim].
        """
        batch, time = _batch_and_time(audio, video)
        lengths = [time] * batch if lengths is None else list(lengths)
        fused = self.fuse(*self.front_ends(audio, video, lengths, progress))
        is_real = None
        if min(lengths) < time:
            is_real = torch.arange(time, device=fused.device) < torch.tensor(lengths, device=fused.device)[:, None]
        return cast(Tensor, self.encoder(self.project(fused), is_real, num_layers, progress))

    def front_ends(
        self, audio: Tensor | None, video: Tensor | None, lengths: Sequence[int], progress: Progress = silent
    ) -> tuple[Tensor | None, Tensor | None]:
        """Return the features of each modality, [batch, time, encoder_embed_dim] or None."""
        return (
            None if audio is None else self.feature_extractor_audio(audio),
            None if video is None else self.feature_extractor_video(video, lengths, progress),
        )

    def fuse(self, audio: Tensor | None, video: Tensor | None) -> Tensor:
        """Put [batch, time, dim] of audio and video side by side, [batch, time, 2 * dim]; a missing one is zeros."""
        present = cast(Tensor, video if audio is None else audio)
        missing = torch.zeros_like(present)
        return torch.cat([missing if audio is None else audio, missing if video is None else video], dim=-1)

    def project(self, fused: Tensor) -> Tensor:
        """Normalise [batch, time, 2 * dim] and bring it to the encoder's width, [batch, time, dim]."""
        return cast(Tensor, self.dropout_input(self.post_extract_proj(self.layer_norm(fused))))

    def logits(self, hidden: Tensor) -> list[Tensor]:
        """Return the cosine to each class over the temperature, [batch, time, classes] for each head.

        hidden: [batch, time, encoder_embed_dim], normalised output of the last layer.
        """
        counts = list(self.config.num_classes)
        projected = self.final_proj(hidden)
        per_head = projected.split(self.config.final_dim, dim=-1) if self.config.untie_final_proj else [projected] * len(counts)
        embeddings = torch.split(self.label_embs_concat, counts)
        return [_cosine(head, classes) / self.config.logit_temp for head, classes in zip(per_head, embeddings, strict=True)]

    def fold(self) -> None:
        """Fold weight norm and batch norms, for inference; the published names are gone afterwards."""
        self.feature_extractor_video.resnet.fold()
        cast(PositionalConv, self.encoder.pos_conv[0]).fold()

    def freeze(self, dtype: torch.dtype) -> "AvHubert":
        """Make the model ready for inference on the device where it is; it can be trained, moved or stored no more.

        Norms are folded. The ResNet and the products in the encoder are computed in `dtype`; between them, and in the
        heads, where small differences decide, numbers stay float32.
        """
        self.eval().fold()
        self.requires_grad_(False)
        self.feature_extractor_video.resnet.to(dtype)
        files = MappedFiles()
        for layer in self.encoder.layers:
            cast(HubertLayer, layer).freeze(dtype, files)
        pack_linears(self, torch.float32, files)
        copy_from_files(self.parameters(), files)
        return self


def load_avhubert(checkpoint: Checkpoint) -> AvHubert:
    """Build the encoder of a checkpoint, in evaluation mode, not folded. Raises CheckpointError when it does not fit."""
    with skeleton():
        model = AvHubert(AvHubertConfig.from_checkpoint(checkpoint))
    load_strict(model, checkpoint.tensors, checkpoint)
    return model.eval()


def _cosine(vectors: Tensor, classes: Tensor) -> Tensor:
    """Compute cosines: [batch, time, dim] and [classes, dim] -> [batch, time, classes]."""
    norms: Tensor = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True) * torch.linalg.vector_norm(classes, dim=-1)
    return functional.linear(vectors, classes) / norms.clamp_min(_SMALLEST_NORM)


def _batch_and_time(audio: Tensor | None, video: Tensor | None) -> tuple[int, int]:
    """Raises ValueError when both are missing or they differ in size."""
    sizes = {tuple(tensor.shape[:2]) for tensor in (audio, video) if tensor is not None}
    if len(sizes) != 1:
        raise ValueError(f"audio and video must have one size [batch, time], at least one given; found {sorted(sizes)}")
    batch, time = sizes.pop()
    return batch, time
