"""Fit translated speech into the time of the original: pace first, then the pause after it, then a held picture."""

from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from avcore.errors import UsageError
from avcore.units import Ids

TIMINGS = ("auto", "source", "free")
"""source: each utterance in its own place; free: one utterance, as long as it takes, as published; auto: by the recording."""


@dataclass(frozen=True)
class Pace:
    """By how much speech may be made faster or slower than it would be by itself (1 = as predicted).

    may_hold: the picture may be held where that is not enough. Raises UsageError for bounds that exclude 1.
    """

    least: float = 0.8
    most: float = 1.25
    may_hold: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.least <= 1 <= self.most < float("inf"):
            raise UsageError(
                "--pace must be two factors around 1", expected="such as 0.8 1.25", found=f"{self.least:g} {self.most:g}"
            )


@dataclass(frozen=True)
class Fit:
    """How one utterance was fitted, in steps of 20 ms.

    natural_steps: predicted length; steps: length as spoken; slot_steps: of the original. factor = steps / natural_steps.
    overrun: what fits neither slot nor the pause after it at the fastest pace allowed; the picture is held for it (held), or it is
    spoken faster than the bounds say (hurried). cut: what even that could not save.
    """

    natural_steps: int
    steps: int
    slot_steps: int
    overrun: int = 0
    held: int = 0
    is_hurried: bool = False
    cut: int = 0

    @property
    def factor(self) -> float:
        """Length as spoken, cut steps included, by the predicted length."""
        return (self.steps + self.cut) / self.natural_steps


def fit_durations(natural: Ids, slot_steps: int, pause_steps: int, pace: Pace | None = None) -> tuple[Ids, Fit]:
    """Scale predicted durations by one factor so that they fit.

    natural: int64 [U] in steps of 20 ms, 1 or more each; slot_steps: length of the original; pause_steps: how far into the
    pause after it the speech may go. Returns int64 [U'] that add up to `Fit.steps`; U' = U, unless there is less room than
    one step a unit and no picture may be held: then the last units are left out, and `Fit.cut` says how many steps.
    """
    pace = pace or Pace()
    total, room = int(natural.sum()), slot_steps + pause_steps
    shortest = max(ceil(total * pace.least - 1e-9), len(natural))
    longest = max(floor(total * pace.most + 1e-9), shortest)
    steps = min(max(slot_steps, shortest), longest)
    overrun = max(steps - room, 0)
    if not overrun:
        return scale_durations(natural, steps), Fit(total, steps, slot_steps)
    if pace.may_hold:
        return scale_durations(natural, steps), Fit(total, steps, slot_steps, overrun, held=overrun)
    kept = natural[: max(room, 1)]
    steps = max(room, 1)
    left_out = len(natural) - len(kept)
    fit = Fit(total, steps, slot_steps, overrun, is_hurried=True, cut=left_out)
    return scale_durations(kept, steps), fit


def fit_as_it_is(natural: Ids, slot_steps: int, pause_steps: int, may_hold: bool) -> tuple[Ids, Fit]:
    """Fit speech that is heard as it sounds: it is never stretched; what finds no room holds the picture, or is cut off."""
    total, room = int(natural.sum()), max(slot_steps + pause_steps, 1)
    overrun = max(total - room, 0)
    if may_hold or not overrun:
        return natural, Fit(total, total, slot_steps, overrun, held=overrun)
    ends = np.minimum(np.cumsum(natural), room)
    kept = np.diff(ends, prepend=0)
    return kept[kept > 0], Fit(total, room, slot_steps, overrun, cut=overrun)


def scale_durations(durations: Ids, total: int) -> Ids:
    """Scale int64 [U] by one factor to whole numbers of 1 or more that add up to `total` (ValueError when it is below U).

    Each lies within one step of its exact share, but for those that 1 is the least for and those that make up for it.
    """
    if total < len(durations):
        raise ValueError(f"{len(durations)} units do not fit into {total} steps")
    exact = durations * (total / durations.sum())
    scaled: Ids = np.maximum(np.floor(exact), 1).astype(np.int64)
    missing = total - int(scaled.sum())
    if missing > 0:
        order = np.argsort(scaled - exact, kind="stable")
        scaled[order[:missing]] += 1
    for _ in range(-missing):
        scaled[int(np.argmax(np.where(scaled > 1, scaled - exact, -np.inf)))] -= 1
    return scaled
