"""Which number of a labelled face box is which: told from the pictures, not from the name of the field.

AIHub's lip-reading labels call their boxes xtl_ytl_xbr_ybr, but those who used them found y1, x1, y2, x2 in them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from avcore.faces.crop import Box
from avcore.faces.geometry import overlap
from avcore.media import read_pictures
from avcore.timeline import Seconds, exact, frames_to_seconds

Order = Literal["xyxy", "yxyx"]
ORDERS: tuple[Order, ...] = get_args(Order)
UNDECIDED = "undecided"

Rows = NDArray[np.float32]
_COLUMNS: dict[str, list[int]] = {"xyxy": [0, 1, 2, 3], "yxyx": [1, 0, 3, 2]}
_LOOKS = 5
"""Pictures of a video in which faces are looked for."""
_MIN_LEAD = 0.1
_SLACK = 2.0
"""Pixels that a box may reach beyond the picture."""


class Sighting(NamedTuple):
    """Faces seen in a picture. row: the labelled box of that picture, as it stands in the label."""

    row: Rows
    faces: list[Box]


@dataclass(frozen=True)
class BoxOrder:
    """What was decided, and why. inside: share of boxes in the picture; agreement: mean overlap with faces seen; by order."""

    order: str
    inside: dict[str, float]
    agreement: dict[str, float]

    @property
    def is_decided(self) -> bool:
        """Whether the labelled boxes can be used."""
        return self.order != UNDECIDED


def reordered(rows: Rows, order: str) -> Rows:
    """Rows float32 [n, 4] of an order as x1, y1, x2, y2."""
    return rows[:, _COLUMNS[order]]


def decide_order(rows: Rows, width: int, height: int, sightings: Sequence[Sighting]) -> BoxOrder:
    """Decide the order of rows float32 [n, 4] by where boxes would lie, in the picture and on faces seen in it."""
    known = rows[np.isfinite(rows).all(axis=1)]
    inside: dict[str, float] = {order: _share_inside(reordered(known, order), width, height) for order in ORDERS}
    agreement: dict[str, float] = {order: _agreement(order, sightings) for order in ORDERS}
    score = {order: inside[order] + agreement[order] for order in ORDERS}
    best, other = sorted(ORDERS, key=lambda order: -score[order])
    is_clear = score[best] - score[other] >= _MIN_LEAD
    return BoxOrder(best if is_clear else UNDECIDED, inside, agreement)


def look_for_faces(video: Path, rows: Rows, duration_s: Seconds) -> Iterator[Sighting]:
    """Look for faces in a few pictures of a video, spread over it, whose rows hold a box."""
    from avcore.faces.detect import FaceDetector  # LiteRT takes time to load

    if not len(rows):
        return
    step = exact(duration_s) / len(rows)
    chosen = np.unique(np.linspace(0, len(rows) - 1, _LOOKS + 2).round().astype(int)[1:-1])
    with FaceDetector() as detector:
        for index in chosen.tolist():
            start = index * step
            picture = next(read_pictures(video, start, start + frames_to_seconds(1)), None)
            if picture is not None and np.isfinite(rows[index]).all():
                faces = detector.boxes(picture.rgb) or detector.far_boxes(picture.rgb)
                yield Sighting(rows[index], faces)


def _share_inside(boxes: Rows, width: int, height: int) -> float:
    """The share of boxes that lie in a picture, the right way round."""
    if not len(boxes):
        return 0.0
    x1, y1, x2, y2 = boxes.T
    is_inside = (np.minimum(x1, y1) >= -_SLACK) & (x2 <= width + _SLACK) & (y2 <= height + _SLACK) & (x1 < x2) & (y1 < y2)
    return float(is_inside.mean())


def _agreement(order: str, sightings: Sequence[Sighting]) -> float:
    seen = [sighting for sighting in sightings if sighting.faces]
    overlaps = [max(overlap(reordered(one.row[None], order)[0], face) for face in one.faces) for one in seen]
    return float(np.mean(overlaps)) if overlaps else 0.0
