"""Playing pictures to and fro."""

import pytest

from avcore.timeline import pingpong


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
