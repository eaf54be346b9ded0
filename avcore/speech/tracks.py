"""The sound track in which somebody speaks, of a file that has several: a desktop and a microphone, or several languages."""

import logging
from collections.abc import Iterator
from pathlib import Path

from avcore.arrays import Samples
from avcore.errors import MediaError
from avcore.media import iter_speech_blocks, probe
from avcore.media.decoding import audio_stream, open_media
from avcore.media.tracks import SoundTrack, asked_track, choose_track, chosen_number, note_of, sound_tracks
from avcore.notes import NoteKind
from avcore.timeline import SAMPLE_RATE

LOG = logging.getLogger("netflips")
_HEARD_SAMPLES = 300 * SAMPLE_RATE
"""Of each track that are listened to at most."""
_LEAST_S = 0.5
_WAY_OUT = "--audio-track chooses another"

_OTHER_TRACK = NoteKind(
    "other_sound_track",
    "sound track {track} is heard{left}, since nobody speaks in {usual}",
    "트랙 {usual}에는 말소리가 없어 트랙 {track}을(를) 들었습니다.",
    f"; {_WAY_OUT}",
)
_NO_TRACK = NoteKind(
    "silent_sound_tracks",
    "nobody seems to speak in any of its sound tracks; {usual} is heard, not {others}",
    "어느 소리 트랙에도 말소리가 없는 것 같아 트랙 {usual}을(를) 들었습니다.",
    f"; {_WAY_OUT}",
)


def settle_track(path: str | Path, asked: str | None = None) -> bool:
    """Decide which sound track of a file is read from now on, and say so where there are several.

    asked: a number from 1 or a language; None = the one that a player plays if there is speech in it, else the first that has some.
    Returns whether it is the one that a player plays. Raises InputError or MediaError for a file or a track that is not there.
    """
    choose_track(path, None)
    tracks, number = _tracks_of(path)
    if asked is not None:
        choose_track(path, asked_track(tracks, asked, path).number)
    elif len(tracks) > 1:
        _take_the_speaking(path, [tracks[number - 1], *(one for one in tracks if one.number != number)])
    return chosen_number(path) in (None, number)


def _tracks_of(path: str | Path) -> tuple[tuple[SoundTrack, ...], int]:
    """Return the sound tracks of a file, and the number of the one that a player plays, 0 = none."""
    try:
        info = probe(path)
    except MediaError:  # of the usual track, it may be, and another one is read
        with open_media(path) as container:
            usual = audio_stream(container)
            return sound_tracks(container), 0 if usual is None else list(container.streams.audio).index(usual) + 1
    return info.tracks, info.track


def _take_the_speaking(path: str | Path, tracks: list[SoundTrack]) -> None:
    """Select the track with speech. tracks: the usual one first."""
    usual, *others = tracks
    for track in tracks:
        choose_track(path, track.number)
        if not _speaks(path):
            continue
        if track is usual:
            LOG.info("%s: sound track %s is heard, not %s; %s", path, track, _listed(others), _WAY_OUT)
        else:
            rest = [one for one in others if one is not track]
            left = f", and not {_listed(rest)}" if rest else ""
            note_of(path, _OTHER_TRACK(track=str(track), left=left, usual=str(usual)))
        return
    choose_track(path, usual.number)
    note_of(path, _NO_TRACK(usual=str(usual), others=_listed(others)))


def _listed(tracks: list[SoundTrack]) -> str:
    return ", ".join(map(str, tracks))


def _speaks(path: str | Path) -> bool:
    """Return whether there is speech in the beginning of the chosen track."""
    try:
        from avcore.speech.regions import listen  # with torch, which a file of one track can do without

        regions = listen(_beginning(path)).regions()
    except MediaError:  # a damaged or unknown one is reported if it is the one that is read
        return False
    return sum(region.seconds for region in regions) >= _LEAST_S


def _beginning(path: str | Path) -> Iterator[Samples]:
    left = _HEARD_SAMPLES
    for block in iter_speech_blocks(path):
        yield block[:left]
        left -= len(block)
        if left <= 0:
            return
