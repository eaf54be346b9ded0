"""Work side by side: each piece gets its share of the cores, and one that fails ends all."""

import threading
from collections.abc import Callable, Iterator

import pytest
import torch

from avcore.compute.lanes import side_by_side


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
