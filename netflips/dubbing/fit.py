"""Fit translated speech into the time of the original: time stretching of units, before there is any sound.

Used in this order: a part of the pause, a faster pace, the rest of the pause, a held frame.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from avcore.errors import UnitError
from avcore.timeline import (
    UNIT_RATE,
    Seconds,
    exact,
    frame_at,
    frames_covering,
    frames_to_seconds,
    samples_to_seconds,
    units_to_seconds,
)
from avcore.units import Units
from netflips.dubbing.given import keeps_its_sound
from netflips.dubbing.job import GivenAudio, Job
from netflips.dubbing.part import with_more
from netflips.dubbing.rhythm import duration_scale, pauses_in
from netflips.dubbing.sound import Sound
from netflips.dubbing.target_units import silence_of, with_target_units
from netflips.dubbing.timing import fit_as_it_is, fit_durations, rest_at_pauses, scale_durations
from netflips.script.notes import CUT, HURRIED
from netflips.script.types import Script, Slot, TimeFit, TimeSpan, UnitList, Utterance


def fit(script: Script, job: Job, sound: Sound | None) -> Script:
    """Fill in when each utterance is spoken, and with which durations. Raises UnitError if no utterance can be spoken.

    sound: sound of the original, whose pauses the dub keeps; None: there is none.
    """
    with job.clock.stage("speech"):
        placed = {one.number: fit_one(script, job, one, sound) for one, _ in with_target_units(script)}
    if not placed and not job.options.is_draft:  # in a draft, the user can still write the texts
        hint = "the warnings say why; is there speech in it, in the language of --from?"
        raise UnitError("nothing of it can be said in the other language", path=job.source.path, hint=hint)
    return with_outputs(with_more(script, placed), job)


def with_outputs(script: Script, job: Job) -> Script:
    """Fill in the place of each utterance in the output."""
    clock, placed = OutputClock(script, job), dict[int, Utterance]()
    for one, time_fit in fitted(script):
        begin = float(clock.at(one.place.start_s))
        placed[one.number] = replace(one, fit=replace(time_fit, output=TimeSpan(begin, begin + time_fit.spoken_s)))
    return with_more(script, placed)


def fit_one(script: Script, job: Job, one: Utterance, sound: Sound | None, *, is_slow: bool = False) -> Utterance:
    """Return an utterance with durations that fit its place. is_slow: it takes all the available time that the pace allows."""
    assert one.units is not None  # it is spoken
    return replace(one, fit=_fitted(script, job, one, one.units, sound, is_slow))


def fitted(script: Script) -> Iterator[tuple[Utterance, TimeFit]]:
    """Yield the utterances that are spoken, each with its fit."""
    return ((one, one.fit) for one in script.utterances if one.fit is not None)


def _fitted(script: Script, job: Job, one: Utterance, units: UnitList, sound: Sound | None, is_slow: bool) -> TimeFit:
    if job.track is not None:
        return _along(job.track, units)
    natural, options = np.array(units.durations, np.int64), job.options
    total, count = int(natural.sum()), len(units.ids)
    if not script.is_source_timed:  # it takes as long as it takes
        return TimeFit(TimeSpan(0.0, 0.0), count, _s(total), _s(total), durations=tuple(natural.tolist()))

    length, slack, is_kept = exact(one.place.seconds), job.part.slack[one.number], keeps_its_sound(job, one)
    slot = max(frame_at(length, UNIT_RATE), 1)
    pause = max(frame_at(length + slack, UNIT_RATE) - slot, 0)

    # Spare time goes into pauses at first, so that the dub rests where the original rests; only then is speech made slower.
    if not is_kept and (silence := silence_of(job, units.vocabulary)) is not None:
        natural = rest_at_pauses(natural, np.array(units.ids) == silence, slot - total, original=pauses_in(sound, one.place))
        total = int(natural.sum())
    if not is_kept and total < slot:  # a slow speaker stays slow, but only within the slot, so that nothing has to be hurried
        total = max(min(round(total * duration_scale(script, job, one.speaker)), slot), total)
        natural = scale_durations(natural, total)

    fitting = fit_as_it_is if is_kept else fit_durations
    own, behind = (slot + pause, 0) if is_slow else (slot, pause)
    fitted = fitting(natural, own, behind, options.pace, options.hold_picture)
    cut = 0 if is_kept else fitted.cut  # speech that keeps its sound is made faster; only units of the lips are left out
    if cut:
        job.notes.add(CUT(units=cut), one.number)
    elif fitted.overrun and not options.hold_picture:
        job.notes.add(HURRIED(factor=fitted.steps / total), one.number)

    held = frames_covering(units_to_seconds(fitted.overrun), job.info.frame_rate) if options.hold_picture else 0
    return TimeFit(
        output=TimeSpan(0.0, 0.0),
        units=count,
        natural_s=_s(total),
        spoken_s=_s(fitted.steps),
        overrun_s=_s(fitted.overrun),
        held_s=float(frames_to_seconds(held, job.info.frame_rate)),
        cut_s=_s(cut),
        slot=Slot(_s(slot), float(slack)),
        durations=tuple(fitted.durations.tolist()),
    )


def _along(track: GivenAudio, units: UnitList) -> TimeFit:
    """Return the fit of a track, which is never stretched."""
    natural_s, length_s = float(samples_to_seconds(track.sound.activity.num_samples)), float(track.length_s)
    spoken_s, cut_s = min(natural_s, length_s), max(natural_s - length_s, 0.0)
    return TimeFit(TimeSpan(0.0, 0.0), len(units.ids), natural_s, spoken_s, cut_s=cut_s, durations=units.durations or ())


def _s(steps: int) -> float:
    return float(units_to_seconds(steps))


def said(one: Utterance, language: str, is_natural: bool = False) -> Units:
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
    """when it ends, which is where its last frame is held"""
    held: Fraction
    """for how long that frame is held"""


def exact_place(one: Utterance, fitted: TimeFit, rate: Fraction) -> Placed:
    """Return when an utterance is spoken, exactly. rate: frames per second of the recording."""
    held = frames_to_seconds(round(exact(fitted.held_s) * rate), rate)
    steps = sum(fitted.durations) - (round(fitted.overrun_s * UNIT_RATE) if held else 0)
    start = exact(one.place.start_s)
    return Placed(start, max(start + units_to_seconds(steps), exact(one.place.end_s)), held)


class OutputClock:
    """Converts times of the video to times of the output.

    They are later by all holds before them, and earlier by what is left out before the part that is dubbed.
    """

    def __init__(self, script: Script, job: Job) -> None:
        self.part = job.part
        places = (
            [exact_place(one, time_fit, job.info.frame_rate) for one, time_fit in fitted(script)] if script.is_source_timed else []
        )
        self.holds = [(one.end, one.held) for one in places if one.held]
        self._ends = [end for end, _ in self.holds]
        self._sums = [Fraction(0)]
        for _, held in self.holds:
            self._sums.append(self._sums[-1] + held)

    def at(self, seconds: Seconds) -> Fraction:
        """Return when a moment of the recording (s) is shown. A moment at exactly the time of a hold comes after the hold."""
        time = exact(seconds)
        return time - self.part.start + self._sums[bisect_right(self._ends, time)]
