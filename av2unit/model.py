"""AV-HuBERT with two unit heads, under the published parameter names.

Shi et al., "Learning Audio-Visual Speech Representation by Masked Multimodal Cluster Prediction" (2022). The features of sound and
lips (`av2unit.lips`) are concatenated. A pre-norm transformer as in wav2vec 2.0 (Baevski et al. 2020) encodes them. A logit is the
cosine to a class's embedding, divided by a temperature (equation 3).
"""

from collections.abc import Sequence
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from av2unit.config import AvHubertConfig
from av2unit.lips import LipFrontEnd
from avcore.checkpoints.checkpoint import load_strict
from avcore.checkpoints.stages import Checkpoint
from avcore.compute.attention import attend
from avcore.compute.convolutions import WeightNormed
from avcore.compute.inference import skeleton
from avcore.progress import Progress, silent, track

_SMALLEST_NORM = 1e-6
_SEEN_DIMS = 3
"""Number of axes of lips that the front end has already encoded."""


class EncoderSizes(Protocol):
    """Sizes of the layers; names as in AV-HuBERT's own configuration. Dropouts apply in training only."""

    @property
    def encoder_layers(self) -> int: ...
    @property
    def encoder_embed_dim(self) -> int: ...
    @property
    def encoder_ffn_embed_dim(self) -> int: ...
    @property
    def encoder_attention_heads(self) -> int: ...
    @property
    def conv_pos(self) -> int: ...
    @property
    def conv_pos_groups(self) -> int: ...
    @property
    def dropout(self) -> float: ...
    @property
    def attention_dropout(self) -> float: ...
    @property
    def activation_dropout(self) -> float: ...
    @property
    def encoder_layerdrop(self) -> float: ...


