"""The speaker encoder, and a voice from a recording or from a stored vector."""

from pathlib import Path

import numpy as np
import pytest
import torch

from avcore.contracts import SpeakerVoice
from avcore.errors import CheckpointError, InputError, MediaError, NoSpeechError, UsageError
from avcore.media import write_speech
from avcore.speech.audio import require_sound
from avcore.speech.pitch import Pitch
from tests.refusal import refused
from unit2av import speaker
from unit2av.speaker import SpeakerEncoder, SpeakerNetwork, main, normalise_volume, power_mel, read_voice, write_voice
from unit2av.voice.named import read_named_voices, write_named_voices


def noise(seconds: float, level: float = 0.1, seed: int = 0) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(round(16_000 * seconds))).astype(np.float32)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(16_000 * seconds), np.float32)


@pytest.fixture(scope="module")
def encoder(parity_dir: Path) -> SpeakerEncoder:
    return SpeakerEncoder.from_checkpoint(parity_dir / "unit2av_spk_encoder.pt")


def test_an_embedding_is_a_finite_unit_vector_of_its_recording(encoder: SpeakerEncoder) -> None:
    first, second = encoder.embed(noise(3)), encoder.embed(np.cumsum(noise(3, 0.01), dtype=np.float32))
    assert first.shape == (encoder.embedding_dim,)
    assert np.linalg.norm(first) == pytest.approx(1, abs=1e-6)
    assert np.abs(first - second).max() > 1e-3


def test_quiet_speech_has_the_voice_of_loud_speech(encoder: SpeakerEncoder) -> None:
    np.testing.assert_allclose(encoder.embed(noise(2, 0.004)), encoder.embed(noise(2, 0.01)), atol=1e-5)


def test_half_a_second_of_sound_has_a_voice_and_less_has_none(encoder: SpeakerEncoder) -> None:
    hum = [np.concatenate([silence(4), noise(seconds), silence(4)]) for seconds in (0.2, 0.4)]
    hum += [noise(5, 1e-5), noise(5, 1e-4), np.concatenate([noise(4, 1e-4), noise(0.2), noise(4, 1e-4)])]
    for speech in (silence(0), silence(5), noise(0.2), noise(0.49), *hum):
        refused(NoSpeechError, r"expected 0\.5 s or more; found 0\.\d\d s; .*--voice", encoder.embed, speech)
    for speech in (noise(0.5), np.concatenate([silence(9), noise(0.55)]), noise(1, 0.003)):
        assert np.isfinite(encoder.embed(speech)).all()
    for bad in (np.full(16_000, np.nan, np.float32), noise(1).reshape(2, -1)):
        refused(InputError, "", require_sound, bad)


def test_volume_is_raised_only() -> None:
    quiet, loud = noise(1, 0.001), noise(1, 0.5)
    assert 10 * np.log10(np.square(normalise_volume(quiet)).mean()) == pytest.approx(-30, abs=1e-3)
    np.testing.assert_array_equal(normalise_volume(loud), loud)


def test_a_mel_in_blocks_and_windows_in_batches_are_the_same(monkeypatch: pytest.MonkeyPatch, encoder: SpeakerEncoder) -> None:
    speech = noise(4)
    whole = power_mel(speech)
    assert whole.shape == (401, 40)
    monkeypatch.setattr("unit2av.speaker._MEL_BLOCK", 37)
    np.testing.assert_allclose(power_mel(speech), whole, atol=1e-7)
    speech = noise(12)
    whole = encoder.embed(speech)  # in one batch
    monkeypatch.setattr(speaker, "_BATCH", 3)
    np.testing.assert_allclose(encoder.embed(speech), whole, atol=1e-6)


def test_sizes_come_from_the_tensors_all_of_which_are_needed(tmp_path: Path) -> None:
    torch.manual_seed(0)
    path = tmp_path / "other.pt"
    torch.save({"model_state": SpeakerNetwork(40, 12, 2, 192).state_dict()}, path)
    assert SpeakerEncoder.from_checkpoint(path).embed(noise(1)).shape == (192,)
    state = SpeakerNetwork(40, 12, 2, 19).state_dict()
    for lost in ("linear.weight", "lstm.bias_hh_l1"):
        torch.save({"model_state": {key: value for key, value in state.items() if key != lost}}, tmp_path / "cut.pt")
        refused(CheckpointError, lost, SpeakerEncoder.from_checkpoint, tmp_path / "cut.pt")


def test_without_a_file_the_weights_that_come_along_are_used() -> None:
    encoder = SpeakerEncoder.from_checkpoint()
    assert encoder.fingerprint == "sha256:650963a266361287"
    vector = encoder.embed(np.sin(np.arange(32000, dtype=np.float32)))
    assert vector.shape == (256,)
    assert float(np.linalg.norm(vector)) == pytest.approx(1, abs=1e-5)


