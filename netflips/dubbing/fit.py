"""Fit translated speech into the time of the original: time stretching of units, before there is any sound.

Speech that is too short: longer pauses, then the speaker's own pace (within the slot), then slower speech, as far as `pace`
allows. Speech that is too long: a part of the pause behind it, faster speech, the rest of the pause, then a freeze frame or speech
that is faster than `pace` allows; at last, units are left out, with a note.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from avcore.errors import UnitError
from avcore.notes import Note
from avcore.timeline import (
    UNIT_RATE,
    Interval,
    exact,
    frame_at,
    frames_covering,
    frames_to_seconds,
    units_to_seconds,
)
from netflips.dubbing.given import keeps_its_sound
from netflips.dubbing.job import Job
from netflips.dubbing.part import OutputClock, Part, fitted, with_more
from netflips.dubbing.recording import Recording
from netflips.dubbing.sound import Sound
from netflips.dubbing.target_units import with_target_units
from netflips.dubbing.text_speech import TextToUnit
from netflips.dubbing.timing import (
    LONG_PAUSE_S,
    duration_scale,
    fit_as_it_is,
    fit_durations,
    pauses_in,
    rest_at_pauses,
    scale_durations,
)
from netflips.script.notes import CUT, HURRIED
from netflips.script.targets import UnitList
from netflips.script.types import Script
from netflips.script.utterance import Slot, TimeFit, Utterance

_SLOWER = 1.1
"""Factor on durations that nobody hears as slow."""


def fit(script: Script, job: Job, recording: Recording) -> Script:
    """Fill in when each utterance is spoken, and with which durations. Raises UnitError if no utterance can be spoken."""
    placed, sound = dict[int, Utterance](), recording.sound
    fitter = fitter_of(script, job, sound)
    keeps_length = not script.is_source_timed and job.options.timing == "auto"
    with job.clock.stage("speech"):
        for utterance, units in with_target_units(script):
            if keeps_length and (silence := fitter.silence(units.vocabulary)) is not None:
                units = rested(units, silence, sound, float(job.info.duration_s))
                utterance = replace(utterance, units=units)
            time_fit, note = fitter.fit(utterance, units)
            placed[utterance.number] = replace(utterance, fit=time_fit)
            if note is not None:
                job.notes.add(note, utterance.number)
    if not placed and not job.options.is_draft:  # in a draft, the user can still write the texts
        hint = "the warnings say why; is there speech in it, in the language of --from?"
        raise UnitError("no utterance has a translation that can be spoken", path=job.info.path, hint=hint)
    return with_outputs(with_more(script, placed), job.part, job.own_rate)


def with_outputs(script: Script, part: Part, rate: Fraction) -> Script:
    """Fill in the place of each utterance in the output. rate: frames per second of the recording."""
    clock, placed = OutputClock(script, part, rate), dict[int, Utterance]()
    for utterance, time_fit in fitted(script):
        begin = float(clock.at(utterance.place.start_s))
        placed[utterance.number] = replace(utterance, fit=replace(time_fit, output=Interval(begin, begin + time_fit.spoken_s)))
    return with_more(script, placed)


# One utterance


def fitter_of(script: Script, job: Job, sound: Sound) -> "Fitter":
    """Return what fits utterances of the job. sound: of the original, whose pauses the dub keeps."""
    options = job.options

    def silence(vocabulary: str) -> int | None:
        return TextToUnit(job.models, job.languages[1], job.readings, job.store).silence(vocabulary)

    return Fitter(
        script, job.part.slack, silence, sound, options.pace, options.freeze_frame, job.own_rate, options.keep_sound
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Fitter:
    """Fits utterances into their slots."""

    script: Script
    """with the rates of its speakers"""
    slack: Mapping[int, Fraction]
    """how far each utterance may go into the pause after it (s), by number"""
    silence: Callable[[str], int | None]
    """returns the unit of silence of a vocabulary, None: it is not known"""
    sound: Sound
    """sound of the original, whose pauses are kept"""
    scales: tuple[float, float]
    """the least and the greatest duration scale (`pace`)"""
    freezes_frame: bool
    """whether the last frame is frozen where speech does not fit; otherwise speech is hurried"""
    frame_rate: Fraction
    """frames per second of the recording"""
    keep_sound: bool
    """whether a program's speech keeps its sound"""

    def fit(self, utterance: Utterance, units: UnitList) -> tuple[TimeFit, Note | None]:
        """Return durations that fit an utterance's place, and a note where its speech is hurried or cut.

        units: what is spoken, with natural durations.
        """
        natural = np.array(units.durations, np.int64)
        total, count = int(natural.sum()), len(units.ids)
        slot_s = self.script.slot_s(utterance)
        if slot_s is None:  # it takes as long as it takes
            return TimeFit(Interval(0.0, 0.0), count, _s(total), _s(total), durations=tuple(natural.tolist())), None

        length, slack = exact(slot_s), self.slack[utterance.number]
        slot = max(frame_at(length, UNIT_RATE), 1)
        pause = max(frame_at(length + slack, UNIT_RATE) - slot, 0)
        is_kept = keeps_its_sound(utterance, self.keep_sound)

        # Spare time goes into pauses at first, so that the dub rests where the original rests; only then is speech made slower.
        silence = None if is_kept else self.silence(units.vocabulary)
        is_silent = np.equal(units.ids, -1 if silence is None else silence)
        if silence is not None:
            natural = rest_at_pauses(natural, is_silent, slot - total, original=pauses_in(self.sound, utterance.place))
            total = int(natural.sum())
        if not is_kept and total < slot:  # a slow speaker stays slow, but only within the slot, so that nothing has to be hurried
            scale = duration_scale(self.script.speaker(utterance.speaker).rate, self.keep_sound)
            total = max(min(round(total * scale), slot), total)
            natural = scale_durations(natural, total)
        if silence is not None:  # beyond a little, speech is not drawn out but rests longer
            natural = rest_at_pauses(natural, is_silent, slot - round(total * _SLOWER), seconds=LONG_PAUSE_S)

        fit_to_time = fit_as_it_is if is_kept else fit_durations
        spoken = fit_to_time(natural, slot, pause, self.scales, self.freezes_frame)
        # Sound that is kept is sped up as a whole; units that are left out are those of the lips.
        cut = 0 if is_kept else spoken.cut
        note = CUT(units=cut) if cut else None
        if not cut and spoken.overrun and not self.freezes_frame:
            note = HURRIED(factor=spoken.steps / total)

        frozen = frames_covering(units_to_seconds(spoken.overrun), self.frame_rate) if self.freezes_frame else 0
        found = TimeFit(
            output=Interval(0.0, 0.0),
            units=count,
            natural_s=_s(total),
            spoken_s=_s(spoken.steps),
            overrun_s=_s(spoken.overrun),
            freeze_s=float(frames_to_seconds(frozen, self.frame_rate)),
            cut_s=_s(cut),
            slot=Slot(_s(slot), float(slack)),
            durations=tuple(spoken.durations.tolist()),
        )
        return found, note


def rested(units: UnitList, silence: int, sound: Sound, length_s: float) -> UnitList:
    """Return the units of a clip, with rests around those that are shorter: it begins to speak with the original, and keeps its
    length.

    silence: the unit of it. sound: of the original. length_s: of the clip.
    """
    durations = units.durations or ()
    spare = frame_at(length_s, UNIT_RATE) - sum(durations)
    if spare <= 0 or not durations:
        return units
    ids, own = [silence, *units.ids, silence], [0, *durations, 0]
    # Rests of its own are parts of these.
    for edge, inner in ((0, 1), (-1, -2)):
        if len(ids) > 3 and ids[inner] == silence:
            own[edge] = own.pop(inner)
            ids.pop(inner)

    begin = frame_at(sound.regions[0].start_s, UNIT_RATE) if sound.regions else 0
    before = min(max(begin - own[0], 0), spare)
    own[0], own[-1] = own[0] + before, own[-1] + spare - before
    kept = [(unit, steps) for unit, steps in zip(ids, own, strict=True) if steps]
    return replace(units, ids=tuple(unit for unit, _ in kept), durations=tuple(steps for _, steps in kept))


def _s(steps: int) -> float:
    return float(units_to_seconds(steps))
