"""Conversions of time are exact. Playing pictures to and fro."""

from fractions import Fraction

import pytest

from avcore import timeline
from avcore.timeline import pingpong


def test_constants_agree() -> None:
    assert timeline.SAMPLES_PER_UNIT * timeline.UNIT_RATE == timeline.SAMPLE_RATE
    assert timeline.SAMPLES_PER_FRAME == timeline.UNITS_PER_FRAME * timeline.SAMPLES_PER_UNIT


def test_every_frame_time_as_a_float_is_its_own_frame() -> None:
    for rate in (25, 30, Fraction(30000, 1001), Fraction(24000, 1001)):
        for index in range(0, 20000, 7):
            assert timeline.frame_at(timeline.frames_to_seconds(index, rate), rate) == index
    assert all(timeline.frame_at(index / 25) == index for index in range(20000))


def test_a_time_inside_a_frame_belongs_to_it() -> None:
    assert timeline.frame_at(0.0399) == 0
    assert timeline.frame_at(0.0401) == 1
    assert timeline.frame_at(Fraction(999, 1000)) == 24


@pytest.mark.parametrize(("seconds", "expected"), [(0, 0), (0.01, 1), (0.04, 1), (0.040001, 2), (1, 25)])
def test_frames_covering_rounds_up(seconds: float, expected: int) -> None:
    assert timeline.frames_covering(seconds) == expected


def test_units_samples_and_frames() -> None:
    assert timeline.units_to_samples(45) == 14400
    assert timeline.samples_to_units(14719) == 45
    assert timeline.units_to_frames(45) == 22
    assert timeline.frames_to_units(22) == 44
    assert timeline.units_to_seconds(45) == Fraction(9, 10)
    assert timeline.samples_to_seconds(4410, 44100) == Fraction(1, 10)


def test_rounding_to_the_nearest_sample_and_unit() -> None:
    assert timeline.seconds_to_samples(Fraction(1, 3)) == 5333
    assert timeline.seconds_to_samples(0.5, 44100) == 22050
    assert timeline.seconds_to_units(0.03) == 2
    assert timeline.seconds_to_units(0.0299) == 1


def published(count: int, needed: int) -> list[int]:
    """The reference's way: the whole list, then there and back again until there are enough."""
    order = list(range(count))
    while len(order) < needed:
        order += [*range(count - 2, -1, -1), *range(1, count)]
    return order[:needed]


@pytest.mark.parametrize("count", [2, 3, 5, 7])
def test_the_order_is_the_published_one(count: int) -> None:
    assert [pingpong(step, count) for step in range(50)] == published(count, 50)


def test_one_picture_is_repeated() -> None:
    assert [pingpong(step, 1) for step in range(5)] == [0] * 5


def test_no_pictures_is_an_error() -> None:
    with pytest.raises(ValueError, match="no pictures"):
        pingpong(0, 0)
