"""Linear layers at inference: weights laid out once for the CPU's matrix kernels, in float32 or half precision.

PyTorch's float32 linear goes to MKL, which runs at less than half speed on AMD; oneDNN with weights packed beforehand
does not, and is exact to rounding. In bfloat16 and float16 only the products are in low precision: what comes in and
goes out keeps its own type, so that residual streams stay float32.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avcore.compute.device import has_onednn
from avcore.compute.memory import MappedFiles, copy_from_files, let_go_of_mapped

_ROWS_TO_PACK_FOR = 256
"""The layout oneDNN chooses for this many rows is as good as any for 1 to 300; those for fewer are up to 2x slower."""

_EXACT_GELU = "none"
"""The algorithm: by the error function, not approximated by tanh."""


class _Plain(NamedTuple):
    """Weight and bias as they were loaded, and whether the weight lies in a mapped file."""

    weight: Tensor
    bias: Tensor | None
    is_mapped: bool


class PackedLinear(nn.Module):
    """A linear layer with its weight in oneDNN's own layout. It cannot be moved, stored or trained.

    The weight is laid out when it is first used, so that models whose weights are mapped from files load at once; the part
    of the file that it came from is let go then.
    """

    _weight: Tensor
    _bias: Tensor | None

    def __init__(self, linear: nn.Linear, dtype: torch.dtype, files: MappedFiles) -> None:
        super().__init__()
        self._dtype, self._activation = dtype, "none"
        bias = None if linear.bias is None else linear.bias.detach()
        self._plain: _Plain | None = _Plain(linear.weight.detach(), bias, files.hold(linear.weight))

    def forward(self, x: Tensor) -> Tensor:
        """Float [..., in] -> [..., out], of the type that came in."""
        if (plain := self._plain) is not None:
            self._lay_out(plain)
        out: Tensor = torch.ops.mkldnn._linear_pointwise(
            x.to(self._dtype), self._weight, self._bias, self._activation, [], _EXACT_GELU
        )
        return out.to(x.dtype)

    def _lay_out(self, plain: "_Plain") -> None:
        self._weight = torch.ops.mkldnn._reorder_linear_weight(plain.weight.to(self._dtype), _ROWS_TO_PACK_FOR)
        # A copy, since a view would keep the whole file that the weights are mapped from in memory.
        self._bias = None if plain.bias is None else plain.bias.to(self._dtype, copy=True)
        self._plain = None
        if plain.is_mapped:
            let_go_of_mapped(plain.weight)

    def add_gelu(self) -> None:
        """Let the kernel apply GELU to what it has just computed, before that is rounded and written."""
        self._activation = "gelu"


class CastLinear(nn.Module):
    """A linear layer that computes in another type than it is given."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, linear: nn.Linear, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("weight", linear.weight.detach().to(dtype))
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().to(dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Float [..., in] -> [..., out], of the type that came in."""
        return F.linear(x.to(self.weight.dtype), self.weight, self.bias).to(x.dtype)


def pack_linears(module: nn.Module, dtype: torch.dtype, files: MappedFiles | None = None) -> nn.Module:
    """Replace all linear layers below `module`, in place, by ones that compute in `dtype` (inference only).

    files: those that were mapped when the weights were there already, for callers that pack part by part (default: those of now).
    On a CPU with oneDNN they are packed; elsewhere float32 layers stay as they are and others are cast. A weight used in
    several places (as a tied embedding) keeps its own copy for those that are not linear. What is not packed has memory of
    its own afterwards, so that a file which the weights were mapped from is let go with the last layer. Returns the module.
    """
    is_packed = False
    files = files or MappedFiles()
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear:
                replacement = _packed(child, dtype, files)
                setattr(parent, name, replacement)
                is_packed = is_packed or replacement is not child
    if is_packed:
        copy_from_files(module.parameters(), files)
    return module


def fuse_gelu(linear: nn.Module, activation: nn.Module) -> nn.Module:
    """Move a GELU into the packed layer before it; returns what is left to apply, the activation itself if nothing moved."""
    if not (isinstance(linear, PackedLinear) and isinstance(activation, nn.GELU)):
        return activation
    linear.add_gelu()
    return nn.Identity()


def _packed(linear: nn.Linear, dtype: torch.dtype, files: MappedFiles) -> nn.Module:
    if linear.weight.device.type == "cpu" and dtype in (torch.float32, torch.bfloat16) and has_onednn(dtype):
        return PackedLinear(linear, dtype, files)
    return linear if dtype == linear.weight.dtype else CastLinear(linear, dtype)
