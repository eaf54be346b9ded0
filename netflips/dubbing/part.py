"""The part of a recording that is dubbed: its utterances, the slack of each (how far it may go into the pause after it), and when
its moments are shown in the output."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from avcore.timeline import UNIT_RATE, Seconds, exact, frames_to_seconds, units_to_seconds
from avcore.units import Units
from netflips.script.targets import KeptOriginal
from netflips.script.types import Script
from netflips.script.utterance import TimeFit, Utterance

GUARD_S = Fraction(1, 10)
"""Silence kept before the next utterance, as far as the pause has it."""
_LEAST_SPILL_S = Fraction(2)
"""Speech may go this far into the pause after it (s), or as far as the utterance is long, whichever is more."""
_PREVIEW_MARGIN_S = Fraction(1, 2)


@dataclass(frozen=True)
class Part:
    """The part that is dubbed. It is known after segmentation, when the places of utterances are final."""

    start: Fraction = Fraction(0)
    """in the recording (s), never inside an utterance"""
    stop: Fraction = Fraction(0)
    """in the recording (s), never inside an utterance"""
    is_all: bool = True
    """whether it is the whole recording"""
    slack: Mapping[int, Fraction] = field(default_factory=dict)
    """how far each utterance of the recording may go into the pause after it (s), by number"""
    numbers: frozenset[int] = frozenset()
    """numbers of the utterances that are dubbed"""

    def has(self, seconds: Seconds) -> bool:
        """Return whether the part contains a moment of the recording."""
        return self.start <= exact(seconds) < self.stop

    def to_understand(self, script: Script) -> list[Utterance]:
        """Return the utterances of a script that are dubbed, but for those that a person keeps as they are."""
        return [utterance for utterance in self.utterances(script) if not isinstance(utterance.target, KeptOriginal)]

    def utterances(self, script: Script) -> list[Utterance]:
        """Return the utterances of a script that are dubbed."""
        return [utterance for utterance in script.utterances if utterance.number in self.numbers]


def part_of(
    script: Script, duration_s: Fraction, start: Seconds | None = None, end: Seconds | None = None, *, is_preview: bool = False
) -> Part:
    """Return the part of a recording that was asked for, extended where it would begin or end inside an utterance.

    start, end: in the recording (s); None: its beginning, its end. is_preview: only the first utterance. A clip is always dubbed
    as a whole.
    """
    if not script.is_source_timed:
        numbers = [utterance.number for utterance in script.utterances]
        return Part(Fraction(0), duration_s, True, dict.fromkeys(numbers, Fraction(0)), frozenset(numbers))
    slack = slack_of(script, duration_s)
    first = exact(start or 0.0)
    last = duration_s if end is None else min(exact(end), duration_s)
    places = [
        (exact(utterance.place.start_s), exact(utterance.place.end_s), slack[utterance.number]) for utterance in script.utterances
    ]

    if is_preview and places:
        (begin, stop, pause), after = places[0], places[1][0] if len(places) > 1 else duration_s
        first, last = max(begin - _PREVIEW_MARGIN_S, Fraction(0)), min(stop + pause + _PREVIEW_MARGIN_S, after)

    # A part may begin in the pause behind an utterance, but not end there: the dub of that utterance may go on into the pause.
    first = next((begin for begin, stop, _ in places if begin < first < stop), first)
    last = min(next((stop + pause for begin, stop, pause in places if begin < last < stop + pause), last), duration_s)

    is_all = first == 0 and last >= duration_s
    inside = (utterance.number for utterance in script.utterances if is_all or first <= exact(utterance.place.start_s) < last)
    return Part(first, last, is_all, slack, frozenset(inside))


def slack_of(script: Script, duration_s: Fraction) -> dict[int, Fraction]:
    """Return how far each utterance of a recording may go into the pause after it (s), by number."""
    slack, spans = dict[int, Fraction](), [utterance.place for utterance in script.utterances]
    for place, utterance in enumerate(script.utterances):
        is_last = place + 1 == len(spans)
        gap = (duration_s if is_last else exact(spans[place + 1].start_s)) - exact(utterance.place.end_s)
        guard = Fraction(0) if is_last else min(GUARD_S, gap / 2)
        slack[utterance.number] = max(min(gap - guard, max(exact(utterance.place.seconds), _LEAST_SPILL_S)), Fraction(0))
    return slack


def with_more(script: Script, more: Mapping[int, Utterance]) -> Script:
    """Return the script with some utterances replaced, by number."""
    return replace(script, utterances=tuple(more.get(utterance.number, utterance) for utterance in script.utterances))


# When a moment of the recording is shown


def fitted(script: Script) -> Iterator[tuple[Utterance, TimeFit]]:
    """Yield the utterances that are spoken, each with its fit."""
    return ((utterance, utterance.fit) for utterance in script.utterances if utterance.fit is not None)


def spoken_units(utterance: Utterance, language: str, is_natural: bool = False) -> Units:
    """Return the units of an utterance with their durations as spoken, or with their natural ones."""
    assert utterance.units is not None
    assert utterance.fit is not None  # it has its place
    count = len(utterance.fit.durations)
    durations = np.array((utterance.units.durations if is_natural else utterance.fit.durations) or (), np.int64)[:count]
    return Units(np.array(utterance.units.ids[:count], np.int64), durations, language, utterance.units.vocabulary, is_merged=True)


class Placed(NamedTuple):
    """When an utterance is spoken, exactly, in seconds of the recording."""

    start: Fraction
    """when it begins"""
    end: Fraction
    """when it ends, which is where its last frame is frozen"""
    freeze: Fraction
    """for how long that frame is frozen"""


def exact_place(utterance: Utterance, time_fit: TimeFit, rate: Fraction) -> Placed:
    """Return when an utterance is spoken, exactly. rate: frames per second of the recording."""
    # The script stores floats. As whole frames and steps again, they add up exactly however long the video is.
    freeze_s = frames_to_seconds(round(exact(time_fit.freeze_s) * rate), rate)
    steps = sum(time_fit.durations) - (round(time_fit.overrun_s * UNIT_RATE) if freeze_s else 0)
    start = exact(utterance.place.start_s)
    return Placed(start, max(start + units_to_seconds(steps), exact(utterance.place.end_s)), freeze_s)


class OutputClock:
    """Converts times of the video to times of the output.

    They are later by all freeze frames before them, and earlier by what is left out before the part that is dubbed.
    """

    def __init__(self, script: Script, part: Part, rate: Fraction) -> None:
        """rate: frames per second of the recording."""
        self.part = part
        places = [exact_place(utterance, time_fit, rate) for utterance, time_fit in fitted(script)]
        self.freezes = [(place.end, place.freeze) for place in places if place.freeze]
        self._ends = [end for end, _ in self.freezes]
        # Sums so far, found by bisection: `at` is called for every frame.
        self._sums = [Fraction(0)]
        for _, freeze_s in self.freezes:
            self._sums.append(self._sums[-1] + freeze_s)

    def at(self, seconds: Seconds) -> Fraction:
        """Return when a moment of the recording (s) is shown. A moment at exactly the time of a freeze frame comes after it."""
        time = exact(seconds)
        return time - self.part.start + self._sums[bisect_right(self._ends, time)]
