"""Levenshtein distance of unit sequences, and the error rate made of it."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.units import Ids


def edit_distance(left: Ids, right: Ids) -> int:
    """Return the fewest insertions, deletions and substitutions that turn int64 [N] into int64 [M]: O(N) steps over rows of M."""
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


def edit_distances(found: Ids, references: Sequence[Ids]) -> Ids:
    """Return the distance of one int64 [N] to each of many references: int64 [references], all in N steps."""
    lengths = np.array([len(reference) for reference in references], dtype=np.int64)
    longest = int(lengths.max(initial=0))
    padded = np.full((len(references), longest), -1, dtype=np.int64)
    padded[np.arange(longest) < lengths[:, None]] = np.concatenate([np.zeros(0, np.int64), *references])
    # The step is bound by memory: numbers of the fewest bytes that hold a distance.
    numbers = np.dtype(np.int16 if len(found) + longest < np.iinfo(np.int16).max else np.int64)
    places: NDArray[np.signedinteger[Any]] = np.arange(longest + 1, dtype=numbers)
    rows = np.tile(places, (len(references), 1))
    best = np.empty_like(rows)
    for number, unit in enumerate(found, 1):
        best[:, 0] = number
        np.minimum(rows[:, 1:] + 1, rows[:, :-1] + (padded != unit), out=best[:, 1:])
        np.subtract(best, places, out=best)
        rows = np.minimum.accumulate(best, axis=1) + places
    return np.asarray(rows[np.arange(len(references)), lengths], dtype=np.int64)
