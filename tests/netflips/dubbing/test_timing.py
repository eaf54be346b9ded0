"""Fitting speech into its place: one factor, exact sums, nothing lost in silence."""

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from avcore.errors import UsageError
from netflips.dubbing.fit import OutputClock, exact_place
from netflips.dubbing.options import DubOptions
from netflips.dubbing.part import rooms_of
from netflips.dubbing.timing import Pause, fit_as_it_is, fit_durations, rest_at_pauses, scale_durations
from netflips.script.types import Script, TimeFit, TimeSpan, Utterance

PACE = (0.8, 1.25)


def job(duration_s: float, rate: Fraction = Fraction(25), **options: Any) -> Any:
    info = SimpleNamespace(duration_s=Fraction(duration_s), frame_rate=rate)
    return SimpleNamespace(info=info, options=DubOptions(**options))


@pytest.mark.parametrize("seed", range(10))
def test_scaled_durations_add_up_and_keep_their_shares(seed: int) -> None:
    rng = np.random.default_rng(seed)
    durations = rng.integers(1, 12, 80)
    for total in (80, 100, int(durations.sum()), int(durations.sum() * 1.25), 2000):
        scaled = scale_durations(durations, total)
        assert scaled.sum() == total
        assert scaled.min() >= 1
        if total >= durations.sum():
            assert np.abs(scaled - durations * total / durations.sum()).max() < 1
    assert (scale_durations(durations, int(durations.sum())) == durations).all()
    with pytest.raises(ValueError, match="79"):
        scale_durations(durations, 79)


@pytest.mark.parametrize(
    ("slot", "pause", "steps"),
    [
        (100, 50, 100),  # fits
        (120, 50, 120),  # slower
        (150, 50, 125),  # as slow as may be, then silence
        (90, 0, 90),  # faster
        (90, 50, 100),  # a part of the pause first
        (75, 40, 93),
        (70, 20, 80),  # as fast as may be, then into the pause
        (70, 10, 80),
    ],
)
def test_pace_first_then_the_pause(slot: int, pause: int, steps: int) -> None:
    fit = fit_durations(np.full(20, 5), slot, pause, PACE)
    assert (fit.steps, fit.overrun, fit.cut) == (steps, 0, 0)


def test_what_does_not_fit_is_held_for_or_hurried_and_the_rest_is_counted() -> None:
    natural = np.full(20, 5)
    fit = fit_durations(natural, 50, 10, PACE, may_hold=True)
    assert (fit.steps, fit.overrun, fit.cut) == (80, 20, 0)
    fit = fit_durations(natural, 50, 10, PACE)
    assert (fit.steps, fit.overrun, fit.cut, len(fit.durations)) == (60, 20, 0, 20)
    fit = fit_durations(np.full(20, 5), 10, 4, PACE)
    assert (fit.durations == 1).all()
    assert (len(fit.durations), fit.steps, fit.cut, fit.overrun) == (14, 14, 6, 66)
    fit = fit_durations(np.full(20, 5), 10, 4, PACE, may_hold=True)
    assert (len(fit.durations), fit.cut, fit.overrun) == (20, 0, 66)


def test_people_rest_at_commas_as_far_as_there_is_room() -> None:
    natural, silent = np.array([2, 5, 11, 6, 7, 5, 3]), np.array([True, False, True, False, True, False, True])
    assert rest_at_pauses(natural, silent).tolist() == [2, 5, 13, 6, 13, 5, 3]  # not at the ends
    assert rest_at_pauses(natural, silent, 4).sum() <= natural.sum() + 4
    assert rest_at_pauses(natural, silent, 4)[4] > 7
    assert rest_at_pauses(natural, silent, -20).tolist() == natural.tolist()
    assert rest_at_pauses(natural, silent, scale=2.0)[2] == 26


def test_pauses_of_the_original_are_taken_over_where_the_translation_pauses_too() -> None:
    natural, silent = np.array([10, 5, 10, 5, 20]), np.array([False, True, False, True, False])  # pauses at 1/4 and 1/2
    assert rest_at_pauses(natural, silent, original=[Pause(0.55, 30)]).tolist() == [10, 13, 10, 30, 20]  # at the nearest
    assert rest_at_pauses(natural, silent, original=[Pause(0.5, 30), Pause(0.45, 40)]).tolist() == [10, 40, 10, 30, 20]
    assert rest_at_pauses(natural, silent, original=[Pause(0.9, 30)]).tolist() == [10, 13, 10, 13, 20]  # somewhere else
    assert rest_at_pauses(natural, silent, 20, original=[Pause(0.5, 30)]).sum() <= natural.sum() + 20
    assert rest_at_pauses(natural, silent, -20, original=[Pause(0.5, 30)]).tolist() == natural.tolist()
    without = natural[[0, 2, 4]], silent[[0, 2, 4]]
    assert rest_at_pauses(*without, original=[Pause(0.5, 30)]).tolist() == [10, 10, 20]  # nowhere


def test_speech_as_it_sounds_is_never_made_slower_and_keeps_its_end() -> None:
    natural = np.array([5, 5, 5])
    assert fit_as_it_is(natural, 20, 0, PACE).durations.tolist() == [5, 5, 5]
    fit = fit_as_it_is(natural, 8, 4, PACE)
    assert (fit.steps, len(fit.durations), fit.overrun, fit.cut) == (12, 3, 0, 0)
    fit = fit_as_it_is(natural, 5, 2, PACE)
    assert (fit.steps, len(fit.durations), fit.overrun, fit.cut) == (7, 3, 5, 0)  # faster than the pace allows: told
    fit = fit_as_it_is(natural, 5, 2, PACE, may_hold=True)
    assert (fit.steps, fit.overrun, fit.cut) == (12, 5, 0)


@pytest.mark.parametrize("bounds", [(1.1, 1.25), (0.8, 0.9), (0, 1.2), (0.8, float("inf")), (float("nan"), 1.2)])
def test_bounds_that_cannot_be_are_refused(bounds: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="--pace"):
        DubOptions(pace=bounds)


def test_rooms_end_before_the_next_utterance_and_the_end() -> None:
    places = TimeSpan(1.0, 4.0), TimeSpan(4.1, 5.0), TimeSpan(30.0, 38.0)
    script = Script(utterances=tuple(Utterance(number, place) for number, place in enumerate(places, 1)))
    assert list(rooms_of(script, job(40)).values()) == [Fraction("0.05"), Fraction(2), Fraction(2)]
    assert list(rooms_of(script, job(38)).values()) == [Fraction("0.05"), Fraction(2), Fraction(0)]


def test_a_held_picture_lasts_whole_pictures_and_moves_what_follows() -> None:
    rate = Fraction(30000, 1001)
    fit = TimeFit(TimeSpan(0, 0), 10, 2.0, 1.6, overrun_s=0.4, held_s=float(12 / rate), durations=(8,) * 10)
    one = Utterance(1, TimeSpan(1.0, 2.0), fit=fit)
    place = exact_place(one, fit, rate)
    assert (place.end, place.held) == (Fraction(11, 5), 12 / rate)  # 0.4 s are 11.99 pictures
    clock = OutputClock(Script(utterances=(one,)), job(5, rate, start=0.5))
    assert clock.at(Fraction(2)) == Fraction(3, 2)
    assert clock.at(place.end) == place.end - Fraction(1, 2) + place.held
