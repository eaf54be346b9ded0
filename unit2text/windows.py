"""Long input in windows: cut at pauses where there are any, with an overlap where there are none, and joined between words.

Between two sentences there need be no pause that shows in units. What shows is that a reader that learnt single sentences is at a
loss: it is unsure of all letters of two at once, and sure of each of the two alone. So a window is parted by what CTC makes of the
parts.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from avcore.contracts import Word
from avcore.errors import UsageError
from avcore.timeline import frames_to_seconds, seconds_to_samples, seconds_to_units, units_to_seconds
from avcore.units import Units
from unit2text.text import normalise_for_reading

SURE = -0.35
"""Log-probability of a letter, on average, from which on a reading is left as it is."""
_LEAST_S = 0.7
"""No part is shorter."""
_STEP_S = 0.2
_FINE_STEP_S = 0.04
"""Cuts are tried so far apart, and then so far apart around the best of those."""

LogProbs = Callable[[Sequence[tuple[int, int]]], Sequence[Tensor]]
"""Log-probabilities by CTC, float [time, row], of stretches from one step to before another, each encoded by itself."""


def best_cut(num_steps: int, rate: int, log_probs: LogProbs) -> int | None:
    """Return the step before which a window is best parted; None where it is too short for two parts. rate: steps a second."""
    least, coarse, fine = (max(1, seconds_to_samples(one, rate)) for one in (_LEAST_S, _STEP_S, _FINE_STEP_S))
    tried = range(least, num_steps - least + 1, coarse)
    if not tried:
        return None
    best = _surest(tried, num_steps, log_probs)
    around = range(max(least, best - coarse + fine), min(num_steps - least, best + coarse - fine) + 1, fine)
    return _surest(around, num_steps, log_probs)


def _surest(cuts: Sequence[int], num_steps: int, log_probs: LogProbs) -> int:
    """Return the cut behind and before which CTC's best path is the most probable one."""
    found = log_probs([part for cut in cuts for part in ((0, cut), (cut, num_steps))])
    scores = torch.stack([one.max(dim=-1).values.sum() for one in found]).view(-1, 2).sum(1)
    return cuts[int(np.argmax(scores.cpu().numpy()))]


Pause = tuple[float, float]
"""A stretch (s) in which nobody speaks."""
_LONG_S = 0.24
"""A unit that lasts so long is taken for a pause."""
_SAME_S = 0.5
"""Two windows' words are one only where their middles are not further apart."""
_EDGE_S = 0.3
"""A word that is said so near to where its window begins or ends may have been heard in part."""


@dataclass(frozen=True)
class WindowSettings:
    """How long input is cut, in seconds.

    longest_s: of a window; the published reader was trained on 24 s at most. shortest_s: no cut is made before. overlap_s: what
    two windows share where there is no pause to cut at. Raises UsageError for lengths that do not go together.
    """

    longest_s: float = 20.0
    shortest_s: float = 6.0
    overlap_s: float = 2.0

    @classmethod
    def up_to(cls, longest_s: float) -> "WindowSettings":
        """Windows of another length at most, with the other lengths in proportion. Raises UsageError."""
        share = longest_s / cls.longest_s
        return cls(longest_s, share * cls.shortest_s, share * cls.overlap_s)

    def __post_init__(self) -> None:
        if not 0 < 2 * self.overlap_s <= self.shortest_s <= self.longest_s:
            raise UsageError(
                "the windows' lengths do not go together",
                expected="2 x overlap <= shortest <= longest",
                found=f"{self.overlap_s}, {self.shortest_s}, {self.longest_s} s",
            )


class Window(NamedTuple):
    """Steps that are read together, first to last - 1; it may begin before the end of the one before."""

    first: int
    last: int


def pauses_of(units: Units) -> list[Pause]:
    """Return where a unit lasts so long that nobody speaks: of silence, or of a breath. Raises UnitError without durations."""
    merged = Units.from_frames(units.frames())
    assert merged.durations is not None  # as counted
    ends = np.cumsum(merged.durations)
    least = seconds_to_units(_LONG_S)
    long = np.flatnonzero(merged.durations >= least)
    spans = ((int(ends[at] - merged.durations[at]), int(ends[at])) for at in long)
    return [(float(units_to_seconds(first)), float(units_to_seconds(last))) for first, last in spans]


