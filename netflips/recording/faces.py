"""The speaker's face in one stretch of a recording, and where its lips are to be had."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.faces.crop import Box

Lips = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class FaceStretch:
    """One person's face in pictures `first`, `first` + 1, .. of the recording at 25 fps.

    boxes: float32 [T, 4], x1, y1, x2, y2 in pixels, NaN where the face is not in the picture. tracks: int64 [T], which
    track a box belongs to, -1 for none. yaw, pitch: float32 [T], radians. sharpness: float32 [T], of the lip crop.
    summaries: all faces that were followed, for reports.
    """

    first: int
    boxes: Floats
    tracks: NDArray[np.int64]
    yaw: Floats
    pitch: Floats
    sharpness: Floats
    summaries: tuple[dict[str, Any], ...] = ()

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def has_face(self) -> bool:
        """Whether there is a box in any picture."""
        return bool(np.isfinite(self.boxes).any())


@dataclass(frozen=True)
class LipSource:
    """Lip crops that are large and wanted for the units only. key: names what they are. read: gives uint8 [T, 96, 96]."""

    key: str
    read: Callable[[], Lips]

    def first(self, num_pictures: int) -> Lips:
        """The crops of the first pictures, uint8 [num_pictures, 96, 96]; where they end before, the last one stays."""
        crops = self.read()
        missing = max(num_pictures - len(crops), 0)
        return np.pad(crops[:num_pictures], ((0, missing), (0, 0), (0, 0)), mode="edge")


def no_face(start: int, stop: int) -> FaceStretch:
    """A stretch in which nobody is to be seen."""
    count = max(stop - start, 0)
    nothing = np.full(count, np.nan, np.float32)
    return FaceStretch(start, np.full((count, 4), np.nan, np.float32), np.full(count, -1), nothing, nothing, nothing)


def given_face(start: int, stop: int, boxes: list[Box | None]) -> FaceStretch:
    """A stretch from a side file with boxes of the whole recording at 25 fps.

    It says nothing of pose and sharpness: all are taken to be good.
    """
    empty = no_face(start, stop)
    shown = boxes[start : start + len(empty)]
    rows = [np.full(4, np.nan, np.float32) if box is None else box for box in shown]
    there = np.array([box is not None for box in shown], bool)
    level, sharp = np.where(there, 0, np.nan).astype(np.float32), np.where(there, np.inf, np.nan).astype(np.float32)
    return replace(
        empty,
        boxes=np.array(rows, np.float32).reshape(-1, 4),
        tracks=np.where(there, 0, -1),
        yaw=level,
        pitch=level,
        sharpness=sharp,
    )
