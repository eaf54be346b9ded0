"""Unit-to-text networks: units or mouth video to scores of text, by CTC and by an attention decoder.

After Kim et al. 2024, "Efficient Training for Multilingual Visual Speech Recognition: Pre-training with Discretized Visual Speech
Representation". Module names are those of the published state dicts, so that their tensors load under their own names.
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
"""Entries of published files that recognition does not need; they may be missing."""


class EncodedUnits(NamedTuple):
    """The output of the encoder."""

    features: Tensor
    """float [batch, time, dim]"""
    is_real: Tensor | None
    """bool [batch, time], False at padding; None = there is no padding"""

    @property
    def attended(self) -> Tensor | None:
        """The mask as attention takes it, bool [batch, 1, 1, time]."""
        return None if self.is_real is None else self.is_real[:, None, None]


class PostNormLayer(HubertLayer):
    """Post-norm attention and feed-forward layers (Vaswani et al. 2017)."""

    def forward(self, features: Tensor, is_real: Tensor | None) -> Tensor:
        """[batch, time, dim] -> [batch, time, dim]; is_real: bool [batch, 1, 1, time], None = all."""
        mixed = self.self_attn_layer_norm(features + self.dropout(self.self_attn(features, is_real)))
        inner = self.activation(self.fc1(mixed))
        return cast(Tensor, self.final_layer_norm(mixed + self.dropout(self.fc2(self.activation_dropout(inner)))))


class PostNormEncoder(nn.Module):
    """wav2vec 2.0's transformer in its post-norm form: a norm before the layers, norms after each part, none at the end."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        position = PositionalConv(config.encoder_embed_dim, config.conv_pos, config.conv_pos_groups, 0.0)
        self.pos_conv = nn.Sequential(position, nn.GELU())
        self.layer_norm = nn.LayerNorm(config.encoder_embed_dim)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(PostNormLayer(config) for _ in range(config.encoder_layers))

    def forward(self, features: Tensor, is_real: Tensor | None = None) -> Tensor:
        """[batch, time, dim] -> the same; is_real: bool [batch, time], False at padding, which does not affect real steps."""
        attended = None
        if is_real is not None:
            features = features.masked_fill(~is_real[..., None], 0)
            attended = is_real[:, None, None]
        features = self.dropout(self.layer_norm(features + self.pos_conv(features)))
        for layer in self.layers:
            features = layer(features, attended)
        return features


class LipEncoder(nn.Module):
    """AV-HuBERT for lips alone: in the fused features, the half of the sound is zeros."""

    def __init__(self, config: LipConfig) -> None:
        super().__init__()
        dim = config.encoder.encoder_embed_dim
        self.feature_extractor_video = LipFrontEnd(config.resnet_width, dim)
        self.layer_norm = nn.LayerNorm(2 * dim)
        self.post_extract_proj = nn.Linear(2 * dim, dim)
        self.encoder = HubertEncoder(config.encoder)

    def forward(self, clips: Sequence[Tensor], is_real: Tensor | None, progress: Progress = silent) -> Tensor:
        """Normalised lip frames of clips, float [time, height, width] each -> features, float [clip, longest time, dim]."""
        seen = self.feature_extractor_video.encode(clips, max(len(clip) for clip in clips), progress)
        fused = self.post_extract_proj(self.layer_norm(torch.cat([torch.zeros_like(seen), seen], dim=-1)))
        return cast(Tensor, self.encoder(fused, is_real, progress=progress))


