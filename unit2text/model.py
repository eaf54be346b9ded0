"""Networks that read: units or mouth video in, scores of text out, by CTC and by an attention decoder.

The paper: Kim et al. 2024, "Efficient Training for Multilingual Visual Speech Recognition: Pre-training with Discretized Visual
Speech Representation". Module names are those of the published state dicts, so that their tensors load under their own names.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from av2unit.lips import LipFrontEnd
from av2unit.model import HubertEncoder, HubertLayer, PositionalConv
from avcore.checkpoints.checkpoint import load_strict
from avcore.checkpoints.stages import Checkpoint
from avcore.compute.inference import skeleton
from avcore.decoding.layers import Decoder
from avcore.errors import CheckpointError
from avcore.progress import Progress, silent
from avcore.units import PAD
from unit2text.config import EncoderConfig, LipConfig, UnitToTextConfig
from unit2text.stage import LIPS

_TABLE, _OUTPUT = "decoder.embed_tokens.weight", "decoder.output_projection.weight"
_UNUSED = (
    "encoder.w2v_model.mask_emb",
    "encoder.w2v_model.label_embs_concat",
    "encoder.w2v_model.feature_extractor_audio.proj.weight",
    "encoder.w2v_model.feature_extractor_audio.proj.bias",
    "decoder.version",
    "decoder.embed_positions._float_tensor",
)
"""Entries of published files that reading needs nothing of; they may be there or not."""


class EncodedUnits(NamedTuple):
    """float [batch, time, dim], and bool [batch, time], False at padding; None = there is none."""

    features: Tensor
    is_real: Tensor | None

    @property
    def attended(self) -> Tensor | None:
        """The mask as attention takes it, bool [batch, 1, 1, time]."""
        return None if self.is_real is None else self.is_real[:, None, None]


class PostNormLayer(HubertLayer):
    """Attention and feed-forward, each with its norm behind the residual (Vaswani et al. 2017)."""

    def forward(self, features: Tensor, is_real: Tensor | None) -> Tensor:
        """[batch, time, dim] -> [batch, time, dim]; is_real: bool [batch, 1, 1, time], None = all."""
        mixed = self.self_attn_layer_norm(features + self.dropout(self.self_attn(features, is_real)))
        inner = self.activation(self.fc1(mixed))
        return cast(Tensor, self.final_layer_norm(mixed + self.dropout(self.fc2(self.activation_dropout(inner)))))


class PostNormEncoder(nn.Module):
    """wav2vec 2.0's transformer in its other form: one norm before the layers, norms behind each part, none at the end."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        position = PositionalConv(config.encoder_embed_dim, config.conv_pos, config.conv_pos_groups, 0.0)
        self.pos_conv = nn.Sequential(position, nn.GELU())
        self.layer_norm = nn.LayerNorm(config.encoder_embed_dim)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(PostNormLayer(config) for _ in range(config.encoder_layers))

    def forward(self, features: Tensor, is_real: Tensor | None = None) -> Tensor:
        """[batch, time, dim] -> the same; is_real: bool [batch, time], False for padding, which no real step sees."""
        attended = None
        if is_real is not None:
            features = features.masked_fill(~is_real[..., None], 0)
            attended = is_real[:, None, None]
        features = self.dropout(self.layer_norm(features + self.pos_conv(features)))
        for layer in self.layers:
            features = layer(features, attended)
        return features


class LipEncoder(nn.Module):
    """AV-HuBERT with its ears shut: the half of the fused features that belongs to sound is zeros, behind its projection."""

    def __init__(self, config: LipConfig) -> None:
        super().__init__()
        dim = config.encoder.encoder_embed_dim
        self.feature_extractor_video = LipFrontEnd(config.resnet_width, dim)
        self.layer_norm = nn.LayerNorm(2 * dim)
        self.post_extract_proj = nn.Linear(2 * dim, dim)
        self.encoder = HubertEncoder(config.encoder)

    def forward(self, clips: Sequence[Tensor], is_real: Tensor | None, progress: Progress = silent) -> Tensor:
        """Normalised pictures, float [time, height, width] of each clip -> features, float [clip, longest time, dim]."""
        seen = self.feature_extractor_video.encode(clips, max(len(clip) for clip in clips), progress)
        fused = self.post_extract_proj(self.layer_norm(torch.cat([torch.zeros_like(seen), seen], dim=-1)))
        return cast(Tensor, self.encoder(fused, is_real, progress=progress))


