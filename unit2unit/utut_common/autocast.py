"""Steps in mixed precision on any device: fairseq's own half precision needs a GPU."""

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any

import torch

from avcore.errors import UsageError

NONE = "none"
AUTOCAST = (NONE, "bfloat16")
HELP = f"number format of matrix products, {' or '.join(AUTOCAST)}; the weights stay float32"


def check_autocast(name: str) -> None:
    """Raise UsageError for a format that there is not."""
    if name not in AUTOCAST:
        raise UsageError("unknown number format", expected=" or ".join(AUTOCAST), found=f"autocast={name}")


def add_autocast_option(parser: argparse.ArgumentParser) -> None:
    """Add `--autocast` to a task's options."""
    parser.add_argument("--autocast", default=NONE, metavar="FORMAT", help=HELP)


def autocast(name: str, device: str) -> AbstractContextManager[Any]:
    """The context in which products run in the number format of that name (see AUTOCAST)."""
    return nullcontext() if name == NONE else torch.autocast(device, dtype=getattr(torch, name))


class AutocastSteps:
    """Mix-in of a fairseq task: the loss of each step is computed in the number format that `autocast` names.

    Gradients follow each product's format; the optimizer sees float32.
    """

    autocast = NONE

    def train_step(self, sample: Any, model: Any, criterion: Any, *args: Any, **options: Any) -> Any:
        """Forward and backward; returns (loss, sample size, what is logged)."""
        return super().train_step(sample, model, self._cast(criterion), *args, **options)  # type: ignore[misc]

    def valid_step(self, sample: Any, model: Any, criterion: Any, **options: Any) -> Any:
        """Forward alone; returns (loss, sample size, what is logged)."""
        return super().valid_step(sample, model, self._cast(criterion), **options)  # type: ignore[misc]

    def _cast(self, criterion: Any) -> Callable[..., Any]:
        @wraps(criterion.forward)
        def loss_of(model: Any, sample: Any, *args: Any, **options: Any) -> Any:
            with autocast(self.autocast, sample["target"].device.type):
                return criterion(model, sample, *args, **options)

        return loss_of
