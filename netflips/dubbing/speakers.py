"""The speaker of each utterance by name, the faces that are seen in it, the face that is drawn, and the voice of the dub."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from math import isfinite
from pathlib import Path
from typing import Literal

import numpy as np

from avcore.errors import InputError, Message, NoFaceError
from avcore.faces.geometry import MOUTH_CUT
from avcore.faces.select import FaceChoice, choose_tracks, loudness, parse_face_choice
from avcore.notes import Notes, several
from avcore.timeline import frame_at
from netflips.dubbing.diarization import UtteranceSpeaker, UtteranceVoice, recognize, who_speaks
from netflips.dubbing.job import Job
from netflips.dubbing.options import AUTO
from netflips.dubbing.part import with_more
from netflips.dubbing.people import known_names
from netflips.dubbing.recording import Recording
from netflips.dubbing.sound import Sound
from netflips.dubbing.track_faces import Face, FaceMeasures, Faces
from netflips.dubbing.voice_groups import voices_of
from netflips.dubbing.voices import voice_for
from netflips.script.notes import MOUTHS_CUT, NO_FACE, NO_SUCH_FACE, OUT_OF_SIGHT, SEEN_TWICE
from netflips.script.types import SPEAKER, Script, SpeakerOf
from netflips.script.utterance import FaceQuality, FaceTrackSummary, SeenFaces, Utterance

LOG = logging.getLogger("netflips")
_SAME_MOUTH, _LEAST_AT_ONCE, _MOST_LATE = 0.85, frame_at(1.5), frame_at(0.2)
"""Correlation of the movements of two mouths at or above which they are one person's, over at least so many frames, and the most
frames by which one of them is late."""


def assign_speakers(script: Script, job: Job, recording: Recording, faces: Faces) -> Script:
    """Fill in the speaker of each utterance, the faces seen in those of the part, with the one that is drawn, and the speakers.

    Raises NoSpeechError if there is no voice to take, NoFaceError if a face is needed and none is there, InputError for settings
    of a speaker without utterances.
    """
    options, sound, is_own = job.options, recording.sound, script.is_source_timed
    names, who = _people(script, job, sound, faces) if is_own else _one_person(script, job, sound, faces)
    if job.people is not None and sound.is_there:
        with job.clock.stage("voice"):
            known = known_names(script, job.people, voices_of(job, sound), names, job.notes)
        names = {number: known.get(name, name) for number, name in names.items()}
        script = replace(script, speakers=tuple(replace(one, name=known.get(one.name, one.name)) for one in script.speakers))
    if unknown := [one.name for one in script.speakers if one.name not in names.values()]:
        expected = ", ".join(sorted(set(names.values())))
        what = "the script has settings for somebody who says nothing"
        raise InputError(what, path=options.script_in, expected=expected, found=unknown[0])
    script = with_more(
        script, {utterance.number: replace(utterance, speaker=names[utterance.number]) for utterance in script.utterances}
    )

    with job.clock.stage("faces"):
        seen = {}
        for utterance in job.part.utterances(script):
            choice = _face_choice(script.speaker(utterance.speaker), options.face, options.script_in)
            found = _seen(utterance, who[utterance.number], choice, faces, is_own)
            seen[utterance.number] = replace(utterance, seen=found if job.lips.draws else replace(found, absent="not_wanted"))
    script = with_more(script, seen)
    shown = [utterance for utterance in script.utterances if utterance.number in seen]
    if is_own and options.modalities == "video" and faces.seen and not any(faces.chosen(utterance) for utterance in shown):
        raise _no_face(parse_face_choice(options.face), job)
    _warn(shown, faces, options.face, is_own, job.notes)

    count = Counter(utterance.speaker for utterance in shown)
    is_named = options.script is not None and any(utterance.speaker for utterance in options.script.utterances)
    if len(count) > 1 and not is_named and not job.schedule.keeps_voice:  # before the work, so that names can be corrected
        people = ", ".join(f"{name} ({several(number, 'utterance')})" for name, number in count.items())
        LOG.info("%s: %d people speak: %s; netflips script rename joins two", job.info.path, len(count), people)

    speakers = list[SpeakerOf]()
    with job.clock.stage("voice"):
        for name in count:
            before = script.speaker(name)
            speaker = replace(before, face=options.face if before.face == AUTO else before.face)
            if not job.schedule.keeps_voice:
                voice = voice_for(script, job, sound, name)  # made here, so that a missing one is known before hours of work
                hz = round(voice.pitch.hz, 1) if job.models.vocoder.takes_pitch and voice.pitch is not None else None
                speaker = replace(speaker, pitch_hz=hz)
            speakers.append(speaker)
    return replace(script, speakers=tuple(speakers))


# Who it is


def _one_person(script: Script, job: Job, sound: Sound, faces: Faces) -> tuple[dict[int, str], dict[int, UtteranceSpeaker]]:
    """Return the speaker of a clip's utterance by name, and their face: in each shot the largest that speaks.

    It is the largest of all if none speaks. Raises NoFaceError if there is none and its lips are needed.
    """
    options, choice, (utterance,) = job.options, parse_face_choice(job.options.face), script.utterances
    seen, chosen = faces.seen.get(utterance.number), frozenset[int]()
    if seen is not None:
        levels = loudness(sound.read(0, sound.activity.num_samples)) if sound.is_there else None
        chosen = frozenset(face.number for face in choose_tracks(list(seen.faces), choice, levels)) if seen.faces else chosen
        needs_face = options.uses_video and options.modalities != AUTO and options.in_lip_path is None
        if not chosen and needs_face:
            raise _no_face(choice, job)
    return {utterance.number: SPEAKER}, {utterance.number: UtteranceSpeaker(1, chosen)}


def _people(script: Script, job: Job, sound: Sound, faces: Faces) -> tuple[dict[int, str], dict[int, UtteranceSpeaker]]:
    """Return the speaker of each utterance of a recording by name, and their faces, decided by faces and voices together."""
    spoken = script.utterances
    if sound.is_there and (speech := job.road.recognized(job, sound)) is not None:  # a laugh is in nobody's usual voice
        with job.clock.stage("text"):
            laughs = speech.hardly_words(job.part.utterances(script))
        spoken = tuple(utterance for utterance in spoken if utterance.number not in laughs)

    with job.clock.stage("voice"):
        voices, pitches = dict[int, int | None](), dict[int, float | None]()
        is_given = job.options.voice is not None and not job.options.has_builtin_voice  # one voice for all
        if sound.is_there and not is_given and not job.schedule.keeps_voice:
            heard, places = voices_of(job, sound), [utterance.place for utterance in spoken]
            voices = {utterance.number: group for utterance, group in zip(spoken, heard.groups(places), strict=True)}
            if len(set(voices.values())) > 1:
                pitches = {utterance.number: heard.pitch([place]) for utterance, place in zip(spoken, places, strict=True)}

    with job.clock.stage("faces"):
        people = recognize(faces.seen)
        utterances = [
            UtteranceVoice(
                utterance.number, utterance.place.seconds, voices.get(utterance.number), pitch=pitches.get(utterance.number)
            )
            for utterance in script.utterances
        ]
        who = {voice.number: found for voice, found in zip(utterances, who_speaks(utterances, faces.seen, people), strict=True)}
        given = {utterance.number: utterance.speaker for utterance in script.utterances if utterance.speaker}
        names = {number: given.get(number, f"speaker {found.person}") for number, found in who.items()}
        if given:  # utterances without a given name stay as found: one name must not spread over what was right
            asked = [
                replace(utterance, voice=names[utterance.number], is_user_given=utterance.number in given)
                for utterance in utterances
            ]
            new = zip(asked, who_speaks(asked, faces.seen, people), strict=True)
            who |= {voice.number: found for voice, found in new if voice.is_user_given}
    return names, who


def _no_face(choice: FaceChoice, job: Job) -> NoFaceError:
    """Return the error of a video in which the face is not seen whose lips are needed."""
    is_number = isinstance(choice, int)
    what = Message("there is no face number {face} in any shot", face=choice) if is_number else "no face was found in any frame"
    return NoFaceError(what, path=job.info.path, hint=job.schedule.without_face)


# Who is seen


def _seen(
    utterance: Utterance, who: UtteranceSpeaker, choice: FaceChoice | Literal["none"], faces: Faces, is_own: bool
) -> SeenFaces:
    """Return the faces that are seen in an utterance, with the speaker's marked. choice: which face the speaker has.

    is_own: it is one of a recording. For a clip, the choice was applied when its face was found.
    """
    if choice == "none":
        return SeenFaces(absent="not_wanted")

    found, tracks = faces.seen.get(utterance.number), who.tracks
    in_sight = () if found is None else found.faces
    if is_own and choice != AUTO:
        tracks = frozenset(face.number for face in choose_tracks(list(in_sight), choice))
    summaries = tuple(_summary(face, face.number in tracks) for face in in_sight)
    evidence = who.evidence if is_own and tracks and tracks == who.tracks else None

    seen = SeenFaces(summaries, evidence)
    drawn = faces.drawn(replace(utterance, seen=seen))
    seen = replace(seen, quality=_quality(drawn, faces.spans[utterance.number].length))
    return seen if drawn else replace(seen, absent="out_of_sight" if is_own else "no_face")


def _face_choice(speaker: SpeakerOf, flag: str, script_in: Path | None) -> FaceChoice | Literal["none"]:
    """Return which face a speaker has, by the script or else by --face; "none" = a speaker who is never seen. Raises InputError."""
    asked = str(speaker.face)
    if asked == AUTO:
        return parse_face_choice(flag)
    if asked == "none":
        return "none"
    if asked == "largest":
        return "largest"
    if asked.isdecimal() and int(asked) >= 1:
        return int(asked)
    what = f"the face of {speaker.name!r} in the script cannot be used"
    expected = "auto, largest, none, or a number from 1, from the left"
    raise InputError(what, path=script_in, expected=expected, found=asked)


def _summary(face: Face, is_chosen: bool) -> FaceTrackSummary:
    x1, y1, x2, y2 = (round(float(value), 1) for value in face.boxes.mean(axis=0))
    evidence = float(face.evidence) if isfinite(face.evidence) else None
    return FaceTrackSummary(face.number, face.shot, face.first, face.last, (x1, y1, x2, y2), evidence, is_chosen)


def _quality(drawn: Sequence[Face], num_frames: int) -> FaceQuality | None:
    """Return the quality of the face that is drawn; None if there is none."""
    if not drawn:
        return None
    boxes = np.concatenate([face.boxes for face in drawn])
    measures = FaceMeasures(*(np.concatenate(values) for values in zip(*(face.measures for face in drawn), strict=True)))
    values = {
        "height_px": np.median(boxes[:, 3] - boxes[:, 1]),
        "sharpness": np.median(measures.sharpness),
        "max_yaw": np.abs(measures.yaw).max(),
        "max_pitch": np.abs(measures.pitch).max(),
    }
    return FaceQuality(len(boxes) / max(num_frames, 1), **{name: float(one) for name, one in values.items() if isfinite(one)})


def is_seen_twice(in_sight: Sequence[Face], drawn: Sequence[Face]) -> bool:
    """Return whether a face that is drawn is in the frame a second time, as on a screen behind it: both mouths move alike."""
    for face, other in product(drawn, in_sight):
        first, stop = max(face.first, other.first), min(face.last, other.last) + 1
        if other in drawn or face.shot != other.shot or stop - first < _LEAST_AT_ONCE:
            continue
        here, there = (one.openings[first - one.first : stop - one.first] for one in (face, other))
        for late in range(-_MOST_LATE, _MOST_LATE + 1):  # a screen is a little late
            early, behind = here[max(-late, 0) : len(here) - max(late, 0)], there[max(late, 0) : len(there) - max(-late, 0)]
            if min(early.std(), behind.std()) > 0 and np.corrcoef(early, behind)[0, 1] >= _SAME_MOUTH:
                return True
    return False


def _warn(utterances: Sequence[Utterance], faces: Faces, choice: str, is_own: bool, notes: Notes) -> None:
    """Add notes on mouths that are cut off, and on faces that are missing. is_own: they are of a recording."""
    cut = {
        utterance.number: count
        for utterance in utterances
        if (count := sum(int(face.is_cut_off.sum()) for face in faces.drawn(utterance)))
    }
    if cut and is_own:
        notes.add(MOUTHS_CUT(), *cut)
    for number, count in {} if is_own else cut.items():
        notes.add(MOUTH_CUT(count=count, total=faces.spans[number].length))
    if faces.boxes is not None or not faces.seen:
        return

    searched = [utterance for utterance in utterances if utterance.number in faces.seen]
    if twice := [
        utterance.number for utterance in searched if is_seen_twice(faces.seen[utterance.number].faces, faces.drawn(utterance))
    ]:
        notes.add(SEEN_TWICE(), *twice)
    with_faces = [utterance for utterance in utterances if faces.seen[utterance.number].faces]
    hidden = [
        utterance.number
        for utterance in with_faces
        if utterance.seen is not None and utterance.seen.absent in ("out_of_sight", "no_face")
    ]
    if not with_faces:
        notes.add(NO_FACE(of_clip=not is_own))
    elif hidden and choice.isdecimal():
        notes.add(NO_SUCH_FACE(face=int(choice)), *(hidden if is_own else ()))
    elif hidden:
        notes.add(OUT_OF_SIGHT(), *hidden)
