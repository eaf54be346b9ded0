"""What there is in a recording: its sound, its shots, its utterances, and the part of it that is wanted."""

from dataclasses import dataclass
from fractions import Fraction

from avcore.errors import NoSpeechError
from netflips.dub.segments import read_segments, write_segments
from netflips.dub.utterances import Utterance, cut_utterances
from netflips.recording.hearing import Heard, SpeechFile, hear
from netflips.recording.job import Job
from netflips.recording.part import Part, choose_part
from netflips.recording.plan import room_after
from netflips.recording.scenes import Scenes, find_scenes
from netflips.recording.voices import voice_changes

_TELL_TIMES = "give the times of the utterances with --segments-in"


@dataclass(frozen=True)
class Found:
    """utterances: of the whole recording. rooms: how far into the pause after it each may go (s)."""

    heard: Heard | None
    scenes: Scenes
    utterances: list[Utterance]
    rooms: list[Fraction]
    part: Part

    @property
    def speech(self) -> SpeechFile | None:
        """The recording's sound, or None when it has none."""
        return None if self.heard is None else self.heard.speech

    @property
    def wanted(self) -> list[tuple[Utterance, Fraction]]:
        """The utterances of the part, each with its room."""
        return [(one, room) for one, room in zip(self.utterances, self.rooms, strict=True) if self.part.has(one)]

    @property
    def watched(self) -> list[tuple[Utterance, Fraction]]:
        """The utterances in which faces are looked for: all, so that a part is dubbed as in the whole; for a preview its own."""
        return self.wanted if self.part.is_preview else list(zip(self.utterances, self.rooms, strict=True))


def find(job: Job) -> Found:
    """Listen to a recording, look for its cuts, and divide it into utterances. Raises NoSpeechError, InputError."""
    duration = job.info.duration_s
    with job.clock.stage("read"):
        heard = hear(job.source.path, job.digest, job.work, job.progress) if job.info.has_audio else None
        scenes = find_scenes(job.source.path, job.digest, duration, job.work, job.progress)
    utterances = _utterances(job, heard, scenes)
    if job.settings.segments_out is not None:
        write_segments(job.settings.segments_out, utterances)
    rooms = room_after(utterances, duration)
    return Found(heard, scenes, utterances, rooms, choose_part(job.settings, utterances, rooms, duration))


def _utterances(job: Job, heard: Heard | None, scenes: Scenes) -> list[Utterance]:
    duration = float(job.info.duration_s)
    if job.settings.segments_in is not None:
        return read_segments(job.settings.segments_in, duration)
    if heard is None:
        raise NoSpeechError("it has no sound in which to find utterances", path=job.source.path, hint=_TELL_TIMES)
    activity = heard.activity
    stretches, borders = activity.regions(), scenes.cuts
    if job.options.speaker is None:
        with job.clock.stage("voice"):
            borders = [*borders, *voice_changes(stretches, heard.speech, job.digest, job.models, job.work)]
    utterances = cut_utterances(stretches, duration, borders, job.settings.length, activity.quietest_s)
    if not utterances:
        raise NoSpeechError("no speech was found in it", path=job.source.path, hint=_TELL_TIMES)
    return utterances
