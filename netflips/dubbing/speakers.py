"""The speaker of each utterance by name, the faces that are seen in it, the face that is drawn, and the voice of the dub."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import isfinite
from typing import Literal

import numpy as np

from avcore.errors import InputError, NoFaceError
from avcore.faces.geometry import MOUTH_CUT
from avcore.faces.select import FaceChoice, choose_tracks, loudness, parse_face_choice
from avcore.notes import several
from netflips.dubbing.diarization import Turn, UtteranceVoice, recognise, who_speaks
from netflips.dubbing.encode import hardly_words
from netflips.dubbing.job import LOG, Job
from netflips.dubbing.options import AUTO
from netflips.dubbing.part import with_more
from netflips.dubbing.sound import Sound
from netflips.dubbing.track_faces import Face, Faces, InSight
from netflips.dubbing.voice_groups import Voices
from netflips.dubbing.voices import voice_for
from netflips.script.notes import MOUTHS_CUT, NO_FACE, NO_SUCH_FACE, OUT_OF_SIGHT
from netflips.script.types import FaceQuality, FaceTrackSummary, Script, SeenFaces, SpeakerOf, Utterance


def assign_speakers(script: Script, job: Job, sound: Sound | None, faces: Faces) -> Script:
    """Fill in the speaker of each utterance, the faces seen in those of the part, with the one that is drawn, and the speakers.

    Raises NoSpeechError if there is no voice to take, NoFaceError if a face is needed and none is there, InputError for settings
    of a speaker without utterances.
    """
    names, turns = _who(script, job, sound, faces)
    if unknown := [one.name for one in script.speakers if one.name not in names.values()]:
        expected = ", ".join(sorted(set(names.values())))
        what = "the script has settings for somebody who says nothing"
        raise InputError(what, path=job.options.script_in, expected=expected, found=unknown[0])

    script = with_more(script, {one.number: replace(one, speaker=names[one.number]) for one in script.utterances})
    utterances = job.part.utterances(script)
    with job.clock.stage("faces"):
        seen = {one.number: replace(one, seen=_seen(script, job, faces, one, turns[one.number])) for one in utterances}
    script = with_more(script, seen)

    _warn(script, job, faces, list(seen))
    _print_speakers(job, [script.utterances[number - 1].speaker for number in seen])
    with job.clock.stage("voice"):
        in_order = dict.fromkeys(one.speaker for one in script.utterances if one.number in seen)
        return replace(script, speakers=tuple(_speaker(script, job, sound, name) for name in in_order))


def _print_speakers(job: Job, speakers: Sequence[str]) -> None:
    """Log who speaks, before the work, if more than one speaker was found. speakers: of each utterance."""
    names = Counter(speakers)
    asked = job.options.script
    if len(names) < 2 or (asked is not None and any(one.speaker for one in asked.utterances)):
        return
    who = ", ".join(f"{name} ({several(count, 'utterance')})" for name, count in names.items())
    LOG.info("%s: %d people speak: %s; netflips script rename joins two", job.source.path, len(names), who)


# Who it is


def _who(script: Script, job: Job, sound: Sound | None, faces: Faces) -> tuple[dict[int, str], dict[int, Turn]]:
    """Return the name of each utterance's speaker, and their faces."""
    if not script.is_source_timed:
        (one,) = script.utterances
        return {one.number: "speaker 1"}, {one.number: Turn(1, _largest_that_speaks(job, sound, faces.seen.get(one.number)))}

    laughs = hardly_words(script, job, sound)
    with job.clock.stage("voice"):
        voices = dict[int, int | None]()
        if sound is not None and job.options.voice is None:  # else one voice was given for all
            spoken = [one for one in script.utterances if one.number not in laughs]
            groups = Voices(job, sound).groups([(one.place.start_s, one.place.end_s) for one in spoken])
            voices = {one.number: group for one, group in zip(spoken, groups, strict=True)}

    with job.clock.stage("faces"):
        people = recognise(faces.seen)
        utterances = [UtteranceVoice(one.number, one.place.seconds, voices.get(one.number)) for one in script.utterances]
        turns = {one.number: turn for one, turn in zip(utterances, who_speaks(utterances, faces.seen, people), strict=True)}
        given = {one.number: one.speaker for one in script.utterances if one.speaker}
        names = {number: given.get(number, f"speaker {turn.person}") for number, turn in turns.items()}
        if given:  # utterances without a given name stay as found: one name must not spread over what was right
            asked = [replace(one, voice=names[one.number], is_user_given=one.number in given) for one in utterances]
            new = zip(asked, who_speaks(asked, faces.seen, people), strict=True)
            turns |= {one.number: turn for one, turn in new if one.is_user_given}
    return names, turns


def _largest_that_speaks(job: Job, sound: Sound | None, seen: InSight | None) -> frozenset[int]:
    """Return the tracks of a clip's face: in each shot the largest that speaks, or the largest of all if none does.

    Raises NoFaceError if there is none and its lips are needed.
    """
    if seen is None:
        return frozenset()
    options, choice = job.options, parse_face_choice(job.options.face)
    levels = None if sound is None else loudness(sound.read(0, sound.activity.num_samples))
    chosen = choose_tracks(list(seen.faces), choice, levels) if seen.faces else []
    if not chosen and options.uses_video and options.modalities != AUTO and options.in_lip_path is None:
        what = f"there is no face number {choice} in any shot" if isinstance(choice, int) else "no face was found in any picture"
        hint = "use --modalities audio to dub the speech and leave the picture as it is"
        if job.track is not None:
            hint = "there must be a face whose lips can be moved"
        raise NoFaceError(what, path=job.source.path, hint=hint)
    return frozenset(one.number for one in chosen)


