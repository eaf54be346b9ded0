"""What is done with modules at inference, beside running them.

They are built without weights, which are loaded into them: nothing is allocated, nothing is drawn at random (skeleton). Batch norms
become part of the convolution before them. What is not needed for a while leaves memory.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.overrides import TorchFunctionMode

from avcore.compute.memory import release_freed_memory

_RANDOM_FILLS = (Tensor.normal_, Tensor.uniform_)
_INITIALISERS = "torch.nn.init"
Convolution = TypeVar("Convolution", bound=_ConvNd)
Heavy = TypeVar("Heavy")


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
    """Modules built in this block are on the meta device and uninitialised; `load_strict` fills them."""
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
        """Give its memory back to the system, as far as nobody else holds it."""
        if self._load is not None:
            self._value = None
            release_freed_memory()
