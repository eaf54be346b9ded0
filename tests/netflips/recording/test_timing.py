"""Fitting speech into its place: one factor, exact sums, nothing lost in silence."""

from fractions import Fraction

import numpy as np
import pytest

from avcore.errors import UsageError
from avcore.units import Units
from netflips.dub.timing import Pace, fit_durations, scale_durations
from netflips.dub.utterances import TimedUtterance
from netflips.recording.plan import OutputClock, place, room_after


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
        (70, 20, 80),  # as fast as may be, then into the pause
        (70, 10, 80),
    ],
)
def test_pace_first_then_the_pause(slot: int, pause: int, steps: int) -> None:
    durations, fit = fit_durations(np.full(20, 5), slot, pause)
    assert durations.sum() == fit.steps == steps
    assert (fit.overrun, fit.held, fit.cut) == (0, 0, 0)
    assert fit.factor == pytest.approx(steps / 100)
    assert 0.8 <= fit.factor <= 1.25
    assert not fit.is_hurried


def test_what_does_not_fit_is_held_for_or_hurried_and_said() -> None:
    natural = np.full(20, 5)
    durations, fit = fit_durations(natural, 50, 10, Pace(may_hold=True))
    assert (fit.steps, fit.overrun, fit.held, fit.is_hurried, fit.factor) == (80, 20, 20, False, 0.8)
    assert durations.sum() == 80
    durations, fit = fit_durations(natural, 50, 10)
    assert (fit.steps, fit.overrun, fit.held, fit.is_hurried, fit.factor, fit.cut) == (60, 20, 0, True, 0.6, 0)
    assert len(durations) == 20
    assert durations.sum() == 60


def test_only_what_even_the_fastest_cannot_say_is_left_out_and_counted() -> None:
    durations, fit = fit_durations(np.full(20, 5), 10, 4)
    assert (durations == 1).all()
    assert (len(durations), fit.steps, fit.cut, fit.overrun, fit.is_hurried) == (14, 14, 6, 66, True)
    durations, fit = fit_durations(np.full(20, 5), 10, 4, Pace(may_hold=True))
    assert (len(durations), fit.cut, fit.held) == (20, 0, 66)


@pytest.mark.parametrize("bounds", [(1.1, 1.25), (0.8, 0.9), (0, 1.2), (0.8, float("inf")), (float("nan"), 1.2)])
def test_bounds_that_cannot_be_are_refused(bounds: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="--pace"):
        Pace(*bounds)


def test_rooms_end_before_the_next_utterance_and_the_end() -> None:
    utterances = [TimedUtterance(1, 1.0, 4.0), TimedUtterance(2, 4.1, 5.0), TimedUtterance(3, 30.0, 38.0)]
    assert room_after(utterances, Fraction(40)) == [Fraction("0.05"), Fraction(2), Fraction(2)]
    assert room_after(utterances, Fraction(38)) == [Fraction("0.05"), Fraction(2), Fraction(0)]


def test_a_held_picture_lasts_whole_pictures_and_moves_what_follows() -> None:
    rate = Fraction(30000, 1001)
    first = TimedUtterance(1, 1.0, 2.0)
    natural = Units(np.arange(10), np.full(10, 10), "ko", is_merged=True)
    placed = place(first, natural, Fraction(1, 5), rate, Pace(may_hold=True))
    assert placed.fit.held == 20
    assert placed.spoken == Fraction(8, 5)
    assert (placed.natural.num_steps, placed.pace) == (100, 0.8)
    assert placed.end == Fraction(11, 5)
    assert placed.held == 12 / rate  # 0.4 s are 11.99 pictures
    clock = OutputClock(Fraction(1, 2), [placed])
    assert clock.at(Fraction(2)) == Fraction(3, 2)
    assert clock.at(placed.end) == placed.end - Fraction(1, 2) + placed.held