class PositionalConv(WeightNormed):
    """Convolutional position encoding (wav2vec 2.0, section 2): a wide grouped convolution, weight-normalised for each tap."""

    def __init__(self, dim: int, taps: int, groups: int, dropout: float) -> None:
        # The initialisation of fairseq's wav2vec 2.0.
        std = (4 * (1 - dropout) / (taps * dim)) ** 0.5
        super().__init__((dim, dim // groups, taps), dim, over=(0, 1), std=std)
        self.groups, self.taps = groups, taps

    def product(self) -> Tensor:
        return self.weight_g * self.weight_v / self.norm_of_v()

    def forward(self, features: Tensor) -> Tensor:
        """[batch, time, dim] -> [batch, time, dim]; the extra step that an even kernel makes at the end is dropped."""
        mixed = functional.conv1d(
            features.transpose(1, 2), self.effective_weight(), self.bias, padding=self.taps // 2, groups=self.groups
        )
        return mixed[:, :, : features.shape[1]].transpose(1, 2)


class HubertAttention(nn.Module):
    """Multi-head self-attention over the whole utterance, in both directions."""

    def __init__(self, config: EncoderSizes) -> None:
        super().__init__()
        dim = config.encoder_embed_dim
        self.num_heads, self.dropout = config.encoder_attention_heads, config.attention_dropout
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(dim, dim) for _ in range(4))

    def forward(self, features: Tensor, is_real: Tensor | None) -> Tensor:
        """features: [batch, time, dim]; is_real: bool [batch, 1, 1, time], None = all. Returns [batch, time, dim]."""
        query, key, value = (
            projection(features).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = attend(query, key, value, is_real, self.dropout if self.training else 0.0)
        return cast(Tensor, self.out_proj(mixed.transpose(1, 2).flatten(2)))


class HubertLayer(nn.Module):
    """Pre-norm attention and feed-forward layers (`final_layer_norm` is the norm before the second)."""

    def __init__(self, config: EncoderSizes) -> None:
        super().__init__()
        dim = config.encoder_embed_dim
        self.self_attn = HubertAttention(config)
        self.self_attn_layer_norm = nn.LayerNorm(dim)

        self.fc1 = nn.Linear(dim, config.encoder_ffn_embed_dim)
        self.fc2 = nn.Linear(config.encoder_ffn_embed_dim, dim)
        self.final_layer_norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(config.dropout)
        self.activation_dropout = nn.Dropout(config.activation_dropout)
        self.activation: nn.Module = nn.GELU()

    def forward(self, features: Tensor, is_real: Tensor | None) -> Tensor:
        """[batch, time, dim] -> [batch, time, dim]; is_real: bool [batch, 1, 1, time], None = all."""
        features = features + self.dropout(self.self_attn(self.self_attn_layer_norm(features), is_real))
        inner = self.activation(self.fc1(self.final_layer_norm(features)))
        return cast(Tensor, features + self.dropout(self.fc2(self.activation_dropout(inner))))


class HubertEncoder(nn.Module):
    """Positional convolution, layers, and a norm at the end."""

    def __init__(self, config: EncoderSizes) -> None:
        super().__init__()
        position = PositionalConv(config.encoder_embed_dim, config.conv_pos, config.conv_pos_groups, config.dropout)
        self.pos_conv = nn.Sequential(position, nn.GELU())
        self.layers = nn.ModuleList(HubertLayer(config) for _ in range(config.encoder_layers))
        self.layer_norm = nn.LayerNorm(config.encoder_embed_dim)
        self.dropout = nn.Dropout(config.dropout)
        self.layerdrop = config.encoder_layerdrop

    def forward(
        self, features: Tensor, is_real: Tensor | None = None, num_layers: int | None = None, progress: Progress = silent
    ) -> Tensor:
        """Run the encoder, or its first layers.

        features: [batch, time, dim]. is_real: bool [batch, time], False at padding, which does not affect real steps; None = no
        padding. num_layers: stop after so many layers, without the last norm. Returns [batch, time, dim]; values at padding have no
        meaning.
        """
        attended = None
        if is_real is not None:
            # The positional convolution is wide, and would carry padding into real steps.
            features = features.masked_fill(~is_real[..., None], 0)
            attended = is_real[:, None, None]

        features = self.dropout(features + self.pos_conv(features))
        layers = self.layers[:num_layers]
        for layer in track(layers, "encoder layers", progress, len(layers)):
            if not (self.training and torch.rand(()) < self.layerdrop):
                features = layer(features, attended)
        return features if num_layers is not None else cast(Tensor, self.layer_norm(features))


class AudioFrontEnd(nn.Module):
    """Projects filterbank rows to the encoder's width."""

    def __init__(self, feature_dim: int, embed_dim: int) -> None:
        super().__init__()
        self.proj = nn.Linear(feature_dim, embed_dim)

    def forward(self, audio: Tensor) -> Tensor:
        """[batch, time, feature_dim] -> [batch, time, embed_dim]."""
        return cast(Tensor, self.proj(audio))


class AvHubert(nn.Module):
    """The unit encoder: front ends, fusion, transformer, heads.

    `forward` calls `front_ends`, `fuse`, `encoder` and `logits`; training calls them itself. `mask_emb` is used in training only.
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
        self, audio: Tensor | None, video: Tensor | None, lengths: Sequence[int] | None = None, progress: Progress = silent
    ) -> list[Tensor]:
        """Return the logits of each head, float [batch, time, classes]; arguments as for `encode`."""
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

        audio: float [batch, time, audio_feat_dim]; video: float [batch, time, height, width], or [batch, time,
        encoder_embed_dim] if its front end has already run; one of them may be None. lengths: steps of each utterance of a padded
        batch, whose results are those of the utterance alone. num_layers: return the raw output of that layer; None = the
        normalised output of the last. Returns [batch, time, encoder_embed_dim].
        """
        sizes = {tuple(tensor.shape[:2]) for tensor in (audio, video) if tensor is not None}
        if len(sizes) != 1:
            raise ValueError(f"audio and video must have one size [batch, time], at least one given; found {sorted(sizes)}")

        batch, time = sizes.pop()
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
            video if video is None or video.dim() == _SEEN_DIMS else self.feature_extractor_video(video, lengths, progress),
        )

    def fuse(self, audio: Tensor | None, video: Tensor | None) -> Tensor:
        """Concatenate audio and video, [batch, time, dim] each, to [batch, time, 2 * dim]; a missing one is replaced by zeros."""
        # Zeros are what modality dropout gives in AV-HuBERT's training, so the encoder knows them.
        present = cast(Tensor, video if audio is None else audio)
        missing = torch.zeros_like(present)
        return torch.cat([missing if audio is None else audio, missing if video is None else video], dim=-1)

    def project(self, fused: Tensor) -> Tensor:
        """Normalise [batch, time, 2 * dim] and project it to the encoder's width, [batch, time, dim]."""
        return cast(Tensor, self.dropout_input(self.post_extract_proj(self.layer_norm(fused))))

    def logits(self, hidden: Tensor) -> list[Tensor]:
        """Return the cosines to all classes, divided by the temperature: [batch, time, classes] for each head.

        hidden: [batch, time, encoder_embed_dim], the normalised output of the last layer.
        """
        counts = list(self.config.num_classes)
        projected = self.final_proj(hidden)
        per_head = projected.split(self.config.final_dim, dim=-1) if self.config.untie_final_proj else [projected] * len(counts)

        embeddings = torch.split(self.label_embs_concat, counts)
        logits = []
        for head, classes in zip(per_head, embeddings, strict=True):
            # The product is divided by both norms, which saves normalised copies of features and embeddings.
            norms: Tensor = torch.linalg.vector_norm(head, dim=-1, keepdim=True) * torch.linalg.vector_norm(classes, dim=-1)
            logits.append(functional.linear(head, classes) / norms.clamp_min(_SMALLEST_NORM) / self.config.logit_temp)
        return logits


def load_avhubert(checkpoint: Checkpoint) -> AvHubert:
    """Build the encoder of a checkpoint, in evaluation mode, without folding weight norms. Raises CheckpointError when it does not
    fit."""
    with skeleton():
        model = AvHubert(AvHubertConfig.from_checkpoint(checkpoint))
    load_strict(model, checkpoint.tensors, checkpoint)
    return model.eval()
