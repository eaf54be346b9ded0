"""What plays behind a voice goes on under new speech: as loud as it was, without the voice."""

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from avcore.arrays import Samples
from avcore.speech.audio import level_dbfs
from avcore.timeline import Interval
from netflips.dubbing import background
from netflips.dubbing.background import spoken_spans, with_background
from tests.avcore.made_speech import babble

RATE = 16_000
REGIONS = [Interval(2.0, 4.0), Interval(4.2, 5.0), Interval(7.0, 8.0)]


def _bed(kind: str, length: int) -> Samples:
    times, rng = np.arange(length) / RATE, np.random.default_rng(0)
    if kind == "chord":
        sound = sum(np.sin(2 * np.pi * pitch * times) for pitch in (220.0, 277.2, 329.6))
    else:
        sound = {"room": rng.normal(size=length), "hum": np.sin(2 * np.pi * 50 * times)}[kind]
    return np.asarray(0.016 * sound / np.sqrt(np.mean(np.square(sound))), np.float32)  # -36 dB


def _voice(length: int) -> Samples:
    voice = np.zeros(length, np.float32)
    for one in REGIONS:
        said = babble(one.end_s - one.start_s)
        start = round(one.start_s * RATE)
        voice[start : start + len(said)] = 0.1 * said / np.sqrt(np.mean(np.square(said)))
    return voice


def _both(sound: Samples, size: int) -> Samples:
    blocks = (sound[start : start + size] for start in range(0, len(sound), size))
    return np.concatenate(list(with_background(blocks, spoken_spans(REGIONS, RATE), RATE)))


def test_spans_are_wider_than_speech_and_join_over_short_pauses() -> None:
    assert spoken_spans(REGIONS, 100) == [(185, 515), (685, 815)]


@pytest.mark.parametrize("kind", ["room", "hum", "chord"])
def test_a_bed_goes_on_under_a_voice_that_is_gone(kind: str) -> None:
    bed, voice = _bed(kind, 10 * RATE), _voice(10 * RATE)
    both = _both(np.stack([bed + voice, bed], axis=1), 4096)
    inside = slice(round(2.1 * RATE), round(4.9 * RATE))
    assert both.shape == (10 * RATE, 4)
    assert level_dbfs(both[inside, 2]) == pytest.approx(-36, abs=2)
    left = float(np.dot(both[inside, 2], voice[inside]) / np.square(voice[inside]).sum())
    assert 20 * np.log10(abs(left)) < -25
    for quiet in (slice(0, round(1.8 * RATE)), slice(round(5.2 * RATE), round(6.8 * RATE))):
        assert np.array_equal(both[quiet, 2:], both[quiet, :2])  # pauses are as they were


def test_silence_stays_silent_and_blocks_of_any_size_give_the_same() -> None:
    voice = _voice(10 * RATE)
    parts = [_both(voice[:, None], size) for size in (700, 4096, 10 * RATE)]
    assert np.abs(parts[0][:, 1]).max() < 1e-4
    sound = (voice + _bed("room", 10 * RATE))[:, None]
    assert np.abs(_both(sound, 700) - _both(sound, 10 * RATE)).max() < 1e-6


def test_a_sound_all_of_speech_takes_the_side_that_there_is() -> None:
    bed, voice = _bed("room", 10 * RATE), _voice(10 * RATE)
    cut = slice(round(2.5 * RATE), round(7.5 * RATE))
    regions = [Interval(0.0, 2.5), Interval(4.5, 5.0)]
    both = np.concatenate(list(with_background([(bed + voice)[cut, None]], spoken_spans(regions, RATE), RATE)))
    assert len(both) == 5 * RATE
    assert level_dbfs(both[: 2 * RATE, 1]) == pytest.approx(-36, abs=2)
    assert level_dbfs(both[round(4.6 * RATE) :, 1]) == pytest.approx(-36, abs=3)


