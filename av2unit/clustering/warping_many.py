"""Dynamic time warping of one recording against many at once, for finding the one that is nearest."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from av2unit.features import Floats

_GROUP = 128
"""Recordings that go side by side: as many as stay in a processor's cache."""


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
