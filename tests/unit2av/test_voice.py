"""A voice from a recording or from a stored vector."""

from pathlib import Path

import numpy as np
import pytest

from avcore.errors import InputError, MediaError, NoSpeechError, UsageError
from avcore.media import write_speech
from avcore.speech.pitch import Pitch
from unit2av.speaker import SpeakerEncoder
from unit2av.speakers.voice_of import main, read_voice, write_voice
from unit2av.voice.speech import SpeakerVoice


def no_encoder() -> SpeakerEncoder:
    raise AssertionError("a stored vector needs no encoder")


def test_a_recording_is_embedded(parity_dir: Path, tmp_path: Path) -> None:
    encoder = SpeakerEncoder.from_checkpoint(parity_dir / "unit2av_spk_encoder.pt")
    inputs = np.load(parity_dir / "unit2av_inputs.npz")
    write_speech(tmp_path / "voice.wav", inputs["speaker_wav_i16"] / 32768)
    np.testing.assert_allclose(read_voice(tmp_path / "voice.wav", lambda: encoder).vector, inputs["spk_embed"], atol=1e-6)
    write_speech(tmp_path / "silence.wav", np.zeros(32_000))
    with pytest.raises(NoSpeechError, match=r"silence\.wav: .*--speaker-path"):
        read_voice(tmp_path / "silence.wav", lambda: encoder)


@pytest.mark.parametrize("shape", [(8,), (1, 8), (1, 1, 8)])
def test_a_vector_is_taken_as_it_is(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "voice.npy", np.arange(8.0).reshape(shape))
    voice = read_voice(tmp_path / "voice.npy", no_encoder)
    assert (voice.vector.dtype, voice.vector.tolist(), voice.pitch) == (np.float32, list(range(8)), None)


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


def test_a_voice_is_stored_with_its_pitch(tmp_path: Path) -> None:
    for pitch in (Pitch(4.9, 0.13), None):
        path = write_voice(tmp_path / "ann.npz", SpeakerVoice(np.arange(8, dtype=np.float32), pitch))
        voice = read_voice(path, no_encoder)
        assert (voice.vector.tolist(), voice.pitch) == (list(range(8)), pitch)
    with pytest.raises(UsageError, match="must end in"):
        write_voice(tmp_path / "ann.wav", SpeakerVoice(np.ones(3, np.float32)))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"other": np.ones(8)}, "no stored voice"),
        ({"voice": np.ones((2, 4))}, "no speaker vector"),
        ({"voice": np.ones(8), "pitch": np.ones(3)}, "no pitch of a voice"),
        ({"voice": np.ones(8), "pitch": np.array([5.0, 0.0])}, "no pitch of a voice"),
        ({"voice": np.ones(8), "pitch": np.array([np.nan, 0.1])}, "no pitch of a voice"),
        ({"voice": np.array([{}], dtype=object)}, "cannot be read"),
    ],
)
def test_other_stored_voices_are_refused(tmp_path: Path, content: dict[str, np.ndarray], complaint: str) -> None:
    np.savez(tmp_path / "x.npz", **content)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=complaint):
        read_voice(tmp_path / "x.npz", no_encoder)
    (tmp_path / "y.npz").write_bytes(b"PK damaged")
    with pytest.raises(InputError, match="cannot be read"):
        read_voice(tmp_path / "y.npz", no_encoder)


def test_the_command_measures_pitch(parity_dir: Path, tmp_path: Path) -> None:
    phase = 2 * np.pi * 140 * np.arange(32_000) / 16_000
    write_speech(tmp_path / "voice.wav", np.asarray(sum(np.sin(k * phase) / k for k in range(1, 12)) * 0.2, np.float32))
    encoder = str(parity_dir / "unit2av_spk_encoder.pt")
    out = tmp_path / "voice.npz"
    assert main(["--in-path", str(tmp_path / "voice.wav"), "--out-path", str(out), "--speaker-encoder-path", encoder]) == 0
    voice = read_voice(out, no_encoder)
    assert voice.pitch is not None
    assert voice.pitch.hz == pytest.approx(140, rel=0.01)
