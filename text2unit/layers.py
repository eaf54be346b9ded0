"""What both networks of a speller are made of: convolutions, with or without self-attention, over padded sequences."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from text2unit.config import SpellerConfig


def mask_of(lengths: Tensor, longest: int) -> Tensor:
    """Return which places belong to sequences of int64 lengths of shape [batch]: bool of shape [batch, longest]."""
    return torch.arange(longest, device=lengths.device) < lengths[:, None]


class SelfAttention(nn.Module):
    """Self-attention before which a norm stands; where things are, the convolutions beside it tell."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm = nn.LayerNorm(width)
        self.inputs, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Return what is added to states [batch, time, width]; mask: bool [batch, time]."""
        batch, time, width = states.shape
        parts = self.inputs(self.norm(states)).view(batch, time, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        seen = F.scaled_dot_product_attention(query, key, value, mask[:, None, None, :], dropout)
        return self.output(seen.transpose(1, 2).reshape(batch, time, width))  # type: ignore[no-any-return]


class TextLayer(nn.Module):
    """A convolution over time and, where there are heads, self-attention before it; both add to what they are given."""

    def __init__(self, config: SpellerConfig) -> None:
        super().__init__()
        self.attention = SelfAttention(config.width, config.heads, config.dropout) if config.heads else None
        self.norm = nn.LayerNorm(config.width)
        self.convolution = nn.Conv1d(config.width, config.width, config.kernel, padding=config.kernel // 2)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """states: [batch, time, width]; mask: bool [batch, time]. Padding stays out of the convolution."""
        if self.attention is not None:
            states = states + self.dropout(self.attention(states, mask))
        heard = self.convolution((self.norm(states) * mask[..., None]).transpose(1, 2)).transpose(1, 2)
        return states + self.dropout(F.gelu(heard))  # type: ignore[no-any-return]


class Stack(nn.Module):
    """Layers and a norm behind them."""

    def __init__(self, config: SpellerConfig, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TextLayer(config) for _ in range(layers))
        self.norm = nn.LayerNorm(config.width)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """states: [batch, time, width]; mask: bool [batch, time]. Returns the same shape, zero in the padding."""
        for layer in self.layers:
            states = layer(states, mask)
        return self.norm(states) * mask[..., None]  # type: ignore[no-any-return]
