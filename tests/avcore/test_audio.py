"""Levels, loudness, resampling, tempo, pitch and where speech is, against sounds whose answers are known."""

import math
import sys
import tracemalloc
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import torchaudio
from numpy.typing import NDArray

from avcore.data.prepare.video import CutSettings, cut_at_pauses, cut_exactly
from avcore.errors import InputError
from avcore.speech.audio import faster, level_dbfs, loudness_lufs, match_loudness, resample
from avcore.speech.pitch import PITCH_STEP, filled_log, measure_pitch, pitch_of, pitch_track, without_jumps
from avcore.speech.voice_activity import (
    STEP_SAMPLES,
    SpeechActivity,
    SpeechSettings,
    _network,
    detect_activity,
    find_speech,
    speech_probabilities,
)
from avcore.timeline import SAMPLE_RATE, Interval
from tests.avcore.made_speech import babble, silence, talk


def sine(rate: int = 16000, seconds: float = 1.0, hertz: float = 1000.0, amplitude: float = 1.0) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


@pytest.mark.parametrize(("rate", "new_rate"), [(48000, 16000), (44100, 16000), (16000, 48000), (22050, 16000), (16000, 16000)])
def test_resampling_keeps_the_sound(rate: int, new_rate: int) -> None:
    resampled = resample(sine(rate, 2.0, 900), rate, new_rate)
    assert (resampled.dtype, len(resampled)) == (np.float32, -(-2 * rate * new_rate // rate))
    inner = slice(new_rate // 10, -new_rate // 10)
    assert np.abs(resampled[inner] - sine(new_rate, 2.0, 900)[: len(resampled)][inner]).max() < 1e-3


def test_resampling_removes_what_does_not_fit_and_keeps_levels() -> None:
    assert level_dbfs(resample(sine(48000, 1.0, 12_000), 48000, 16000)[800:-800]) < -60
    resampled = resample(np.stack([sine(48000), np.zeros(48000, np.float32)], axis=1), 48000, 16000)
    assert resampled.shape == (16000, 2)
    assert np.abs(resampled[:, 1]).max() == 0
    assert len(resample(np.zeros(0, np.float32), 48000, 16000)) == 0
    assert level_dbfs(sine()) == pytest.approx(-3.01, abs=0.01)
    assert level_dbfs(sine(amplitude=0.1)) == pytest.approx(-23.01, abs=0.01)
    assert (level_dbfs(np.zeros(100, np.float32)), level_dbfs(np.zeros(0, np.float32))) == (-np.inf, -np.inf)


@pytest.mark.parametrize(("rate", "new_rate"), [(48000, 16000), (44100, 16000), (16000, 24000), (16000, 8000)])
def test_resampling_gives_the_bits_of_torchaudio(rate: int, new_rate: int) -> None:
    sound = np.random.default_rng(0).standard_normal((777, 2)).astype(np.float32)
    settings = {"lowpass_filter_width": 64, "rolloff": 0.9475937167399596, "beta": 14.769656459379492}
    theirs = torchaudio.functional.resample(
        torch.from_numpy(sound.T.copy()), rate, new_rate, resampling_method="sinc_interp_kaiser", **settings
    )
    np.testing.assert_allclose(resample(sound, rate, new_rate), theirs.numpy().T, atol=1e-6)


def test_loudness_follows_the_standard_and_is_matched_unclipped() -> None:
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


STEADY = {f"{hz} Hz": np.full(16_000, hz) for hz in (70.0, 121.3, 220.0, 395.0)}
GLIDES = {"up": np.geomspace(90, 180, 16_000), "down": np.geomspace(300, 150, 16_000)}
LONG = {"11 s": 140 * 2 ** (0.3 * np.sin(np.arange(16_000 * 11) / 9000))}


@pytest.mark.parametrize("hz", [*STEADY.values(), *GLIDES.values(), *LONG.values()], ids=[*STEADY, *GLIDES, *LONG])
def test_a_voice_is_followed_where_it_is(hz: NDArray[np.float64]) -> None:
    track = pitch_track(voice(hz))
    assert len(track) == len(hz) // PITCH_STEP
    assert semitones(track[5:-5], at_values(hz)[5:-5]).max() < (0.1 if hz.min() == hz.max() else 0.3)


def test_noise_has_no_pitch_and_voice_is_found_between_pauses() -> None:
    assert (pitch_track(np.random.default_rng(0).normal(size=16_000) * 0.1) > 0).mean() < 0.05
    assert not pitch_track(np.zeros(16_000, np.float32)).any()
    assert measure_pitch(np.zeros(16_000, np.float32)) is None
    assert len(pitch_track(np.zeros(79))) == 0
    voiced = pitch_track(np.concatenate([np.zeros(4000), voice(np.full(8000, 150.0)), np.zeros(4000)])) > 0
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


PLAN = [1.0, 2.0, 0.8, 1.5, 1.2, 0.7, 1.0]
"""Silence 0..1, speech 1..3, silence 3..3.8, speech 3.8..5.3, silence 5.3..6.5, speech 6.5..7.2, silence 7.2..8.2."""
SPOKEN = [(1.0, 3.0), (3.8, 5.3), (6.5, 7.2)]


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return talk(PLAN)


def made_up(runs: list[tuple[float, float]], seconds: float, dips: tuple[float, ...] = ()) -> SpeechActivity:
    """Activity as if heard: speech in the runs (s), with a quieter step at each dip (s)."""
    steps = int(seconds * SAMPLE_RATE / STEP_SAMPLES)
    times = (np.arange(steps) + 0.5) * STEP_SAMPLES / SAMPLE_RATE
    spoken = np.any([(times >= a) & (times < b) for a, b in runs], axis=0)
    levels = np.where(spoken, -20.0, -60.0)
    for dip in dips:
        levels[np.abs(times - dip).argmin()] = -45.0
    return SpeechActivity(spoken.astype(np.float32), levels.astype(np.float32), steps * STEP_SAMPLES)


def test_speech_is_found_where_it_is(speech: np.ndarray) -> None:
    found = find_speech(speech)
    assert len(found) == len(SPOKEN)
    assert np.abs(np.array(found) - np.array(SPOKEN)).max() < 0.3


@pytest.mark.parametrize("sound", [np.zeros(0, np.float32), np.zeros(40000, np.float32), silence(3), 100 * silence(3)])
def test_there_is_no_speech_in_silence_and_noise(sound: np.ndarray) -> None:
    assert find_speech(sound) == []


def _arpeggio(seed: int, harmonics: int) -> np.ndarray:
    """Notes of a chord one after the other, 8 s of them, as float32 [samples]."""
    rng = np.random.default_rng(seed)
    beat, root = float(rng.choice([0.125, 0.17, 0.2, 0.25])), int(rng.integers(-12, 8))
    music = np.zeros(8 * SAMPLE_RATE)
    for begin in np.arange(0, 7.5, beat):
        degree = int(rng.choice([0, 4, 7, 11])) + (int(rng.integers(5)) if rng.random() < 0.2 else 0)
        time = np.arange(int(2.4 * beat * SAMPLE_RATE)) / SAMPLE_RATE
        pitch = 220 * 2 ** ((root + degree) / 12)
        tone = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, harmonics + 1) if k * pitch < 7500)
        envelope = np.minimum(time / 0.05, 1) * np.minimum((time[-1] - time) / 0.08, 1).clip(0)
        start = int(begin * SAMPLE_RATE)
        music[start : start + len(time)] += (tone * envelope)[: len(music) - start]
    music = music / np.abs(music).max() + 0.0003 * rng.standard_normal(len(music))
    return (0.4 * music).astype(np.float32)


def test_music_that_the_network_half_takes_for_speech_is_none() -> None:
    pieces = [detect_activity([_arpeggio(seed, harmonics)]) for seed in range(12) for harmonics in (1, 12)]
    assert sum(bool(replace(piece, flatness=None).regions()) for piece in pieces) >= 3
    assert [piece.regions() for piece in pieces] == [[]] * len(pieces)


def test_speech_with_music_under_it_stays_speech(speech: np.ndarray) -> None:
    music = np.resize(_arpeggio(1, 12), len(speech))
    quiet = music * np.sqrt(np.mean(speech**2) / np.mean(music**2)) * 10 ** (-8 / 20)
    assert sum(region.seconds for region in find_speech(speech + quiet)) > 0.75 * sum(b - a for a, b in SPOKEN)


def test_the_network_is_that_of_the_package(speech: np.ndarray) -> None:
    """The packaged TorchScript model, asked step by step as its authors do, gives the same numbers."""
    theirs = torch.jit.load(Path(find_spec("silero_vad").origin or "").parent / "data" / "silero_vad.jit")
    steps = torch.from_numpy(speech[: len(speech) // STEP_SAMPLES * STEP_SAMPLES]).reshape(-1, STEP_SAMPLES)
    with torch.no_grad():
        expected = np.array([float(theirs(step, SAMPLE_RATE)) for step in steps])
    assert np.abs(np.concatenate(list(speech_probabilities([speech])))[: len(expected)] - expected).max() < 1e-4
    assert expected.max() > 0.9


def test_blocks_of_any_length_make_no_difference(speech: np.ndarray) -> None:
    whole = detect_activity([speech])
    cuts = np.cumsum([1, 3, 512, 5000, 17, 0, 60000, 511])
    parts = detect_activity(np.split(np.tile(speech, 3), cuts))
    assert parts.num_samples == 3 * whole.num_samples
    assert len(parts.probabilities) == len(parts.levels) == -(-parts.num_samples // STEP_SAMPLES)
    first = len(whole.probabilities) - 1
    np.testing.assert_allclose(parts.probabilities[:first], whole.probabilities[:first], atol=1e-5)
    np.testing.assert_allclose(parts.levels[:first], whole.levels[:first], atol=1e-4)


def test_memory_does_not_grow_with_the_sound() -> None:
    def peak(minutes: int) -> int:
        block = silence(1)
        tracemalloc.start()
        detect_activity(block for _ in range(60 * minutes))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)
    assert peak(8) < peak(2) + 2**20


def test_short_pauses_are_bridged_and_padded_by_half() -> None:
    activity = made_up([(1, 2), (2.2, 3), (4, 4.1), (6, 7)], 8)
    assert np.round(activity.regions(SpeechSettings(pad_s=0)), 1).tolist() == [[1.0, 3.0], [6.0, 7.0]]
    assert len(activity.regions(SpeechSettings(pad_s=0, min_pause_s=0.1))) == 3
    activity = made_up([(0.05, 1), (1.4, 2)], 2.02)
    first, second = activity.padded([Interval(0.05, 1.0), Interval(1.4, 2.0)], 0.5)
    assert first == pytest.approx((0.0, 1.2))
    assert second == pytest.approx((1.2, activity.seconds))


def test_cuts_are_at_pauses_and_what_is_too_short_is_named(speech: np.ndarray) -> None:
    activity = detect_activity([speech])
    cuts = cut_at_pauses(activity, CutSettings(min_s=1.0, max_s=5.0, max_pause_s=1.0))
    assert len(cuts.items) == 2
    for piece in cuts.items:
        assert 1.0 <= piece.seconds <= 5.0
    joined, alone = cuts.items
    assert (joined.start_s, joined.end_s) == (pytest.approx(0.8, abs=0.25), pytest.approx(5.5, abs=0.25))
    assert alone.start_s == pytest.approx(6.3, abs=0.25)
    cuts = cut_at_pauses(activity, CutSettings(min_s=1.5, max_s=3.0))
    assert (len(cuts.items), len(cuts.too_short)) == (2, 1)


def test_speech_without_a_pause_is_cut_at_its_quietest() -> None:
    cuts = cut_at_pauses(made_up([(0.5, 20)], 21, dips=(7.3, 14.0)), CutSettings(max_s=10.0, margin_s=0.1))
    ends = [piece.end_s for piece in cuts.items[:-1]]
    assert ends == pytest.approx([7.3, 14.0], abs=0.06)
    assert all(piece.seconds <= 10.0 for piece in cuts.items)
    assert sum(piece.seconds for piece in cuts.items) == pytest.approx(19.7, abs=0.2)


@pytest.mark.parametrize("max_s", [3.0, 4.5, 10.0])
def test_pieces_never_overlap_and_keep_to_their_length(max_s: float) -> None:
    edges = np.cumsum(np.random.default_rng(1).uniform(0.2, 6.0, 60))
    activity = made_up(list(zip(edges[::2], edges[1::2], strict=True)), float(edges[-1]) + 1)
    cuts = cut_at_pauses(activity, CutSettings(min_s=0.5, max_s=max_s))
    assert cuts.items
    for one, following in zip(cuts.items, cuts.items[1:], strict=False):
        assert one.end_s <= following.start_s + 1e-9
    assert all(0.5 <= piece.seconds <= max_s + 1e-9 for piece in cuts.items)


def test_exact_pieces_stay_inside_the_sound() -> None:
    activity = made_up([(1, 8.5), (12, 14), (18, 18.6), (20, 20.9)], 21)
    cuts = cut_exactly(activity, 3.0, CutSettings(max_pause_s=0.5))
    assert all(piece.seconds == pytest.approx(3.0) for piece in cuts.items)
    starts = [piece.start_s for piece in cuts.items]
    assert starts == pytest.approx([1.0, 4.0, 11.5], abs=0.1)
    assert len(cuts.too_short) == 2
    cuts = cut_exactly(made_up([(0.1, 2.8)], 3.0), 2.97, CutSettings())
    assert cuts.items[0].start_s >= 0
    assert cuts.items[0].end_s <= 3.0
    assert not cut_exactly(made_up([(0.1, 2.0)], 2.1), 3.0, CutSettings()).items


def test_a_strange_release_of_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "silero_vad" / "data").mkdir(parents=True)
    (tmp_path / "silero_vad" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "modules", {k: v for k, v in sys.modules.items() if k != "silero_vad"})
    _network.cache_clear()
    with pytest.raises(InputError, match=r"silero_vad\.jit.*cannot be used"):
        find_speech(babble(0.5))
    _network.cache_clear()


def test_the_package_itself_is_not_imported() -> None:
    """Importing it would set the number of torch threads of the whole process."""
    find_speech(babble(0.5))
    assert "silero_vad" not in sys.modules


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.3, 2.5])
def test_a_tone_gets_shorter_and_keeps_its_pitch(factor: float) -> None:
    rate = 22_050
    found = faster(np.sin(2 * np.pi * 220 * np.arange(2 * rate) / rate).astype(np.float32), rate, factor)
    assert len(found) / rate == pytest.approx(2 / factor, abs=0.06)
    spectrum = np.abs(np.fft.rfft(found * np.hanning(len(found))))
    assert np.argmax(spectrum) * rate / len(found) == pytest.approx(220, abs=3)
