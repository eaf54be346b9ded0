"""What Wav2Lip's program does around its network, to the pixel, so that the whole path can be compared with it.

Boxes are those of its detector: whole pixels. The product's own way is in `unit2av.lipsync.patches`.
"""

from collections.abc import Iterator, Sequence
from itertools import count, takewhile

import numpy as np
from numpy.typing import NDArray

from avcore.faces.geometry import Box
from unit2av.lipsync.wav2lip.model import CHUNK, MEL_RATE

WholeBoxes = NDArray[np.int64]
PADS = (0, 10, 0, 0)
"""Pixels that the published program adds to a box: top, bottom, left, right."""
_SMOOTHED = 5
"""Boxes that are averaged: a frame's own and those that follow."""


def padded_boxes(boxes: Sequence[Box] | WholeBoxes, size: tuple[int, int], pads: Sequence[int] = PADS) -> WholeBoxes:
    """Widen boxes [n, 4] by pixels (top, bottom, left, right), within a frame of `size` (height, width): int64 [n, 4]."""
    x1, y1, x2, y2 = np.trunc(np.maximum(np.asarray(boxes, np.float64), 0)).astype(np.int64).T
    top, bottom, left, right = pads
    inside = np.maximum(x1 - left, 0), np.maximum(y1 - top, 0), np.minimum(x2 + right, size[1]), np.minimum(y2 + bottom, size[0])
    return np.stack(inside, axis=1)


def smoothed_boxes(boxes: WholeBoxes) -> WholeBoxes:
    """Average boxes int64 [n, 4] as published: each becomes the mean of itself and the four that follow, cut to whole pixels.

    Near the end the last five are taken, of which those before it are smoothed already; with fewer than five boxes the window
    starts where counting from the end leads, so that of three boxes only the last two are used.
    """
    smoothed = boxes.copy()
    for place in range(len(smoothed)):
        window = smoothed[len(smoothed) - _SMOOTHED :] if place + _SMOOTHED > len(smoothed) else smoothed[place : place + _SMOOTHED]
        smoothed[place] = np.mean(window, axis=0)
    return smoothed


def restarted(num_frames: int, num_given: int) -> Iterator[int]:
    """Which of `num_given` frames is shown at each step: from the first one again when they are used up."""
    return (step % num_given for step in range(num_frames))


def published_starts(num_columns: int, rate: float) -> NDArray[np.int64]:
    """Where the chunks of a mel of `num_columns` begin, one for each frame at `rate` Hz: int64 of shape [F].

    One for each frame whose chunk is whole, and one more: the last 16 columns.
    """
    wanted = (int(frame * (MEL_RATE / rate)) for frame in count())
    whole = takewhile(lambda start: start + CHUNK <= num_columns, wanted)
    return np.array([*whole, num_columns - CHUNK], dtype=np.int64)