def test_speech_without_a_pause_is_estimated_in_pieces_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    length = 100 * RATE
    voice, bed = np.zeros(length, np.float32), _bed("hum", length)
    said = babble(96.0)
    voice[2 * RATE : 2 * RATE + len(said)] = 0.1 * said / np.sqrt(np.mean(np.square(said)))
    longest, join = list[int](), background._Estimate._join

    def noted(self: background._Estimate) -> None:
        join(self)
        longest.append(len(self.held))

    monkeypatch.setattr(background._Estimate, "_join", noted)
    sound, regions = np.stack([bed + voice, bed], axis=1), [Interval(2.0, 98.0)]
    blocks = (sound[start : start + 1000] for start in range(0, length, 1000))
    found = np.concatenate(list(with_background(blocks, spoken_spans(regions, RATE), RATE)))[:, 2]
    assert max(longest) < 34 * RATE
    assert len(longest) < 8 * RATE / 1000 + 20  # only once a piece, and a block at a time around the speech

    seams = [round((1.85 + 96.3 * piece / 4) * RATE) for piece in (1, 2, 3)]
    steps = np.abs(np.diff(found))
    for seam in seams:
        near = slice(seam - RATE, seam + RATE)
        assert level_dbfs(found[near]) == pytest.approx(-36, abs=2)
        assert steps[near].max() < 3 * np.median(steps)
    left = float(np.dot(found[3 * RATE : 97 * RATE], voice[3 * RATE : 97 * RATE]) / np.square(voice[3 * RATE : 97 * RATE]).sum())
    assert 20 * np.log10(abs(left)) < -25


def test_a_long_stretch_at_the_start_takes_the_background_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in one piece: nothing before it tells what plays behind. Where nothing behind it does, either, there is silence."""
    bed, said = _bed("hum", 83 * RATE), babble(80.0)
    sound = bed.copy()
    sound[: len(said)] += 0.1 * said / np.sqrt(np.mean(np.square(said)))
    longest, join = list[int](), background._Estimate._join

    def noted(self: background._Estimate) -> None:
        join(self)
        longest.append(len(self.held))

    def found(regions: list[Interval], length: int, size: int) -> Samples:
        blocks = (sound[start : min(start + size, length), None] for start in range(0, length, size))
        return np.concatenate(list(with_background(blocks, spoken_spans(regions, RATE), RATE)))[:, 1]

    monkeypatch.setattr(background._Estimate, "_join", noted)
    regions = [Interval(0.0, 80.0), Interval(80.8, 81.5)]  # the second lies within the second behind the first
    made = found(regions, 83 * RATE, 1000)
    assert max(longest) < 34 * RATE
    assert np.abs(made - found(regions, 83 * RATE, 83 * RATE)).max() < 1e-6
    for start in range(0, 80, 4):
        assert level_dbfs(made[start * RATE : (start + 4) * RATE]) == pytest.approx(-36, abs=2)
    assert not found(regions, 80 * RATE, 1000).any()
    assert not found(regions, 10 * RATE, 1000).any()  # it ends before the last piece
    assert np.array_equal(found([Interval(0.5, 80.0)], 83 * RATE, 1000)[: RATE // 4], sound[: RATE // 4])

    monkeypatch.setattr(background, "_LONGEST_S", 100.0)
    assert level_dbfs(made - found(regions, 83 * RATE, 1000)) < -50


def test_memory_does_not_grow_with_the_recording() -> None:
    def blocks() -> Iterator[Samples]:
        for _ in range(600):
            yield np.zeros((RATE, 2), np.float32)

    regions = [Interval(float(start), start + 3.0) for start in range(5, 590, 10)]
    tracemalloc.start()
    total = sum(len(block) for block in with_background(blocks(), spoken_spans(regions, RATE), RATE))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == 600 * RATE
    assert peak < 40e6  # ten minutes in stereo are 77 MB
