"""Levenshtein distance of unit sequences, and the error rate made of it."""

from collections.abc import Iterable

import numpy as np

from avcore.units import Ids


def edit_distance(left: Ids, right: Ids) -> int:
    """Fewest insertions, deletions and substitutions that turn int64 [N] into int64 [M]: O(N) steps over rows of M."""
    places = np.arange(len(right) + 1)
    row = places.copy()
    for number, unit in enumerate(left, 1):
        best = np.empty_like(row)
        best[0] = number
        best[1:] = np.minimum(row[1:] + 1, row[:-1] + (right != unit))
        # Insertions within the row: best[j] = min over i <= j of best[i] + (j - i).
        row = np.minimum.accumulate(best - places) + places
    return int(row[-1])


def error_rate(pairs: Iterable[tuple[Ids, Ids]]) -> float:
    """Sum of the distances over the summed lengths of the references, for (found, reference) pairs; 0 without any reference."""
    distance, length = 0, 0
    for found, reference in pairs:
        distance += edit_distance(found, reference)
        length += len(reference)
    return distance / length if length else 0.0
