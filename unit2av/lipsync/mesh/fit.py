"""Learn a mouth's table from units and from what mouths did while they were said, in seconds.

Of a small vocabulary, what each unit wants a mouth to do and how much it insists on it, after Cohen & Massaro, "Modeling
coarticulation in synthetic visual speech" (1993): a picture shows the mean of what the units around it want, each weighed by its
dominance there. A sum of their shares (a linear map) cannot say that p closes the lips whatever is beside it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F

from avcore.errors import InputError
from avcore.timeline import UNITS_PER_FRAME, units_to_seconds
from avcore.units import Ids
from unit2av.lipsync.mesh.table import CONTEXT, DOMINANCE_STEPS, MouthTable, Parameters, Weights, shifted, steps_around

_FILTER_CONTEXT = 3
_MOST_UNITS = 240
"""Units up to which each has targets and strengths of its own."""
_LEAST_PICTURES = 250
_RIDGE, _SHRINKAGE = 1.0, 4.0
_ROUNDS, _BATCH, _RATE = 1500, 4096, 0.1
_FALL = 0.03
"""Seconds in which dominance falls to a third before and after a unit, to begin with."""
_STRENGTH_RIDGE = 0.1
_UNKNOWN = 3.0
"""By how much a unit that was never met insists less, so that it takes what is around it."""


@dataclass
class Examples:
    """What mouths did while units were said. Parameters that are not known are NaN."""

    num_units: int
    frames: list[Ids] = field(default_factory=list)
    parameters: list[Parameters] = field(default_factory=list)

    def add(self, frames: Ids, parameters: Parameters) -> None:
        """Add a clip: units int64 [T], one every 20 ms, and what the mouth does in its pictures [n, 3]; the shorter counts."""
        count = min(len(frames) // UNITS_PER_FRAME, len(parameters))
        if count:
            self.frames.append(np.asarray(frames[: UNITS_PER_FRAME * count]))
            self.parameters.append(np.asarray(parameters[:count], np.float64))

    @property
    def num_pictures(self) -> int:
        """Pictures that teach something."""
        return int(sum(np.isfinite(rows).all(axis=1).sum() for rows in self.parameters))


def learn_table(examples: Examples, vocabulary: str) -> MouthTable:
    """Learn a table. Raises InputError for less than ten seconds of material."""
    if examples.num_pictures < _LEAST_PICTURES:
        found = f"{examples.num_pictures} pictures"
        raise InputError("this is too little to learn a mouth from", expected="ten seconds with a face", found=found)
    return (_by_dominance if examples.num_units <= _MOST_UNITS else _by_unit)(examples, vocabulary)


def _by_dominance(examples: Examples, vocabulary: str) -> MouthTable:
    """Return each unit wants something and insists on it, at each place of the window."""
    wanted = np.concatenate(examples.parameters)
    is_known = np.isfinite(wanted).all(axis=1)
    windows = np.concatenate([steps_around(frames) for frames in examples.frames])
    mean = wanted[is_known].mean(axis=0)
    middle = (DOMINANCE_STEPS - 1) / 2
    away = tuple(float(units_to_seconds(1)) * abs(step - middle) for step in range(DOMINANCE_STEPS))
    targets, strengths = _learn_dominance(windows[is_known], wanted[is_known] - mean, examples.num_units, away)
    return MouthTable(targets, mean.astype(np.float32), np.eye(3, dtype=np.float32)[None], vocabulary, strengths)


def _by_unit(examples: Examples, vocabulary: str) -> MouthTable:
    """Each unit says what the pictures around it are like on average; a filter learns what to make of that."""
    taps = 2 * CONTEXT + 1
    mean = np.nanmean(np.concatenate(examples.parameters), axis=0)
    sums, counts = np.zeros((taps, examples.num_units, 3)), np.full((taps, examples.num_units, 1), _SHRINKAGE)
    for frames, wanted in zip(examples.frames, examples.parameters, strict=True):
        is_known = np.isfinite(wanted).all(axis=1)
        for place, offset in enumerate(range(-CONTEXT, CONTEXT + 1)):
            there = np.arange(len(wanted)) + offset
            used = is_known & (there >= 0) & (there < len(wanted))
            for step in range(UNITS_PER_FRAME):
                unit = frames[UNITS_PER_FRAME * there[used] + step]
                np.add.at(sums[place], unit, wanted[used] - mean)
                np.add.at(counts[place], unit, 1.0)
    said = MouthTable((sums / counts / taps).astype(np.float32), np.zeros(3, np.float32), np.eye(3, dtype=np.float32)[None])
    filter_ = _learn_filter(zip((said.raw(frames) for frames in examples.frames), examples.parameters, strict=True), mean)
    return MouthTable(said.weights, mean.astype(np.float32), filter_, vocabulary)


def _learn_filter(pairs: Iterable[tuple[Parameters, Parameters]], mean: Parameters) -> Weights:
    """Return the filter over neighbouring pictures that takes what was said [n, 3] nearest to what is wanted: float32 [7, 3, 3]."""
    taps = 2 * _FILTER_CONTEXT + 1
    left, right = np.eye(3 * taps) * _RIDGE, np.zeros((3 * taps, 3))
    for said, wanted in pairs:
        is_known = np.isfinite(wanted).all(axis=1)
        window = [shifted(said, offset) for offset in range(-_FILTER_CONTEXT, _FILTER_CONTEXT + 1)]
        rows = np.concatenate(window, axis=1)[is_known]
        left += rows.T @ rows
        right += rows.T @ (wanted[is_known] - mean)
    return np.linalg.solve(left, right).reshape(taps, 3, 3).astype(np.float32)


def _learn_dominance(windows: Ids, wanted: Parameters, num_units: int, away_s: tuple[float, ...]) -> tuple[Weights, Weights]:
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
