"""Linear layers in the layouts of the CPU's matrix kernels, for inference; and weights that are mapped from their files.

PyTorch's float32 linear uses MKL, which runs at less than half speed on AMD. oneDNN with weights packed beforehand runs at full
speed, and is exact to rounding. In bfloat16 and float16 only the products are in low precision: input and output keep their own
type, so that residual streams stay float32.

In eight bits, on a CPU with instructions for it (VNNI), the weights of each output are whole numbers from -127 to 127 times a step
of its own, and so is each input row: rows are rounded one by one, so that no row's result depends on another row. oneDNN sums
products exactly (int32); bias, GELU and output are float32. Rows are measured and rounded each time, which pays where weights are
many and rows few, as in a search.

On a CPU without such instructions (AVX2), FBGEMM is used, with one bit less for each row: 2 to 4 times as fast as its products
with float16 weights, which are as fast as the core can be in float32.
"""

import ctypes
import mmap
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avcore.compute.memory import release_freed_memory
from avcore.compute.threads import map_in_threads, on_all_cores


def has_onednn(dtype: torch.dtype) -> bool:
    """Return whether oneDNN's own operators support this type on this CPU."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()))


class MappedFiles:
    """The files that were mapped into this process when this object was made."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []
        if sys.platform.startswith("linux"):
            self._ranges = sorted(_mapped_files())

    def touch(self, tensor: Tensor) -> bool:
        """Return whether a CPU tensor begins in one of them."""
        start = tensor.data_ptr()
        place = bisect_right(self._ranges, start, key=lambda mapping: mapping[0]) - 1
        return place >= 0 and start < self._ranges[place][1]

    def hold(self, tensor: Tensor) -> bool:
        """Return whether one mapping covers this CPU tensor; the mapping exists as long as the tensor."""
        first, last = _whole_pages(tensor)
        place = bisect_right(self._ranges, first, key=lambda mapping: mapping[0]) - 1
        return first < last and place >= 0 and last <= self._ranges[place][1]


def copy_from_files(parameters: Iterable[Tensor], files: MappedFiles) -> None:
    """Copy parameters that lie in mapped files into memory of their own, so that the files can be released."""
    for parameter in parameters:
        if parameter.device.type == "cpu" and files.touch(parameter):
            parameter.data = parameter.data.clone()


def let_go_of_mapped(tensor: Tensor) -> bool:
    """Release the memory of an unchanged CPU tensor that lies in a file; the next access reads the file again.

    Only for a tensor for which `MappedFiles.hold` returned True: memory outside of files would lose its content. Without this,
    copied weights would stay in memory as long as any tensor of their file is in use. Returns whether it was released.
    """
    start, end = _whole_pages(tensor)
    failed: int = ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED)
    return not failed


