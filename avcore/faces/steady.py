"""Face boxes that follow the head and not the chin."""

from collections.abc import Iterator, Sequence

import numpy as np

from avcore.faces.crop import Box

_LEAST_OVERLAP = 0.5
"""Of boxes of one face in neighbouring pictures."""


def steady_boxes(boxes: Sequence[Box | None], reach: int) -> list[Box | None]:
    """Average boxes over `reach` pictures on either side, as far as the same face is there in each picture between.

    A box around a whole face goes down with the chin: where it is cut exactly, the crop tells how wide the mouth is open even
    with the mouth masked. reach: 0 = as they are; 12 (half a second) leaves the head's movement and takes the chin's.
    """
    steady: list[Box | None] = list(boxes)
    for start, stop in _same_face(boxes) if reach else ():
        run = np.stack([box for box in boxes[start:stop] if box is not None]).astype(np.float64)
        sums = np.concatenate([np.zeros((1, 4)), run.cumsum(axis=0)])
        place = np.arange(len(run))
        first, last = np.maximum(place - reach, 0), np.minimum(place + reach + 1, len(run))
        steady[start:stop] = list(((sums[last] - sums[first]) / (last - first)[:, None]).astype(np.float32))
    return steady


def _same_face(boxes: Sequence[Box | None]) -> Iterator[tuple[int, int]]:
    """Where boxes follow one another without a gap or a jump: start, stop of each stretch."""
    start: int | None = None
    for place, box in enumerate(boxes):
        before = boxes[place - 1] if place else None
        if start is not None and (box is None or before is None or _overlap(before, box) < _LEAST_OVERLAP):
            yield start, place
            start = None
        if start is None and box is not None:
            start = place
    if start is not None:
        yield start, len(boxes)


def _overlap(first: Box, second: Box) -> float:
    """The area that two boxes share, as a share of the area that they cover."""
    width, height = (min(first[2 + k], second[2 + k]) - max(first[k], second[k]) for k in range(2))
    shared = max(float(width), 0.0) * max(float(height), 0.0)
    areas = sum(float((box[2] - box[0]) * (box[3] - box[1])) for box in (first, second))
    return shared / (areas - shared)
