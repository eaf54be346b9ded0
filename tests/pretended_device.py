"""A GPU that is pretended: operators of device "cuda:0" run on tensors without content (PyTorch's FakeTensorMode).

What stays on the CPU is computed. Values that come back from the device are made up, so nothing here is about numbers. Not seen:
kernels themselves, autograd, and what a library does behind one operator (an LSTM is taken apart into products).
"""

import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock
from weakref import finalize

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode_stack
from torch.utils._pytree import tree_leaves, tree_map

from unit2av.voice.source import _matrices

CUDA = "cuda:0"
aten = torch.ops.aten
COMPOSITE = {aten.to, aten.item, aten.is_nonzero, aten.type_as, aten.lstm}
"""What inference mode leaves whole although it is made of other operators, among them those that wait."""
COPIES = {aten.copy_, aten.index_put_, aten._index_put_impl_}
DATA_SIZED = {aten.nonzero, aten.masked_select, aten.unique_consecutive, aten._unique2}
PRODUCTS = {aten.mm, aten.addmm, aten.bmm, aten.convolution, aten.linear, aten.conv1d, aten.conv2d, aten.conv_transpose2d}


def made_up(like: Tensor) -> Tensor:
    """Values in place of those of the device: falling numbers, rising whole ones, true."""
    if like.dtype == torch.bool:
        return torch.ones(like.shape, dtype=torch.bool)
    rising = torch.arange(like.numel(), dtype=torch.float64).reshape(like.shape)
    return (-rising / max(like.numel(), 1) if like.is_floating_point() else rising).to(like.dtype)


class HeldMemory(TorchDispatchMode):
    """Adds up the memory of the tensors that operators make on a kind of device; spare blocks and workspaces are not in it."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind
        self.held = self.peak = 0
        """Bytes that tensors hold now, and the most since `peak` was set."""
        self._users: Counter[int] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.hold(func(*args, **(kwargs or {})))

    def hold(self, made: Any) -> Any:
        """Count new tensors until the last one of a storage is gone; returns them."""
        for one in tree_leaves(made):
            if isinstance(one, Tensor) and one.device.type == self._kind and one.layout is torch.strided:
                storage = one.untyped_storage()
                key, size = storage._cdata, storage.nbytes()
                if not self._users[key]:
                    self.held += size
                    self.peak = max(self.peak, self.held)
                self._users[key] += 1
                finalize(one, self._let_go, key, size)
        return made

    def _let_go(self, key: int, size: int) -> None:
        self._users[key] -= 1
        if not self._users[key]:
            self.held -= size


class PretendedDevice(HeldMemory):
    """Pretends operators on `CUDA`, and counts what waits for it: copies in either direction, scalars, sizes that data decide."""

    def __init__(self, fake: FakeTensorMode) -> None:
        super().__init__("cuda")
        self._fake = fake
        self.waits: Counter[str] = Counter()
        self.products: Counter[torch.dtype] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        leaves = tree_leaves((args, kwargs))
        pretended = [leaf for leaf in leaves if isinstance(leaf, FakeTensor)]
        is_upload = not pretended and any(isinstance(leaf, torch.device) and leaf.type == "cuda" for leaf in leaves)
        if not pretended and not is_upload:
            with unset_fake_temporarily():
                return func(*args, **kwargs)
        assert func.namespace in ("aten", "prim"), f"{func} of a CPU on the device's path"
        if func.overloadpacket in COMPOSITE:
            with self:
                return func.decompose(*args, **kwargs)
        is_copied = func.overloadpacket in COPIES  # else a number of the CPU goes along with the call
        real = (leaf for leaf in leaves if isinstance(leaf, Tensor) and not isinstance(leaf, FakeTensor))
        given = [leaf for leaf in real if leaf.dim() or is_copied]
        if func is aten._local_scalar_dense.default:
            self._wait("scalar")
            return True if args[0].dtype == torch.bool else 3 if not args[0].is_floating_point() else 0.5
        if func is aten._to_copy.default and pretended and torch.device(kwargs.get("device") or CUDA).type == "cpu":
            self._wait("download")
            with unset_fake_temporarily():
                return made_up(args[0]).to(kwargs.get("dtype") or args[0].dtype)
        if given:
            self._wait("upload")
        is_masked = func is aten.index.Tensor and any(one is not None and one.dtype == torch.bool for one in args[1])
        if is_masked or func.overloadpacket in DATA_SIZED:
            self._wait("size")
        with self._fake:
            args, kwargs = tree_map(_as_pretended, (args, kwargs))
        made = self.hold(func(*args, **kwargs))
        if func.overloadpacket in PRODUCTS:
            self.products[made.dtype] += 1
        return made

    def _wait(self, kind: str) -> None:
        others = ".venv", "test_device", "pretended_device", "site-packages"
        ours = (one for one in reversed(traceback.extract_stack()) if not any(name in one.filename for name in others))
        place = next(ours, None)
        self.waits[f"{kind}: {place and f'{place.filename}:{place.lineno} {place.line}'}"] += 1


class PretendedRecord:
    """Work that is recorded without a GPU: it is done once, and must not wait."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work

    def replay(self) -> Any:
        device = next(mode for mode in _get_current_dispatch_mode_stack() if isinstance(mode, PretendedDevice))
        before = device.waits.total()
        made = self._work()
        assert device.waits.total() == before, "what is recorded must not wait"
        return made


def _as_pretended(leaf: Any) -> Any:
    """A tensor of the CPU as the pretended kernels take it: without content, still of the CPU."""
    if not isinstance(leaf, Tensor) or isinstance(leaf, FakeTensor):
        return leaf
    return torch.empty_strided(leaf.shape, leaf.stride(), dtype=leaf.dtype, device="cpu")


def _apply(module: nn.Module, change: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
    """`nn.Module._apply` without exchanging content in place, which pretended tensors do not take; what is tied stays tied."""
    changed: dict[int, tuple[Tensor, Tensor]] = {}
    for part in module.modules():
        for held in (part._parameters, part._buffers):
            for name, old in held.items():
                if old is not None:
                    if id(old) not in changed:
                        new = change(old)
                        changed[id(old)] = old, nn.Parameter(new, old.requires_grad) if isinstance(old, nn.Parameter) else new
                    held[name] = changed[id(old)][1]
        if isinstance(part, nn.RNNBase):
            part._flat_weights = [getattr(part, name) for name in part._flat_weights_names]
    return module


@contextmanager
def pretended_device() -> Iterator[PretendedDevice]:
    def load(*args: Any, real: Callable[..., Any] = torch.load, **kwargs: Any) -> Any:
        with unset_fake_temporarily():
            return real(*args, **kwargs)

    _matrices.cache_clear()  # it is kept by device
    with (
        torch.no_grad(),
        FakeTensorMode() as fake,
        mock.patch("torch.cuda.is_available", return_value=True),
        mock.patch("torch.backends.cudnn.is_acceptable", return_value=False),
        mock.patch("torch._subclasses.fake_tensor.init_gpu_context"),
        mock.patch("torch.load", load),
        mock.patch("avcore.decoding.beam_search.Recorded", PretendedRecord),
        mock.patch("unit2unit.translator.free_memory_bytes", return_value=8 << 30),
        mock.patch.object(nn.Module, "_apply", _apply),
        PretendedDevice(fake) as device,
    ):
        try:
            yield device
        finally:
            _matrices.cache_clear()
