"""Whether pictures show somebody, and which track of a file that has several does: slides and a speaker, or two cameras."""

from itertools import islice
from pathlib import Path

from avcore.errors import MediaError
from avcore.media import PictureSource, probe, read_pictures
from avcore.media.opening import choose_pictures, note_of
from avcore.notes import NoteKind
from avcore.timeline import FRAME_RATE

_LOOKED_AT = 5
"""Pictures of each track."""
_FIRST_S, _EVERY = 30, 15
"""How much of a file is looked at for a face, in every so-manieth picture."""
_SEVERAL = NoteKind("several_picture_tracks", "picture track {track} is taken, not {others}", "; dub --video-track chooses another")


def settle_pictures(path: str | Path, asked: int | None = None) -> None:
    """Decide which track of pictures of a file is read from now on, and say so where there are several.

    asked: its number, from 1; None = the one with a face in most of a few pictures, of two that are alike the one that a player
    shows. Raises InputError or MediaError for a file or a track that is not there.
    """
    choose_pictures(path, None)
    info = probe(path)
    tracks, usual = info.picture_tracks, info.picture_track
    if asked is not None and not 1 <= asked <= len(tracks):
        there = ", ".join(map(str, tracks)) or "no picture"
        raise MediaError("it has no such picture track", path=path, expected=there, found=f"--video-track {asked}")
    if len(tracks) < 2:
        return
    if asked is None:
        asked = max(tracks, key=lambda one: (_faces(path, one.number), one.number == usual)).number
    choose_pictures(path, asked)
    others = ", ".join(str(one) for one in tracks if one.number != asked)
    note_of(path, _SEVERAL(track=str(tracks[asked - 1]), others=others))


def shows_face(path: str | Path) -> bool:
    """Return whether there is a face in the first half minute. Raises MediaError."""
    from avcore.faces.detect import FaceDetector

    with FaceDetector() as faces:
        pictures = islice(PictureSource(path).pictures(), 0, _FIRST_S * FRAME_RATE, _EVERY)
        return any(faces.boxes(picture.rgb) for picture in pictures)


def _faces(path: str | Path, number: int) -> int:
    """Return in how many of a few pictures of a track there is a face."""
    from avcore.faces.detect import FaceDetector

    choose_pictures(path, number)
    try:
        begin, end = probe(path).picture_s
        times = [begin + (end - begin) * (2 * place + 1) / (2 * _LOOKED_AT) for place in range(_LOOKED_AT)]
        pictures = [next(read_pictures(path, time), None) for time in times]
    except MediaError:  # a damaged or unknown one is reported if it is the one that is read
        return 0
    with FaceDetector() as detector:
        return sum(one is not None and bool(detector.boxes(one.rgb)) for one in pictures)
