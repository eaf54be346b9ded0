"""Voices that come with a renderer by name: their file, and its one-line errors."""

from pathlib import Path

import numpy as np
import pytest

from avcore.contracts import SpeakerVoice
from avcore.errors import CheckpointError, InputError
from avcore.speech.pitch import Pitch
from unit2av.voice.named import read_named_voices, write_named_voices

VOICES = {
    name: SpeakerVoice(np.full(8, number, np.float32), Pitch(5.0 + number / 10, 0.2))
    for number, name in enumerate(("man", "woman-1"))
}


def test_voices_come_back_in_their_order(tmp_path: Path) -> None:
    write_named_voices(tmp_path / "voices.npz", VOICES)
    found = read_named_voices(tmp_path / "voices.npz")
    assert list(found) == ["man", "woman-1"]
    for name, voice in found.items():
        np.testing.assert_array_equal(voice.vector, VOICES[name].vector)
        assert voice.pitch == VOICES[name].pitch


def test_bad_files_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "voices.npz"
    with pytest.raises(InputError, match="the named voices"):
        read_named_voices(path)
    path.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(CheckpointError, match="no named voices"):
        read_named_voices(path)
    good = {"format": "netflips-voices-1", "names": ["a"], "vectors": np.ones((1, 4), np.float32), "pitches": np.ones((1, 2))}
    for wrong in (
        {"names": ["a", "a"], "vectors": np.ones((2, 4), np.float32), "pitches": np.ones((2, 2))},
        {"names": []},
        {"vectors": np.full((1, 4), np.nan, np.float32)},
        {"pitches": np.array([[5.0, 0.0]])},
        {"vectors": np.ones((3, 4), np.float32)},
    ):
        np.savez(path, **(good | wrong))
        with pytest.raises(CheckpointError, match="expected a name, a vector and a pitch of each"):
            read_named_voices(path)
    np.savez(path, **good)
    assert list(read_named_voices(path)) == ["a"]
