"""Changes of modules for inference: folding, packing, releasing weights.

They are built without weights, which are loaded into them: nothing is allocated, nothing is drawn at random (skeleton). Batch norms
become part of the convolution before them. What is not needed for a while leaves memory.

Linear layers have their weights laid out once for the CPU's matrix kernels, in float32 or half precision.

PyTorch's float32 linear goes to MKL, which runs at less than half speed on AMD; oneDNN with weights packed beforehand
does not, and is exact to rounding. In bfloat16 and float16 only the products are in low precision: what comes in and
goes out keeps its own type, so that residual streams stay float32.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any, Generic, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.overrides import TorchFunctionMode

from avcore.compute.device import has_onednn
from avcore.compute.lanes import each_in_lanes
from avcore.compute.memory import MappedFiles, copy_from_files, let_go_of_mapped, release_freed_memory

_RANDOM_FILLS = (Tensor.normal_, Tensor.uniform_)
_INITIALISERS = "torch.nn.init"
Convolution = TypeVar("Convolution", bound=_ConvNd)
Heavy = TypeVar("Heavy")
ROWS_TO_PACK_FOR = 256
"""The layout oneDNN chooses for this many rows is as good as any for 1 to 300; those for fewer are up to 2x slower."""

_LEAST_PACKED = 1 << 18
"""Weights of a layer in float32 from which packing it pays. Below, what a call of oneDNN's costs is more than it saves (20 rows of
192 to 768 numbers: 132 us, 105 by MKL), and so is the kernel that it makes for each number of rows (6 ms)."""
_LAYING_OUT = Lock()
_EXACT_GELU = "none"
"""The algorithm: by the error function, not approximated by tanh."""


class _NoRandomStart(TorchFunctionMode):
    """Leaves tensors as they are where a module would fill them with random numbers.

    On the meta device that filling does nothing, but the first such call imports torch's compiler: a second of start-up
    and a cache folder in the temporary directory.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        named = kwargs or {}
        if func in _RANDOM_FILLS or getattr(func, "__module__", "") == _INITIALISERS:
            return args[0] if args else named["tensor"]
        return func(*args, **named)


@contextmanager
def skeleton() -> Iterator[None]:
    """Build modules on the meta device, uninitialised, within the block; `load_strict` fills them."""
    with torch.device("meta"), _NoRandomStart():
        yield


def fold_norm(convolution: Convolution, norm: nn.Module) -> Convolution:
    """Let a convolution do what the norm behind it does in evaluation mode: its weight and bias are replaced, and it is returned.

    `torch.nn.utils.fusion.fuse_conv_bn_eval` without the copy that that makes of the weights first; they may lie in a file.
    """
    assert isinstance(norm, _BatchNorm)
    mean, variance = norm.running_mean, norm.running_var
    assert isinstance(mean, Tensor)
    assert isinstance(variance, Tensor)
    convolution.weight, convolution.bias = fuse_conv_bn_weights(
        convolution.weight,
        convolution.bias,
        mean,
        variance,
        norm.eps,
        norm.weight,
        norm.bias,
        transpose=isinstance(convolution, _ConvTransposeNd),
    )
    return convolution


class Reloadable(Generic[Heavy]):
    """Something heavy that can be put away; it is loaded again when it is needed next."""

    def __init__(self, value: Heavy, load: Callable[[], Heavy] | None) -> None:
        """load: makes an equal one; None = it cannot be put away."""
        self._value: Heavy | None = value
        self._load = load

    @property
    def value(self) -> Heavy:
        """What is held. Raises what loading raises."""
        if self._value is None:
            assert self._load is not None  # put_away saw to it
            self._value = self._load()
        return self._value

    def put_away(self) -> None:
        """Give its memory back to the system, as far as it is not shared."""
        if self._load is not None:
            self._value = None
            release_freed_memory()


class PlainLinear(NamedTuple):
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
        self._plain: PlainLinear | None = PlainLinear(linear.weight.detach(), bias, files.hold(linear.weight))

    def forward(self, x: Tensor) -> Tensor:
        """Float [..., in] -> [..., out], of the type that came in."""
        self._lay_out_once()
        out: Tensor = torch.ops.mkldnn._linear_pointwise(
            x.to(self._dtype), self._weight, self._bias, self._activation, [], _EXACT_GELU
        )
        return out.to(x.dtype)

    @property
    def is_laid_out(self) -> bool:
        """Whether the weight is in oneDNN's layout already."""
        return self._plain is None

    def _lay_out_once(self) -> None:
        if self._plain is not None:
            with _LAYING_OUT:  # lanes may come at once
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
        # A copy, since a view would keep the whole file that the weights are mapped from in memory.
        return None if plain.bias is None else plain.bias.to(self._dtype, copy=True)

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
    On a CPU with oneDNN they are packed, but for small ones in float32; elsewhere float32 layers stay as they are and others are
    cast. A weight used in several places (as a tied embedding) keeps its own copy for those that are not linear. What is not
    packed has memory of its own afterwards, so that a file which the weights were mapped from is let go with the last layer.
    Returns the module.
    """
    files = files or MappedFiles()
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear:
                setattr(parent, name, _packed(child, dtype, files))
    copy_from_files(module.parameters(), files)
    return module


def lay_out_all(module: nn.Module) -> None:
    """Lay out all packed weights now, several at once on a CPU with several cores; else each is when it is first used.

    For several threads that are about to use the module, who would wait for one another at each layer.
    """
    waiting = [layer for layer in module.modules() if isinstance(layer, PackedLinear) and not layer.is_laid_out]
    each_in_lanes(waiting, PackedLinear._lay_out_once, torch.get_num_threads())


def fuse_gelu(linear: nn.Module, activation: nn.Module) -> nn.Module:
    """Move a GELU into the packed layer before it; returns what is left to apply, the activation itself if nothing moved."""
    if not (isinstance(linear, PackedLinear) and isinstance(activation, nn.GELU)):
        return activation
    linear.add_gelu()
    return nn.Identity()


def _packed(linear: nn.Linear, dtype: torch.dtype, files: MappedFiles) -> nn.Module:
    pays = dtype == torch.bfloat16 or (dtype == torch.float32 and linear.weight.numel() >= _LEAST_PACKED)
    if linear.weight.device.type == "cpu" and pays and has_onednn(dtype):
        return PackedLinear(linear, dtype, files)
    return linear if dtype == linear.weight.dtype else CastLinear(linear, dtype)
