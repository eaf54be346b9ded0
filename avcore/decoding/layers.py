"""Pre-norm transformer layers with positions and attention, and the autoregressive decoder made of them.

Parameters have fairseq's names.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from avcore.compute.attention import attend_in_search
from avcore.units import PAD


class KeysValues(NamedTuple):
    """Keys and values for attention, split by heads: float [batch, head, entry, width] each."""

    keys: Tensor
    values: Tensor


def sinusoids(num_rows: int, dim: int) -> Tensor:
    """Return the table of positions, float32 [num_rows, dim]: sines in the first half of a row, cosines in the second.

    Frequencies are exp(-i ln(10000) / (dim // 2 - 1)), as in tensor2tensor (unlike Vaswani et al., who interleave and divide by
    dim / 2). The row of padding is zero, and so is the last column of an odd dim.
    """
    half = dim // 2
    step = math.log(10_000) / max(half - 1, 1)
    frequencies = torch.exp(torch.arange(half, dtype=torch.float32) * -step)
    angles = torch.arange(num_rows, dtype=torch.float32)[:, None] * frequencies
    table = torch.cat([angles.sin(), angles.cos(), torch.zeros(num_rows, dim % 2)], dim=1)
    table[PAD] = 0
    return table


class Positions(nn.Module):
    """Sinusoidal positions of any length; the first token has row PAD + 1. They are not part of the state dict."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self._dim = dim
        self._table = torch.zeros(0, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """int64 [batch, time] -> float32 [batch, time, dim]; padding is not counted and gets zeros."""
        is_token = tokens != PAD
        rows = is_token.cumsum(1) * is_token + PAD
        return self._rows(tokens.shape[1], tokens.device)[rows]

    def table(self, num_tokens: int, device: torch.device) -> Tensor:
        """Return the positions of tokens from the first one: float32 [num_tokens, dim]."""
        return self._rows(num_tokens, device)[PAD + 1 : PAD + 1 + num_tokens]

    def _rows(self, num_tokens: int, device: torch.device) -> Tensor:
        needed, table = num_tokens + PAD + 1, self._table  # several threads may come at the same time
        if len(table) < needed:
            table = sinusoids(max(needed, 2 * len(table)), self._dim)
        self._table = table = table.to(device)
        return table


class Attention(nn.Module):
    """Multi-head attention; queries are computed apart from keys and values, so that these can be kept."""

    def __init__(self, dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.k_proj = nn.Linear(dim, dim)
        self.v_proj = nn.Linear(dim, dim)
        self.q_proj = nn.Linear(dim, dim)
        self.out_proj = nn.Linear(dim, dim)
        self._num_heads = num_heads
        self._dropout = dropout

    def keys_values(self, entries: Tensor) -> KeysValues:
        """Compute keys and values of E entries, float [batch, E, dim]: returns [batch, heads, E, dim / heads] each."""
        return KeysValues(self._split(self.k_proj(entries)), self._split(self.v_proj(entries)))

    def forward(self, x: Tensor, seen: KeysValues, mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        """Attend from x to `seen`.

        x: float [batch, time, dim]. mask: bool (True = attended to) or float (added to the scores), broadcast to
        [batch, head, time, entry]. Returns float [batch, time, dim].
        """
        queries = self._split(self.q_proj(x))
        context = attend_in_search(queries, seen.keys, seen.values, mask, self._dropout if self.training else 0.0, is_causal)
        out: Tensor = self.out_proj(context.transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self._num_heads, -1).transpose(1, 2)


Extend = Callable[[int, KeysValues], KeysValues]
"""Given a decoder layer's number and its new keys and values, returns all keys and values for self-attention."""


@dataclass(frozen=True)
class LayerConfig:
    """Sizes of a stack of layers. The dropouts act in training only."""

    dim: int
    num_layers: int
    num_heads: int
    ffn_dim: int
    activation: type[nn.Module] = nn.GELU
    """between the two linear layers of the feed-forward"""
    dropout: float = 0.1
    attention_dropout: float = 0.1
    activation_dropout: float = 0.0


class Layer(nn.Module):
    """The common parts of both kinds of layers: self-attention and feed-forward, each with a norm before it and a residual."""

    def __init__(self, config: LayerConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config.dim, config.num_heads, config.attention_dropout)
        self.self_attn_layer_norm = nn.LayerNorm(config.dim)
        self.fc1 = nn.Linear(config.dim, config.ffn_dim)
        self.fc2 = nn.Linear(config.ffn_dim, config.dim)
        self.final_layer_norm = nn.LayerNorm(config.dim)
        self.activation: nn.Module = config.activation()
        self._dropout = nn.Dropout(config.dropout)
        self._activation_dropout = nn.Dropout(config.activation_dropout)

    def _feed_forward(self, x: Tensor) -> Tensor:
        hidden = self._activation_dropout(self.activation(self.fc1(self.final_layer_norm(x))))
        out: Tensor = x + self._dropout(self.fc2(hidden))
        return out


class EncoderLayer(Layer):
    """A layer that attends in both directions."""

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Float [batch, time, dim] -> the same; mask: bool [batch, 1, 1, time], True = no padding."""
        normed = self.self_attn_layer_norm(x)
        x = x + self._dropout(self.self_attn(normed, self.self_attn.keys_values(normed), mask))
        return self._feed_forward(x)


class DecoderLayer(Layer):
    """A layer that attends to the past and to the source."""

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
        normed = self.self_attn_layer_norm(x)
        seen = extend(self.self_attn.keys_values(normed))
        x = x + self._dropout(self.self_attn(normed, seen, mask, is_causal=mask is None))
        normed = self.encoder_attn_layer_norm(x)
        x = x + self._dropout(self.encoder_attn(normed, source, source_mask))
        return self._feed_forward(x)


class Decoder(nn.Module):
    """Predicts scores of the next token from vectors of the source and the tokens so far."""

    def __init__(self, config: LayerConfig, embed_tokens: nn.Embedding, scale: float) -> None:
        """scale: factor on embeddings before positions are added."""
        super().__init__()
        self.embed_tokens = embed_tokens
        self.embed_positions = Positions(config.dim)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.num_layers))
        self.layer_norm = nn.LayerNorm(config.dim)
        self.output_projection = nn.Linear(config.dim, embed_tokens.num_embeddings, bias=False)
        self._dropout = nn.Dropout(config.dropout)
        self._scale = scale

    def source_keys_values(self, encoded: Tensor) -> list[KeysValues]:
        """Return the source's keys and values for each layer, computed once per sentence. encoded: float [batch, time, dim].

        They are contiguous, since products would otherwise copy them at every step.
        """
        layers = cast(Iterable[DecoderLayer], self.layers)
        seen = (layer.encoder_attn.keys_values(encoded) for layer in layers)
        return [KeysValues(keys.contiguous(), values.contiguous()) for keys, values in seen]

    def forward(self, tokens: Tensor, source: Sequence[KeysValues], source_mask: Tensor | None = None) -> Tensor:
        """Score every next token (teacher forcing).

        tokens: int64 [batch, time], the start tag first, padded with PAD. source: from `source_keys_values`.
        Returns logits, float [batch, time, row].
        """
        x = self.embed_tokens(tokens) * self._scale + self.embed_positions(tokens)
        # All tokens are given at once, so there are no keys and values of earlier steps to add.
        return self._run(x, causal_mask(tokens), source, source_mask, lambda _, new: new)

    def step(
        self,
        tokens: Tensor,
        position: Tensor,
        mask: Tensor,
        source: Sequence[KeysValues],
        source_mask: Tensor | None,
        extend: Extend,
    ) -> Tensor:
        """Score the token after `tokens`, where the beams of a sentence are queries to one pool of keys.

        tokens: int64 [sentence, beam], all at one position, float [1, dim]. mask: float [sentence, 1, beam, entry], added to the
        scores of self-attention over the keys that `extend` returns. Returns logits, float [sentence, beam, row].
        """
        x = self.embed_tokens(tokens) * self._scale + position
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
    """Return bool [batch, 1, 1, time], True where tokens, int64 [batch, time], are no padding; None without any padding."""
    is_token = tokens != PAD
    return None if bool(is_token.all()) else is_token[:, None, None, :]


def causal_mask(tokens: Tensor) -> Tensor | None:
    """Return bool [batch, 1, time, time], True where a token may attend; None without padding, where plain causality suffices.

    A token always attends to itself, so that padding at the start of a row does not produce NaN.
    """
    is_token = padding_mask(tokens)
    if is_token is None:
        return None
    length = tokens.shape[1]
    before = torch.ones(length, length, dtype=torch.bool, device=tokens.device).tril()
    return before & (is_token | torch.eye(length, dtype=torch.bool, device=tokens.device))
