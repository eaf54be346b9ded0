"""Dynamic time warping: which moment of one recording corresponds to which of another that says the same."""

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Doubles, Floats


def warp_path(rows: Floats, others: Floats) -> tuple[NDArray[np.int64], float]:
    """Align two recordings of the same words (Sakoe and Chiba 1978; steps of one in either or both).

    rows: float32 of shape [n, columns]; others: float32 of shape [m, columns]. Returns for each of `others` the row that it is
    matched with, the middle one of several, int64 [m], never falling; and the sum of the Euclidean distances along the path.
    """
    # |a - b|^2 = |a|^2 + |b|^2 - 2ab takes one product; the differences of all pairs would need `columns` times the memory.
    # Rounding leaves squares of equal rows slightly below 0.
    squares = (rows**2).sum(1)[:, None] + (others**2).sum(1) - 2 * rows @ others.T
    distances = np.sqrt(np.maximum(squares, 0)).astype(np.float64)
    total = _accumulate(distances)

    rows_of, columns_of = _trace(total).T
    first, last = np.full(len(others), len(rows)), np.zeros(len(others), dtype=np.int64)
    np.minimum.at(first, columns_of, rows_of)
    np.maximum.at(last, columns_of, rows_of)
    return (first + last) // 2, float(total[-1, -1])


def _accumulate(distances: Doubles) -> Doubles:
    """Return the least sum on the way to each pair, float64 [n, m]; pairs of equal n + m do not depend on one another."""
    n, m = distances.shape
    total = np.full((n + 1, m + 1), np.inf)
    total[0, 0] = 0
    # A diagonal at a time: n + m steps in NumPy, where pair by pair they would be n * m steps in Python.
    for diagonal in range(n + m - 1):
        row = np.arange(max(0, diagonal - m + 1), min(n, diagonal + 1))
        column = diagonal - row
        before = np.minimum(np.minimum(total[row, column + 1], total[row + 1, column]), total[row, column])
        total[row + 1, column + 1] = distances[row, column] + before
    return total[1:, 1:]


def _trace(total: Doubles) -> NDArray[np.int64]:
    """Return the cheapest path from end to start, int64 [pairs, 2]; of equal ways, the one that moves on in both."""
    row, column = total.shape[0] - 1, total.shape[1] - 1
    path = [(row, column)]
    while row or column:
        steps = [(row - 1, column - 1), (row - 1, column), (row, column - 1)]
        row, column = min((step for step in steps if min(step) >= 0), key=lambda step: total[step])
        path.append((row, column))
    return np.array(path)
