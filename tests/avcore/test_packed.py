"""Packed sequences: what goes in comes out, wherever it is asked for, and in little memory."""

import sys

import pytest

from avcore.packed import Packed


def packed(count: int, block: int = 4) -> Packed[tuple[int, str]]:
    return Packed(((n, f"name {n}") for n in range(count)), list, lambda row: (row[0], row[1]), block)


@pytest.mark.parametrize("count", [0, 1, 4, 11])
def test_what_goes_in_comes_out(count: int) -> None:
    items = [(n, f"name {n}") for n in range(count)]
    found = packed(count)
    assert list(found) == items
    assert len(found) == count
    assert bool(found) == bool(count)
    assert [found[n] for n in (*range(count), *range(-count, 0))] == items + items
    assert found[1:9:3] == items[1:9:3]
    with pytest.raises(IndexError):
        found[count]


def test_two_may_go_through_it_at_once() -> None:
    found = packed(9)
    assert sum(1 for _ in found for _ in found) == 81


def test_it_is_small() -> None:
    found = packed(10_000, 64)
    assert sum(map(sys.getsizeof, found._blocks)) < 10_000 * 12
