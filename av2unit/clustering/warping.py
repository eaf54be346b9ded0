"""Dynamic time warping: which step of one recording says what a step of another one does, and which of many is nearest."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Doubles, Floats

_GROUP = 128
"""Recordings that go side by side: as many as stay in a processor's cache."""


def warp_path(rows: Floats, others: Floats) -> tuple[NDArray[np.int64], float]:
    """Align two recordings of the same words (Sakoe and Chiba 1978; steps of one in either or both).

    rows: float32 of shape [n, columns]; others: float32 of shape [m, columns]. Returns for each of `others` the row that it is
    matched with, the middle one of several, int64 [m], never falling; and the sum of the Euclidean distances along the path.
    """
    squares = (rows**2).sum(1)[:, None] + (others**2).sum(1) - 2 * rows @ others.T
    distances = np.sqrt(np.maximum(squares, 0)).astype(np.float64)
    total = _accumulate(distances)
    rows_of, columns_of = _trace(total).T
    first, last = np.full(len(others), len(rows)), np.zeros(len(others), dtype=np.int64)
    np.minimum.at(first, columns_of, rows_of)
    np.maximum.at(last, columns_of, rows_of)
    return (first + last) // 2, float(total[-1, -1])


def _accumulate(distances: Doubles) -> Doubles:
    """Least sum on the way to each pair, float64 [n, m]; pairs of equal n + m do not depend on one another."""
    n, m = distances.shape
    total = np.full((n + 1, m + 1), np.inf)
    total[0, 0] = 0
    for diagonal in range(n + m - 1):
        row = np.arange(max(0, diagonal - m + 1), min(n, diagonal + 1))
        column = diagonal - row
        before = np.minimum(np.minimum(total[row, column + 1], total[row + 1, column]), total[row, column])
        total[row + 1, column + 1] = distances[row, column] + before
    return total[1:, 1:]


def _trace(total: Doubles) -> NDArray[np.int64]:
    """The cheapest path from end to start, int64 [pairs, 2]; of equal ways, the one that moves on in both."""
    row, column = total.shape[0] - 1, total.shape[1] - 1
    path = [(row, column)]
    while row or column:
        steps = [(row - 1, column - 1), (row - 1, column), (row, column - 1)]
        row, column = min((step for step in steps if min(step) >= 0), key=lambda step: total[step])
        path.append((row, column))
    return np.array(path)


class ManyRecordings:
    """Recordings to compare with, packed once.

    Distances are those of `av2unit.clustering.warping.warp_path`: the least sum of Euclidean distances along a path with
    steps of one in either or both.
    """

    def __init__(self, recordings: Sequence[Floats]) -> None:
        """recordings: float32 [n, columns], one row or more each, all of the same columns."""
        self._lengths = np.array([len(one) for one in recordings])
        order = np.argsort(self._lengths, kind="stable")
        self._groups = [order[start : start + _GROUP] for start in range(0, len(order), _GROUP)]
        self._packed = [_pack([recordings[number] for number in group]) for group in self._groups]

    def __len__(self) -> int:
        return len(self._lengths)

    def path_sums(self, rows: Floats) -> Floats:
        """The sum along the best path of float32 [n, columns] to each recording: float32 [recordings]."""
        sums = np.empty(len(self), dtype=np.float32)
        for group, packed in zip(self._groups, self._packed, strict=True):
            lengths = self._lengths[group]
            sums[group] = _last_row(rows, packed)[lengths - 1, np.arange(len(group))]
        return sums

    def mean_distances(self, rows: Floats) -> Floats:
        """The sums over the summed lengths of both recordings, which longer ones have no disadvantage by: [recordings]."""
        return np.asarray(self.path_sums(rows) / (len(rows) + self._lengths), dtype=np.float32)


def _pack(recordings: Sequence[Floats]) -> Floats:
    """float32 [longest, recordings, columns]; what stands behind a recording's end changes nothing before it."""
    packed = np.zeros((max(map(len, recordings)), len(recordings), recordings[0].shape[1]), dtype=np.float32)
    for number, one in enumerate(recordings):
        packed[: len(one), number] = one
    return packed


def _last_row(rows: Floats, packed: Floats) -> NDArray[np.float32]:
    """Least sums on the way from the start to the last of `rows` and each row of each recording: [longest, recordings].

    Within a row the sum is D[j] = min over k <= j of (B[k] + d[k] + .. + d[j]), B the best of the row before. With running
    sums C of d this is C[j] + min over k <= j of (B[k] - C[k - 1]): no step waits for its neighbour.
    """
    distances = _distances(rows, packed)
    running = np.cumsum(distances, axis=1, dtype=np.float32)
    total = running[0]
    for now in running[1:]:
        best = total.copy()
        np.minimum(best[1:], total[:-1], out=best[1:])
        best[1:] -= now[:-1]
        np.minimum.accumulate(best, axis=0, out=best)
        total = best + now
    return np.asarray(total, dtype=np.float32)


def _distances(rows: Floats, packed: Floats) -> NDArray[np.float32]:
    """Euclidean distances [n, longest, recordings]."""
    flat = packed.reshape(-1, packed.shape[2])
    squares = (rows**2).sum(1)[:, None] + (flat**2).sum(1) - 2 * (rows @ flat.T)
    return np.asarray(np.sqrt(np.maximum(squares, 0)).reshape(len(rows), *packed.shape[:2]), dtype=np.float32)
