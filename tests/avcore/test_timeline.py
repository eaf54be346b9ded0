"""Conversions of time are exact. Playing pictures to and fro."""

from fractions import Fraction

import pytest

from avcore import timeline
from avcore.timeline import pingpong


def test_units_samples_and_frames_by_constants_that_agree() -> None:
    assert timeline.SAMPLES_PER_UNIT * timeline.UNIT_RATE == timeline.SAMPLE_RATE
    assert timeline.SAMPLES_PER_FRAME == timeline.UNITS_PER_FRAME * timeline.SAMPLES_PER_UNIT
    assert timeline.units_to_samples(45) == 14400
    assert timeline.samples_to_units(14719) == 45
    assert timeline.units_to_frames(45) == 22
    assert timeline.frames_to_units(22) == 44
    assert timeline.units_to_seconds(45) == Fraction(9, 10)
    assert timeline.samples_to_seconds(4410, 44100) == Fraction(1, 10)
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


def test_the_order_is_the_published_one() -> None:
    for count in (2, 3, 5, 7):
        assert [pingpong(step, count) for step in range(50)] == published(count, 50)
    assert [pingpong(step, 1) for step in range(5)] == [0] * 5
    with pytest.raises(ValueError, match="no pictures"):
        pingpong(0, 0)
