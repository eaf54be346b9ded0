"""Attention of a training translator on a CPU: plain products, the same result."""

import torch
from fairseq.modules import MultiheadAttention
from torch import Tensor, nn

from unit2unit.training.network import attend_plainly

_LENGTH, _ROWS, _WIDTH = 7, 3, 16


def _attention() -> MultiheadAttention:
    torch.manual_seed(0)
    return MultiheadAttention(_WIDTH, 4, dropout=0.0, self_attention=True).double()


def _mixed(attention: nn.Module, x: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
    """What attention makes of x, its weights where it gives them, and the gradient of x."""
    x = x.clone().requires_grad_()
    is_padding = torch.zeros(_ROWS, _LENGTH, dtype=torch.bool)
    is_padding[1, 5:] = True
    later = torch.triu(torch.full((_LENGTH, _LENGTH), -torch.inf, dtype=x.dtype), 1)
    out, weights = attention(x, x, x, key_padding_mask=is_padding, need_weights=False, attn_mask=later)
    out.square().sum().backward()
    assert x.grad is not None
    return out.detach(), weights, x.grad


def test_a_training_model_attends_by_plain_products_with_the_same_result() -> None:
    x = torch.randn(_LENGTH, _ROWS, _WIDTH, dtype=torch.float64)
    fused, no_weights, fused_gradient = _mixed(_attention().train(), x)
    plain, weights, plain_gradient = _mixed(attend_plainly(_attention()).train(), x)
    assert no_weights is None
    assert weights is not None
    torch.testing.assert_close(plain, fused)
    torch.testing.assert_close(plain_gradient, fused_gradient)


def test_a_model_that_does_not_train_attends_as_it_did() -> None:
    x = torch.randn(_LENGTH, _ROWS, _WIDTH, dtype=torch.float64)
    assert _mixed(attend_plainly(_attention()).eval(), x)[1] is None
