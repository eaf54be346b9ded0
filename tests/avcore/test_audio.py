"""Levels, loudness, resampling and crossfades against sounds whose answers are known."""

import numpy as np
import pytest

from avcore.speech.audio import (
    level_dbfs,
    loudness_lufs,
    match_loudness,
    replace_stretch,
    resample,
    seconds_of_sound,
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


def test_seconds_of_sound() -> None:
    silence = np.zeros(16000, np.float32)
    hiss = np.random.default_rng(0).normal(0, 10 ** (-65 / 20), 16000).astype(np.float32)
    assert seconds_of_sound(silence) == 0
    assert seconds_of_sound(hiss) == 0
    assert seconds_of_sound(silence + 0.5) == 0  # an offset is no sound
    assert seconds_of_sound(np.concatenate([silence, sine(seconds=0.3), hiss])) == pytest.approx(0.3, abs=0.021)
    assert seconds_of_sound(sine(amplitude=0.01)) == pytest.approx(1.0)  # quiet speech, -43 dBFS
    assert seconds_of_sound(sine(amplitude=0.01), floor_dbfs=-30) == 0
    assert seconds_of_sound(sine(48000, 0.5), rate=48000) == pytest.approx(0.5)
    assert seconds_of_sound(np.zeros(0, np.float32)) == 0


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


@pytest.mark.parametrize("channels", [None, 2])
def test_a_stretch_is_replaced_with_fades(channels: int | None) -> None:
    shape = (100,) if channels is None else (100, channels)
    base, patch = np.ones(shape, np.float32), np.full((40, *shape[1:]), 3.0, np.float32)
    mixed = replace_stretch(base, patch, 30, 10)
    assert np.array_equal(mixed[:30], base[:30])
    assert np.array_equal(mixed[70:], base[70:])
    assert np.array_equal(mixed[40:60], patch[10:30])
    assert np.all(np.diff(mixed[29:41], axis=0) > 0)
    assert np.array_equal(mixed[30:70], mixed[30:70][::-1])
    assert np.all(base == 1)
    # Gains add up to 1: replacing a sound by itself changes nothing.
    assert np.allclose(replace_stretch(base, base[:40], 30, 10), base)


def test_a_stretch_must_lie_inside() -> None:
    base, patch = np.zeros(10, np.float32), np.ones(4, np.float32)
    assert np.array_equal(replace_stretch(base, patch, 6, 0)[6:], patch)
    assert len(replace_stretch(base, patch, 3, 100)) == 10
    for start in (-1, 7):
        with pytest.raises(ValueError, match="does not lie inside"):
            replace_stretch(base, patch, start, 1)
