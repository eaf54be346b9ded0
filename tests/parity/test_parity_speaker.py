"""The speaker encoder against the reference's numbers (small random checkpoint in the published layout)."""

from functools import cache
from pathlib import Path

import numpy as np

from unit2av.speaker import SpeakerEncoder, normalise_volume, padding_for, partial_windows, power_mel

PARITY = Path(__file__).parent
EXPECTED = np.load(PARITY / "unit2av_expected.npz")


@cache
def encoder() -> SpeakerEncoder:
    return SpeakerEncoder.from_checkpoint(PARITY / "unit2av_spk_encoder.pt")


@cache
def speech() -> np.ndarray:
    return (np.load(PARITY / "unit2av_inputs.npz")["speaker_wav_i16"] / 32768).astype(np.float32)


def mel_of(samples: np.ndarray) -> np.ndarray:
    return power_mel(np.pad(samples, (0, padding_for(partial_windows(len(samples)), len(samples)))))


def test_volume() -> None:
    np.testing.assert_allclose(normalise_volume(speech()), EXPECTED["spk_norm"], atol=1e-6)


def test_windows() -> None:
    for name, samples in (("novad", len(speech())), ("short", 8000), ("vad", int(EXPECTED["spk_trimmed_len"][0]))):
        assert partial_windows(samples) == [tuple(row) for row in EXPECTED[f"spk_slices_{name}"]]


def test_mel() -> None:
    np.testing.assert_allclose(mel_of(EXPECTED["spk_norm"]), EXPECTED["spk_mel_novad"], atol=1e-6)


def test_windows_embedded() -> None:
    windows = [tuple(row) for row in EXPECTED["spk_slices_novad"]]
    got = encoder().embed_windows(EXPECTED["spk_mel_novad"], windows)
    np.testing.assert_allclose(got, EXPECTED["spk_partial_novad"], atol=1e-6)


def test_embedding() -> None:
    got = encoder().embed(speech())
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, EXPECTED["spk_embed_novad"], atol=1e-6)
    np.testing.assert_allclose(got, np.load(PARITY / "unit2av_inputs.npz")["spk_embed"], atol=1e-6)


def test_embedding_of_a_clip_shorter_than_a_window() -> None:
    np.testing.assert_allclose(encoder().embed(speech()[:8000]), EXPECTED["spk_embed_short"], atol=1e-6)
