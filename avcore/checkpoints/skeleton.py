"""Modules without weights, to load weights into: nothing is allocated, nothing is drawn at random."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_RANDOM_FILLS = (Tensor.normal_, Tensor.uniform_)
_INITIALISERS = "torch.nn.init"


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
