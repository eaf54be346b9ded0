"""Levels, loudness, resampling and pitch, against sounds whose answers are known."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from avcore.speech.audio import level_dbfs, loudness_lufs, match_loudness, resample
from avcore.speech.pitch import PITCH_STEP, filled_log, measure_pitch, pitch_of, pitch_track, without_jumps
from avcore.timeline import SAMPLE_RATE


def sine(rate: int = 16000, seconds: float = 1.0, hertz: float = 1000.0, amplitude: float = 1.0) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


@pytest.mark.parametrize(("rate", "new_rate"), [(48000, 16000), (44100, 16000), (16000, 48000), (22050, 16000), (16000, 16000)])
def test_resampling_keeps_the_sound(rate: int, new_rate: int) -> None:
    resampled = resample(sine(rate, 2.0, 900), rate, new_rate)
    assert resampled.dtype == np.float32
    assert len(resampled) == -(-2 * rate * new_rate // rate)
    inner = slice(new_rate // 10, -new_rate // 10)
    assert np.abs(resampled[inner] - sine(new_rate, 2.0, 900)[: len(resampled)][inner]).max() < 1e-3


def test_resampling_removes_what_does_not_fit_and_keeps_channels_apart_and_levels() -> None:
    assert level_dbfs(resample(sine(48000, 1.0, 12_000), 48000, 16000)[800:-800]) < -60
    stereo = np.stack([sine(48000), np.zeros(48000, np.float32)], axis=1)
    resampled = resample(stereo, 48000, 16000)
    assert resampled.shape == (16000, 2)
    assert np.abs(resampled[:, 1]).max() == 0
    assert len(resample(np.zeros(0, np.float32), 48000, 16000)) == 0
    assert level_dbfs(sine()) == pytest.approx(-3.01, abs=0.01)
    assert level_dbfs(sine(amplitude=0.1)) == pytest.approx(-23.01, abs=0.01)
    assert level_dbfs(np.zeros(100, np.float32)) == -np.inf
    assert level_dbfs(np.zeros(0, np.float32)) == -np.inf


def test_loudness_follows_the_standard_and_loudness_is_matched_without_clipping() -> None:
    # BS.1770: a full-scale 997 Hz sine in one channel is -3.01 LUFS.
    assert loudness_lufs(sine(48000, 2.0, 997), 48000) == pytest.approx(-3.01, abs=0.05)
    assert loudness_lufs(np.stack([sine(48000, 2.0, 997)] * 2, axis=1), 48000) == pytest.approx(0.0, abs=0.05)
    assert loudness_lufs(np.zeros(16000, np.float32)) == -np.inf
    assert loudness_lufs(np.zeros(0, np.float32)) == -np.inf
    assert loudness_lufs(sine(48000, 0.1, 997), 48000) == pytest.approx(-3.01, abs=0.3)
    quiet, loud = sine(amplitude=0.05), sine(amplitude=0.4, hertz=1500)
    assert loudness_lufs(match_loudness(quiet, loud)) == pytest.approx(loudness_lufs(loud), abs=0.1)
    assert loudness_lufs(match_loudness(loud, quiet)) == pytest.approx(loudness_lufs(quiet), abs=0.1)
    peaky = sine(amplitude=0.01)
    peaky[8000] = 0.9
    assert np.abs(match_loudness(peaky, loud)).max() <= 1.0
    silence = np.zeros(16000, np.float32)
    assert np.array_equal(match_loudness(silence, loud), silence)
    assert np.array_equal(match_loudness(quiet, silence), quiet)


def voice(hz: NDArray[np.float64], harmonics: int = 12) -> NDArray[np.float32]:
    """A tone with harmonics whose F0 is float64 [S] in Hz."""
    phase = 2 * np.pi * np.cumsum(hz) / SAMPLE_RATE
    return np.asarray(sum(np.sin(k * phase) / k for k in range(1, harmonics + 1)) * 0.2, np.float32)


def at_values(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    return hz[: len(hz) // PITCH_STEP * PITCH_STEP].reshape(-1, PITCH_STEP).mean(1)


def semitones(found: NDArray[np.float32], true: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(12 * np.abs(np.log2(found / true)))


@pytest.mark.parametrize("hz", [70.0, 121.3, 220.0, 395.0])
def test_a_steady_voice(hz: float) -> None:
    track = pitch_track(voice(np.full(16_000, hz)))
    assert len(track) == 200
    inner = track[5:-5]
    assert (inner > 0).all()
    assert semitones(inner, np.full(len(inner), hz)).max() < 0.1


@pytest.mark.parametrize(("start", "end"), [(90.0, 180.0), (300.0, 150.0)])
def test_a_glide_is_followed_where_it_is(start: float, end: float) -> None:
    hz = np.geomspace(start, end, 16_000)
    track = pitch_track(voice(hz))
    assert semitones(track[5:-5], at_values(hz)[5:-5]).max() < 0.3


def test_noise_and_silence_have_no_pitch_and_voice_between_pauses_is_found_where_it_is() -> None:
    rng = np.random.default_rng(0)
    assert (pitch_track(rng.normal(size=16_000) * 0.1) > 0).mean() < 0.05
    assert not pitch_track(np.zeros(16_000, np.float32)).any()
    assert measure_pitch(np.zeros(16_000, np.float32)) is None
    assert len(pitch_track(np.zeros(79))) == 0
    sound = np.concatenate([np.zeros(4000), voice(np.full(8000, 150.0)), np.zeros(4000)])
    voiced = pitch_track(sound) > 0
    assert not voiced[:45].any()
    assert voiced[55:145].all()
    assert not voiced[155:].any()


def test_a_missing_fundamental_and_noise_do_not_fool_it() -> None:
    phase = 2 * np.pi * 130.0 * np.arange(16_000) / SAMPLE_RATE
    noise = np.random.default_rng(1).normal(size=16_000) * 0.05
    sound = sum(np.sin(k * phase) for k in (3, 4, 5, 6)) * 0.2 + noise
    track = pitch_track(np.asarray(sound))
    assert (track[5:-5] > 0).all()
    assert semitones(track[5:-5], np.full(190, 130.0)).max() < 0.3


def test_long_speech_is_tracked_in_blocks_as_a_whole() -> None:
    hz = 140 * 2 ** (0.3 * np.sin(np.arange(16_000 * 11) / 9000))
    track = pitch_track(voice(hz))
    assert semitones(track[5:-5], at_values(hz)[5:-5]).max() < 0.3


def test_the_pitch_of_a_speaker() -> None:
    hz = np.exp(math.log(150) + 0.15 * np.sin(np.arange(32_000) * (2 * np.pi * 4 / 32_000)))
    found = measure_pitch(voice(hz))
    assert found.hz == pytest.approx(150, rel=0.02)
    assert found.spread == pytest.approx(0.15 / math.sqrt(2), rel=0.1)


def test_jumps_are_left_out_and_gaps_filled() -> None:
    track = np.array([0, 100, 100, 400, 110, 0, 0, 130] + [110] * 20, np.float32)
    clean = without_jumps(track)
    assert clean[3] == 0
    logs, voiced = filled_log(clean)
    expected = [100, math.sqrt(100 * 110), 110 * (13 / 11) ** (1 / 3), 110 * (13 / 11) ** (2 / 3)]
    assert np.exp(logs[[0, 3, 5, 6]]) == pytest.approx(expected, rel=1e-4)
    assert voiced.sum() == 24
    found = pitch_of(track)
    assert found.hz == pytest.approx(110)
    assert found.spread == pytest.approx(np.log([100, 100, 110, 130] + [110] * 20).std(), rel=1e-4)
    assert pitch_of(np.zeros(100, np.float32)) is None
    assert filled_log(np.zeros(3, np.float32))[0] == pytest.approx(math.log(120))
