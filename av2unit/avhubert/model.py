"""AV-HuBERT with two unit heads (Shi et al. 2022), under the published parameter names."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from av2unit.avhubert.config import AvHubertConfig
from avcore.avhubert.encoder import HubertEncoder, HubertLayer, PositionalConv
from avcore.avhubert.lips import LipFrontEnd
from avcore.checkpoints.checkpoint import Checkpoint, load_strict
from avcore.compute.memory import MappedFiles, copy_from_files
from avcore.compute.modules import pack_linears, skeleton
from avcore.progress import Progress, silent

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
