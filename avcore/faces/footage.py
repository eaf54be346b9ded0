"""Whether a video shows a face, and which of several video tracks does: slides and a speaker, or two cameras."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

from avcore.errors import MediaError
from avcore.media import AnySource, FrameSource, MediaSource, probe, read_frames
from avcore.media.tracks import select_audio_track
from avcore.notes import NoteKind, report_note
from avcore.timeline import FRAME_RATE

_LOOKED_AT = 5
"""Frames of each track that are searched for faces."""
_FIRST_S, _EVERY = 30, 15
"""Seconds at the beginning of a file that are searched for a face, and the interval of the frames that are."""
_SEVERAL = NoteKind("several_video_tracks", "video track {track} is taken, not {others}", "; dub --video-track chooses another")


def select_tracks(path: str | Path, sound: str | None = None, video: int | None = None) -> MediaSource:
    """Return a file with its selected sound and video tracks; where there are several, the choice is reported.

    sound: see `select_audio_track`. video: number of the video track, from 1; None = the one with a face in most of a few
    frames, of equal ones the one that a player shows. Raises InputError or MediaError for a file or a track that is not there.
    """
    source = select_audio_track(path, sound)
    info = probe(source)
    tracks, usual = info.video_tracks, info.video_track
    if video is not None and not 1 <= video <= len(tracks):
        there = ", ".join(map(str, tracks)) or "no video"
        raise MediaError("it has no such video track", path=path, expected=there, found=f"--video-track {video}")
    if len(tracks) < 2:
        return source

    if video is None:
        video = max(tracks, key=lambda one: (_faces(_showing(source, one.number, usual)), one.number == usual)).number
    others = ", ".join(str(one) for one in tracks if one.number != video)
    note = _SEVERAL(track=str(tracks[video - 1]), others=others)
    report_note(note, path, is_once=True)
    return replace(_showing(source, video, usual), notes=(*source.notes, note))


def _showing(source: MediaSource, number: int, usual: int) -> MediaSource:
    # The usual track has no number, so that results cached for the bare path are valid for it.
    return replace(source, video_track=None if number == usual else number)


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
        return sum(one is not None and bool(detector.boxes(one.rgb)) for one in frames)
