"""Select the tracks of a file: of several sound tracks (a desktop and a microphone, or several languages) one with speech, and of
several video tracks (slides and a speaker, or two cameras) one with a face.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from avcore.arrays import Samples
from avcore.errors import MediaError
from avcore.media.frames import read_frames
from avcore.media.media_source import AnySource, MediaSource
from avcore.media.opening import audio_stream, open_media
from avcore.media.probe import SoundTrack, probe, sound_tracks
from avcore.media.sound import iter_speech_blocks
from avcore.media.source import FrameSource
from avcore.notes import NoteKind
from avcore.timeline import FRAME_RATE, SAMPLE_RATE
from avcore.units import normalise_language

LOG = logging.getLogger("netflips")
_MOST_SAMPLES = 300 * SAMPLE_RATE
"""Samples of each track that are searched for speech, at most."""
_LEAST_S = 0.5
_WAY_OUT = "--audio-track chooses another"

_OTHER_TRACK = NoteKind("other_sound_track", "sound track {track} is heard{left}, since nobody speaks in {usual}", f"; {_WAY_OUT}")
_TAGGED_TRACK = NoteKind("tagged_sound_track", "sound track {track} is heard{left}: it is the one in '{language}'", f"; {_WAY_OUT}")
_NO_TRACK = NoteKind(
    "silent_sound_tracks", "nobody seems to speak in any of its sound tracks; {usual} is heard, not {others}", f"; {_WAY_OUT}"
)


def select_audio_track(path: str | Path, asked: str | None = None, spoken: str | None = None) -> MediaSource:
    """Return a file with its selected sound track; where there are several, the choice is reported.

    asked: a number from 1 or a language; None = a track in the language `spoken` if one is tagged so, else the one that a player
    plays, else any other: the first of these that has speech. Raises InputError or MediaError for a file or a track that is not
    there.
    """
    tracks, usual = _tracks_of(path)
    source = MediaSource(Path(path))
    if asked is not None:
        return _reading(source, _asked_track(tracks, asked, path), usual)
    return source if len(tracks) < 2 else _speaking(source, tracks, usual, "" if spoken is None else normalise_language(spoken))


def _tracks_of(path: str | Path) -> tuple[tuple[SoundTrack, ...], int]:
    """Return the sound tracks of a file, and the number of the one that a player plays, 0 = none."""
    try:
        info = probe(path)
    except MediaError:  # maybe only the usual track is damaged, and another one is read
        with open_media(path) as container:
            usual = audio_stream(container, MediaSource.of(path))
            return sound_tracks(container), 0 if usual is None else list(container.streams.audio).index(usual) + 1
    return info.tracks, info.track


def _asked_track(tracks: Sequence[SoundTrack], asked: str, path: str | Path) -> SoundTrack:
    """Return the track with a number or a language. Raises MediaError when there is none."""
    language = normalise_language(asked)
    found = [track for track in tracks if str(track.number) == asked.strip() or _is_in(track, language)]
    if not found:
        there = ", ".join(map(str, tracks)) or "no sound track"
        raise MediaError("it has no such sound track", path=path, expected=there, found=f"--audio-track {asked}")
    return next((track for track in found if track.is_default), found[0])


def _reading(source: MediaSource, track: SoundTrack, usual: int) -> MediaSource:
    # The usual track has no number, so that results cached for the bare path are valid for it.
    return replace(source, audio_track=None if track.number == usual else track.number, notes=[])


def _is_in(track: SoundTrack, language: str) -> bool:
    """Return whether a track is tagged with a language. language: its normal name, "" = any."""
    return bool(language and track.language) and normalise_language(track.language) == language


def _speaking(source: MediaSource, tracks: Sequence[SoundTrack], usual: int, language: str) -> MediaSource:
    """Return the source with the first track that has speech, one in the language if there is any, and report the choice."""
    first, others = tracks[usual - 1], [track for track in tracks if track.number != usual]
    in_turn = sorted((first, *others), key=lambda track: not _is_in(track, language))
    chosen = next((track for track in in_turn if _speaks(_reading(source, track, usual))), None)
    if chosen is first:
        LOG.info("%s: sound track %s is heard, not %s; %s", source, first, _listed(others), _WAY_OUT)
        return source

    if chosen is None:
        note = _NO_TRACK(usual=str(first), others=_listed(others))
    else:
        rest = [track for track in others if track is not chosen]
        left = f", and not {_listed(rest)}" if rest else ""
        note = _OTHER_TRACK(track=str(chosen), left=left, usual=str(first))
        if _is_in(chosen, language):
            left = f", and not {_listed([track for track in (first, *others) if track is not chosen])}"
            note = _TAGGED_TRACK(track=str(chosen), left=left, language=language)

    heard = _reading(source, chosen or first, usual)
    heard.note(note)
    return heard


def _listed(tracks: Sequence[SoundTrack]) -> str:
    return ", ".join(map(str, tracks))


def _speaks(source: MediaSource) -> bool:
    """Return whether there is speech in the first minutes of a track."""
    try:
        # With torch, which a file of one track can do without.
        from avcore.speech.voice_activity import detect_activity

        regions = detect_activity(_beginning(source)).regions()
    except MediaError:  # a damaged or unknown track is reported only if it is selected
        return False
    return sum(region.seconds for region in regions) >= _LEAST_S


def _beginning(source: MediaSource) -> Iterator[Samples]:
    left = _MOST_SAMPLES
    for block in iter_speech_blocks(source):
        yield block[:left]
        left -= len(block)
        if left <= 0:
            return


# Video tracks

_LOOKED_AT = 5
"""Frames of each track that are searched for faces."""
_FIRST_S, _EVERY = 30, 15
"""Seconds at the beginning of a file that are searched for a face, and the interval of the frames that are."""
_SEVERAL = NoteKind(
    "several_video_tracks", "video track {track} is taken, not {others}", "; video_track of --config chooses another"
)


def select_tracks(path: str | Path, sound: str | None = None, video: int | None = None, spoken: str | None = None) -> MediaSource:
    """Return a file with its selected sound and video tracks; where there are several, the choice is reported.

    sound, spoken: see `select_audio_track`. video: number of the video track, from 1; None = the one with a face in most of a few
    frames, of equal ones the one that a player shows. Raises InputError or MediaError for a file or a track that is not there.
    """
    source = select_audio_track(path, sound, spoken)
    info = probe(source)
    tracks, usual = info.video_tracks, info.video_track
    if video is not None and not 1 <= video <= len(tracks):
        there = ", ".join(map(str, tracks)) or "no video"
        raise MediaError("it has no such video track", path=path, expected=there, found=f"video_track: {video}")
    if len(tracks) < 2:
        return source

    if video is None:
        video = max(tracks, key=lambda track: (_faces(_showing(source, track.number, usual)), track.number == usual)).number
    others = ", ".join(str(track) for track in tracks if track.number != video)
    note = _SEVERAL(track=str(tracks[video - 1]), others=others)
    source.note(note)
    return _showing(source, video, usual)


def _showing(source: MediaSource, number: int, usual: int) -> MediaSource:
    # The usual track has no number, so that results cached for the bare path are valid for it.
    return replace(source, video_track=None if number == usual else number, notes=[*source.notes])


def shows_face(source: AnySource) -> bool:
    """Return whether there is a face in the first half minute. Raises MediaError."""
    from avcore.faces.detect import FaceDetector

    with FaceDetector() as faces:
        frames = islice(FrameSource(source).frames(), 0, _FIRST_S * FRAME_RATE, _EVERY)
        return any(faces.boxes(frame.rgb) for frame in frames)


def _faces(source: MediaSource) -> int:
    """Return in how many of a few frames of a track there is a face."""
    from avcore.faces.detect import FaceDetector

    try:
        begin, end = probe(source).video_s
        times = [begin + (end - begin) * (2 * place + 1) / (2 * _LOOKED_AT) for place in range(_LOOKED_AT)]
        frames = [next(read_frames(source, time), None) for time in times]
    except MediaError:  # a damaged or unknown track is reported only if it is selected
        return 0

    with FaceDetector() as detector:
        return sum(frame is not None and bool(detector.boxes(frame.rgb)) for frame in frames)
