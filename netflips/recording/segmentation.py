"""What there is in a recording: its sound, its shots, its utterances, the faces in sight, and the part of it that is wanted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from avcore.errors import NoSpeechError
from netflips.dub.job import DubJob
from netflips.dub.segments import read_segments, write_segments
from netflips.dub.target_texts import told_notes
from netflips.dub.utterances import TimedUtterance, cut_utterances
from netflips.recording.faces import Faces
from netflips.recording.plan import DubbedPart, Watch, choose_part, room_after, watch_of
from netflips.recording.tracking import Scenes, look, track_faces
from netflips.recording.voice_activity import Soundtrack, SpeechFile, find_speech, voice_changes
from netflips.script.imports import digest_in, other_files_of
from netflips.script.notes import OTHER_MEDIA, OTHER_SOUND

TELL_TIMES = "give the times of the utterances with --segments-in"


@dataclass(frozen=True)
class FoundUtterances:
    """utterances: of the whole recording. rooms: how far into the pause after it each may go (s).

    faces: by the number of the utterance; of those only in which faces were looked for.
    """

    soundtrack: Soundtrack | None
    scenes: Scenes
    utterances: list[TimedUtterance]
    rooms: list[Fraction]
    part: DubbedPart
    faces: Mapping[int, Faces]

    @property
    def speech(self) -> SpeechFile | None:
        """The recording's sound, or None when it has none."""
        return None if self.soundtrack is None else self.soundtrack.speech

    @property
    def wanted(self) -> list[tuple[TimedUtterance, Fraction]]:
        """The utterances of the part, each with its room."""
        return [(one, room) for one, room in zip(self.utterances, self.rooms, strict=True) if self.part.has(one)]


def find_utterances(job: DubJob) -> FoundUtterances:
    """Listen to a recording, divide it into utterances, and look for cuts and faces. Raises NoSpeechError, InputError.

    A cut in a pause ends an utterance: where to look for faces is guessed before the cuts are known, and looked at again where
    they say otherwise.
    """
    with job.clock.stage("read"):
        soundtrack = find_speech(job.source.path, job.digest, job.work, job.progress) if job.info.has_audio else None
    speech = None if soundtrack is None else soundtrack.speech
    divide = _division(job, soundtrack)
    with job.clock.stage("faces"):
        scenes = track_faces(job, speech, lambda known: list(_watched(job, divide(known)).values()))
    utterances = divide(scenes)
    if job.settings.segments_out is not None:
        write_segments(job.settings.segments_out, utterances)
    with job.clock.stage("faces"):
        watched = _watched(job, utterances)
        faces = dict(zip(watched, look(job, speech, scenes, list(watched.values())), strict=True))
    rooms, part = _part(job, utterances)
    return FoundUtterances(soundtrack, scenes, utterances, rooms, part, faces)


def _part(job: DubJob, utterances: Sequence[TimedUtterance]) -> tuple[list[Fraction], DubbedPart]:
    """Return how far each utterance may go into the pause after it (s), and the part that is wanted."""
    rooms = room_after(utterances, job.info.duration_s)
    return rooms, choose_part(job.settings, utterances, rooms, job.info.duration_s)


def _watched(job: DubJob, utterances: Sequence[TimedUtterance]) -> dict[int, Watch]:
    """Return the pictures in which faces are looked for, by the number of the utterance.

    Those of all utterances, so that a part is dubbed as in the whole; for a preview those of its own. None where somebody else
    knows where the faces are.
    """
    if job.options.boxes is not None:
        return {}
    rooms, part = _part(job, utterances)
    return {
        one.number: watch_of(one, room, len(job.source))
        for one, room in zip(utterances, rooms, strict=True)
        if part.has(one) or not part.is_preview
    }


def _division(job: DubJob, soundtrack: Soundtrack | None) -> Callable[[Scenes], list[TimedUtterance]]:
    """Return how the recording is divided into utterances once its cuts are known."""
    duration = float(job.info.duration_s)
    languages = job.options.source, job.options.target
    if job.settings.segments_in is not None:
        told = read_segments(job.settings.segments_in, duration, *languages)
        for note in told_notes(job.settings.segments_in, duration, *languages, job.options.road is not None):
            job.notes.add(note)
        if digest_in(job.settings.segments_in) not in ("", job.digest):
            job.notes.add(OTHER_MEDIA(name=job.settings.segments_in.name))
        for name in other_files_of(job.settings.segments_in):
            job.notes.add(OTHER_SOUND(name=name))
        return lambda _: told
    assert soundtrack is not None  # without sound, times must be given
    stretches, quietest = soundtrack.activity.regions(), soundtrack.activity.quietest_s
    changes: list[float] = []
    if job.options.speaker is None:
        with job.clock.stage("voice"):
            changes = voice_changes(stretches, soundtrack.speech, job.digest, job.models, job.work)

    def divide(scenes: Scenes) -> list[TimedUtterance]:
        return cut_utterances(stretches, duration, [*scenes.cuts, *changes], job.settings.length, quietest)

    if not divide(Scenes([])):
        raise NoSpeechError("no speech was found in it", path=job.source.path, hint=TELL_TIMES)
    return divide
