"""The transformer over fused audio-visual features (wav2vec 2.0's, pre-norm; Baevski et al. 2020)."""

from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from avcore.compute.memory import MappedFiles
from avcore.compute.modules import fuse_gelu, pack_linears
from avcore.progress import Progress, silent, track


class EncoderSizes(Protocol):
    """Sizes of the layers; names as in AV-HuBERT's own configuration. The dropouts act in training only."""

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


class PositionalConv(nn.Module):
    """A wide grouped convolution whose weight is normalised for each tap over all channels.

    It has the two parts of the weight under their published names; `fold` leaves the product alone.
    """

    def __init__(self, dim: int, taps: int, groups: int, dropout: float) -> None:
        super().__init__()
        self.groups, self.taps = groups, taps
        self.bias = nn.Parameter(torch.zeros(dim))
        std = (4 * (1 - dropout) / (taps * dim)) ** 0.5
        self.weight_v = nn.Parameter(nn.init.normal_(torch.empty(dim, dim // groups, taps), std=std))
        self.weight_g = nn.Parameter(torch.empty(1, 1, taps))
        if not self.weight_v.is_meta:  # arithmetic on the meta device imports torch's compiler
            self.weight_g.data.copy_(torch.linalg.vector_norm(self.weight_v.detach(), dim=(0, 1), keepdim=True))
        self.weight: nn.Parameter | None = None

    def forward(self, features: Tensor) -> Tensor:
        """[batch, time, dim] -> [batch, time, dim]; an even kernel's extra last step is dropped."""
        weight = self._product() if self.weight is None else self.weight
        mixed = functional.conv1d(features.transpose(1, 2), weight, self.bias, padding=self.taps // 2, groups=self.groups)
        return mixed[:, :, : features.shape[1]].transpose(1, 2)

    def _product(self) -> Tensor:
        norms: Tensor = torch.linalg.vector_norm(self.weight_v, dim=(0, 1), keepdim=True)
        return self.weight_g * self.weight_v / norms

    def fold(self) -> None:
        """Keep the product only, for inference."""
        self.weight = nn.Parameter(self._product().detach())
        del self.weight_g, self.weight_v


class HubertAttention(nn.Module):
    """Multi-head attention over the whole utterance, both directions."""

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
        dropout = self.dropout if self.training else 0.0
        is_plain = self.training and features.device.type == "cpu"
        attend = _attend_plainly if is_plain else functional.scaled_dot_product_attention
        mixed = attend(query, key, value, is_real, dropout)
        return cast(Tensor, self.out_proj(mixed.transpose(1, 2).flatten(2)))


def _attend_plainly(query: Tensor, key: Tensor, value: Tensor, is_real: Tensor | None, dropout: float) -> Tensor:
    """Compute `scaled_dot_product_attention` for training on a CPU, in 0.4 of the time of torch's plain one (bfloat16, 84 steps).

    The fused kernel's way back takes three times as long as that. Arguments as there, float [batch, heads, time, dim]; is_real:
    bool [batch, 1, 1, time], True somewhere in each utterance.
    """
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    if is_real is not None:
        scores = scores + torch.zeros_like(is_real, dtype=scores.dtype).masked_fill(~is_real, -torch.inf)
    return functional.dropout(scores.softmax(-1).to(value.dtype), dropout) @ value


class HubertLayer(nn.Module):
    """Attention and feed-forward, each behind its own norm (`final_layer_norm` is the second pre-norm)."""

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
        self._product_dtype: torch.dtype | None = None

    def forward(self, features: Tensor, is_real: Tensor | None) -> Tensor:
        """[batch, time, dim] -> [batch, time, dim]; is_real: bool [batch, 1, 1, time], None = all."""
        normed = self._for_products(self.self_attn_layer_norm(features))
        features = features + self.dropout(self.self_attn(normed, is_real))
        inner = self.activation(self.fc1(self._for_products(self.final_layer_norm(features))))
        return cast(Tensor, features + self.dropout(self.fc2(self.activation_dropout(inner))))

    def freeze(self, dtype: torch.dtype, files: MappedFiles) -> None:
        """Compute products in `dtype`, from now on for inference only; the residual stream keeps its own type."""
        pack_linears(self, dtype, files)
        self.activation = fuse_gelu(self.fc1, self.activation)
        self._product_dtype = dtype

    def _for_products(self, features: Tensor) -> Tensor:
        return features if self._product_dtype is None else features.to(self._product_dtype)


class HubertEncoder(nn.Module):
    """Positional convolution, layers, and one norm at the end."""

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

        features: [batch, time, dim]. is_real: bool [batch, time], False for padding, which no real step sees; None =
        no padding. num_layers: stop after so many layers, without the last norm. Returns [batch, time, dim];
        padded steps hold nothing of use.
        """
        attended = None
        if is_real is not None:
            features = features.masked_fill(~is_real[..., None], 0)
            attended = is_real[:, None, None]
        features = self.dropout(features + self.pos_conv(features))
        layers = self.layers[:num_layers]
        for layer in track(layers, "encoder layers", progress, len(layers)):
            if not (self.training and torch.rand(()) < self.layerdrop):
                features = layer(features, attended)
        return features if num_layers is not None else cast(Tensor, self.layer_norm(features))
