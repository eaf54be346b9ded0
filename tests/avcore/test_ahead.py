"""Items made in advance, in a thread of their own."""

import threading
import time
from collections.abc import Iterator

import pytest

from avcore.compute.ahead import ahead, pictures_ahead


def settled(count: list[int]) -> int:
    """The length of a list once it has stopped growing."""
    before = -1
    while before != len(count):
        before = len(count)
        time.sleep(0.2)
    return before


def test_all_items_come_in_order_and_the_thread_ends() -> None:
    running = threading.active_count()
    assert list(ahead(iter(range(100)), 3)) == list(range(100))
    assert list(ahead([], 3)) == []
    assert threading.active_count() == running


def test_no_more_are_made_than_there_is_room_for() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(50):
            made.append(number)
            yield number

    stream = ahead(items(), 4)
    assert not made
    assert next(stream) == 0
    assert settled(made) == 6  # the one that was taken, four that wait, and one that finds no room
    assert list(stream) == list(range(1, 50))


def test_an_error_comes_in_its_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("no second")

    stream = ahead(items(), 5)
    assert next(stream) == 1
    with pytest.raises(ValueError, match="no second"):
        next(stream)


def test_closing_ends_the_making_and_closes_its_source() -> None:
    running, is_closed = threading.active_count(), threading.Event()

    def items() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            is_closed.set()

    stream = ahead(items(), 2)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert is_closed.is_set()
    assert threading.active_count() == running


def test_pictures_in_advance_fit_in_a_buffer() -> None:
    assert pictures_ahead(320, 240) == 20
    assert pictures_ahead(1920, 1080) == 10
    assert pictures_ahead(7680, 4320) == 1
