"""The steps of a dub over one turn: understood, translated, spoken and placed, as `netflips.dubbing.dub` does over a recording."""

import logging
from collections import deque
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np

from avcore.arrays import Samples
from avcore.errors import NetflipsError
from avcore.files import private_folder
from avcore.media import MediaInfo
from avcore.media.media_source import MediaSource
from avcore.notes import GroupedNote, Notes, sentence
from avcore.progress import silent
from avcore.timeline import Interval, exact, units_to_seconds
from netflips.cascade.speakers import Speaking, words_of
from netflips.dubbing.job import Job
from netflips.dubbing.options import DubOptions
from netflips.dubbing.part import Part
from netflips.dubbing.quality import estimate_quality
from netflips.dubbing.recording import Recording
from netflips.dubbing.road import Road
from netflips.dubbing.schedules import Schedule
from netflips.dubbing.sentences import is_unfinished
from netflips.dubbing.speech import synthesizer_of
from netflips.dubbing.store import CachingReader, Store
from netflips.dubbing.subtitles import read_units_as_text
from netflips.dubbing.timing import scale_durations
from netflips.live.clock import Clock, VirtualClock
from netflips.live.timeline import Timeline
from netflips.live.turns import Turn
from netflips.live.voices import LiveVoices
from netflips.models import Models
from netflips.script.notes import LEFT_ALONE, NOT_TRANSLATED
from netflips.script.types import Script
from netflips.script.utterance import TimeFit, Utterance
from unit2av.lipsync.backend import NONE, LipSyncChoice
from unit2text.unit_reader import UnitReader

LOG = logging.getLogger("netflips")
RATE = 48_000
"""Sample rate of the output in Hz."""
_CONTEXT = 3
"""Utterances that the translator is told of."""
_HELD_S = 8.0
"""Half a sentence waits for the rest up to this length of both."""


class LiveTimed(Schedule):
    """The schedule of a live dub: sound at `RATE`, each turn as long as it takes, as far as it is not behind."""

    def sound_rate(self, info: MediaInfo, models: Models) -> int:
        """Return `RATE`."""
        return RATE


@dataclass(frozen=True, eq=False)
class Spoken:
    """What became of a turn."""

    utterance: Utterance
    """with the times of the whole recording; its number is given by the record"""
    ready_s: float
    """when it was ready, on the clock"""
    begin_s: float = 0.0
    """when its speech begins in the output"""
    speech: Samples | None = None
    """the new speech, float32 [S] at `RATE`; None: it is not spoken"""


