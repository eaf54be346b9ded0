"""Durations of units that fit a time: one factor for all, within the pace that is allowed."""

from collections.abc import Sequence
from math import ceil, floor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avcore.timeline import seconds_to_units
from avcore.units import Ids
from text2unit.text_to_units import SHORT_PAUSE_S

SAME_PLACE = 0.25
"""Share of the speech by which a pause may be earlier or later than the original's, and still be the same."""


class Fitted(NamedTuple):
    """durations: int64 [U], as spoken, fewer where some are left out. overrun: steps that fit neither slot nor pause. cut: what
    even that could not save: units at the end."""

    durations: Ids
    overrun: int = 0
    cut: int = 0

    @property
    def steps(self) -> int:
        """Length as spoken."""
        return int(self.durations.sum())


def fit_durations(natural: Ids, slot: int, pause: int, pace: tuple[float, float], may_hold: bool = False) -> Fitted:
    """Scale predicted durations by one factor so that they fit; all in steps of 20 ms.

    natural: int64 [U], 1 or more each; slot: length of the original; pause: how far into the pause after it the speech may go.
    pace: by how much it may be made faster and slower. What is longer takes a part of the pause (`comfortable_s`) before it is made
    faster, and the rest of it then. What fits neither holds the picture (`may_hold`), or is spoken faster than
    the pace allows; where there is less room than one step a unit, the last units are left out.
    """
    total, room = int(natural.sum()), slot + pause
    shortest = max(ceil(total * pace[0] - 1e-9), len(natural))
    longest = max(floor(total * pace[1] + 1e-9), shortest)
    steps = min(max(slot, min(total, int(comfortable_s(slot, pause))), shortest), longest)
    overrun = max(steps - room, 0)
    if not overrun or may_hold:
        return Fitted(scale_durations(natural, steps), overrun)
    steps = max(room, 1)
    kept = natural[:steps]
    return Fitted(scale_durations(kept, steps), overrun, len(natural) - len(kept))


class Pause(NamedTuple):
    """A pause within speech. said: share of the speech that comes before it, 0 to 1; steps: its length."""

    said: float
    steps: int


def rest_at_pauses(
    natural: Ids, is_silent: NDArray[np.bool_], room: float = np.inf, scale: float = 1.0, original: Sequence[Pause] = ()
) -> Ids:
    """Return durations whose pauses within speech are a quarter of a second or more, as people rest at a comma, or as long as the
    original's pause at that place, as far as there is room.

    natural: int64 [U]; is_silent: bool [U], units of silence; room: in steps of 20 ms; scale: of durations, above 1 is slower.
    original: the pauses of what is translated.
    """
    inside = is_silent.copy()
    inside[[0, -1]] = False
    places = np.flatnonzero(inside)
    wanted = np.full(len(places), round(seconds_to_units(SHORT_PAUSE_S) * scale))
    for place, steps in _matched(natural, is_silent, places, original).items():
        wanted[place] = max(wanted[place], steps)
    missing = np.zeros(len(natural), np.int64)
    missing[places] = np.maximum(wanted - natural[places], 0)
    share = min(max(room, 0) / max(int(missing.sum()), 1), 1.0)
    return np.asarray(natural + np.floor(missing * share).astype(np.int64), np.int64)


def _matched(natural: Ids, is_silent: NDArray[np.bool_], places: Ids, original: Sequence[Pause]) -> dict[int, int]:
    """Return how long the original pauses (steps) at each pause of the translation that it has, too: the nearest ones first."""
    spoken = np.where(is_silent, 0, natural)
    said = np.cumsum(spoken)[places] / max(int(spoken.sum()), 1)
    near = sorted((abs(share - pause.said), ours, own) for ours, share in enumerate(said) for own, pause in enumerate(original))
    found, used = dict[int, int](), set[int]()
    for distance, ours, own in near:
        if distance <= SAME_PLACE and ours not in found and own not in used:
            used.add(own)
            found[ours] = original[own].steps
    return found


def comfortable_s(slot: float, pause: float) -> float:
    """Return the time that speech may take before it is made faster: that of the original, and half of the pause behind it, but no
    more than a quarter longer."""
    return slot + min(pause / 2, slot / 4)


def fit_as_it_is(natural: Ids, slot: int, pause: int, pace: tuple[float, float], may_hold: bool = False) -> Fitted:
    """Fit speech that is heard as it sounds: it is never made slower. What is longer than slot and pause is made faster, as far as
    the pace allows where the picture may be held, else as far as it takes, so that its end is never missing.
    """
    total, room = int(natural.sum()), max(slot + pause, 1)
    if total <= room:
        return Fitted(natural)
    shortest = max(ceil(total * pace[0] - 1e-9), len(natural))
    overrun = max(shortest - room, 0)
    if overrun and not may_hold:
        kept = natural[:room]
        return Fitted(scale_durations(kept, room), overrun, len(natural) - len(kept))
    return Fitted(scale_durations(natural, max(room, shortest)), overrun)


def scale_durations(durations: Ids, total: int) -> Ids:
    """Scale int64 [U] by one factor to whole numbers of 1 or more that add up to `total` (ValueError when it is below U).

    Each lies within one step of its exact share, but for those that 1 is the least for and those that make up for it.
    """
    if total < len(durations):
        raise ValueError(f"{len(durations)} units do not fit into {total} steps")
    shares = durations * (total / durations.sum())
    scaled: Ids = np.maximum(np.floor(shares), 1).astype(np.int64)
    missing = total - int(scaled.sum())
    if missing > 0:
        order = np.argsort(scaled - shares, kind="stable")
        scaled[order[:missing]] += 1
    for _ in range(-missing):
        scaled[int(np.argmax(np.where(scaled > 1, scaled - shares, -np.inf)))] -= 1
    return scaled
