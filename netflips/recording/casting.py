"""Who is seen and heard in each utterance."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

from avcore.faces.crop import Box
from avcore.faces.given import read_boxes_for
from avcore.faces.select import choose_tracks, parse_face_choice
from avcore.plain_text import ranges
from avcore.runs.cache import file_digest, key_of
from avcore.timeline import exact, frames_covering
from netflips.dub.lip_video import read_lips
from netflips.dub.speaker_map import NO_FACE, SpeakerMap
from netflips.dub.utterances import Utterance
from netflips.recording.faces import FaceStretch, Lips, LipSource, given_face
from netflips.recording.finding import Found
from netflips.recording.job import Job
from netflips.recording.looking import Look, look
from netflips.recording.naming import Named, name_speakers, own_voices, voices_of, wishes_of
from netflips.recording.people import Role
from netflips.recording.speakers import Turn
from netflips.recording.translating import frames_of
from unit2av.voice.speech import SpeakerVoice

_OUT_OF_SIGHT = "the speaker is not in sight"
_NOT_WANTED = "no face was wanted"


@dataclass(frozen=True)
class Cast:
    """An utterance and who says it. room: how far it may go into the pause after it (s). face_key: name of the role's face.

    lips: the speaker's; None where they are not seen.
    """

    utterance: Utterance
    room: Fraction
    role: Role
    face_key: str
    lips: LipSource | None


@dataclass(frozen=True)
class _Given:
    """Side files of the whole recording at 25 fps. digest: of both."""

    boxes: list[Box | None] | None
    lips: Lips | None
    digest: list[str | None]


def cast(job: Job, found: Found) -> list[Cast]:
    """Find the face and the voice of each wanted utterance. Raises NoSpeechError when there is no voice to take."""
    wishes = wishes_of(job, found)
    with job.clock.stage("voice"):
        voices = voices_of(job, found)
    with job.clock.stage("faces"):
        given = _given(job)
        looked = look(job, found, is_wanted=given.boxes is None)
        named = name_speakers(job, found, voices, looked, wishes)
    with job.clock.stage("voice"):
        own = own_voices(job, found, voices, named, wishes)
    wanted = [one for one, utterance in zip(named, found.utterances, strict=True) if found.part.has(utterance)]
    watched = [seen for (utterance, _), seen in zip(found.watched, looked, strict=True) if found.part.has(utterance)]
    casts = [
        _cast(job, utterance, room, (one, seen), own[one.name], (wishes, given))
        for (utterance, room), one, seen in zip(found.wanted, wanted, watched, strict=True)
    ]
    _warn(job, casts, watched, given)
    return casts


def _cast(
    job: Job, one: Utterance, room: Fraction, who: tuple[Named, Look], voice: SpeakerVoice, asked: tuple[SpeakerMap, _Given]
) -> Cast:
    named, seen = who
    wishes, given = asked
    choice = wishes.settings(named.name).face
    tracks = _tracks(seen, named.turn, parse_face_choice(job.options.face) if choice is None else choice)
    face = _face(one, room, seen, tracks, given, job)
    if choice == NO_FACE:
        face = replace(face, boxes=face.boxes * float("nan"), tracks=face.tracks * 0 - 1)
    note = "" if face.has_face else _NOT_WANTED if choice == NO_FACE else _OUT_OF_SIGHT
    key = key_of(seen.key, sorted(tracks), given.digest, choice == NO_FACE)
    evidence = named.turn.evidence if tracks and tracks == named.turn.tracks else None
    role = Role(named.name, voice, face, evidence, note)
    return Cast(one, room, role, key, _lips(job, one, seen, tracks, given))


def _tracks(seen: Look, turn: Turn, choice: object) -> frozenset[int]:
    """The tracks to draw in an utterance."""
    if choice == "auto":
        return turn.tracks
    if choice == "largest" or isinstance(choice, int):
        return frozenset(track.number for track in choose_tracks(list(seen.sightings.tracks), choice))
    return frozenset()


def _face(one: Utterance, room: Fraction, seen: Look, tracks: frozenset[int], given: _Given, job: Job) -> FaceStretch:
    if given.boxes is None:
        return seen.sightings.stretch(tracks)
    stop = min(frames_covering(exact(one.end_s) + room), len(job.source))
    return given_face(frames_of(one)[0], stop, given.boxes)


def _lips(job: Job, one: Utterance, seen: Look, tracks: frozenset[int], given: _Given) -> LipSource | None:
    start, stop = frames_of(one)
    if given.lips is not None:
        crops = given.lips[start:stop]
        return LipSource(key_of(given.digest, start), lambda: crops) if len(crops) else None
    if not tracks:
        return None
    return LipSource(key_of(seen.key, sorted(tracks)), partial(seen.lips, tracks, job.work))


def _given(job: Job) -> _Given:
    paths: Sequence[object] = (job.options.boxes, job.options.lips)
    boxes = None if job.options.boxes is None else read_boxes_for(job.source, job.options.boxes)
    lips = None if job.options.lips is None else read_lips(job.options.lips)
    return _Given(boxes, lips, [None if path is None else file_digest(str(path)) for path in paths])


def _warn(job: Job, casts: Sequence[Cast], looked: Sequence[Look], given: _Given) -> None:
    """Say what the user may not expect of the picture."""
    if given.boxes is not None:
        return
    stays = "the speech is dubbed, the picture stays as it is"
    if not any(one.sightings.tracks for one in looked):
        job.warn(f"no face was found: {stays}")
        return
    hidden = [
        one.utterance.number
        for one, seen in zip(casts, looked, strict=True)
        if one.role.note == _OUT_OF_SIGHT and seen.sightings.tracks
    ]
    if hidden and job.options.face.isdecimal():
        job.warn(f"there is no face number {job.options.face} in {_listed(hidden)}: {stays} there")
    elif hidden:
        job.warn(f"nobody in sight seems to say {_listed(hidden)}: {stays} there (--face largest draws one all the same)")


def _listed(numbers: Sequence[int]) -> str:
    """As "utterances 1, 4-6"."""
    return f"utterance{'s' if len(numbers) > 1 else ''} {ranges(numbers)}"
