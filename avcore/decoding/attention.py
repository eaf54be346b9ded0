"""Building blocks of the translator: positions and attention."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avcore.decoding.marks import PAD


class KeysValues(NamedTuple):
    """What attention looks at, split by heads: float [batch, head, entry, width] each."""

    keys: Tensor
    values: Tensor


def sinusoids(num_rows: int, dim: int) -> Tensor:
    """The table of positions, float32 [num_rows, dim]: sines in the first half of a row, cosines in the second.

    Frequencies are exp(-i ln(10000) / (dim // 2 - 1)), as in tensor2tensor (not in Vaswani et al., who interleave and
    divide by dim / 2); the row of padding is zero, and so is the last column of an odd dim.
    """
    half = dim // 2
    step = math.log(10_000) / max(half - 1, 1)
    frequencies = torch.exp(torch.arange(half, dtype=torch.float32) * -step)
    angles = torch.arange(num_rows, dtype=torch.float32)[:, None] * frequencies
    table = torch.cat([angles.sin(), angles.cos(), torch.zeros(num_rows, dim % 2)], dim=1)
    table[PAD] = 0
    return table


class Positions(nn.Module):
    """Sinusoidal positions of any length; the first token has row PAD + 1. Nothing of it is stored."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self._dim = dim
        self._table = torch.zeros(0, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """int64 [batch, time] -> float32 [batch, time, dim]; padding is not counted and gets zeros."""
        is_token = tokens != PAD
        rows = is_token.cumsum(1) * is_token + PAD
        return self._rows(tokens.shape[1], tokens.device)[rows]

    def at(self, index: int, device: torch.device) -> Tensor:
        """The position of the token with this index: float32 of shape [dim]."""
        return self._rows(index + 1, device)[PAD + 1 + index]

    def _rows(self, num_tokens: int, device: torch.device) -> Tensor:
        needed = num_tokens + PAD + 1
        if len(self._table) < needed:
            self._table = sinusoids(max(needed, 2 * len(self._table)), self._dim)
        if self._table.device != device:
            self._table = self._table.to(device)
        return self._table


class Attention(nn.Module):
    """Multi-head attention; queries, keys and values are made apart, so that keys can be kept."""

    def __init__(self, dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.k_proj = nn.Linear(dim, dim)
        self.v_proj = nn.Linear(dim, dim)
        self.q_proj = nn.Linear(dim, dim)
        self.out_proj = nn.Linear(dim, dim)
        self._num_heads = num_heads
        self._dropout = dropout

    def keys_values(self, entries: Tensor) -> KeysValues:
        """What there is to look at, of float [batch, E, dim] with E entries: [batch, heads, E, dim / heads] each."""
        return KeysValues(self._split(self.k_proj(entries)), self._split(self.v_proj(entries)))

    def forward(self, x: Tensor, seen: KeysValues, mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        """Look at `seen` from x.

        x: float [batch, time, dim]. mask: bool (True = looked at) or float (added to the scores), broadcast to
        [batch, head, time, entry]. Returns float [batch, time, dim].
        """
        queries = self._split(self.q_proj(x))
        if queries.dtype == torch.bfloat16 and queries.device.type == "cpu" and not (is_causal or self.training):
            context = _attend_in_bfloat16(queries, seen, mask)
        else:
            dropout = self._dropout if self.training else 0.0
            if mask is not None and mask.is_floating_point():
                mask = mask.to(queries.dtype)
            context = F.scaled_dot_product_attention(
                queries, seen.keys, seen.values, attn_mask=mask, dropout_p=dropout, is_causal=is_causal
            )
        out: Tensor = self.out_proj(context.transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self._num_heads, -1).transpose(1, 2)


def _attend_in_bfloat16(queries: Tensor, seen: KeysValues, mask: Tensor | None) -> Tensor:
    """Attention as two matrix products, on a CPU half the time of torch's own bfloat16 kernel; softmax is in float32."""
    heads = queries.shape[:2]
    scaled = queries * queries.shape[-1] ** -0.5
    scores = torch.bmm(scaled.flatten(0, 1), seen.keys.flatten(0, 1).transpose(1, 2)).float().view(*heads, queries.shape[2], -1)
    if mask is not None:
        scores = scores.masked_fill_(~mask, -torch.inf) if mask.dtype == torch.bool else scores.add_(mask)
    weights = torch.softmax(scores, dim=-1).to(queries.dtype)
    return torch.bmm(weights.flatten(0, 1), seen.values.flatten(0, 1)).view(queries.shape)
