"""Batch norms of the face renderer: their stored statistics, brought up to date before they are used."""

from collections.abc import Iterable
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from unit2av.face.model import FaceModel


def batch_norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    """All batch norms of a model."""
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


@torch.no_grad()
def refresh_norms(face: FaceModel, batches: Iterable[tuple[Tensor, Tensor, Tensor]]) -> None:
    """Replace the stored statistics by the mean over batches, as the weights are now.

    The running mean that training keeps lags behind weights that move fast, and a network that is judged or exported with
    it does worse than it can. batches: units, faces and shown as `FaceModel.forward` takes them; nothing changes without
    any. The model is left in evaluation mode.
    """
    face.eval()
    norms = batch_norms(face)
    with ExitStack() as stack:
        is_first = True
        for units, faces, shown in batches:
            if is_first:
                for norm in norms:
                    stack.callback(_restore, norm, norm.momentum)
                    norm.reset_running_stats()
                    norm.momentum = None  # each batch counts alike
                    norm.train()
            is_first = False
            face(units, faces, shown)


def _restore(norm: nn.BatchNorm2d, momentum: float | None) -> None:
    norm.momentum = momentum
    norm.eval()
