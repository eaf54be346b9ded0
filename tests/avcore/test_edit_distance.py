"""Edit distances: one pair, and one against many."""

import numpy as np

from avcore.units.edit_distance import edit_distance, edit_distances, error_rate


def _by_definition(left: list[int], right: list[int]) -> int:
    if not left or not right:
        return len(left) + len(right)
    change = _by_definition(left[:-1], right[:-1]) + (left[-1] != right[-1])
    return min(change, _by_definition(left[:-1], right) + 1, _by_definition(left, right[:-1]) + 1)


def test_distances_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    found = rng.integers(0, 3, 6)
    references = [rng.integers(0, 3, length) for length in (0, 1, 4, 6, 7, 3, 5)]
    expected = [_by_definition(found.tolist(), reference.tolist()) for reference in references]
    assert edit_distances(found, references).tolist() == expected
    assert [edit_distance(found, reference) for reference in references] == expected


def test_nothing_against_nothing() -> None:
    empty = np.zeros(0, dtype=np.int64)
    assert edit_distances(empty, []).tolist() == []
    assert edit_distances(empty, [empty, np.array([1, 2])]).tolist() == [0, 2]
    assert edit_distances(np.array([5]), [empty]).tolist() == [1]
    assert error_rate([]) == 0.0
