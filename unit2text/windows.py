"""Long input in windows: cut at pauses if there are any, otherwise with an overlap, and joined between words.

Two sentences may have no pause between them that shows in units. A reader that was trained on single sentences shows it: it is
unsure of all letters of two sentences at once, and sure of each of the two alone. So a window is parted where CTC is surest of both
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
from avcore.timeline import Interval, frames_to_seconds, seconds_to_samples, seconds_to_units, units_to_seconds
from avcore.units import Units
from unit2text.text import normalise_for_reading

SURE = -0.35
"""Mean log-probability of a letter at or above which a reading is not parted."""
_LEAST_S = 0.7
"""Length of the shortest part."""
_STEP_S = 0.2
_FINE_STEP_S = 0.04
"""Distance of the cuts that are tried first, and of those around the best of them."""

LogProbs = Callable[[Sequence[tuple[int, int]]], Sequence[Tensor]]
"""Log-probabilities by CTC, float [time, row], of stretches from one step to before another, each encoded by itself."""


def best_cut(num_steps: int, rate: int, log_probs: LogProbs) -> int | None:
    """Return the first step of the second part of a window; None if it is too short for two. rate: steps a second."""
    least, coarse, fine = (max(1, seconds_to_samples(one, rate)) for one in (_LEAST_S, _STEP_S, _FINE_STEP_S))
    tried = range(least, num_steps - least + 1, coarse)
    if not tried:
        return None
    # In two passes, coarse and fine: each cut that is tried costs two runs of the encoder.
    best = _surest(tried, num_steps, log_probs)
    around = range(max(least, best - coarse + fine), min(num_steps - least, best + coarse - fine) + 1, fine)
    return _surest(around, num_steps, log_probs)


def _surest(cuts: Sequence[int], num_steps: int, log_probs: LogProbs) -> int:
    """Return the cut with the most probable CTC paths on both sides together."""
    found = log_probs([part for cut in cuts for part in ((0, cut), (cut, num_steps))])
    scores = torch.stack([one.max(dim=-1).values.sum() for one in found]).view(-1, 2).sum(1)
    return cuts[int(np.argmax(scores.cpu().numpy()))]


_LONG_S = 0.24
"""A unit of this length or more is taken for a pause."""
_SAME_S = 0.5
"""Two windows' words are the same word only if their middles are no further apart."""
_EDGE_S = 0.3
"""A word this near to the beginning or the end of its window may be only a part of a word."""


@dataclass(frozen=True)
class WindowSettings:
    """How long input is cut, in seconds. Raises UsageError for lengths that do not go together."""

    longest_s: float = 20.0
    """longest window; the published reader was trained on 24 s at most"""
    shortest_s: float = 6.0
    """shortest window before a cut"""
    overlap_s: float = 2.0
    """overlap of two windows without a pause to cut at"""

    @classmethod
    def up_to(cls, longest_s: float) -> "WindowSettings":
        """Return settings for another longest window, with the other lengths in proportion. Raises UsageError."""
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
    """Steps that are read together. It may begin before the end of the window before it."""

    first: int
    """its first step"""
    last: int
    """the step behind its last one"""


def pauses_of(units: Units) -> list[Interval]:
    """Return the stretches of long units, which are silence or breath. Raises UnitError for units without durations."""
    merged = Units.from_frames(units.frames())
    assert merged.durations is not None  # as counted
    ends = np.cumsum(merged.durations)
    least = seconds_to_units(_LONG_S)
    long = np.flatnonzero(merged.durations >= least)
    spans = ((int(ends[at] - merged.durations[at]), int(ends[at])) for at in long)
    return [Interval(float(units_to_seconds(first)), float(units_to_seconds(last))) for first, last in spans]


def plan_windows(num_steps: int, rate: int, pauses: Iterable[Interval], settings: WindowSettings) -> list[Window]:
    """Return windows that cover 0 to num_steps - 1, in order. rate: steps a second.

    A window ends in the middle of the longest pause within its possible lengths, or of the latest of equal pauses.
    """
    longest, shortest, overlap = (
        max(1, seconds_to_samples(one, rate)) for one in (settings.longest_s, settings.shortest_s, settings.overlap_s)
    )
    quiet = [pause.samples(rate) for pause in pauses]

    windows: list[Window] = []
    begin, fresh = 0, 0  # fresh: the first step that is in no window yet, or in the middle of an overlap
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
    """Join the words of all windows. Windows that overlap are joined behind a word that both have, without cut words.

    words: of each window, with times from its beginning. The result has times from the beginning of the input, in order.
    """
    joined: list[Word] = []
    read_to = 0.0
    for window, found in zip(windows, words, strict=True):
        begin, end = (float(frames_to_seconds(one, rate)) for one in window)
        later = [word._replace(start_s=word.start_s + begin, end_s=word.end_s + begin) for word in found]
        if begin < read_to:
            kept, dropped = _place_to_join(joined, later, begin, read_to)
            joined, later = joined[:kept], later[dropped:]
        for word in later:
            start = max(word.start_s, joined[-1].end_s if joined else 0.0)
            joined.append(word._replace(start_s=start, end_s=max(start, word.end_s)))
        read_to = end

    return tuple(joined)


def _place_to_join(before: Sequence[Word], after: Sequence[Word], begin: float, end: float) -> tuple[int, int]:
    """Return how many words of the first window to keep, and of the second to drop, where they overlap from begin to end (s).

    They are joined behind a word that both have, the nearest to the middle; without one, where the least is lost or doubled.
    """
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

    # Each place costs the seconds of words that overlap, that are left out, and that are cut at the edge of a window.
    near = min(_EDGE_S, (end - begin) / 4)
    places = []
    for i in range(stays, last + 1):
        for j in range(first, goes + 1):
            left, right = before[i - 1].end_s if i > stays else begin, after[j].start_s if j < goes else end
            cut_short = max(0.0, left - (end - near)) if i > stays else 0.0
            cut_late = max(0.0, begin + near - right) if j < goes else 0.0
            left_out = sum(max(0.0, min(word.end_s, right) - max(word.start_s, left)) for word in (*before[i:], *after[:j]))
            cost = max(0.0, left - right) + left_out + cut_short + cut_late
            # Rounded, so that of equal costs the place nearest to the middle wins, and not a rounding error.
            places.append((round(cost, 3), abs((left + right) / 2 - middle), i, j))

    return min(places)[2:]


def _is_same(one: Word, other: Word) -> bool:
    apart = abs(one.start_s + one.end_s - other.start_s - other.end_s) / 2
    return apart <= _SAME_S and normalise_for_reading(one.text) == normalise_for_reading(other.text)
