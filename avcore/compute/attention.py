"""Scaled dot-product attention by the fastest kernel for each case."""

import torch
from torch import Tensor
from torch.nn import functional

from avcore.compute.threads import on_all_cores


def attend(query: Tensor, key: Tensor, value: Tensor, is_seen: Tensor | None, dropout: float = 0.0) -> Tensor:
    """Compute what torch's `scaled_dot_product_attention` does.

    query, key, value: float [batch, heads, time, dim]. is_seen: bool [batch, 1, 1, time], True somewhere in each row; None = all.
    On a CPU with gradients it is written out, since the fused kernel's backward pass takes 2.5 times as long (bfloat16, 84 steps).
    """
    if query.device.type != "cpu" or not (query.requires_grad and torch.is_grad_enabled()):
        return functional.scaled_dot_product_attention(query, key, value, is_seen, dropout)
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    if is_seen is not None:
        scores = scores + torch.zeros_like(is_seen, dtype=scores.dtype).masked_fill(~is_seen, -torch.inf)
    return functional.dropout(scores.softmax(-1).to(value.dtype), dropout) @ value


def attend_in_search(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout: float = 0.0, is_causal: bool = False
) -> Tensor:
    """Compute the same for few queries and many entries, as in a beam search.

    query: float [batch, heads, time, dim]; key, value: float [batch, heads, entry, dim]. mask: bool (True = attended to) or float
    (added to the scores), broadcast to [batch, heads, time, entry]. In bfloat16 on a CPU these are two matrix products, in half the
    time of torch's kernel, with the softmax in float32.
    """
    is_plain = query.dtype != torch.bfloat16 or query.device.type != "cpu" or is_causal
    if is_plain or (query.requires_grad and torch.is_grad_enabled()):
        if mask is not None and mask.is_floating_point():
            mask = mask.to(query.dtype)
        return on_all_cores(functional.scaled_dot_product_attention, query, key, value, mask, dropout, is_causal)

    heads = query.shape[:2]
    scaled = query * query.shape[-1] ** -0.5
    products = on_all_cores(torch.bmm, scaled.flatten(0, 1), key.flatten(0, 1).transpose(1, 2))
    scores = products.float().view(*heads, query.shape[2], -1)
    if mask is not None:
        scores = scores.masked_fill_(~mask, -torch.inf) if mask.dtype == torch.bool else scores.add_(mask)
    weights = torch.softmax(scores, dim=-1).to(query.dtype)
    return on_all_cores(torch.bmm, weights.flatten(0, 1), value.flatten(0, 1)).view(query.shape)
