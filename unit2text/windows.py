"""Long input in windows: cut at pauses where there are any, with an overlap where there are none, and joined by time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from avcore.answers import Word
from avcore.errors import UsageError
from avcore.timeline import frames_to_seconds, seconds_to_samples, seconds_to_units, units_to_seconds
from avcore.units import Units

Pause = tuple[float, float]
"""A stretch (s) in which nobody speaks."""
_LONG_S = 0.24
"""A unit that lasts so long is taken for a pause."""


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
    """Steps that are read together, first to last - 1. Of what is found there, words between keep_from and keep_to stay."""

    first: int
    last: int
    keep_from: int
    keep_to: int


def pauses_of(units: Units) -> list[Pause]:
    """Where a unit lasts so long that nobody speaks: of silence, or of a breath. Raises UnitError without durations."""
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
    first, begin = 0, 0
    while num_steps - begin > longest:
        inside = [(max(a, first + shortest), min(b, begin + longest)) for a, b in quiet]
        fitting = [(b - a, b, (a + b) // 2) for a, b in inside if b > a]
        if fitting:
            cut = max(fitting)[2]
            windows.append(Window(begin, cut, first, cut))
            first = begin = cut
        else:
            end = begin + longest
            cut = end - overlap // 2
            windows.append(Window(begin, end, first, cut))
            first, begin = cut, end - overlap
    return [*windows, Window(begin, num_steps, first, num_steps)]


def join_windows(windows: Sequence[Window], words: Sequence[Iterable[Word]], rate: int) -> tuple[Word, ...]:
    """All windows' words in one row: of those found twice, the ones of the window in whose part their middle lies.

    words: of each window, times from its beginning. Times are those of the whole, in order and inside it.
    """
    joined: list[Word] = []
    for window, found in zip(windows, words, strict=True):
        begin, low, high = (float(frames_to_seconds(one, rate)) for one in (window.first, window.keep_from, window.keep_to))
        is_last = window is windows[-1]
        for word in found:
            start, end = word.start_s + begin, word.end_s + begin
            middle = (start + end) / 2
            if not (low <= middle < high or (is_last and middle >= high)):
                continue
            if joined and start < joined[-1].end_s:
                start = joined[-1].end_s
            joined.append(word._replace(start_s=start, end_s=max(start, end)))
    return tuple(joined)
