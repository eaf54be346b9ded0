"""Levels, loudness, resampling and crossfades against sounds whose answers are known."""

import numpy as np
import pytest

from avcore.speech.audio import (
    level_dbfs,
    loudness_lufs,
    match_loudness,
    resample,
)


def sine(rate: int = 16000, seconds: float = 1.0, hertz: float = 1000.0, amplitude: float = 1.0) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


@pytest.mark.parametrize(("rate", "new_rate"), [(48000, 16000), (44100, 16000), (16000, 48000), (22050, 16000), (16000, 16000)])
def test_resampling_keeps_the_sound(rate: int, new_rate: int) -> None:
    resampled = resample(sine(rate, 2.0, 900), rate, new_rate)
    assert resampled.dtype == np.float32
    assert len(resampled) == -(-2 * rate * new_rate // rate)
    inner = slice(new_rate // 10, -new_rate // 10)
    assert np.abs(resampled[inner] - sine(new_rate, 2.0, 900)[: len(resampled)][inner]).max() < 1e-3


def test_resampling_removes_what_does_not_fit() -> None:
    assert level_dbfs(resample(sine(48000, 1.0, 12_000), 48000, 16000)[800:-800]) < -60


def test_resampling_keeps_channels_apart() -> None:
    stereo = np.stack([sine(48000), np.zeros(48000, np.float32)], axis=1)
    resampled = resample(stereo, 48000, 16000)
    assert resampled.shape == (16000, 2)
    assert np.abs(resampled[:, 1]).max() == 0
    assert len(resample(np.zeros(0, np.float32), 48000, 16000)) == 0


def test_levels() -> None:
    assert level_dbfs(sine()) == pytest.approx(-3.01, abs=0.01)
    assert level_dbfs(sine(amplitude=0.1)) == pytest.approx(-23.01, abs=0.01)
    assert level_dbfs(np.zeros(100, np.float32)) == -np.inf
    assert level_dbfs(np.zeros(0, np.float32)) == -np.inf


def test_loudness_follows_the_standard() -> None:
    # BS.1770: a full-scale 997 Hz sine in one channel is -3.01 LUFS.
    assert loudness_lufs(sine(48000, 2.0, 997), 48000) == pytest.approx(-3.01, abs=0.05)
    assert loudness_lufs(np.stack([sine(48000, 2.0, 997)] * 2, axis=1), 48000) == pytest.approx(0.0, abs=0.05)
    assert loudness_lufs(np.zeros(16000, np.float32)) == -np.inf
    assert loudness_lufs(np.zeros(0, np.float32)) == -np.inf
    assert loudness_lufs(sine(48000, 0.1, 997), 48000) == pytest.approx(-3.01, abs=0.3)


def test_loudness_is_matched_without_clipping() -> None:
    quiet, loud = sine(amplitude=0.05), sine(amplitude=0.4, hertz=1500)
    assert loudness_lufs(match_loudness(quiet, loud)) == pytest.approx(loudness_lufs(loud), abs=0.1)
    assert loudness_lufs(match_loudness(loud, quiet)) == pytest.approx(loudness_lufs(quiet), abs=0.1)
    peaky = sine(amplitude=0.01)
    peaky[8000] = 0.9
    assert np.abs(match_loudness(peaky, loud)).max() <= 1.0
    silence = np.zeros(16000, np.float32)
    assert np.array_equal(match_loudness(silence, loud), silence)
    assert np.array_equal(match_loudness(quiet, silence), quiet)