def _whole_pages(tensor: Tensor) -> tuple[int, int]:
    """Return the first and last address of the pages that belong to this tensor only."""
    start = -(-tensor.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
    return start, (tensor.data_ptr() + tensor.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE


def _mapped_files() -> Iterator[tuple[int, int]]:
    """Yield the first and last address of each mapping of a regular file."""
    is_file = cache(lambda name: Path(name).is_file())
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and is_file(fields[5]):
            first, last = (int(address, 16) for address in fields[0].split("-"))
            yield first, last


ROWS_TO_PACK_FOR = 256
"""oneDNN's layout for this many rows is as good as any other for 1 to 300 rows; layouts for fewer rows are up to 2x slower."""

_LEAST_PACKED = 1 << 18
"""Number of weights from which packing a float32 layer pays. In smaller layers a call of oneDNN costs more than it saves (20 rows
of 192 to 768 numbers: 132 us, 105 with MKL), and so does the kernel that it makes for each number of rows (6 ms)."""
_LAYING_OUT = Lock()
_EXACT_GELU = "none"
"""The algorithm of GELU: the error function, not its approximation by tanh."""


class PlainLinear(NamedTuple):
    """Weight and bias as they were loaded."""

    weight: Tensor
    bias: Tensor | None
    is_mapped: bool
    """whether the weight lies in a mapped file"""


class PackedLinear(nn.Module):
    """A linear layer with its weight in oneDNN's own layout. It cannot be moved, stored or trained.

    The weight is laid out on first use, so that models whose weights are mapped from files load at once; the part of the file that
    it came from is released then.
    """

    _weight: Tensor
    _bias: Tensor | None

    def __init__(self, linear: nn.Linear, dtype: torch.dtype, files: MappedFiles) -> None:
        super().__init__()
        self._dtype, self._activation = dtype, "none"
        bias = None if linear.bias is None else linear.bias.detach()
        self._plain: PlainLinear | None = PlainLinear(linear.weight.detach(), bias, files.hold(linear.weight))

    def forward(self, x: Tensor) -> Tensor:
        """Float [..., in] -> [..., out], of the type that came in."""
        self._lay_out_once()
        given: tuple[object, ...] = x.to(self._dtype), self._weight, self._bias, self._activation, [], _EXACT_GELU
        out: Tensor = on_all_cores(torch.ops.mkldnn._linear_pointwise, *given)
        return out.to(x.dtype)

    @property
    def is_laid_out(self) -> bool:
        """Whether the weight is in oneDNN's layout already."""
        return self._plain is None

    def _lay_out_once(self) -> None:
        if self._plain is not None:
            with _LAYING_OUT:  # several threads may come at the same time
                if (plain := self._plain) is not None:
                    self._lay_out(plain)

    def _lay_out(self, plain: PlainLinear) -> None:
        self._put(torch.ops.mkldnn._reorder_linear_weight(plain.weight.to(self._dtype), ROWS_TO_PACK_FOR), plain)

    def _put(self, weight: Tensor, plain: PlainLinear) -> None:
        self._weight, self._bias = weight, self._kept_bias(plain)
        self._plain = None
        if plain.is_mapped:
            let_go_of_mapped(plain.weight)

    def _kept_bias(self, plain: PlainLinear) -> Tensor | None:
        # A copy, since a view would keep the whole mapped file in memory.
        return None if plain.bias is None else plain.bias.to(self._dtype, copy=True)

    def add_gelu(self) -> None:
        """Let the kernel apply GELU to its results before they are rounded and written."""
        self._activation = "gelu"


class CastLinear(nn.Module):
    """A linear layer that computes in another type than that of its input."""

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
    """Replace all linear layers below `module`, in place, by ones that compute in `dtype` (inference only); returns the module.

    files: the files that were mapped once the weights were loaded, for callers that pack part by part; None = those mapped now.
    On a CPU with oneDNN layers are packed, except small ones in float32; elsewhere float32 layers stay unchanged and others are
    cast. A weight that is used in several places (as a tied embedding) keeps a copy for those that are not linear. Parameters that
    are not packed get memory of their own, so that a mapped file is released with the last layer.
    """
    files = files or MappedFiles()
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear:
                setattr(parent, name, _packed(child, dtype, files))
    copy_from_files(module.parameters(), files)
    return module


def lay_out_all(module: nn.Module) -> None:
    """Lay out all packed weights now, several at once on a CPU with several cores, instead of each on first use.

    For use by several threads, which would otherwise wait for one another at each layer.
    """
    waiting = [layer for layer in module.modules() if isinstance(layer, PackedLinear) and not layer.is_laid_out]
    map_in_threads(waiting, PackedLinear._lay_out_once, torch.get_num_threads())
    if waiting:
        release_freed_memory()  # of intermediate forms of the weights: a third of a large translator in eight bits


def fuse_gelu(linear: nn.Module, activation: nn.Module) -> nn.Module:
    """Move a GELU into the packed layer before it; returns what is left to apply: an identity, or the activation if not moved."""
    if not (isinstance(linear, PackedLinear) and isinstance(activation, nn.GELU)):
        return activation
    linear.add_gelu()
    return nn.Identity()


def _packed(linear: nn.Linear, dtype: torch.dtype, files: MappedFiles) -> nn.Module:
    pays = dtype == torch.bfloat16 or (dtype == torch.float32 and linear.weight.numel() >= _LEAST_PACKED)
    if linear.weight.device.type == "cpu" and pays and has_onednn(dtype):
        return PackedLinear(linear, dtype, files)
    return linear if dtype == linear.weight.dtype else CastLinear(linear, dtype)


GELU_LOWEST = -0.17
"""Below all values of GELU."""
_AT_ONCE = 128
"""Outputs whose weights are rounded at once."""
_MOST_SIGNED, _MIDDLE, _MOST = 127, 128, 255
_MIDDLE_OF_7 = 64
_NO_FRACTIONS = 1.5 * 2**23
_TINY = 1e-30
"""The smallest divisor: zeros stay zeros."""


@cache
def has_eight_bit_products() -> bool:
    """Return whether this CPU sums products of eight bits without loss (VNNI), and this torch supports that: tried with the largest
    values."""
    if not (has_onednn(torch.float32) and torch.cpu._is_vnni_supported()):
        return False

    # Without VNNI, two such products are added with saturation at 16 bits (vpmaddubsw), which the largest values show.
    width, ones, zeros = 64, torch.ones(64), torch.zeros(64, dtype=torch.int64)
    try:
        weight = torch.ops.onednn.qlinear_prepack(torch.full((width, width), _MOST_SIGNED, dtype=torch.int8), [width, width])
        found = _product(torch.full((3, width), _MOST, dtype=torch.uint8), weight, ones, zeros, None)
    except (AttributeError, RuntimeError, TypeError):  # another version of torch, without this operator or with other arguments
        return False
    return bool((found == width * _MOST * _MOST_SIGNED).all())


class EightBitLinear(PackedLinear):
    """A linear layer in eight bits; otherwise like `PackedLinear`, and laid out on first use, too."""

    LEAST = 1 << 20
    """Least number of weights: smaller layers fit into the cache, and rounding the rows costs as much as the products gain."""
    _steps: Tensor
    _zeros: Tensor
    _sums: Tensor
    _start: Tensor | None

    def __init__(self, linear: nn.Linear, files: MappedFiles, lowest: float | None = None) -> None:
        """lowest: a lower bound of the input, which doubles the precision; None = no bound."""
        super().__init__(linear, torch.int8, files)
        self._lowest = lowest

    def forward(self, x: Tensor) -> Tensor:
        """Float [..., in] -> float32 [..., out]. Where `lowest` is given, float32 input is overwritten.

        Large intermediate values are changed in place, since new memory would not be in the cache.
        """
        self._lay_out_once()
        codes, steps = self._rounded(x.reshape(-1, x.shape[-1]).float())
        sums = on_all_cores(_product, codes, self._weight, self._steps, self._zeros, self._start)
        out = sums.mul_(steps).add_(cast(Tensor, self._bias))
        if self._activation == "gelu":
            # Exact GELU: by tanh it takes four times as long here (111 and 25 us for 20 x 4096).
            torch.ops.aten.gelu_(out)
        return out.view(*x.shape[:-1], -1)

    def _rounded(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Round rows, float32 [R, in]: returns whole numbers, uint8 [R, in], and the step of each row, float32 [R, 1]."""
        if self._lowest is None:
            # oneDNN is quick for unsigned rows alone (a signed product takes 1.4 s), so 128 is added to rows of either sign.
            # `abs().amax()` takes 10 us for 20 x 4096, `linalg.vector_norm` 244.
            sizes = rows.abs()
            steps = sizes.amax(1, keepdim=True).clamp_min_(_TINY).div_(_MOST_SIGNED)
            return _whole_numbers(torch.mul(rows, steps.reciprocal(), out=sizes), torch.uint8, _MIDDLE), steps
        steps = rows.amax(1, keepdim=True).sub_(self._lowest).clamp_min_(_TINY).div_(_MOST)
        return _whole_numbers(rows.sub_(self._lowest).mul_(steps.reciprocal()), torch.uint8), steps

    def _lay_out(self, plain: PlainLinear) -> None:
        num_outputs, num_inputs = plain.weight.shape
        steps, codes = torch.empty(num_outputs, 1), torch.empty(plain.weight.shape, dtype=torch.int8)
        # A part at a time: new memory as large as the whole weight costs more than the arithmetic.
        for weight, step, code in zip(*(torch.split(whole, _AT_ONCE) for whole in (plain.weight, steps, codes)), strict=True):
            part = weight.float()
            step.copy_(torch.maximum(part.amax(1, True), -part.amin(1, True)).clamp_min_(_TINY).div_(_MOST_SIGNED))
            code.copy_(_whole_numbers(part * step.reciprocal(), torch.int8))

        packed = torch.ops.onednn.qlinear_prepack(codes, [ROWS_TO_PACK_FOR, num_inputs])
        ones, zeros = torch.ones(1, num_inputs, dtype=torch.uint8), torch.zeros(num_outputs, dtype=torch.int64)
        self._steps, self._zeros = steps[:, 0], zeros
        self._sums = _product(ones, packed, self._steps, zeros, None)[0]
        # The offset of the codes is subtracted again: from each row's sums, or (`_kept_bias`) once for all rows.
        self._start = -_MIDDLE * self._sums if self._lowest is None else None
        self._put(packed, plain)

    def _kept_bias(self, plain: PlainLinear) -> Tensor:
        lowest = torch.zeros_like(self._sums) if self._lowest is None else self._lowest * self._sums
        return lowest if plain.bias is None else lowest + plain.bias


def _whole_numbers(values: Tensor, dtype: torch.dtype, added: int = 0) -> Tensor:
    """Round float32 values, which are overwritten, to numbers of one byte, with `added` to each.

    Adding 1.5 * 2^23 leaves no bits for fractions, and the lowest byte is the number: three times as fast as torch's functions.
    """
    return values.add_(_NO_FRACTIONS + added).view(torch.int32).to(dtype)


def _product(rows: Tensor, weight: Tensor, steps: Tensor, zeros: Tensor, start: Tensor | None) -> Tensor:
    """Return the sums of products, times each output's step, plus `start`: uint8 [R, in] -> float32 [R, out]."""
    sums: Tensor = torch.ops.onednn.qlinear_pointwise(
        rows, 1.0, 0, weight, steps, zeros, start, 1.0, 0, torch.float32, "none", [], ""
    )
    return sums


@cache
def has_fbgemm() -> bool:
    """Return whether this torch multiplies eight bits by eight bits with FBGEMM on this CPU: tried with a few values."""
    try:
        packed = torch.ops.quantized.linear_prepack(torch.quantize_per_tensor(torch.ones(4, 4), 1.0, 0, torch.qint8), None)
        rows, multiply = torch.tensor([[0.0, 0, -63, 127]]), torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32
        found = multiply(rows, 1.0, _MIDDLE_OF_7, packed)
        return bool((found == 64).all())
    except (AttributeError, RuntimeError, TypeError):  # another torch, or a CPU without AVX2
        return False


class FbgemmLinear(PackedLinear):
    """A linear layer in eight bits for CPUs without VNNI; like a `PackedLinear` it is laid out on first use.

    The weights of each output are whole numbers from -127 to 127 times a step of its own. Each input row is divided by its largest
    value and rounded to 7 bits, since AVX2 adds products of more bits with loss. Rows always range from -1 to 1 (or from 0), so
    that no row's result depends on another row.
    """

    LEAST = 1 << 18
    """Least number of weights: smaller layers fit into the cache."""
    _packed: Any
    _sums: Tensor

    def __init__(self, linear: nn.Linear, files: MappedFiles, lowest: float | None = None) -> None:
        """lowest: see `EightBitLinear`."""
        super().__init__(linear, torch.float32, files)
        self._lowest = lowest

    def forward(self, x: Tensor) -> Tensor:
        """Float32 [..., in] -> [..., out]."""
        self._lay_out_once()
        rows = x.reshape(-1, x.shape[-1])
        rows = rows if self._lowest is None else rows - self._lowest
        sizes = (rows.abs() if self._lowest is None else rows).amax(1, keepdim=True).clamp_min_(_TINY)
        scale, zero = (2 / _MOST_SIGNED, _MIDDLE_OF_7) if self._lowest is None else (1 / _MOST_SIGNED, 0)
        multiply = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32
        out: Tensor = on_all_cores(multiply, rows * sizes.reciprocal(), scale, zero, self._packed).mul_(sizes)
        # Outside of the product, whose sums had to be multiplied by the size of each row first.
        if self._bias is not None:
            out += self._bias
        return (torch.ops.aten.gelu_(out) if self._activation == "gelu" else out).view(*x.shape[:-1], -1)

    def _lay_out(self, plain: PlainLinear) -> None:
        weight = plain.weight.float()
        steps = weight.abs().amax(1).clamp_min_(_TINY).div_(_MOST_SIGNED)
        codes = torch.quantize_per_channel(weight, steps.double(), torch.zeros(len(weight), dtype=torch.int64), 0, torch.qint8)
        self._packed, self._sums = torch.ops.quantized.linear_prepack(codes, None), codes.dequantize().sum(1)
        # The packed form has the weight in it; `_put` keeps the bias and releases the file.
        self._put(torch.empty(0), plain)

    def _kept_bias(self, plain: PlainLinear) -> Tensor | None:
        bias = super()._kept_bias(plain)
        if self._lowest is None:
            return bias
        return self._lowest * self._sums if bias is None else bias + self._lowest * self._sums


EightBits = type[EightBitLinear] | type[FbgemmLinear]
"""The class for linear layers in eight bits on a CPU."""


def eight_bits_beside(dtype: torch.dtype) -> EightBits | None:
    """Return the class that is faster on this CPU than products in `dtype` for few rows; None = there is none."""
    if dtype == torch.bfloat16 and has_eight_bit_products():
        return EightBitLinear
    return FbgemmLinear if dtype == torch.float32 and has_fbgemm() else None


def pack_in_eight_bits(
    module: nn.Module, kind: EightBits, files: MappedFiles, lowest: Mapping[nn.Module, float] = MappingProxyType({})
) -> None:
    """Replace large linear layers below `module`, in place, by ones in eight bits (inference on a CPU only).

    lowest: lower bounds of the input of some of them, see `EightBitLinear`.
    """
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear and child.weight.numel() >= kind.LEAST:
                parent.add_module(name, kind(child, files, lowest.get(child)))
