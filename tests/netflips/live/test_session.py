"""A live dub on a virtual clock: what comes when, catching up, stalls and limits. Costs of the work are given, nothing is timed."""

import logging
from itertools import pairwise

import numpy as np
import pytest

from netflips.live.mix import LiveMix
from netflips.live.session import Segment
from netflips.live.steps import RATE
from netflips.live.timeline import FASTEST
from netflips.live.turns import REST_S
from tests.netflips.live.made import dubbed

STEADY = [0.8, *[2.5, 0.7] * 12]


def _ends(segment: Segment) -> float:
    assert segment.speech is not None
    return segment.begin_s + len(segment.speech) / RATE


def test_each_turn_is_heard_soon_after_it_ends() -> None:
    segments, work, _ = dubbed(STEADY)
    assert len(segments) == len(work.turns) == 12
    behind = [one.heard_s - one.utterance.place.end_s for one in segments]
    assert min(behind) > REST_S + 0.6  # the rest that ends it, and the work
    assert max(behind) < REST_S + 0.6 + 0.3
    assert [one.utterance.number for one in segments] == list(range(1, 13))


@pytest.mark.parametrize("seed", range(12))
def test_no_speech_overlaps_or_comes_before_its_turn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    plan = [float(rng.uniform(0.4, 1.5) if place % 2 == 0 else rng.uniform(0.6, 7.0)) for place in range(13)]
    costs, delay_s = rng.uniform(0.1, 4.0, 40), float(rng.choice([0.1, 2.0, 6.0]))
    segments, work, output = dubbed(plan, costs=lambda number: costs[number], natural=lambda _: 1.2, delay_s=delay_s)
    places = [one.utterance.place for one in segments]
    assert all(one.begin_s >= place.start_s for one, place in zip(segments, places, strict=True))
    assert all(after.begin_s > _ends(before) for before, after in pairwise(segments))
    assert all(after.start_s >= before.end_s for before, after in pairwise(places))
    spoken = sum(one.end_s - one.start_s for one in places)
    assert spoken == pytest.approx(sum(plan[1::2]), rel=0.15)  # nothing is left out
    assert len(output.sound) >= sum(plan) * RATE - 100
    assert len(work.turns) == len(segments)


def test_a_delayed_output_has_speech_at_its_own_place() -> None:
    segments, _, _ = dubbed(STEADY, delay_s=6.0, natural=lambda _: 0.9)
    assert [one.begin_s for one in segments] == pytest.approx([one.utterance.place.start_s for one in segments])


def test_speech_is_faster_while_it_is_behind_and_natural_again() -> None:
    segments, work, _ = dubbed(STEADY, costs=lambda number: 5.0 if number == 2 else 0.5, natural=lambda _: 1.1)
    lengths = [len(one.speech) / RATE / (turn.end_s - turn.start_s) for one, turn in zip(segments, work.turns, strict=True)]  # type: ignore[arg-type]
    assert min(lengths) == pytest.approx(1.1 / FASTEST, abs=0.03)
    assert lengths[0] == pytest.approx(1.1, abs=0.02)
    behind = [one.heard_s - one.utterance.place.end_s for one in segments]
    assert max(behind) > 3
    assert behind[-1] < 2


def test_speech_a_fifth_longer_than_its_turn_does_not_run_away() -> None:
    segments, *_ = dubbed([0.8, *[2.5, 0.5] * 30], natural=lambda _: 1.2)
    behind = [_ends(one) - one.utterance.place.end_s for one in segments]
    assert max(behind[20:]) <= max(behind[5:15]) + 0.1


def test_turns_that_wait_are_dubbed_as_one() -> None:
    segments, work, _ = dubbed(STEADY, costs=lambda _: 3.6)
    assert len(segments) < 12
    assert max(turn.end_s - turn.start_s for turn in work.turns) > 5
    assert max(one.heard_s - one.utterance.place.end_s for one in segments) < 10
    longest = max(work.turns, key=lambda turn: turn.end_s - turn.start_s)
    assert len(longest.sound.held) / 16_000 >= longest.end_s - longest.base_s - 0.2  # with all that was said


def test_a_stalled_source_leaves_no_gap(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "netflips")
    segments, _, output = dubbed([0.8, 2.5, 1.0, 2.5, 1.0], stalls=[(3.6, 4.0)])
    assert [one.utterance.place.start_s for one in segments] == pytest.approx([0.8, 8.2], abs=0.15)
    told = [one.message for one in caplog.records if "source" in one.message]
    assert told == ["nothing comes from the source: it is waited for", "the source is back"]
    assert len(output.sound) == pytest.approx(_ends(segments[-1]) * RATE, abs=1)


def test_a_source_that_stalls_amid_a_turn_ends_it() -> None:
    segments, *_ = dubbed([0.8, 4.0, 1.0], stalls=[(2.8, 3.0)])
    assert len(segments) == 2


def test_a_delayed_output_carries_a_stall(caplog: pytest.LogCaptureFixture) -> None:
    segments, *_ = dubbed([0.8, 4.0, 1.0], stalls=[(2.8, 3.0)], delay_s=6.0)
    assert len(segments) == 1
    assert not [record for record in caplog.records if "source" in record.getMessage()]


def test_a_source_that_ends_amid_a_turn_is_dubbed_to_its_end() -> None:
    segments, _, output = dubbed([0.8, 2.5])
    (one,) = segments
    assert one.utterance.place.end_s == pytest.approx(3.3, abs=0.1)
    assert len(output.sound) == pytest.approx(_ends(one) * RATE, abs=1)


def test_what_is_far_too_late_is_told(caplog: pytest.LogCaptureFixture) -> None:
    dubbed([0.8, *[2.5, 0.5] * 40], costs=lambda _: 70.0)
    assert "is not dubbed" in caplog.text


def test_the_original_is_low_while_the_dub_speaks() -> None:
    mix = LiveMix(RATE, 1, 0.1)
    mix.hear(np.full((3 * RATE, 1), 0.3, np.float32))
    mix.say(RATE, np.full(RATE, 0.5, np.float32))
    sound = np.concatenate([mix.take(stop) for stop in range(0, 4 * RATE + 1, 1920)])[:, 0]
    levels = [sound[round(at_s * RATE)] for at_s in (0.5, 1.5, 2.5, 3.5)]
    assert levels == pytest.approx([0.3, 0.5 + 0.1 * 0.3, 0.3, 0.0])  # in the end nothing had come
    assert mix.missing == RATE
    assert np.abs(np.diff(sound[: RATE - 1])).max() < 0.001
