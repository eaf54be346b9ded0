"""What rounding alone does to a network: the same float32 computation with its numbers rounded as low precision rounds them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from avcore.compute import kernels

Rounding = Callable[[Tensor], Tensor]
_PRODUCTS = ("linear", "mm", "bmm", "baddbmm", "addmm", "conv", "scaled_dot_product")
"""Parts of the names of torch's operators that multiply matrices or kernels."""


def to_bfloat16(values: Tensor) -> Tensor:
    """Round each number to 8 significant bits."""
    return values.bfloat16().float()


def to_eight_bits(values: Tensor) -> Tensor:
    """Round to 127 steps on both sides of 0, of a size of its own for each row."""
    step = values.abs().amax(-1, keepdim=True).clamp_min(1e-30) / 127
    return (values / step).round() * step


class Rounded(TorchDispatchMode):
    """Rounds what goes into products and comes out of them, and of everything else what comes out where `everywhere` is set.

    linear: how rows and weights of linear layers are rounded; other products, and what comes out, are rounded to bfloat16.
    head: outputs of the layer that gives scores, which stays as it is.
    """

    def __init__(self, linear: Rounding = to_bfloat16, everywhere: bool = False, head: int | None = None) -> None:
        super().__init__()
        self.linear, self.everywhere, self.head = linear, everywhere, head

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        name = func.overloadpacket.__name__
        is_product = any(part in name for part in _PRODUCTS) and not (name == "linear" and len(args[1]) == self.head)
        if is_product:
            rounding = self.linear if name == "linear" else to_bfloat16
            factors = [_rounded(one, rounding) for one in args[:3]]  # of scaled_dot_product the values too; a bias does no harm
            args = (*factors, *args[3:])
        found = func(*args, **(kwargs or {}))
        return _rounded(found, to_bfloat16) if is_product or self.everywhere else found


def _rounded(value: Any, rounding: Rounding) -> Any:
    is_number = isinstance(value, Tensor) and value.dtype == torch.float32 and value.ndim > 0
    return rounding(value) if is_number else value


@contextmanager
def plain_layers() -> Iterator[None]:
    """Networks that are made within it hold no weights in a processor's own layout, which nothing could round."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "_LEAST_PACKED", 1 << 62)
        yield
