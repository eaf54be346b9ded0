"""Linear layers whose products are computed in eight bits, at inference on a CPU that has instructions for it (VNNI).

The weights of each output are whole numbers from -127 to 127 times a step of its own, and so is each row that comes in: rows are
rounded one by one, so that no row's answer depends on another row. oneDNN sums products exactly (int32); bias, GELU and what goes
out are float32. Rows are measured and rounded each time, which pays where weights are many and rows few, as in a search.
"""

from collections.abc import Iterable
from functools import cache
from typing import cast

import torch
from torch import Tensor, nn

from avcore.compute.device import has_onednn
from avcore.compute.memory import MappedFiles
from avcore.compute.modules import ROWS_TO_PACK_FOR, PackedLinear, PlainLinear

GELU_LOWEST = -0.17
"""No value that GELU gives is below it."""
_LEAST_WEIGHTS = 1 << 20
"""Of a layer that is computed so: smaller ones lie in the cache, and rounding the rows costs what the products gain."""
_AT_ONCE = 128
"""Outputs whose weights are rounded at once."""
_MOST_SIGNED, _MIDDLE, _MOST = 127, 128, 255
_NO_FRACTIONS = 1.5 * 2**23
_TINY = 1e-30
"""The least span that is divided by: zeros stay zeros."""


@cache
def has_eight_bit_products() -> bool:
    """Return whether this CPU sums products of eight bits without loss (VNNI), and this torch lets it: tried with the largest
    ones."""
    if not (has_onednn(torch.float32) and torch.cpu._is_vnni_supported()):
        return False
    width, ones, zeros = 64, torch.ones(64), torch.zeros(64, dtype=torch.int64)
    try:
        weight = torch.ops.onednn.qlinear_prepack(torch.full((width, width), _MOST_SIGNED, dtype=torch.int8), [width, width])
        found = _product(torch.full((3, width), _MOST, dtype=torch.uint8), weight, ones, zeros, None)
    except (AttributeError, RuntimeError, TypeError):  # another torch: there is no such operator, or it takes something else
        return False
    return bool((found == width * _MOST * _MOST_SIGNED).all())


def suits_eight_bits(layers: Iterable[nn.Module], dtype: torch.dtype) -> bool:
    """Return whether eight bits are quicker than `dtype` for these linear layers on the device where they are."""
    return (
        dtype == torch.bfloat16
        and all(
            type(layer) is nn.Linear and layer.weight.device.type == "cpu" and layer.weight.numel() >= _LEAST_WEIGHTS
            for layer in layers
        )
        and has_eight_bit_products()
    )


class EightBitLinear(PackedLinear):
    """A linear layer in eight bits; it does what `PackedLinear` does, and like it is laid out when it is first used."""

    _steps: Tensor
    _zeros: Tensor
    _sums: Tensor
    _start: Tensor | None

    def __init__(self, linear: nn.Linear, files: MappedFiles, lowest: float | None = None) -> None:
        """lowest: no value that comes in is below it, which gives all others twice the precision; None = they may be anything."""
        super().__init__(linear, torch.int8, files)
        self._lowest = lowest

    def forward(self, x: Tensor) -> Tensor:
        """Float [..., in] -> float32 [..., out]. Where `lowest` is given, float32 that comes in is lost.

        What is as large as a row's feed-forward is changed in place: new memory would not be in the cache.
        """
        self._lay_out_once()
        codes, steps = self._rounded(x.reshape(-1, x.shape[-1]).float())
        sums = _product(codes, self._weight, self._steps, self._zeros, self._start)
        out = sums.mul_(steps).add_(cast(Tensor, self._bias))
        if self._activation == "gelu":
            torch.ops.aten.gelu_(out)
        return out.view(*x.shape[:-1], -1)

    def _rounded(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return rows, float32 [R, in], as whole numbers, uint8 [R, in], and the step of each, float32 [R, 1]."""
        if self._lowest is None:
            sizes = rows.abs()
            steps = sizes.amax(1, keepdim=True).clamp_min_(_TINY).div_(_MOST_SIGNED)
            return _whole_numbers(torch.mul(rows, steps.reciprocal(), out=sizes), torch.uint8, _MIDDLE), steps
        steps = rows.amax(1, keepdim=True).sub_(self._lowest).clamp_min_(_TINY).div_(_MOST)
        return _whole_numbers(rows.sub_(self._lowest).mul_(steps.reciprocal()), torch.uint8), steps

    def _lay_out(self, plain: PlainLinear) -> None:
        num_outputs, num_inputs = plain.weight.shape
        steps, codes = torch.empty(num_outputs, 1), torch.empty(plain.weight.shape, dtype=torch.int8)
        # A part at a time: what is as large as the whole weight would be new memory, which costs more than the arithmetic.
        for weight, step, code in zip(*(torch.split(whole, _AT_ONCE) for whole in (plain.weight, steps, codes)), strict=True):
            part = weight.float()
            step.copy_(torch.maximum(part.amax(1, True), -part.amin(1, True)).clamp_min_(_TINY).div_(_MOST_SIGNED))
            code.copy_(_whole_numbers(part * step.reciprocal(), torch.int8))
        packed = torch.ops.onednn.qlinear_prepack(codes, [ROWS_TO_PACK_FOR, num_inputs])
        ones, zeros = torch.ones(1, num_inputs, dtype=torch.uint8), torch.zeros(num_outputs, dtype=torch.int64)
        self._steps, self._zeros = steps[:, 0], zeros
        self._sums = _product(ones, packed, self._steps, zeros, None)[0]
        # What codes are above the values that they stand for is taken off again: from a row's sums, or (`_kept_bias`) once for all.
        self._start = -_MIDDLE * self._sums if self._lowest is None else None
        self._put(packed, plain)

    def _kept_bias(self, plain: PlainLinear) -> Tensor:
        lowest = torch.zeros_like(self._sums) if self._lowest is None else self._lowest * self._sums
        return lowest if plain.bias is None else lowest + plain.bias


def _whole_numbers(values: Tensor, dtype: torch.dtype, added: int = 0) -> Tensor:
    """Round float32 values, which are lost, to numbers of one byte, with `added` to each.

    Adding 1.5 * 2^23 leaves no room for fractions, and the lowest byte is the number: three times as fast as torch's own ways.
    """
    return values.add_(_NO_FRACTIONS + added).view(torch.int32).to(dtype)


def _product(rows: Tensor, weight: Tensor, steps: Tensor, zeros: Tensor, start: Tensor | None) -> Tensor:
    """Return the sums of products times each output's step, plus `start`: uint8 [R, in] -> float32 [R, out]."""
    sums: Tensor = torch.ops.onednn.qlinear_pointwise(
        rows, 1.0, 0, weight, steps, zeros, start, 1.0, 0, torch.float32, "none", [], ""
    )
    return sums
