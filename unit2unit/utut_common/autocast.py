"""Steps in mixed precision on any device: fairseq's own half precision needs a GPU."""

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any

import torch

from avcore.compute.device import has_quick_bfloat16
from avcore.errors import UsageError

NONE, AUTO = "none", "auto"
AUTOCAST = (NONE, "bfloat16", AUTO)
HELP = (
    f"number format of matrix products, {', '.join(AUTOCAST)} (bfloat16 on devices that multiply it in hardware); "
    "the weights stay float32"
)


def check_autocast(name: str) -> None:
    """Raise UsageError for a format that there is not."""
    if name not in AUTOCAST:
        raise UsageError("unknown number format", expected=", ".join(AUTOCAST), found=f"autocast={name}")


def add_autocast_option(parser: argparse.ArgumentParser) -> None:
    """Add `--autocast` to a task's options."""
    parser.add_argument("--autocast", default=NONE, metavar="FORMAT", help=HELP)


def autocast(name: str, device: str) -> AbstractContextManager[Any]:
    """The context in which products run in the number format of that name (see AUTOCAST)."""
    is_plain = name == NONE or (name == AUTO and not has_quick_bfloat16(torch.device(device)))
    return nullcontext() if is_plain else torch.autocast(device, dtype=torch.bfloat16)


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
