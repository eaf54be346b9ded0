"""Lips to speech: units of each utterance's lips, said by the vocoder in the time that they took."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Samples
from avcore.contracts import Extractor, SpeakerVoice, Speech, Voice
from avcore.errors import InputError, MediaError, NoFaceError, NoSpeechError
from avcore.faces.find import SpeakerFace, find_faces
from avcore.faces.select import MIN_VARIATION, FaceChoice
from avcore.media import MediaInfo, PictureSource, probe
from avcore.notes import several
from avcore.progress import Progress, silent, track
from avcore.timeline import frame_at, frames_covering, frames_to_seconds, frames_to_units, units_to_samples
from avcore.units import Units
from netflips.dubbing.segmentation import Span, cut_utterances

_WINDOW = frame_at(0.6)
"""Pictures over which a mouth's movement is measured; what is found is longer by half of it on both sides."""
_LEAST = MIN_VARIATION / 2
"""Of what a whole utterance varies by, a moment of it has as much as this."""
_SHORTEST = frame_at(0.8)
"""Pictures; what is shorter is a twitch of 0.2 s, and nothing that is said. Half a window less at an end of what is seen of a face,
where the window has nothing to reach into: a clip that was cut at its first word is short there."""
_AROUND = frame_at(1.0)
"""Pictures before and after a moving mouth that belong to what it says: words such as "excuse me" move it as little as a rest, and
where it does rest the units are silence. Pauses of less than two such lie within an utterance, whose lips are read together."""

Stretch = tuple[int, int]
"""First picture and the one after the last, at 25 fps."""


def spoken_stretches(face: SpeakerFace) -> list[Stretch]:
    """Return the utterances of a face, in order and apart, none longer than the models are comfortable with (12 s)."""
    total = len(face.frames)
    movement = np.zeros(total)
    spans, borders = list[Span](), list[float]()
    for first, last in _runs(face.track_numbers):
        movement[first:last] = _movement(np.array([frame.opening for frame in face.frames[first:last] if frame is not None]))
        borders.append(_seconds(first))
        moving = [None if moved < _LEAST else 0 for moved in movement[first:last]]
        for a, b in _runs(moving):
            is_at_end = a == 0 or b == last - first
            if b - a >= _SHORTEST - is_at_end * (_WINDOW // 2):
                spans.append((_seconds(max(first, first + a - _AROUND)), _seconds(min(first + b + _AROUND, last))))

    def quietest(start_s: float, end_s: float) -> float:
        start = frame_at(start_s)
        return _seconds(start + int(np.argmin(movement[start : max(frames_covering(end_s), start + 1)])))

    found, before = list[Stretch](), 0
    for start_s, end_s in cut_utterances(spans, _seconds(total), borders, quietest=quietest):
        first, last = max(frame_at(start_s), before), min(frames_covering(end_s), total)
        if last > first:
            found.append((first, last))
            before = last
    return found


def _runs(values: list[int | None]) -> Iterator[Stretch]:
    """Stretches of one value other than None, next to one another or not."""
    changes = [0, *(place + 1 for place, (one, other) in enumerate(pairwise(values)) if one != other), len(values)]
    yield from ((first, last) for first, last in pairwise(changes) if first < last and values[first] is not None)


def _movement(openings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation of a mouth's opening around each picture: float64 of shape [pictures], as the openings."""
    mean, square = _mean(openings), _mean(np.square(openings))
    return np.asarray(np.sqrt(np.maximum(square - np.square(mean), 0)))


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centred average, over what there is at the ends: float64 of the same shape [pictures]."""
    kernel = np.ones(min(_WINDOW, len(values)))
    return np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")


def _seconds(frame: int) -> float:
    return float(frames_to_seconds(frame))


_PIECE_FRAMES = 250
"""Pictures of silence made at once."""


def speak_lips(
    video: str | Path,
    vocoder: Voice,
    extractor: Extractor,
    speaker: SpeakerVoice | Samples,
    face: FaceChoice = "auto",
    progress: Progress = silent,
) -> Speech:
    """Return what a mouth in a video says, as long as the video, with silence where it rests or is not in sight.

    speaker: float32 [E], the voice, or with its pitch. Returns all samples (float32 [S] at 16 kHz), and the units of the utterances
    with their durations, without the pauses between. Raises MediaError, NoFaceError or NoSpeechError as `see_lips` does.
    """
    seen, utterances = see_lips(video, face, progress)
    said = list[Units]()
    pieces = list(speech_pieces(seen, utterances, extractor, vocoder, speaker, progress, said.append))
    frames = np.concatenate([one.frames() for one in said])
    return Speech(np.concatenate(pieces), Units.from_frames(frames, said[0].language, said[0].vocabulary))


def see_lips(video: str | Path, face: FaceChoice = "auto", progress: Progress = silent) -> tuple[SpeakerFace, list[Stretch]]:
    """The face whose lips are read, and its utterances. The sound is not listened to.

    Raises MediaError for a file without pictures, InputError for a still one, NoFaceError, and NoSpeechError for lips that rest.
    """
    info = require_moving_lips(video)
    pictures = PictureSource(video)
    try:
        seen = find_faces(pictures, face, None, progress, len(pictures), video, info.pixel_aspect)
    except NoFaceError as error:
        hint = "there must be a face whose lips can be read" if not isinstance(face, int) else "try --face auto"
        raise NoFaceError(error.what, path=error.path, found=error.found, hint=hint) from error
    utterances = spoken_stretches(seen)
    if not utterances:
        raise NoSpeechError(
            "the lips do not move as those of somebody who speaks",
            path=video,
            found=f"{several(seen.num_found, 'picture')} with the face",
            hint="--face N chooses another face",
        )
    return seen, utterances


def require_moving_lips(video: str | Path) -> MediaInfo:
    """Return what a video holds. Raises MediaError where it has no pictures, InputError where it has one only."""
    info = probe(video)
    if not info.has_video:
        raise MediaError("it has sound only: lip-to-speech needs a face", path=video, expected="a video", found="no picture")
    if info.num_frames < 2:
        raise InputError("this is a still picture, which says nothing", path=video, hint="netflips portrait makes one talk")
    return info


def speech_pieces(
    face: SpeakerFace,
    utterances: Sequence[Stretch],
    extractor: Extractor,
    vocoder: Voice,
    speaker: SpeakerVoice | Samples,
    progress: Progress = silent,
    heard: Callable[[Units], object] | None = None,
) -> Iterator[Samples]:
    """Yield the speech of a face piece by piece, float32 [n] at 16 kHz, together 640 samples for each picture; one utterance is
    held.

    heard: told the units of each utterance. Raises VocabularyError where the vocoder does not know the encoder's units.
    """
    at = 0
    for first, last in track(utterances, "speech", progress, len(utterances)):
        yield from _silence(first - at)
        steps = frames_to_units(last - first)
        units = extractor.extract(None, face.lips_between(first, last))
        frames = units.frames()[:steps]
        filled = Units.from_frames(np.append(frames, np.full(steps - len(frames), frames[-1])), units.language, units.vocabulary)
        if heard is not None:
            heard(filled)
        yield from vocoder.iter_synthesize(filled, speaker)
        at = last
    yield from _silence(len(face.frames) - at)


def _silence(num_frames: int) -> Iterator[Samples]:
    for start in range(0, num_frames, _PIECE_FRAMES):
        yield np.zeros(units_to_samples(frames_to_units(min(_PIECE_FRAMES, num_frames - start))), np.float32)
