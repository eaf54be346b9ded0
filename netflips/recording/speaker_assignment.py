"""Who is heard and seen in each utterance, by name: the voice that it is spoken in, and the face and the lips of the speaker."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any, Literal

from avcore.arrays import Samples
from avcore.contracts import SpeakerVoice
from avcore.errors import NoSpeechError
from avcore.faces.boxes import read_boxes_for
from avcore.faces.geometry import Box
from avcore.faces.select import choose_tracks, parse_face_choice
from avcore.journal import file_digest, key_of
from avcore.media.pictures import read_lip_crops
from avcore.speech.pitch import Pitch
from netflips.dub.job import DubJob
from netflips.dub.speaker_map import NO_FACE, SpeakerMap, read_speaker_map
from netflips.dub.utterances import TimedUtterance
from netflips.recording.diarization import HeardSpeaker, Turn, recognise, who_speaks
from netflips.recording.faces import UNJUDGED, Faces, FaceTable, Lips, LipSource, given_face
from netflips.recording.plan import Watch, frames_of, watch_of
from netflips.recording.segmentation import FoundUtterances
from netflips.recording.tracking import lips_of
from netflips.recording.voice_activity import group_voices, mean_voice, pitch_of_utterances, require_voice, utterance_voices
from netflips.script.notes import MOUTHS_CUT, NO_SUCH_FACE, OUT_OF_SIGHT
from netflips.script.notes import NO_FACE as NOBODY_SEEN
from unit2av.speaker import read_voice


@dataclass(frozen=True)
class AssignedUtterance:
    """An utterance and who says it. room: how far it may go into the pause after it (s). watch: its pictures and the pause's.

    name: of the speaker, for reports. voice: with its pitch where that was measured. face: that is drawn. face_key: name of
    that work. evidence: how much the face looks like saying it, None = it was not asked. absent: why nobody is shown, "" =
    somebody is. followed: what is to be said of all faces in sight. lips: the speaker's; None where they are not seen.
    """

    utterance: TimedUtterance
    room: Fraction
    watch: Watch
    name: str
    voice: SpeakerVoice
    face: FaceTable
    face_key: str
    evidence: float | None
    absent: Literal["", "out_of_sight", "not_wanted"]
    followed: tuple[dict[str, Any], ...]
    lips: LipSource | None


@dataclass(frozen=True)
class _Asked:
    """What the user says: wishes, of the speakers; side files of the whole recording at 25 fps. digest: of both files."""

    wishes: SpeakerMap
    boxes: list[Box | None] | None
    lips: Lips | None
    digest: list[str | None]
    size: tuple[int, int] | None


def assign_speakers(job: DubJob, found: FoundUtterances) -> list[AssignedUtterance]:
    """Find the face and the voice of each wanted utterance. Raises NoSpeechError when there is no voice to take."""
    wishes = _wishes(job, found)
    with job.clock.stage("voice"):
        voices = _voices(job, found)
    with job.clock.stage("faces"):
        asked = _asked(job, wishes)
        names, turns = _who(found, voices, wishes)
        if job.settings.speaker_map is not None:
            wishes.require_names(set(names), job.settings.speaker_map)
    with job.clock.stage("voice"):
        own = _own_voices(job, found, voices, names, wishes)
    who = dict(zip(found.utterances, zip(names, turns, strict=True), strict=True))
    casts = []
    for one, room in found.wanted:
        name, turn = who[one]
        seen = found.faces.get(one.number) or Faces(watch_of(one, room, len(job.source)), "", ())
        casts.append(_cast(job, asked, one, room, seen, turn, name, own[name]))
    _warn(job, casts, found.faces, asked)
    return casts


def _cast(
    job: DubJob, asked: _Asked, one: TimedUtterance, room: Fraction, seen: Faces, turn: Turn, name: str, voice: SpeakerVoice
) -> AssignedUtterance:
    choice = asked.wishes.settings(name).face
    tracks = _tracks(seen, turn, parse_face_choice(job.options.face) if choice is None else choice)
    face = seen.of(tracks) if asked.boxes is None else given_face(seen.watch, asked.boxes, asked.size)
    if choice == NO_FACE:
        face = FaceTable.joined([])
    return AssignedUtterance(
        utterance=one,
        room=room,
        watch=seen.watch,
        name=name,
        voice=voice,
        face=face,
        face_key=key_of(seen.key, sorted(tracks), asked.digest, choice == NO_FACE),
        evidence=turn.evidence if tracks and tracks == turn.tracks else None,
        absent="" if len(face) else "not_wanted" if choice == NO_FACE else "out_of_sight",
        followed=seen.summaries(tracks),
        lips=_lips(job, asked, one, seen, tracks),
    )


def _tracks(seen: Faces, turn: Turn, choice: object) -> frozenset[int]:
    """Return the tracks to draw in an utterance."""
    if choice == "auto":
        return turn.tracks
    if choice == "largest" or isinstance(choice, int):
        return frozenset(track.number for track in choose_tracks(list(seen.followed), choice))
    return frozenset()


def _lips(job: DubJob, asked: _Asked, one: TimedUtterance, seen: Faces, tracks: frozenset[int]) -> LipSource | None:
    start, stop = frames_of(one)
    if asked.lips is not None:
        crops = asked.lips[start:stop]
        return LipSource(key_of(asked.digest, start), lambda: crops) if len(crops) else None
    if all(face.evidence == UNJUDGED for face in seen.followed if face.number in tracks):
        return None  # no face, or one whose picture is held: its lips say nothing
    return LipSource(key_of(seen.key, sorted(tracks)), partial(lips_of, job, seen, tracks))


def _asked(job: DubJob, wishes: SpeakerMap) -> _Asked:
    paths: Sequence[object] = (job.options.boxes, job.options.lips)
    boxes = None if job.options.boxes is None else read_boxes_for(job.source, job.options.boxes)
    lips = None if job.options.lips is None else read_lip_crops(job.options.lips)
    size = None if job.options.hard_paste else (job.info.height, job.info.width)
    return _Asked(wishes, boxes, lips, [None if path is None else file_digest(str(path)) for path in paths], size)


# By name


def _wishes(job: DubJob, found: FoundUtterances) -> SpeakerMap:
    """Return what the user says of the speakers. Raises InputError for a map that does not fit the recording."""
    path = job.settings.speaker_map
    if path is None:
        return SpeakerMap()
    wishes = read_speaker_map(path)
    wishes.require_known(len(found.utterances), path)
    return wishes


def _voices(job: DubJob, found: FoundUtterances) -> list[Samples | None]:
    """Return what each utterance sounds like; not asked where one voice was given for all."""
    if found.speech is None or job.options.speaker is not None:
        return [None] * len(found.utterances)
    return utterance_voices(found.utterances, found.speech, job.digest, job.models, job.work)


def _who(found: FoundUtterances, voices: Sequence[Samples | None], wishes: SpeakerMap) -> tuple[list[str], list[Turn]]:
    """Return who says each utterance of the recording, by name, and with which face."""
    seen = recognise(found.faces)
    labels = group_voices(voices, found.utterances)
    said = [HeardSpeaker(one, label) for one, label in zip(found.utterances, labels, strict=True)]
    turns = who_speaks(said, found.faces, seen)
    names = [f"speaker {turn.person}" for turn in turns]
    if not wishes.names:
        return names, turns
    # Who was not told about stays as found: one name must not spread over what was right.
    names = [wishes.names.get(one.number, name) for one, name in zip(found.utterances, names, strict=True)]
    told = [replace(one, voice=name, is_told=one.utterance.number in wishes.names) for one, name in zip(said, names, strict=True)]
    new = who_speaks(told, found.faces, seen)
    return names, [turn if one.is_told else before for turn, one, before in zip(new, told, turns, strict=True)]


def _own_voices(
    job: DubJob, found: FoundUtterances, voices: Sequence[Samples | None], names: Sequence[str], wishes: SpeakerMap
) -> dict[str, SpeakerVoice]:
    """Return the voice of each speaker: as the user said, or from all that they say; of those who say too little, everybody's.

    With the pitch of what they say, where the vocoder heeds it.

    Raises NoSpeechError when there is no voice to take.
    """
    if found.speech is None and job.options.speaker is None:
        raise NoSpeechError("it has no sound to take the voice from", path=job.source.path, hint="give --voice x.wav")
    places: dict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        places[name].append(place)
    heard = {name: mean_voice([voices[k] for k in own], [found.utterances[k] for k in own]) for name, own in places.items()}
    everybody = mean_voice(voices, found.utterances)
    own: dict[str, SpeakerVoice] = {}
    for name, mean in heard.items():
        path = wishes.settings(name).voice or job.options.speaker
        if path is not None:
            own[name] = read_voice(path, lambda: job.models.speaker_encoder)
            continue
        vector = require_voice(everybody if mean is None else mean, job.source.path)
        said = [found.utterances[place] for place in places[name] if voices[place] is not None]
        own[name] = SpeakerVoice(vector, _pitch(job, found, said))
    return own


def _pitch(job: DubJob, found: FoundUtterances, said: Sequence[TimedUtterance]) -> Pitch | None:
    if found.speech is None or not job.models.vocoder.takes_pitch:
        return None
    return pitch_of_utterances(said, found.speech, job.digest, job.work)


def _warn(job: DubJob, casts: Sequence[AssignedUtterance], faces: Mapping[int, Faces], asked: _Asked) -> None:
    """Say what the user may not expect of the picture."""
    cut = [one.utterance.number for one in casts if one.face.is_cut_off.any()]
    if cut:
        job.notes.add(MOUTHS_CUT(), *cut)
    if asked.boxes is not None:
        return
    crowded = [one for one in casts if faces[one.utterance.number].followed]
    if not crowded:
        job.notes.add(NOBODY_SEEN())
        return
    hidden = [one.utterance.number for one in crowded if one.absent == "out_of_sight"]
    if hidden and job.options.face.isdecimal():
        job.notes.add(NO_SUCH_FACE(face=int(job.options.face)), *hidden)
    elif hidden:
        job.notes.add(OUT_OF_SIGHT(), *hidden)