# Who is seen


def _seen(script: Script, job: Job, faces: Faces, one: Utterance, turn: Turn) -> SeenFaces:
    """Return the faces that are seen in an utterance, with the speaker's marked."""
    found, choice = faces.seen.get(one.number), _face_choice(script, job, one.speaker)
    if choice == "none":
        return SeenFaces(absent="not_wanted")
    in_sight, tracks = () if found is None else found.faces, turn.tracks
    if script.is_source_timed and choice != AUTO:  # for a clip, _largest_that_speaks has applied the choice
        tracks = frozenset(face.number for face in choose_tracks(list(in_sight), choice))
    summaries = tuple(_summary(face, face.number in tracks) for face in in_sight)
    evidence = turn.evidence if script.is_source_timed and tracks and tracks == turn.tracks else None
    seen = SeenFaces(summaries, evidence)
    drawn = faces.drawn(replace(one, seen=seen))
    seen = replace(seen, quality=_quality(drawn, faces.watches[one.number].length))
    return seen if drawn else replace(seen, absent="out_of_sight" if script.is_source_timed else "no_face")


def _face_choice(script: Script, job: Job, name: str) -> FaceChoice | Literal["none"]:
    """Return which face a speaker has, by the script or else by --face; "none" = a speaker who is never seen. Raises InputError."""
    asked = str(script.speaker(name).face)
    if asked == AUTO:
        return parse_face_choice(job.options.face)
    if asked == "none":
        return "none"
    if asked == "largest":
        return "largest"
    if asked.isdecimal() and int(asked) >= 1:
        return int(asked)
    what, expected = f"the face of {name!r} in the script cannot be used", "auto, largest, none, or a number from 1, from the left"
    raise InputError(what, path=job.options.script_in, expected=expected, found=asked)


def _summary(face: Face, is_chosen: bool) -> FaceTrackSummary:
    x1, y1, x2, y2 = (round(float(value), 1) for value in face.boxes.mean(axis=0))
    evidence = float(face.evidence) if isfinite(face.evidence) else None
    return FaceTrackSummary(face.number, face.shot, face.first, face.last, (x1, y1, x2, y2), evidence, is_chosen)


def _quality(drawn: Sequence[Face], num_pictures: int) -> FaceQuality | None:
    """Return the quality of the face that is drawn; None if there is none."""
    if not drawn:
        return None
    boxes, figures = (np.concatenate([getattr(one, name) for one in drawn]) for name in ("boxes", "figures"))
    values = {
        "height_px": np.median(boxes[:, 3] - boxes[:, 1]),
        "sharpness": np.median(figures[:, 2]),
        "max_yaw": np.abs(figures[:, 0]).max(),
        "max_pitch": np.abs(figures[:, 1]).max(),
    }
    return FaceQuality(len(boxes) / max(num_pictures, 1), **{name: float(one) for name, one in values.items() if isfinite(one)})


def _warn(script: Script, job: Job, faces: Faces, numbers: Sequence[int]) -> None:
    """Add notes on mouths that are cut off, and on faces that are missing."""
    rows = [(one, one.seen) for one in script.utterances if one.seen is not None and one.number in numbers]
    is_own, choice = script.is_source_timed, job.options.face
    cut = {one.number: count for one, _ in rows if (count := sum(int(face.is_cut_off.sum()) for face in faces.drawn(one)))}
    if cut and is_own:
        job.notes.add(MOUTHS_CUT(), *cut)
    for number, count in {} if is_own else cut.items():
        job.notes.add(MOUTH_CUT(count=count, total=faces.watches[number].length))
    if faces.boxes is not None or not faces.seen:
        return
    with_faces = [(one, seen) for one, seen in rows if faces.seen[one.number].faces]
    hidden = [one.number for one, seen in with_faces if seen.absent in ("out_of_sight", "no_face")]
    if not with_faces:
        job.notes.add(NO_FACE(of_clip=not is_own))
    elif hidden and choice.isdecimal():
        job.notes.add(NO_SUCH_FACE(face=int(choice)), *(hidden if is_own else ()))
    elif hidden:
        job.notes.add(OUT_OF_SIGHT(), *hidden)


# The speakers


def _speaker(script: Script, job: Job, sound: Sound | None, name: str) -> SpeakerOf:
    """Return a speaker with their face and pitch. The voice is made here, so that a missing one is known before hours of work."""
    before = script.speaker(name)
    face: str | int = job.options.face if before.face == AUTO else before.face
    if job.track is not None:  # the given speech keeps its voice
        return replace(before, face=face)
    voice = voice_for(script, job, sound, name)
    hz = round(voice.pitch.hz, 1) if job.models.vocoder.takes_pitch and voice.pitch is not None else None
    return replace(before, face=face, pitch_hz=hz)
