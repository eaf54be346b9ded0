"""Lips to speech: units of each utterance's lips, said by the vocoder in the time that they took."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from avcore.answers import SpeakerVoice, Speech
from avcore.arrays import Samples
from avcore.contracts import Extractor, Voice
from avcore.errors import InputError, MediaError, NoFaceError, NoSpeechError
from avcore.faces.find import SpeakerFace, find_faces
from avcore.faces.select import FaceChoice
from avcore.media import MediaInfo, PictureSource, probe
from avcore.plain_text import several
from avcore.progress import Progress, silent, track
from avcore.timeline import frames_to_units, units_to_samples
from avcore.units import Units
from netflips.lip_speech.stretches import Stretch, spoken_stretches

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
    """What a mouth in a video says, as long as the video, with silence where it rests or is not in sight.

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
    """What a video holds. Raises MediaError where it has no pictures, InputError where it has one only."""
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
    """The speech of a face piece by piece, float32 [n] at 16 kHz, together 640 samples for each picture; one utterance is held.

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
