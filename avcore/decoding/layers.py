"""Pre-norm transformer layers and the autoregressive decoder made of them, with fairseq's parameter names."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from avcore.compute.memory import MappedFiles
from avcore.compute.packed_linear import fuse_gelu, pack_linears
from avcore.decoding.attention import Attention, KeysValues, Positions
from avcore.decoding.marks import PAD

Extend = Callable[[int, KeysValues], KeysValues]
"""Given a decoder layer's number and its new keys and values, returns all that self-attention looks at."""


@dataclass(frozen=True)
class LayerConfig:
    """Sizes of a stack of layers. activation: between the two halves of the feed-forward. The dropouts act in training only."""

    dim: int
    num_layers: int
    num_heads: int
    ffn_dim: int
    activation: type[nn.Module] = nn.GELU
    dropout: float = 0.1
    attention_dropout: float = 0.1
    activation_dropout: float = 0.0


class Layer(nn.Module):
    """What both kinds of layers have: self-attention and feed-forward, each behind a norm and beside a residual."""

    def __init__(self, config: LayerConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config.dim, config.num_heads, config.attention_dropout)
        self.self_attn_layer_norm = nn.LayerNorm(config.dim)
        self.fc1 = nn.Linear(config.dim, config.ffn_dim)
        self.fc2 = nn.Linear(config.ffn_dim, config.dim)
        self.final_layer_norm = nn.LayerNorm(config.dim)
        self._activation = config.activation()
        self._dropout = nn.Dropout(config.dropout)
        self._activation_dropout = nn.Dropout(config.activation_dropout)
        self._product_dtype: torch.dtype | None = None

    def freeze(self, dtype: torch.dtype, files: MappedFiles) -> None:
        """Compute products in `dtype`, from now on for inference only; the residual stream keeps its own type."""
        pack_linears(self, dtype, files)
        self._activation = fuse_gelu(self.fc1, self._activation)
        self._product_dtype = dtype

    def for_products(self, x: Tensor) -> Tensor:
        """Bring x, float [..., dim], to the type that products are computed in, once for all of them."""
        return x if self._product_dtype is None else x.to(self._product_dtype)

    def _feed_forward(self, x: Tensor) -> Tensor:
        hidden = self._activation_dropout(self._activation(self.fc1(self.for_products(self.final_layer_norm(x)))))
        out: Tensor = x + self._dropout(self.fc2(hidden))
        return out


class EncoderLayer(Layer):
    """A layer that looks both ways."""

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Float [batch, time, dim] -> the same; mask: bool [batch, 1, 1, time], True = no padding."""
        normed = self.for_products(self.self_attn_layer_norm(x))
        x = x + self._dropout(self.self_attn(normed, self.self_attn.keys_values(normed), mask))
        return self._feed_forward(x)


class DecoderLayer(Layer):
    """A layer that looks back, and at the source."""

    def __init__(self, config: LayerConfig) -> None:
        super().__init__(config)
        self.encoder_attn = Attention(config.dim, config.num_heads, config.attention_dropout)
        self.encoder_attn_layer_norm = nn.LayerNorm(config.dim)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        source: KeysValues,
        source_mask: Tensor | None,
        extend: Callable[[KeysValues], KeysValues],
    ) -> Tensor:
        """Float [batch, time, dim] -> the same; without a mask, self-attention is causal."""
        normed = self.for_products(self.self_attn_layer_norm(x))
        seen = extend(self.self_attn.keys_values(normed))
        x = x + self._dropout(self.self_attn(normed, seen, mask, is_causal=mask is None))
        normed = self.for_products(self.encoder_attn_layer_norm(x))
        x = x + self._dropout(self.encoder_attn(normed, source, source_mask))
        return self._feed_forward(x)


class Decoder(nn.Module):
    """Vectors of the source and tokens so far to scores of the next token.

    scale: what embeddings are multiplied by before positions are added.
    """

    def __init__(self, config: LayerConfig, embed_tokens: nn.Embedding, scale: float) -> None:
        super().__init__()
        self.embed_tokens = embed_tokens
        self.embed_positions = Positions(config.dim)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.num_layers))
        self.layer_norm = nn.LayerNorm(config.dim)
        self.output_projection = nn.Linear(config.dim, embed_tokens.num_embeddings, bias=False)
        self._dropout = nn.Dropout(config.dropout)
        self._scale = scale

    def source_keys_values(self, encoded: Tensor) -> list[KeysValues]:
        """What each layer looks at in the source; made once a sentence. encoded: float [batch, time, dim].

        It is contiguous, since a product would otherwise copy it at every step.
        """
        layers = cast(Iterable[DecoderLayer], self.layers)
        seen = (layer.encoder_attn.keys_values(layer.for_products(encoded)) for layer in layers)
        return [KeysValues(keys.contiguous(), values.contiguous()) for keys, values in seen]

    def forward(self, tokens: Tensor, source: Sequence[KeysValues], source_mask: Tensor | None = None) -> Tensor:
        """Score every next token (teacher forcing).

        tokens: int64 [batch, time], the start tag first, padded with PAD. source: of `source_keys_values`.
        Returns logits, float [batch, time, row].
        """
        x = self.embed_tokens(tokens) * self._scale + self.embed_positions(tokens)
        return self._run(x, causal_mask(tokens), source, source_mask, _only_new)

    def step(
        self,
        tokens: Tensor,
        index: int,
        mask: Tensor,
        source: Sequence[KeysValues],
        source_mask: Tensor | None,
        extend: Extend,
    ) -> Tensor:
        """Score the token after `tokens`, the beams of a sentence being queries to one pool of keys.

        tokens: int64 of shape [sentence, beam], all at position `index`. mask: float [sentence, 1, beam, entry], added to the
        scores of self-attention over what `extend` returns. Returns logits, float [sentence, beam, row].
        """
        x = self.embed_tokens(tokens) * self._scale + self.embed_positions.at(index, tokens.device)
        return self._run(x, mask, source, source_mask, extend)

    def _run(
        self, x: Tensor, mask: Tensor | None, source: Sequence[KeysValues], source_mask: Tensor | None, extend: Extend
    ) -> Tensor:
        x = self._dropout(x)
        for number, layer in enumerate(self.layers):
            x = layer(x, mask, source[number], source_mask, partial(extend, number))
        logits: Tensor = self.output_projection(self.layer_norm(x))
        return logits


def padding_mask(tokens: Tensor) -> Tensor | None:
    """Bool [batch, 1, 1, time] with True where int64 [batch, time] holds no padding; None when it holds none."""
    is_token = tokens != PAD
    return None if bool(is_token.all()) else is_token[:, None, None, :]


def causal_mask(tokens: Tensor) -> Tensor | None:
    """Bool [batch, 1, time, time]: True where a token may look; None without padding, when being causal says it all.

    A token always sees itself, so that padding at the start of a row does not make NaN.
    """
    is_token = padding_mask(tokens)
    if is_token is None:
        return None
    length = tokens.shape[1]
    before = torch.ones(length, length, dtype=torch.bool, device=tokens.device).tril()
    return before & (is_token | torch.eye(length, dtype=torch.bool, device=tokens.device))


def _only_new(layer: int, new: KeysValues) -> KeysValues:
    """Self-attention without a past (see `Extend`)."""
    return new
