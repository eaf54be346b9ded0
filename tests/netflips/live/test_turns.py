"""Turns of speech that goes on: the same whatever pieces it comes in, cut where it does not rest, and bounded in memory."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from avcore.speech.voice_activity import STEP_SAMPLES, find_speech, speech_probabilities
from netflips.live import turns
from netflips.live.turns import Ear, Turn
from tests.avcore.made_speech import babble, talk

PLAN = [0.8, 2.6, 1.4, 2.3, 0.5, 9.0, 1.3]


def _heard(sound: np.ndarray, size: int) -> Iterator[Turn]:
    ear = Ear()
    for start in range(0, len(sound), size):
        yield from ear.hear(sound[start : start + size])
    yield from ear.flush()


@pytest.mark.parametrize("size", [160, 512, 1023, 5000, 10**6])
def test_turns_do_not_depend_on_the_pieces(size: int) -> None:
    places = [(one.start_s, one.end_s, one.is_cut) for one in _heard(talk(PLAN), size)]
    assert places == [(one.start_s, one.end_s, one.is_cut) for one in _heard(talk(PLAN), 640)]


def test_turns_are_those_of_a_whole_recording() -> None:
    sound = talk(PLAN)
    found, whole = list(_heard(sound, 640)), find_speech(sound)
    assert [one.start_s for one in found if one.start_s < 7] == pytest.approx([one.start_s for one in whole][:2], abs=0.1)
    assert found[-1].end_s == pytest.approx(whole[-1].end_s, abs=0.1)


def test_a_turn_without_a_rest_is_cut() -> None:
    found = list(_heard(talk([0.5, 12.0, 1.0]), 640))
    assert sum(one.is_cut for one in found) >= 2
    assert all(2.7 <= one.end_s - one.start_s <= 5.1 for one in found if one.is_cut)
    assert all(before.end_s == after.start_s for before, after in pairwise(found) if before.is_cut)


def test_a_turn_holds_its_own_sound_and_that_before_it() -> None:
    sound = talk(PLAN)
    first, second, *_ = _heard(sound, 640)
    assert first.base_s == pytest.approx(first.start_s - 0.5, abs=0.05)
    assert second.base_s == pytest.approx(0.0, abs=0.1)  # the turn of before is heard with it
    start = round(second.base_s * 16_000)
    assert np.array_equal(second.sound.held, sound[start : start + len(second.sound.held)])


@pytest.mark.parametrize("rest", [0.5, 3.5, 8.0])
def test_joined_turns_hold_the_sound_of_both(rest: float) -> None:
    sound = talk([2.0, 3.0, rest, 2.5, 0.5])
    first, *_, second = _heard(sound, 640)
    joined = first.joined(second)
    assert (joined.start_s, joined.end_s) == (first.start_s, second.end_s)
    for turn in (first, second):
        own = joined.sound.between(turn.start_s - joined.base_s, turn.end_s - joined.base_s)
        assert np.array_equal(own, sound[round(turn.start_s * 16_000) :][: len(own)])
    assert len(joined.sound.activity.levels) == len(joined.sound.held) // STEP_SAMPLES
    assert len(joined.sound.regions) >= 2


@pytest.mark.parametrize(
    "sound", [np.zeros(48_000), 0.05 * np.random.default_rng(0).standard_normal(48_000)], ids=["nothing", "noise"]
)
def test_no_turn_without_speech(sound: np.ndarray) -> None:
    assert not list(_heard(sound.astype(np.float32), 640))


def test_steps_of_a_stream_are_those_of_a_whole() -> None:
    sound = babble(3.0)
    ear = Ear()
    list(ear.hear(sound))
    whole = np.concatenate(list(speech_probabilities([sound])))
    assert ear.heard_s == pytest.approx(len(whole) * 0.032, abs=0.033)


def test_memory_is_bounded_over_three_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    class Loud:  # a detector that costs nothing
        def hear(self, piece: np.ndarray) -> np.ndarray:
            return (np.abs(piece.reshape(-1, STEP_SAMPLES)).max(axis=1) > 0.01).astype(np.float32)

    monkeypatch.setattr(turns, "SpeechStream", Loud)
    ear, block, number, most = Ear(), talk([0.5, 2.5] * 10), 0, 0
    for _ in range(360):
        number += sum(1 for _ in ear.hear(block))
        most = max(most, sum(value.nbytes for value in vars(ear).values() if isinstance(value, np.ndarray)))
    assert ear.heard_s == pytest.approx(3 * 3600, abs=1)
    assert number > 3000
    assert most < 12 << 20
