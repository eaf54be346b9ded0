"""Learn what each unit of a small vocabulary wants a mouth to do, and how much it insists on it.

After Cohen & Massaro, "Modeling coarticulation in synthetic visual speech" (1993): a picture shows the mean of what the units
around it want, each weighed by its dominance there. A sum of their shares (a linear map) cannot say that p closes the lips
whatever is beside it.
"""

import torch
import torch.nn.functional as F

from avcore.units import Ids
from unit2av.mouths.mesh.table import DOMINANCE_STEPS, Parameters, Weights

_ROUNDS, _BATCH, _RATE = 1500, 4096, 0.1
_FALL = 0.03
"""Seconds in which dominance falls to a third before and after a unit, to begin with."""
_RIDGE, _STRENGTH_RIDGE = 1.0, 0.1
_UNKNOWN = 3.0
"""By how much a unit that was never met insists less, so that it takes what is around it."""


def learn_dominance(windows: Ids, wanted: Parameters, num_units: int, away_s: tuple[float, ...]) -> tuple[Weights, Weights]:
    """Find targets and strengths that make the least squared error, by gradient descent from a fixed beginning.

    windows: int64 [n, 10], the unit of each step around a picture; wanted: float64 [n, 3], less their mean. away_s: how far each
    step is from the picture, in seconds. Returns targets float32 [10, units, 3] and strengths [10, units] (see `MouthTable`).
    """
    steps = torch.arange(DOMINANCE_STEPS)
    rows, goals = torch.from_numpy(windows) + steps * num_units, torch.from_numpy(wanted).float()
    # Columns: the targets, and the strength beside one that only tells how far away a step is.
    weights = torch.zeros(DOMINANCE_STEPS * num_units, goals.shape[1] + 1, requires_grad=True)
    near = (-torch.tensor(away_s) / _FALL).requires_grad_(True)
    optimizer = torch.optim.Adam([weights, near], lr=_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _ROUNDS)
    lot = torch.Generator().manual_seed(0)
    ridge = torch.tensor([_RIDGE] * goals.shape[1] + [_STRENGTH_RIDGE]) / len(goals)
    for _ in range(_ROUNDS):
        chosen = torch.randint(len(goals), (min(_BATCH, len(goals)),), generator=lot)
        found = F.embedding(rows[chosen], weights)
        share = torch.softmax(found[..., -1] + near, dim=1)
        error = ((share[..., None] * found[..., :-1]).sum(dim=1) - goals[chosen]).square().mean()
        optimizer.zero_grad()
        (error + (weights.square() * ridge).sum()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    is_known = torch.bincount(rows.flatten(), minlength=len(weights)).view(DOMINANCE_STEPS, num_units) > 0
    learnt = weights.detach().view(DOMINANCE_STEPS, num_units, -1)
    strengths = learnt[..., -1] + near.detach()[:, None] - _UNKNOWN * ~is_known
    return learnt[..., :-1].numpy().copy(), strengths.numpy()