def plan_windows(num_steps: int, rate: int, pauses: Iterable[Pause], settings: WindowSettings) -> list[Window]:
    """Windows that cover 0 to num_steps - 1, in order; rate: steps a second.

    A cut lies in the middle of the longest pause that a window may end at, the later of equal ones.
    """
    longest, shortest, overlap = (
        max(1, seconds_to_samples(one, rate)) for one in (settings.longest_s, settings.shortest_s, settings.overlap_s)
    )
    quiet = [(seconds_to_samples(start, rate), seconds_to_samples(end, rate)) for start, end in pauses]
    windows: list[Window] = []
    begin, fresh = 0, 0  # fresh: from where on nothing is read yet
    while num_steps - begin > longest:
        inside = [(max(a, fresh + shortest), min(b, begin + longest)) for a, b in quiet]
        fitting = [(b - a, b, (a + b) // 2) for a, b in inside if b > a]
        if fitting:
            cut = max(fitting)[2]
            windows.append(Window(begin, cut))
            begin = fresh = cut
        else:
            end = begin + longest
            windows.append(Window(begin, end))
            begin, fresh = end - overlap, end - overlap // 2
    return [*windows, Window(begin, num_steps)]


def join_windows(windows: Sequence[Window], words: Sequence[Iterable[Word]], rate: int) -> tuple[Word, ...]:
    """Return all windows' words in one row, whole words only: what two windows both heard is joined behind a word that both have.

    words: of each window, times from its beginning. Times are those of the whole, in order and inside it.
    """
    joined: list[Word] = []
    heard_to = 0.0
    for window, found in zip(windows, words, strict=True):
        begin, end = (float(frames_to_seconds(one, rate)) for one in window)
        later = [word._replace(start_s=word.start_s + begin, end_s=word.end_s + begin) for word in found]
        if begin < heard_to:
            kept, dropped = _place_to_join(joined, later, begin, heard_to)
            joined, later = joined[:kept], later[dropped:]
        for word in later:
            start = max(word.start_s, joined[-1].end_s if joined else 0.0)
            joined.append(word._replace(start_s=start, end_s=max(start, word.end_s)))
        heard_to = end
    return tuple(joined)


def _place_to_join(before: Sequence[Word], after: Sequence[Word], begin: float, end: float) -> tuple[int, int]:
    """Return how many words before stay, and how many after go, of two windows that share begin to end (s): behind a word that both
    have, as near to the middle as there is one; otherwise where no word is left out or said twice."""
    middle = (begin + end) / 2
    last, first = len(before), 0
    stays = sum(word.end_s <= begin for word in before)
    goes = sum(word.start_s < end for word in after)
    shared = [
        (abs((before[i - 1].end_s + after[j - 1].end_s) / 2 - middle), i, j)
        for i in range(stays + 1, last + 1)
        for j in range(first + 1, goes + 1)
        if _is_same(before[i - 1], after[j - 1])
    ]
    if shared:
        return min(shared)[1:]
    near = min(_EDGE_S, (end - begin) / 4)
    places = []
    for i in range(stays, last + 1):
        for j in range(first, goes + 1):
            left, right = before[i - 1].end_s if i > stays else begin, after[j].start_s if j < goes else end
            cut_short = max(0.0, left - (end - near)) if i > stays else 0.0
            cut_late = max(0.0, begin + near - right) if j < goes else 0.0
            left_out = sum(max(0.0, min(word.end_s, right) - max(word.start_s, left)) for word in (*before[i:], *after[:j]))
            cost = max(0.0, left - right) + left_out + cut_short + cut_late
            places.append((round(cost, 3), abs((left + right) / 2 - middle), i, j))
    return min(places)[2:]


def _is_same(one: Word, other: Word) -> bool:
    apart = abs(one.start_s + one.end_s - other.start_s - other.end_s) / 2
    return apart <= _SAME_S and normalise_for_reading(one.text) == normalise_for_reading(other.text)
