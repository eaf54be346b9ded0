"""A voice from a recording or from a stored vector."""

from pathlib import Path

import numpy as np
import pytest

from avcore.errors import InputError, MediaError, NoSpeechError
from avcore.media import write_speech
from unit2av.speaker import SpeakerEncoder
from unit2av.voice import read_voice


def no_encoder() -> SpeakerEncoder:
    raise AssertionError("a stored vector needs no encoder")


def test_a_recording_is_embedded(parity_dir: Path, tmp_path: Path) -> None:
    encoder = SpeakerEncoder.from_checkpoint(parity_dir / "unit2av_spk_encoder.pt")
    inputs = np.load(parity_dir / "unit2av_inputs.npz")
    write_speech(tmp_path / "voice.wav", inputs["speaker_wav_i16"] / 32768)
    np.testing.assert_allclose(read_voice(tmp_path / "voice.wav", lambda: encoder), inputs["spk_embed"], atol=1e-6)
    write_speech(tmp_path / "silence.wav", np.zeros(32_000))
    with pytest.raises(NoSpeechError, match=r"silence\.wav: .*--speaker-path"):
        read_voice(tmp_path / "silence.wav", lambda: encoder)


@pytest.mark.parametrize("shape", [(8,), (1, 8), (1, 1, 8)])
def test_a_vector_is_taken_as_it_is(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "voice.npy", np.arange(8.0).reshape(shape))
    voice = read_voice(tmp_path / "voice.npy", no_encoder)
    assert (voice.dtype, voice.tolist()) == (np.float32, list(range(8)))


@pytest.mark.parametrize("vector", [np.ones((2, 4)), np.array([1.0, np.nan]), np.array(["a"]), np.zeros(0)])
def test_other_arrays_are_refused(tmp_path: Path, vector: np.ndarray) -> None:
    np.save(tmp_path / "voice.npy", vector)
    with pytest.raises(InputError, match=r"voice\.npy: this is no speaker vector"):
        read_voice(tmp_path / "voice.npy", no_encoder)


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "pickled.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (tmp_path / "text.npy").write_text("0.1 0.2")
    for name in ("pickled.npy", "text.npy"):
        with pytest.raises(InputError, match=f"{name}: the speaker vector cannot be read"):
            read_voice(tmp_path / name, no_encoder)
    (tmp_path / "voice.wav").write_text("no sound at all")
    with pytest.raises(MediaError):
        read_voice(tmp_path / "voice.wav", no_encoder)
    with pytest.raises(InputError, match="not there"):
        read_voice(tmp_path / "missing.npy", no_encoder)