class _Inside(nn.Module):
    """Adds a level to the names of an encoder's tensors, as in published files."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.w2v_model = inner


class UnitToTextNetwork(nn.Module, ABC):
    """Features to text: the unit encoder, the decoder, and the CTC head. Subclasses make the features."""

    def __init__(self, config: UnitToTextConfig) -> None:
        super().__init__()
        self.config = config
        self.language_embedding = nn.Embedding(len(config.languages), config.dim)
        embed_tokens = nn.Embedding(config.num_rows, config.dim, PAD)
        self.decoder = Decoder(config.decoder, embed_tokens, config.scale)
        self.ctc_proj = nn.Linear(config.dim, config.num_rows)
        self.share_table()

    def share_table(self) -> None:
        """Tie the output projection to the embedding; again after tensors were assigned."""
        self.decoder.output_projection.weight = self.decoder.embed_tokens.weight

    @property
    @abstractmethod
    def unit_encoder_module(self) -> nn.Module:
        """The layers that `contextualise` applies."""

    def contextualise(self, features: Tensor, languages: Tensor, lengths: Sequence[int]) -> EncodedUnits:
        """Add each clip's language embedding and run the unit encoder.

        features: float [batch, time, dim]. languages: numbers of languages, int64 [batch]. lengths: steps of each clip.
        """
        features = features + self.language_embedding(languages)[:, None]
        is_real = real_steps(lengths, features.device)
        return EncodedUnits(self.unit_encoder_module(features, is_real), is_real)

    def ctc_log_probs(self, features: Tensor) -> Tensor:
        """Return log-probabilities of rows at each step: float [batch, time, dim] to float32 [batch, time, rows]; row 0 is the
        blank."""
        return torch.log_softmax(self.ctc_proj(features).float(), dim=-1)

    def logits(self, encoded: EncodedUnits, tokens: Tensor) -> Tensor:
        """Teacher forcing: int64 [batch, time], the start token first -> logits, float [batch, time, row]."""
        source = self.decoder.source_keys_values(encoded.features)
        return cast(Tensor, self.decoder(tokens, source, encoded.attended))


class UnitText(UnitToTextNetwork):
    """Units to text, with a table of units, and optionally a second table for units of the sound beside those of lips."""

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
        """Embed rows of the tables, int64 [batch, time], to features, float [batch, time, dim]; row 0 is the zero vector.

        sound: None = no sound. In published files units of lips begin at row 0 and those of sound at row 4.
        """
        embedded: Tensor = self.lip_unit_embedding(units)
        if not self.config.sound_rows:
            return embedded
        beside = torch.zeros_like(embedded) if sound is None else self.speech_unit_embedding(sound)
        return cast(Tensor, self.concat_linear(torch.cat([embedded, beside], dim=-1)))

    def encode(self, units: Tensor, sound: Tensor | None, languages: Tensor, lengths: Sequence[int]) -> EncodedUnits:
        """Encode rows of units, int64 [batch, time] padded with 0 (see `embed` and `contextualise`)."""
        return self.contextualise(self.embed(units, sound), languages, lengths)


class LipText(UnitToTextNetwork):
    """Mouth video to text: AV-HuBERT's features directly replace the unit embeddings."""

    def __init__(self, config: UnitToTextConfig) -> None:
        super().__init__(config)
        assert config.lips is not None  # as `takes` says
        self.encoder = _Inside(LipEncoder(config.lips))
        self.unit_encoder = _Inside(PostNormEncoder(config.encoder))

    @property
    def unit_encoder_module(self) -> nn.Module:
        return self.unit_encoder.w2v_model

    def features(self, clips: Sequence[Tensor], progress: Progress = silent) -> Tensor:
        """Normalised lip frames of clips, float [time, height, width] each -> AV-HuBERT's output, float [clip, time, dim]."""
        is_real = real_steps([len(clip) for clip in clips], clips[0].device)
        return cast(Tensor, self.encoder.w2v_model(clips, is_real, progress))

    def encode(self, clips: Sequence[Tensor], languages: Tensor, progress: Progress = silent) -> EncodedUnits:
        """Encode normalised lip frames, float [time, height, width] for each clip; languages: numbers, int64 [batch]."""
        return self.contextualise(self.features(clips, progress), languages, [len(clip) for clip in clips])


def real_steps(lengths: Sequence[int], device: torch.device) -> Tensor | None:
    """Return a mask, bool [batch, longest], False at padding; None if all lengths are equal. lengths: steps of each clip."""
    if min(lengths) == max(lengths):
        return None
    return torch.arange(max(lengths), device=device) < torch.tensor(lengths, device=device)[:, None]


def load_unit_to_text_network(checkpoint: Checkpoint, config: UnitToTextConfig) -> UnitToTextNetwork:
    """Build the network of a checkpoint from the checkpoint's own tensors (not copied), in evaluation mode.

    Raises CheckpointError when they do not fit the network that the configuration describes.
    """
    with skeleton():
        model: UnitToTextNetwork = LipText(config) if config.takes == LIPS else UnitText(config)
    weights = {name: tensor for name, tensor in checkpoint.tensors.items() if name not in _UNUSED}
    if _OUTPUT in weights:
        raise CheckpointError(
            "the unit-to-text model's table is stored twice", path=checkpoint.path, expected=_TABLE, found=_OUTPUT
        )

    # The table is stored once, and the network has it under two names.
    load_strict(model, {**weights, _OUTPUT: weights[_TABLE]}, checkpoint)
    model.share_table()
    return model.eval()


def stored_tensors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a network's state dict as it is stored, with the shared table, float [rows, dim], only once."""
    return {name: tensor for name, tensor in state.items() if name != _OUTPUT}
