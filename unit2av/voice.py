"""The voice to speak with, from whatever names it: a recording, a video, or a stored vector."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from avcore.arrays import load_array
from avcore.errors import InputError, NoSpeechError
from avcore.files import require_file
from avcore.media import probe, read_speech
from unit2av.speaker import SpeakerEncoder
from unit2av.voice_features import Samples

_LARGEST = 1000.0
"""Numbers of a voice are of the order of 1; from what is far larger a vocoder makes no sound but numbers that are none."""


def read_voice(path: str | Path, encoder: Callable[[], SpeakerEncoder]) -> Samples:
    """Return the voice in a file as float32 [E].

    path: `x.npy` with the vector, or any video or sound file. encoder: makes the speaker encoder; called for sound only.
    Raises InputError, MediaError when there is no sound track, and NoSpeechError when there is too little sound.
    """
    path = require_file(path, "the voice", hint="--speaker-path takes x.wav, x.npy or a video")
    if path.suffix.lower() == ".npy":
        return _read_vector(path)
    probe(path)  # says that it ends early, which reading it does not
    speech = read_speech(path)
    try:
        return encoder().embed(speech)
    except NoSpeechError as error:
        raise NoSpeechError(error.what, path=path, expected=error.expected, found=error.found, hint=error.hint) from error


def _read_vector(path: Path) -> Samples:
    vector = load_array(path, "the speaker vector")
    if vector.size != max(vector.shape, default=0) or not vector.size or vector.dtype.kind not in "fiu":
        found = f"{vector.dtype} of shape {list(vector.shape)}"
        raise InputError("this is no speaker vector", path=path, expected="a row of numbers", found=found)
    largest = np.abs(vector.astype(np.float64)).max()
    if not largest <= _LARGEST:
        raise InputError("this is no speaker vector", path=path, expected=f"numbers up to {_LARGEST:g}", found=f"{largest:g}")
    return np.asarray(vector.reshape(-1), dtype=np.float32)
