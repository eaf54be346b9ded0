"""Networks made ready for inference: choose device and precision, build without weights, swap modules, unload.

Nothing is allocated or drawn at random before weights are loaded (`skeleton`). The code of a model has the network as its paper
describes it; `ready_for_inference` replaces plain modules by fast ones. Models that are not needed for a while are unloaded.
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.overrides import TorchFunctionMode

from avcore.checkpoints.stages import PRECISIONS
from avcore.compute.convolutions import FlatConv1d, FlatUpsampling, WeightNormConv1d, WeightNormed, WeightNormUpsampling
from avcore.compute.kernels import (
    GELU_LOWEST,
    EightBitLinear,
    EightBits,
    MappedFiles,
    copy_from_files,
    fuse_gelu,
    pack_in_eight_bits,
    pack_linears,
)
from avcore.compute.memory import release_freed_memory
from avcore.errors import UsageError

LOG = logging.getLogger("netflips.device")

_IMAGE_DIMS = 4
_SMALL_BYTES = 64 << 20
"""Size of model files below which one thread is at least as fast as several."""


def resolve_device(name: str = "auto") -> torch.device:
    """Return the device of a name: `auto` is CUDA, else Apple's MPS, else the CPU. Raises UsageError for a device that is not
    present."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")

    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError("unknown device", expected="auto, cpu, cuda, cuda:N or mps", found=name) from error

    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError("no CUDA device is present", found=name, hint="use --device cpu")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError("no MPS device is present", found=name, hint="use --device cpu")
    return device


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the dtype to compute in. `auto`: float16 on CUDA, bfloat16 on CPUs with native bfloat16, else float32, logged once.

    With float32 on CUDA, TF32 is switched off for the whole process: its products have 10 bits, and results would differ from
    those of the CPU. Raises UsageError for float16 on a CPU, where it runs 40 times slower than float32.
    """
    if name not in PRECISIONS:
        raise UsageError("unknown precision", expected=", ".join(PRECISIONS), found=name)
    if name == "auto":
        if device.type == "cuda":
            return torch.float16
        if device.type == "cpu" and has_native_bfloat16():
            return torch.bfloat16
        _warn_of_fallback()
        return torch.float32
    if name == "float16" and device.type == "cpu":
        raise UsageError("float16 does not pay on a CPU", found=name, hint="use --precision bfloat16 or float32")

    if name == "float32" and device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]


def has_native_bfloat16() -> bool:
    """Return whether this CPU multiplies bfloat16 in hardware (avx512_bf16 or AMX)."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and torch.cpu._is_avx512_bf16_supported()


def has_quick_bfloat16(device: torch.device) -> bool:
    """Return whether a device multiplies bfloat16 in hardware; a CPU that does not takes several times as long as in float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and has_native_bfloat16()


@cache
def _warn_of_fallback() -> None:
    LOG.info(
        "--precision auto: no bfloat16 instructions here (avx512_bf16 or AMX), so everything is computed in float32; a large "
        "translator's decoder is computed in 8 bits"
    )


def suit_threads(files: Iterable[Path]) -> None:
    """Let torch use one thread for models whose files are small altogether, unless OMP_NUM_THREADS sets the number.

    Their layers are done before a second thread has woken up, and a dub has other work for the other cores.
    """
    if "OMP_NUM_THREADS" not in os.environ and sum(path.stat().st_size for path in files if path.is_file()) < _SMALL_BYTES:
        torch.set_num_threads(1)


_RANDOM_FILLS = (Tensor.normal_, Tensor.uniform_)
Convolution = TypeVar("Convolution", bound=_ConvNd)
Heavy = TypeVar("Heavy")
Network = TypeVar("Network", bound=nn.Module)


class _NoRandomStart(TorchFunctionMode):
    """Leaves tensors as they are where a module would fill them with random numbers.

    On the meta device that filling does nothing, but the first such call imports torch's compiler: a second of start-up
    and a cache folder in the temporary directory.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        named = kwargs or {}
        if func in _RANDOM_FILLS or getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else named["tensor"]
        return func(*args, **named)


@contextmanager
def skeleton() -> Iterator[None]:
    """Build modules on the meta device, uninitialised, within the block; `load_strict` fills them."""
    with torch.device("meta"), _NoRandomStart():
        yield