def no_encoder() -> SpeakerEncoder:
    raise AssertionError("a stored vector needs no encoder")


def test_a_recording_is_embedded(parity_dir: Path, tmp_path: Path) -> None:
    encoder = SpeakerEncoder.from_checkpoint(parity_dir / "unit2av_spk_encoder.pt")
    inputs = np.load(parity_dir / "unit2av_inputs.npz")
    write_speech(tmp_path / "voice.wav", inputs["speaker_wav_i16"] / 32768)
    np.testing.assert_allclose(read_voice(tmp_path / "voice.wav", lambda: encoder).vector, inputs["spk_embed"], atol=1e-6)
    write_speech(tmp_path / "silence.wav", np.zeros(32_000))
    refused(NoSpeechError, r"silence\.wav: .*--voice", read_voice, tmp_path / "silence.wav", lambda: encoder)


def test_a_vector_is_taken_as_it_is_and_other_arrays_are_refused(tmp_path: Path) -> None:
    for shape in ((8,), (1, 8), (1, 1, 8)):
        np.save(tmp_path / "voice.npy", np.arange(8.0).reshape(shape))
        voice = read_voice(tmp_path / "voice.npy", no_encoder)
        assert (voice.vector.dtype, voice.vector.tolist(), voice.pitch) == (np.float32, list(range(8)), None)
    odd = ([1.0, np.nan], [1.0, np.inf], ["a"])
    for vector in (np.ones((2, 4)), np.zeros(0), np.full(8, 1e38), *map(np.array, odd)):
        np.save(tmp_path / "voice.npy", vector)
        refused(InputError, r"voice\.npy: this is no speaker vector", read_voice, tmp_path / "voice.npy", no_encoder)


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "pickled.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (tmp_path / "text.npy").write_text("0.1 0.2")
    for name in ("pickled.npy", "text.npy"):
        refused(InputError, f"{name}: the speaker vector cannot be read", read_voice, tmp_path / name, no_encoder)
    (tmp_path / "voice.wav").write_text("no sound at all")
    refused(MediaError, "", read_voice, tmp_path / "voice.wav", no_encoder)
    refused(InputError, "not there", read_voice, tmp_path / "missing.npy", no_encoder)


def test_a_voice_is_stored_with_its_pitch(tmp_path: Path) -> None:
    for pitch in (Pitch(4.9, 0.13), None):
        path = write_voice(tmp_path / "ann.npz", SpeakerVoice(np.arange(8, dtype=np.float32), pitch))
        voice = read_voice(path, no_encoder)
        assert (voice.vector.tolist(), voice.pitch) == (list(range(8)), pitch)
    refused(UsageError, "must end in", write_voice, tmp_path / "ann.wav", SpeakerVoice(np.ones(3, np.float32)))


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
    refused(InputError, complaint, read_voice, tmp_path / "x.npz", no_encoder)
    (tmp_path / "y.npz").write_bytes(b"PK damaged")
    refused(InputError, "cannot be read", read_voice, tmp_path / "y.npz", no_encoder)


def test_the_command_measures_pitch(parity_dir: Path, tmp_path: Path) -> None:
    phase = 2 * np.pi * 140 * np.arange(32_000) / 16_000
    write_speech(tmp_path / "voice.wav", np.asarray(sum(np.sin(k * phase) / k for k in range(1, 12)) * 0.2, np.float32))
    encoder = str(parity_dir / "unit2av_spk_encoder.pt")
    out = tmp_path / "voice.npz"
    assert main(["--in-path", str(tmp_path / "voice.wav"), "--out-path", str(out), "--speaker-encoder-path", encoder]) == 0
    assert read_voice(out, no_encoder).pitch.hz == pytest.approx(140, rel=0.01)


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
    refused(InputError, "the named voices", read_named_voices, path)
    path.write_bytes(b"PK\x03\x04 no archive")
    refused(CheckpointError, "no named voices", read_named_voices, path)
    good = {"format": "netflips-voices-1", "names": ["a"], "vectors": np.ones((1, 4), np.float32), "pitches": np.ones((1, 2))}
    for wrong in (
        {"names": ["a", "a"], "vectors": np.ones((2, 4), np.float32), "pitches": np.ones((2, 2))},
        {"names": []},
        {"vectors": np.full((1, 4), np.nan, np.float32)},
        {"pitches": np.array([[5.0, 0.0]])},
        {"vectors": np.ones((3, 4), np.float32)},
    ):
        np.savez(path, **(good | wrong))
        refused(CheckpointError, "expected a name, a vector and a pitch of each", read_named_voices, path)
    np.savez(path, **good)
    assert list(read_named_voices(path)) == ["a"]