@dataclass(eq=False)
class TurnDubber:
    """Dubs one turn after another."""

    models: Models
    road: Road[Job]
    options: DubOptions
    source: MediaSource
    """what is dubbed, by name"""
    voices: LiveVoices
    timeline: Timeline
    clock: Clock
    speaking: Speaking | None = None
    """the program that speaks; None: the models do"""
    reader: UnitReader | None = None
    """reads units as text; None: nothing does"""
    past: deque[Utterance] = field(default_factory=lambda: deque(maxlen=_CONTEXT))
    """the utterances of before"""
    held: Utterance | None = None
    """half a sentence that waits for its rest"""

    def dub(self, turn: Turn) -> Spoken | None:
        """Dub a turn; None: it waits for the next one. What cannot be dubbed is told, and has a note."""
        with private_folder() as folder, closing(Store(folder)) as store:
            job = self._job(turn, store, folder)
            own = turn.start_s - turn.base_s, turn.end_s - turn.base_s
            speaker = self.voices.speaker_of(turn.sound.between(*own))
            number = len(self.past) + 2  # not the next one: no sentence goes on from one that was spoken
            utterance = Utterance(number=number, place=Interval(*own), speaker=speaker)
            try:
                utterance, is_whole = self._understood(utterance, turn, job)
                if not is_whole:
                    self.held = moved(utterance, turn.base_s)
                    return None
                spoken = self._spoken(utterance, turn, job)
            except NetflipsError as error:  # of a program, or speech without a voice: the next turn may do better
                job.notes.add(LEFT_ALONE(reason=NOT_TRANSLATED.code, error=words_of(error)), number)
                spoken = Spoken(utterance, self.clock.now())
            notes = tuple(job.notes.of.get(number, ()))
        done = replace(moved(spoken.utterance, turn.base_s), notes=notes)
        for note in notes:  # by its time: its number is known to the record alone
            LOG.warning("%s: at %.1f s: %s", self.source, done.place.start_s, sentence(GroupedNote(note)))
        self.past.append(done)
        return replace(spoken, utterance=done)

    def _understood(self, utterance: Utterance, turn: Turn, job: Job) -> tuple[Utterance, bool]:
        """Return the turn's utterance with its source, joined to the half sentence before it, and whether it is said now."""
        before, held = self._before(turn), self.held
        half = [] if held is None else [replace(moved(held, -turn.base_s), number=utterance.number - 1)]
        script = self._script((*before, *half, utterance), job)
        script = self.road.understand(script, job, turn.sound, lambda _: None)
        utterance = script.utterances[-1]
        if held is not None and held.text is not None and utterance.text is not None:
            self.held, place = None, Interval(held.place.start_s - turn.base_s, utterance.place.end_s)
            joined = replace(utterance.text, text=f"{held.text.text} {utterance.text.text}".strip(), words=())
            utterance = replace(utterance, place=place, text=joined)
        is_short = utterance.place.seconds < _HELD_S
        text = utterance.text
        return utterance, not (turn.is_cut and is_short and text is not None and is_unfinished(text.text))

    def _spoken(self, utterance: Utterance, turn: Turn, job: Job) -> Spoken:
        """Translate, speak and place an utterance that was understood."""
        number, recording = utterance.number, Recording(job.info, turn.sound)
        before = self._before(turn)
        script = self._script((*before, utterance), job)
        room_s = max(self.timeline.room_s(turn, self.clock.now()), utterance.place.seconds)
        slack = {one.number: Fraction(0) for one in before} | {number: exact(room_s - utterance.place.seconds)}
        with self.clock.waiting() if isinstance(self.clock, VirtualClock) else nullcontext():
            in_context = replace(job, part=replace(job.part, slack=slack, numbers=frozenset(slack)))
            script = self.road.translate(script, in_context, turn.sound)
        script = estimate_quality(script, job, recording)
        quality = next(one.quality for one in script.utterances if one.number == number)
        if quality is None or quality.words != "not_understood":
            script = self.road.encode_targets(script, job, turn.sound)
        script = read_units_as_text(script, job)
        utterance = script.utterances[-1]
        if utterance.units is None or not utterance.units.durations:
            return Spoken(utterance, self.clock.now())

        natural = sum(utterance.units.durations)
        steps = self.timeline.steps(turn, natural, self.clock.now())
        durations = scale_durations(np.array(utterance.units.durations, np.int64), max(steps, len(utterance.units.ids)))
        total = int(durations.sum())
        fit = TimeFit(Interval(0.0, 0.0), len(durations), _s(natural), _s(total), durations=tuple(durations.tolist()))
        utterance = replace(utterance, fit=fit)
        voice_of: Callable[[str], object] = cache(self.voices.voice)
        speech = replace(synthesizer_of(script, job, turn.sound), voice_of=voice_of).speak(utterance)  # type: ignore[arg-type]
        ready = self.clock.now()
        begin = self.timeline.place(turn, total, ready)
        return Spoken(utterance, ready, begin, speech.samples)

    def _job(self, turn: Turn, store: Store, folder: Path) -> Job:
        info = MediaInfo(self.source, has_audio=True, duration_s=exact(turn.sound.activity.seconds), audio_rate=RATE)
        reader = None if self.reader is None else CachingReader(self.reader, store, self.models.arithmetic)
        number = len(self.past) + 2
        part = Part(Fraction(0), info.duration_s, True, {number: Fraction(0)}, frozenset((number,)))
        return Job(
            info, self.source.path, self.models, self.road, self.options, "live", LipSyncChoice(NONE), store, folder, silent,
            Notes(self.source.path, is_quiet=True), {}, self.speaking, reader=reader, schedule=LiveTimed(), part=part,
        )  # fmt: skip

    def _before(self, turn: Turn) -> tuple[Utterance, ...]:
        """Return the utterances of before with the times of a turn's sound."""
        return tuple(replace(moved(one, -turn.base_s), number=number) for number, one in enumerate(self.past, 1))

    def _script(self, utterances: tuple[Utterance, ...], job: Job) -> Script:
        return Script(*job.languages, schedule="sound", utterances=utterances)


def moved(utterance: Utterance, seconds: float) -> Utterance:
    """Return an utterance so many seconds later."""
    place = Interval(utterance.place.start_s + seconds, utterance.place.end_s + seconds)
    return replace(utterance, place=place)


def _s(steps: int) -> float:
    return float(units_to_seconds(steps))
