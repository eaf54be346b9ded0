"""When the utterances of a dub are spoken, and when a moment of the recording is shown."""

from bisect import bisect_right
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from avcore.timeline import UNIT_RATE, Seconds, exact, frames_to_seconds, units_to_seconds
from avcore.units import Units
from netflips.dubbing.part import Part
from netflips.script.types import Script
from netflips.script.utterance import TimeFit, Utterance


def fitted(script: Script) -> Iterator[tuple[Utterance, TimeFit]]:
    """Yield the utterances that are spoken, each with its fit."""
    return ((one, one.fit) for one in script.utterances if one.fit is not None)


def spoken_units(one: Utterance, language: str, is_natural: bool = False) -> Units:
    """Return the units of an utterance with their durations as spoken, or with their natural ones."""
    assert one.units is not None
    assert one.fit is not None  # it has its place
    count = len(one.fit.durations)
    durations = np.array((one.units.durations if is_natural else one.fit.durations) or (), np.int64)[:count]
    return Units(np.array(one.units.ids[:count], np.int64), durations, language, one.units.vocabulary, is_merged=True)


class Placed(NamedTuple):
    """When an utterance is spoken, exactly, in seconds of the recording."""

    start: Fraction
    """when it begins"""
    end: Fraction
    """when it ends, which is where its last frame is frozen"""
    freeze: Fraction
    """for how long that frame is frozen"""


def exact_place(one: Utterance, time_fit: TimeFit, rate: Fraction) -> Placed:
    """Return when an utterance is spoken, exactly. rate: frames per second of the recording."""
    # The script stores floats. As whole frames and steps again, they add up exactly however long the video is.
    freeze_s = frames_to_seconds(round(exact(time_fit.freeze_s) * rate), rate)
    steps = sum(time_fit.durations) - (round(time_fit.overrun_s * UNIT_RATE) if freeze_s else 0)
    start = exact(one.place.start_s)
    return Placed(start, max(start + units_to_seconds(steps), exact(one.place.end_s)), freeze_s)


class OutputClock:
    """Converts times of the video to times of the output.

    They are later by all freeze frames before them, and earlier by what is left out before the part that is dubbed.
    """

    def __init__(self, script: Script, part: Part, rate: Fraction) -> None:
        """rate: frames per second of the recording."""
        self.part = part
        places = [exact_place(one, time_fit, rate) for one, time_fit in fitted(script)]
        self.freezes = [(one.end, one.freeze) for one in places if one.freeze]
        self._ends = [end for end, _ in self.freezes]
        # Sums so far, found by bisection: `at` is called for every frame.
        self._sums = [Fraction(0)]
        for _, freeze_s in self.freezes:
            self._sums.append(self._sums[-1] + freeze_s)

    def at(self, seconds: Seconds) -> Fraction:
        """Return when a moment of the recording (s) is shown. A moment at exactly the time of a freeze frame comes after it."""
        time = exact(seconds)
        return time - self.part.start + self._sums[bisect_right(self._ends, time)]