class _Inside(nn.Module):
    """A published file has each encoder under one more name."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.w2v_model = inner


class UnitToTextNetwork(nn.Module, ABC):
    """What reads text off features: the unit encoder, the decoder, and the CTC head. The subclasses bring the features."""

    def __init__(self, config: UnitToTextConfig) -> None:
        super().__init__()
        self.config = config
        self.language_embedding = nn.Embedding(len(config.languages), config.dim)
        embed_tokens = nn.Embedding(config.num_rows, config.dim, PAD)
        self.decoder = Decoder(config.decoder, embed_tokens, config.scale)
        self.ctc_proj = nn.Linear(config.dim, config.num_rows)
        self.share_table()

    def share_table(self) -> None:
        """Make the output projection the embedding's own matrix (again, after tensors were assigned)."""
        self.decoder.output_projection.weight = self.decoder.embed_tokens.weight

    @property
    @abstractmethod
    def unit_encoder_module(self) -> nn.Module:
        """The stack of layers that both forms of reading share."""

    def contextualise(self, features: Tensor, languages: Tensor, lengths: Sequence[int]) -> EncodedUnits:
        """Add each clip's language and look around: float [batch, time, dim], int64 [batch], real steps -> what is decoded."""
        features = features + self.language_embedding(languages)[:, None]
        is_real = real_steps(lengths, features.device)
        return EncodedUnits(self.unit_encoder_module(features, is_real), is_real)

    def ctc_log_probs(self, features: Tensor) -> Tensor:
        """Log-probabilities of rows at each step, float [batch, time, dim] to float32 [batch, time, rows]; row 0 is CTC's blank."""
        return torch.log_softmax(self.ctc_proj(features).float(), dim=-1)

    def logits(self, encoded: EncodedUnits, tokens: Tensor) -> Tensor:
        """Teacher forcing: int64 [batch, time], the start token first -> logits, float [batch, time, row]."""
        source = self.decoder.source_keys_values(encoded.features)
        return cast(Tensor, self.decoder(tokens, source, encoded.attended))


class UnitText(UnitToTextNetwork):
    """Units to text: one table for the units that are read, and where there is one, another for those of the sound beside lips."""

    def __init__(self, config: UnitToTextConfig) -> None:
        super().__init__(config)
        self.lip_unit_embedding = nn.Embedding(config.unit_rows, config.dim, 0)
        if config.sound_rows:
            self.speech_unit_embedding = nn.Embedding(config.sound_rows, config.dim, 0)
            self.concat_linear = nn.Linear(2 * config.dim, config.dim)
        stack = HubertEncoder(config.encoder) if config.encoder.norm_first else PostNormEncoder(config.encoder)
        self.encoder = _Inside(stack)

    @property
    def unit_encoder_module(self) -> nn.Module:
        return self.encoder.w2v_model

    def embed(self, units: Tensor, sound: Tensor | None) -> Tensor:
        """Rows of the tables, int64 [batch, time], to features, float [batch, time, dim]; row 0 is the zero vector.

        sound: None = no sound; the published files count units of lips from row 0 and those of sound from row 4.
        """
        embedded: Tensor = self.lip_unit_embedding(units)
        if not self.config.sound_rows:
            return embedded
        beside = torch.zeros_like(embedded) if sound is None else self.speech_unit_embedding(sound)
        return cast(Tensor, self.concat_linear(torch.cat([embedded, beside], dim=-1)))

    def encode(self, units: Tensor, sound: Tensor | None, languages: Tensor, lengths: Sequence[int]) -> EncodedUnits:
        """Rows of units, int64 [batch, time] padded with 0, to what is decoded (see `embed` and `contextualise`)."""
        return self.contextualise(self.embed(units, sound), languages, lengths)


class LipText(UnitToTextNetwork):
    """Mouth video to text: AV-HuBERT's features take the place of the unit embeddings, without any layer between."""

    def __init__(self, config: UnitToTextConfig) -> None:
        super().__init__(config)
        assert config.lips is not None  # as `takes` says
        self.encoder = _Inside(LipEncoder(config.lips))
        self.unit_encoder = _Inside(PostNormEncoder(config.encoder))

    @property
    def unit_encoder_module(self) -> nn.Module:
        return self.unit_encoder.w2v_model

    def features(self, clips: Sequence[Tensor], progress: Progress = silent) -> Tensor:
        """Normalised pictures, float [time, height, width] of each clip -> AV-HuBERT's output, float [clip, time, dim]."""
        is_real = real_steps([len(clip) for clip in clips], clips[0].device)
        return cast(Tensor, self.encoder.w2v_model(clips, is_real, progress))

    def encode(self, clips: Sequence[Tensor], languages: Tensor, progress: Progress = silent) -> EncodedUnits:
        """Normalised pictures, float [time, height, width] a clip, and its language's number, int64 [batch], to what is decoded."""
        return self.contextualise(self.features(clips, progress), languages, [len(clip) for clip in clips])


def real_steps(lengths: Sequence[int], device: torch.device) -> Tensor | None:
    """Bool of shape [batch, longest], False at padding; None where all are of one length. lengths: steps of each clip."""
    if min(lengths) == max(lengths):
        return None
    return torch.arange(max(lengths), device=device) < torch.tensor(lengths, device=device)[:, None]


def load_unit_to_text_network(checkpoint: Checkpoint, config: UnitToTextConfig) -> UnitToTextNetwork:
    """Build the network of a checkpoint around the checkpoint's own tensors (not copied), in evaluation mode.

    Raises CheckpointError when they are not those of the network that the configuration describes.
    """
    with skeleton():
        model: UnitToTextNetwork = LipText(config) if config.takes == LIPS else UnitText(config)
    weights = {name: tensor for name, tensor in checkpoint.tensors.items() if name not in _UNUSED}
    if _OUTPUT in weights:
        raise CheckpointError(
            "the unit-to-text model's table is stored twice", path=checkpoint.path, expected=_TABLE, found=_OUTPUT
        )
    load_strict(model, {**weights, _OUTPUT: weights[_TABLE]}, checkpoint)
    model.share_table()
    return model.eval()


def stored_tensors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A reader's state dict as it is stored: the shared table, float of shape [rows, dim], once."""
    return {name: tensor for name, tensor in state.items() if name != _OUTPUT}
