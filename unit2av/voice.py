"""The voice to speak with, from whatever names it: a recording, a video, or a stored vector."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from avcore.errors import InputError, NoSpeechError, reason
from avcore.files import require_file
from avcore.media import read_speech
from unit2av.speaker import SpeakerEncoder
from unit2av.voice_features import Samples

_LARGEST = 1e6
"""Of the values of a voice, whose length is about 1."""


def read_voice(path: str | Path, encoder: Callable[[], SpeakerEncoder]) -> Samples:
    """Return the voice in a file as float32 [E].

    path: `x.npy` with the vector, or any video or sound file. encoder: makes the speaker encoder; called for sound only.
    Raises InputError, MediaError when there is no sound track, and NoSpeechError when there is too little sound.
    """
    path = require_file(path, "the voice", hint="--speaker-path takes x.wav, x.npy or a video")
    if path.suffix.lower() == ".npy":
        return _read_vector(path)
    speech = read_speech(path)
    try:
        return encoder().embed(speech)
    except NoSpeechError as error:
        raise NoSpeechError(error.what, path=path, expected=error.expected, found=error.found, hint=error.hint) from error


def _read_vector(path: Path) -> Samples:
    try:
        # Mapped: a file that says it has more numbers than it has is refused before room is made for them.
        vector = np.load(path, mmap_mode="r", allow_pickle=False)
    # A damaged header can make numpy fail in any way; whichever it is, the file is at fault.
    except Exception as error:
        found = reason(error)
        raise InputError("the speaker vector cannot be read", path=path, expected="a .npy file of numbers", found=found) from error
    is_row = isinstance(vector, np.ndarray) and vector.size == max(vector.shape, default=0) > 0
    if not is_row or vector.dtype.kind not in "fiu" or not (np.abs(vector.astype(np.float64)) <= _LARGEST).all():
        found = f"{vector.dtype} of shape {list(vector.shape)}" if isinstance(vector, np.ndarray) else "an archive"
        raise InputError("this is no speaker vector", path=path, expected="a row of finite numbers", found=found)
    return np.array(vector.reshape(-1), dtype=np.float32)
