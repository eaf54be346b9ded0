"""Work side by side, and items made in advance in a thread of their own."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import torch

from avcore.compute.threads import ahead, frames_ahead, map_in_threads, on_all_cores, products_alone_on, side_by_side, workers_on
from tests.refusal import refused


@pytest.fixture(autouse=True)
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def test_results_come_in_order_and_pieces_share_the_cores() -> None:
    met = threading.Barrier(2, timeout=10)

    def work(name: str) -> tuple[str, int]:
        met.wait()  # both are at work at once
        return name, torch.get_num_threads()

    assert side_by_side([lambda _: work("a"), lambda _: work("b")]) == [("a", 2), ("b", 2)]
    assert torch.get_num_threads() == 4


def test_one_piece_has_all_cores_and_none_is_no_work() -> None:
    assert side_by_side([lambda _: torch.get_num_threads()]) == [4]
    assert side_by_side([]) == []


@pytest.mark.parametrize("failing", [0, 1])
def test_the_error_of_one_stops_the_others(failing: int) -> None:
    def fails(_: Callable[[], None]) -> None:
        raise ValueError("broken")

    def goes_on(check: Callable[[], None]) -> None:
        while True:
            check()

    work: list[Callable[[Callable[[], None]], None]] = [goes_on, goes_on]
    work[failing] = fails
    refused(ValueError, "broken", side_by_side, work)
    assert torch.get_num_threads() == 4
    assert not [one for one in threading.enumerate() if one.name == "lane"]


def test_each_item_is_done_once_in_its_place_one_has_all_cores() -> None:
    told: list[int] = []
    found = map_in_threads(range(20), lambda item: (item, torch.get_num_threads()), 2, told.append)
    assert found == [(item, 2) for item in range(20)]
    assert told == sorted(told)
    assert map_in_threads([], str, 2) == []
    assert map_in_threads([1], lambda _: torch.get_num_threads(), 2) == [4]


def test_lanes_are_for_processors() -> None:
    assert [workers_on(torch.device("cpu"), most) for most in (1, 2, 9)] == [1, 2, 4]
    assert workers_on(torch.device("cuda"), 9) == 1


def resolve_backend(count: list[int]) -> int:
    before = -1
    while before != len(count):
        before = len(count)
        time.sleep(0.2)
    return before


def test_items_come_in_order_and_no_more_are_made_than_fit() -> None:
    running = threading.active_count()
    assert list(ahead(iter(range(100)), 3)) == list(range(100))
    assert list(ahead([], 3)) == []
    assert threading.active_count() == running
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(50):
            made.append(number)
            yield number

    stream = ahead(items(), 4)
    assert not made
    assert next(stream) == 0
    assert resolve_backend(made) == 6  # the one that was taken, four that wait, and one that finds no room
    assert list(stream) == list(range(1, 50))


def test_an_error_comes_in_its_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("no second")

    stream = ahead(items(), 5)
    assert next(stream) == 1
    refused(ValueError, "no second", next, stream)


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


def test_frames_in_advance_fit_in_a_buffer() -> None:
    assert (frames_ahead(320, 240), frames_ahead(1920, 1080), frames_ahead(7680, 4320)) == (20, 10, 1)


def test_products_alone_have_several_threads() -> None:
    torch.set_num_threads(3)
    with pytest.raises(ValueError, match="broken"), products_alone_on(4):
        assert (torch.get_num_threads(), on_all_cores(torch.get_num_threads), torch.get_num_threads()) == (1, 4, 1)
        on_all_cores(int, "broken")
    assert torch.get_num_threads() == on_all_cores(torch.get_num_threads) == 3