def fold_norm(convolution: Convolution, norm: nn.Module) -> Convolution:
    """Fold a batch norm in evaluation mode into the convolution before it: weight and bias are replaced; returns the convolution.

    Unlike `torch.nn.utils.fusion.fuse_conv_bn_eval` it does not copy the weights first, which may lie in a mapped file.
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


def ready_for_inference(
    model: Network,
    dtype: torch.dtype = torch.float32,
    parts: Iterable[nn.Module] = (),
    few_rows: Iterable[nn.Module] = (),
    eight_bits: EightBits | None = None,
) -> Network:
    """Make a loaded network ready for inference on its device, and return it; it cannot be trained, moved or stored any more.

    Norms become part of the convolutions before them, convolutions of sound are laid out flat, and linear layers are packed (see
    `pack_linears`). parts: modules that compute in `dtype`; everything else stays float32. In a transformer layer (with
    `self_attn`, `fc1` and `fc2`) only the products are in `dtype`, and its residual stream stays float32. Any other part is taken
    to consist of convolutions of images, which are fastest with channels last. few_rows: further transformer layers, which get few
    rows at a time, as in a search. eight_bits: how their large products are computed; None = in `dtype` as well.
    """
    model.eval().requires_grad_(False)
    # Products with the norms are computed in float32, before any weight is rounded to `dtype`.
    fold_norms(model)

    files = MappedFiles()
    for part in parts:
        if hasattr(part, "self_attn"):
            compute_products_in(part, dtype, files)
        else:
            part.to(dtype)
            for weight in part.parameters():
                if weight.dim() == _IMAGE_DIMS:
                    weight.data = weight.data.contiguous(memory_format=torch.channels_last)

    for layer in few_rows:
        compute_products_in(layer, dtype, files, eight_bits)

    pack_linears(model, torch.float32, files)
    copy_from_files(model.parameters(), files)
    return model


def fold_norms(model: nn.Module) -> None:
    """Fold weight norms, and each batch norm directly behind a convolution in its parent's list of children, in place."""
    for parent in list(model.modules()):
        before: nn.Module | None = None
        for name, child in list(parent.named_children()):
            if isinstance(child, WeightNormConv1d):
                setattr(parent, name, FlatConv1d(child))
            elif isinstance(child, WeightNormUpsampling):
                setattr(parent, name, FlatUpsampling(child))
            elif isinstance(child, WeightNormed):
                child.fold()
            elif isinstance(child, _BatchNorm) and isinstance(before, _ConvNd):
                fold_norm(before, child)
                # An identity, since the network's `forward` still calls it.
                setattr(parent, name, nn.Identity())
            before = child


class _InType(nn.Module):
    """A module whose output has another type than its input."""

    def __init__(self, module: nn.Module, dtype: torch.dtype, is_given: bool = True) -> None:
        """is_given: cast the input to `dtype`; False = cast the output."""
        super().__init__()
        self.module, self.dtype, self._is_given = module, dtype, is_given

    def forward(self, x: Tensor) -> Any:
        return self.module(x.to(self.dtype)) if self._is_given else self.module(x).to(self.dtype)


def compute_products_in(layer: Any, dtype: torch.dtype, files: MappedFiles, eight_bits: EightBits | None = None) -> None:
    """Let the products of attention and feed-forward of a transformer layer be computed in `dtype`, in place. eight_bits: see
    `ready_for_inference`."""
    if eight_bits is not None:
        lowest = {layer.fc2: GELU_LOWEST} if isinstance(layer.activation, nn.GELU) else {}
        pack_in_eight_bits(layer, eight_bits, files, lowest)
    pack_linears(layer, dtype, files)
    layer.activation = fuse_gelu(layer.fc1, layer.activation)
    if dtype == torch.float32:
        return

    for child in list(layer.modules()):
        if hasattr(child, "q_proj"):
            for name in ("q_proj", "k_proj", "v_proj"):
                projection = getattr(child, name)  # an eight-bit layer rounds its rows from float32
                child.add_module(name, _InType(projection, dtype, not isinstance(projection, EightBitLinear)))

    if not isinstance(layer.fc1, EightBitLinear):
        layer.fc1 = _InType(layer.fc1, dtype)


class Reloadable(Generic[Heavy]):
    """A heavy network that can be unloaded; it is loaded again when it is needed next."""

    def __init__(self, model: Heavy, load: Callable[[], Heavy] | None) -> None:
        """load: loads the same network again; None = it stays in memory."""
        self._model: Heavy | None = model
        self._load = load

    @property
    def model(self) -> Heavy:
        """The network, read from its file again after `unload`. Raises CheckpointError when the file has other content by now."""
        if self._model is None:
            assert self._load is not None  # otherwise `unload` keeps the model
            self._model = self._load()
        return self._model

    def unload(self) -> None:
        """Release the weights until they are needed next; their memory goes back to the system, as far as it is not shared."""
        if self._load is not None:
            self._model = None
            release_freed_memory()
