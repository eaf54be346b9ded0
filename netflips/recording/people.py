"""Who says an utterance: the face that is drawn and the voice that is spoken in.

The seam for recordings of several people: whatever decides who speaks gives one `Role` for each utterance, and all that
follows knows only roles. Here one person speaks all of a recording: in each shot the face that was chosen, and one voice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from avcore.errors import NoSpeechError
from netflips.models import Models
from netflips.recording.faces import FaceStretch
from netflips.recording.hearing import Samples, SpeechFile
from netflips.utterances import Utterance
from netflips.workfolder import WorkFolder, key_of
from unit2av.voice import read_voice

_WAY_OUT = "give another voice with --speaker-path x.wav"


@dataclass(frozen=True)
class Role:
    """One person in one utterance. name: for reports. voice: float32 [E]. face: may have no picture with a face."""

    name: str
    voice: Samples
    face: FaceStretch


def one_speaker(voice: Samples, faces: Sequence[FaceStretch]) -> list[Role]:
    """The same person speaks all utterances; faces: one stretch for each."""
    return [Role("speaker 1", voice, face) for face in faces]


def utterance_voices(
    utterances: Sequence[Utterance], speech: SpeechFile, digest: str, models: Models, work: WorkFolder
) -> list[Samples | None]:
    """The voice heard in each utterance, float32 [E], or None where there is too little of it. digest: of the recording."""
    encoder = models.speaker_encoder
    voices: list[Samples | None] = []
    for one in utterances:
        key = key_of(digest, one.start_s, one.end_s, encoder.fingerprint)
        found = work.arrays("voices", key, lambda one=one: {"voice": _embed(models, speech, one)})  # type: ignore[misc]
        voices.append(found["voice"] if len(found["voice"]) else None)
    return voices


def mean_voice(voices: Sequence[Samples | None], utterances: Sequence[Utterance]) -> Samples:
    """One person's voice from their utterances, the longer ones counting for more: float32 [E] of unit length.

    Raises NoSpeechError when none of them has a voice in it.
    """
    heard = [(voice, one.seconds) for voice, one in zip(voices, utterances, strict=True) if voice is not None]
    if not heard:
        raise NoSpeechError("there is no usable speech to take the voice from", hint=_WAY_OUT)
    total = np.sum([voice * seconds for voice, seconds in heard], axis=0)
    return np.asarray(total / np.linalg.norm(total), np.float32)


def given_voice(path: object, models: Models) -> Samples:
    """The voice in a recording or `.npy` file, float32 [E]."""
    return read_voice(str(path), lambda: models.speaker_encoder)


def _embed(models: Models, speech: SpeechFile, one: Utterance) -> Samples:
    try:
        return models.speaker_encoder.embed(speech.between(one.start_s, one.end_s))
    except NoSpeechError:
        return np.zeros(0, np.float32)
