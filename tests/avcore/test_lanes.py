"""Work side by side: each piece gets its share of the cores, and one that fails ends all."""

import threading
from collections.abc import Callable, Iterator

import pytest
import torch

from avcore.compute.lanes import each_in_lanes, lanes_on, side_by_side


@pytest.fixture(autouse=True)
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def test_results_come_in_order_and_each_piece_has_its_share_of_the_cores() -> None:
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
    with pytest.raises(ValueError, match="broken"):
        side_by_side(work)
    assert torch.get_num_threads() == 4
    assert not [one for one in threading.enumerate() if one.name == "lane"]


def test_each_item_is_done_once_and_what_comes_of_it_stands_in_its_place() -> None:
    told: list[int] = []
    found = each_in_lanes(range(20), lambda item: (item, torch.get_num_threads()), 2, told.append)
    assert found == [(item, 2) for item in range(20)]
    assert told == sorted(told)
    assert each_in_lanes([], str, 2) == []


def test_one_item_has_all_cores() -> None:
    assert each_in_lanes([1], lambda _: torch.get_num_threads(), 2) == [4]


def test_lanes_are_for_processors() -> None:
    assert [lanes_on(torch.device("cpu"), most) for most in (1, 2, 9)] == [1, 2, 4]
    assert lanes_on(torch.device("cuda"), 9) == 1
