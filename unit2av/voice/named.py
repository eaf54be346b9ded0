"""Voices that come with a renderer, by name: `voices.npz` beside it. The first one is the default."""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from avcore.contracts import SpeakerVoice
from avcore.errors import CheckpointError
from avcore.files import atomic_output, require_file
from avcore.speech.pitch import Pitch

FILE = "voices.npz"
"""Its name beside a renderer."""
_FORMAT = "netflips-voices-1"


def write_named_voices(path: str | Path, voices: Mapping[str, SpeakerVoice]) -> None:
    """Write voices with their pitches to a file, which is replaced as a whole or stays as it was. Raises OutputError."""
    pitches = [voice.pitch for voice in voices.values() if voice.pitch is not None]
    assert len(pitches) == len(voices), "a voice that comes along has a pitch"
    encoders = {voice.encoder for voice in voices.values()}
    assert len(encoders) <= 1, "voices that come along are of one speaker encoder"

    with atomic_output(Path(path)) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            format=_FORMAT,
            names=np.array(list(voices)),
            vectors=np.stack([voice.vector for voice in voices.values()]),
            pitches=np.array([[pitch.median, pitch.spread] for pitch in pitches]),
            encoder=np.array("".join(encoders)),
        )


def read_named_voices(path: str | Path) -> dict[str, SpeakerVoice]:
    """Return the voices of a file. Raises InputError when there is no file, CheckpointError when it has another format."""
    path = require_file(path, "the named voices")
    try:
        with np.load(path, allow_pickle=False) as stored:
            if str(stored["format"]) != _FORMAT:
                raise ValueError(f"the format {stored['format']}")
            names, vectors, pitches = [str(one) for one in stored["names"]], stored["vectors"], stored["pitches"]
            encoder = str(stored["encoder"]) if "encoder" in stored else ""
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise CheckpointError("these are no named voices", path=path, expected=_FORMAT, found=error) from error

    is_whole = 0 < len(names) == len(set(names)) and vectors.ndim == 2 and vectors.dtype == np.float32
    is_whole = is_whole and pitches.shape == (len(names), 2) and pitches.dtype == np.float64 and len(vectors) == len(names)
    if not is_whole or not np.isfinite(vectors).all() or not np.isfinite(pitches).all() or not (pitches[:, 1] > 0).all():
        raise CheckpointError("these are no named voices", path=path, expected="a name, a vector and a pitch of each")
    rows = zip(names, vectors, pitches.tolist(), strict=True)
    return {name: SpeakerVoice(vector, Pitch(*pitch), encoder) for name, vector, pitch in rows}
