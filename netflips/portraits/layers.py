"""A portrait in two layers: the person, and the background as it would be behind them (matting and inpainting).

A pixel at the edge of hair is a mixture. What of it is not background stays with the person and is put back over the filled
background, so that a head that has not moved gives the picture back bit by bit.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats, Pixels
from avcore.faces.detect import TurnedSquare, segment_person
from avcore.faces.geometry import Landmarks
from unit2av.lipsync.mesh.shape import OVAL

_REACH = 4.0
"""Side of the square that is looked at, in widths of the face."""
_LEAST_FACE = 0.9
"""Share of the face that must be found to be of a person; else who is person and who is not is not known."""
_EDGE = 0.04
"""How far hair and its surroundings are told apart by their own colours, in widths of the face."""
_EDGE_CONTRAST = 1e-3
_SURE = 0.15, 0.9
"""Below and above, a pixel is all background and all person."""
_MARGIN = 0.05
"""How far from the person the background counts as such, in widths of the face; what is nearer may be hair, and goes along."""
_TRUST = 16.0
"""A mean of neighbours counts fully where they fill a sixteenth of its window."""
_FULL = 255


@dataclass(frozen=True, eq=False)
class Layers:
    """ground: uint8 [height, width, 3], the background, filled behind the person.

    front: int16 [height, width, 4], what the person adds to it, and the person's cover, 0 to 255. Both are resampled as one and
    unclipped: where a cubic curve swings beyond an edge, what one has too much the other has too little.
    """

    ground: Pixels
    front: NDArray[np.int16]

    @property
    def cover(self) -> NDArray[np.int16]:
        """How much of each pixel is the person, int16 [height, width] from 0 to 255."""
        return self.front[..., 3]

    def warped(self, part: tuple[slice, slice], x: Floats, y: Floats) -> Pixels:
        """Return a part of the picture whose person comes from the places x, y float32 [h, w]: uint8 [h, w, 3]."""
        moved = np.asarray(cv2.remap(self.front, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.int16)
        return np.asarray(np.clip(moved[..., :3] + _seen_of(self.ground[part], moved[..., 3]), 0, _FULL), np.uint8)


def layers_of(still: Pixels, mesh: Landmarks) -> Layers | None:
    """Part a picture uint8 [height, width, 3]; None where the person in it is not found. mesh: landmarks of the face."""
    points = mesh[:, :2]
    low, high = points.min(axis=0), points.max(axis=0)
    width = float(high[0] - low[0])
    found = segment_person(still, TurnedSquare(((low + high) / 2).astype(np.float32), _REACH * width))
    if _share_of_face(found, points) < _LEAST_FACE:
        return None
    cover = _along_edges(found, still, width)
    ground = _filled(still, cover, width)
    added = still.astype(np.int16) - _seen_of(ground, cover)
    return Layers(ground, np.dstack([added, cover]))


def _share_of_face(found: Floats, points: Floats) -> float:
    face = np.zeros(found.shape, np.uint8)
    cv2.fillConvexPoly(face, np.rint(points[list(OVAL)]).astype(np.int32), 1)
    return float(found[face > 0].mean()) if face.any() else 0.0


def _along_edges(found: Floats, still: Pixels, width: float) -> NDArray[np.int16]:
    """Return the person's share of each pixel, along the edges that the picture shows (guided filter)."""
    guide = cv2.cvtColor(still, cv2.COLOR_RGB2GRAY).astype(np.float32) / _FULL
    radius = max(2, round(_EDGE * width))
    share = cv2.ximgproc.guidedFilter(guide, found, radius, _EDGE_CONTRAST)
    low, high = _SURE
    return np.asarray(np.rint(np.clip((share - low) / (high - low), 0, 1) * _FULL), np.int16)


def _filled(still: Pixels, cover: NDArray[np.int16], width: float) -> Pixels:
    """The background with what is behind the person, and close to it, filled from what is beside, coarser the farther it is."""
    margin = max(1, round(_MARGIN * width))
    near = cv2.dilate(cover.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1,) * 2))
    weight = (near == 0).astype(np.float32)
    if not weight.any():
        return still.copy()
    fill = _spread(still.astype(np.float32) * weight[..., None], weight)
    return np.where((near > 0)[..., None], np.clip(np.rint(fill), 0, _FULL), still).astype(np.uint8)


def _spread(colour: Floats, weight: Floats) -> Floats:
    """Colours where there are none, from a pyramid of weighted means: float32 [h, w, 3]. colour: times weight [h, w]."""
    here = colour / np.maximum(weight, 1e-6)[..., None]
    if min(weight.shape) <= 2 or weight.min() >= 1:
        return np.asarray(here, np.float32)
    coarse = _spread(cv2.pyrDown(colour), cv2.pyrDown(weight))
    wide = cv2.pyrUp(coarse, dstsize=(weight.shape[1], weight.shape[0]))
    known = np.minimum(weight * _TRUST, 1)[..., None]  # far averages must not reach the edge of what is known
    return np.asarray(known * here + (1 - known) * wide, np.float32)


def _seen_of(ground: Pixels, cover: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return what is seen of the background through the person's cover, int16 of the same shape."""
    through = ground * ((_FULL - cover.astype(np.float32)) / _FULL)[..., None]
    return np.asarray(np.rint(through), np.int16)
