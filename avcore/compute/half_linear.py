"""Linear layers whose weights are float16 and whose sums are float32, at inference on a CPU without bfloat16 instructions.

Weights keep 11 bits; rows that come in keep all of theirs. On AVX2 oneDNN and MKL reach half of the core's peak where rows are few,
as in a search; FBGEMM, which unpacks such weights on the way, reaches nine tenths.
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from avcore.compute.memory import MappedFiles
from avcore.compute.modules import PackedLinear, PlainLinear

_LEAST_WEIGHTS = 1 << 18
"""Of a layer that is computed so: smaller ones lie in the cache."""


@cache
def has_half_products() -> bool:
    """Return whether this torch multiplies float32 by weights of float16 on this CPU: tried with few."""
    try:
        packed = torch.ops.quantized.linear_prepack_fp16(torch.ones(4, 4), None)
        return bool((torch.ops.quantized.linear_dynamic_fp16(torch.ones(2, 4), packed) == 4).all())
    except (AttributeError, RuntimeError, TypeError):  # another torch, or a CPU without AVX2
        return False


class HalfLinear(PackedLinear):
    """A linear layer with weights of float16; it does what `PackedLinear` does, and like it is laid out when it is first used."""

    _packed: Any

    def __init__(self, linear: nn.Linear, files: MappedFiles) -> None:
        super().__init__(linear, torch.float32, files)

    def forward(self, x: Tensor) -> Tensor:
        """Float32 [..., in] -> [..., out]."""
        self._lay_out_once()
        out: Tensor = torch.ops.quantized.linear_dynamic_fp16(x, self._packed)
        return torch.ops.aten.gelu_(out) if self._activation == "gelu" else out

    def _lay_out(self, plain: PlainLinear) -> None:
        self._packed = torch.ops.quantized.linear_prepack_fp16(plain.weight.float(), plain.bias)
        self._put(torch.empty(0), plain)


def halve_linears(module: nn.Module, files: MappedFiles) -> None:
    """Replace large linear layers below `module`, in place, by ones with weights of float16 (inference on a CPU only)."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear and child.weight.numel() >= _LEAST_WEIGHTS:
                parent.add_module(name, HalfLinear(child, files))
