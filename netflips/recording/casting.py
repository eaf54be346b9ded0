"""Who is seen and heard in each utterance."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from avcore.errors import NoSpeechError
from avcore.faces.crop import Box
from avcore.faces.given import read_boxes_for
from avcore.faces.select import FaceChoice, parse_face_choice
from avcore.progress import silent
from avcore.timeline import exact, frames_covering, frames_to_units, units_to_samples
from netflips.lip_video import read_lips
from netflips.recording.faces import FaceStretch, Lips, given_face, look_for_face
from netflips.recording.finding import Found
from netflips.recording.hearing import Samples
from netflips.recording.job import Job
from netflips.recording.people import Role, mean_voice, one_speaker, utterance_voices
from netflips.recording.translating import frames_of
from netflips.utterances import Utterance
from netflips.workfolder import file_digest, key_of
from unit2av.voice import read_voice


@dataclass(frozen=True)
class Cast:
    """An utterance and who says it. room: how far it may go into the pause after it (s). face_key: name of the face's work.

    Lip crops are not in the role's face; they are read by that name when they are wanted.
    """

    utterance: Utterance
    room: Fraction
    role: Role
    face_key: str


@dataclass(frozen=True)
class _Given:
    """Side files of the whole recording at 25 fps. digest: of both."""

    boxes: list[Box | None] | None
    lips: Lips | None
    digest: list[str | None]


def cast(job: Job, found: Found) -> list[Cast]:
    """Find the face and the voice of each wanted utterance. Raises NoSpeechError when there is no voice to take."""
    with job.clock.stage("voice"):
        voice = _voice(job, found)
    faces = _faces(job, found)
    if job.options.uses_video and not any(face.has_face for face, _ in faces):
        job.warn("no face was found: the speech is dubbed, the picture stays as it is")
    roles = one_speaker(voice, [face for face, _ in faces])
    return [Cast(one, room, role, key) for (one, room), role, (_, key) in zip(found.wanted, roles, faces, strict=True)]


def _voice(job: Job, found: Found) -> Samples:
    if job.options.speaker is not None:
        return read_voice(job.options.speaker, lambda: job.models.speaker_encoder)
    if found.speech is None:
        raise NoSpeechError("it has no sound to take the voice from", path=job.source.path, hint="give --speaker-path x.wav")
    return mean_voice(utterance_voices(found.utterances, found.speech, job.digest, job.models, job.work), found.utterances)


def _faces(job: Job, found: Found) -> list[tuple[FaceStretch, str]]:
    """The face in each wanted utterance and as far behind it as it may go, with the name of the work."""
    choice, wanted = parse_face_choice(job.options.face), found.wanted
    faces = []
    with job.clock.stage("faces"):
        given = _given(job)
        for done, (one, room) in enumerate(wanted):
            job.progress("faces", done, len(wanted))
            faces.append(_face(job, found, one, room, choice, given))
        job.progress("faces", len(wanted), len(wanted))
    return faces


def _face(job: Job, found: Found, one: Utterance, room: Fraction, choice: FaceChoice, given: _Given) -> tuple[FaceStretch, str]:
    start, _ = frames_of(one)
    stop = min(frames_covering(exact(one.end_s) + room), len(job.source))
    key = key_of(job.digest, start, stop, choice, given.digest)

    def look() -> FaceStretch:
        samples = [units_to_samples(frames_to_units(edge)) for edge in (start, stop)]
        speech = None if found.speech is None else found.speech.read(*samples)
        return look_for_face(job.source, start, stop, choice, speech, silent)

    arrays = job.work.arrays("faces", key, lambda: given_face(given.boxes, given.lips, start, stop, look).as_arrays())
    return FaceStretch.from_arrays(arrays).without_lips(), key


def _given(job: Job) -> _Given:
    paths: Sequence[object] = (job.options.boxes, job.options.lips)
    boxes = None if job.options.boxes is None else read_boxes_for(job.source, job.options.boxes)
    lips = None if job.options.lips is None else read_lips(job.options.lips)
    return _Given(boxes, lips, [None if path is None else file_digest(str(path)) for path in paths])
