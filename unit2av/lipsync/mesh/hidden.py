"""Whether something is before a mouth: a hand, a microphone. Then the source's own pixels are better than any drawn mouth.

The colours of lips and of the skin around them are compared with how they usually look in the same shot, each at its point of the
mesh, so that neither a turned head nor an open mouth looks strange. A single picture tells nothing.
"""

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pixels
from unit2av.lipsync.mesh.face_shape import INNER_UPPER, LOWER_LIP, OVAL, UPPER_LIP, Points, neutral_face

SkinLook = NDArray[np.float32]
"""LAB at points of the mesh on and around the lips, float32 [points, 3]; NaN where the face has turned them away."""

HIDDEN_FROM, SEEN_UNTIL = 0.14, 0.10
"""Shares of the points that look strange: a mouth is hidden from the first on, until less than the second do."""
_SIDE = 64
"""Cells across the face that it is looked at in."""
_REACH, _RAISED = (0.31, 0.28), 0.02
"""How far around the mouth, across and along, and how much higher than the lips' line; in widths of the face."""
_STRANGE = 14.0
_RIM = 4
"""Cells by which the outline of the face is kept away from: the picture is blurred over it."""
_LEAST_SHARE = 0.3
"""Of the points that must be seen to say anything."""


def skin_look(picture: Pixels, mesh: Points) -> SkinLook:
    """Return the mouth and the skin around it, blurred, in LAB: float32 [points, 3]. mesh: [468, 3], pixels."""
    corner, size = mesh[:, :2].min(axis=0), np.ptp(mesh[:, :2], axis=0)
    scale = _SIDE / max(float(size[0]), 1.0)
    width, height = _SIDE, max(1, round(float(size[1]) * scale))
    place = np.array([[1 / scale, 0, corner[0]], [0, 1 / scale, corner[1]]], np.float32)
    flags = cv2.INTER_AREA | cv2.WARP_INVERSE_MAP
    seen = cv2.warpAffine(picture, place, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    colours = cv2.cvtColor(cv2.GaussianBlur(seen, (0, 0), 1.2), cv2.COLOR_RGB2LAB).astype(np.float32)
    cells = np.clip(np.rint((mesh[:, :2] - corner) * scale), 0, [width - 1, height - 1]).astype(np.int32)
    face = np.zeros((height, width), np.uint8)
    cv2.fillPoly(face, [cells[list(OVAL)]], 1)
    cv2.polylines(face, [cells[list(OVAL)]], isClosed=True, color=0, thickness=_RIM)
    x, y = cells[_around_mouth()].T
    look: SkinLook = colours[y, x]
    look[face[y, x] == 0] = np.nan
    return look


def usual_look(looks: Sequence[SkinLook]) -> SkinLook:
    """Return how it usually looks; NaN where it is hardly ever seen."""
    every = np.stack(looks)
    is_seen = np.isfinite(every[..., 0]).mean(axis=0) > 0.5
    usual = np.full(every.shape[1:], np.nan, np.float32)
    usual[is_seen] = np.nanmedian(every[:, is_seen], axis=0)
    return usual


def strangeness(look: SkinLook, usual: SkinLook) -> float:
    """Return the share of the points that look unlike the usual, 0 to 1; the light may change, from one side to the other too, as
    it does on a head that turns."""
    both = np.isfinite(look[:, 0]) & np.isfinite(usual[:, 0])
    if both.mean() < _LEAST_SHARE:
        return 0.0
    change = look[both] - usual[both]
    change -= np.median(change, axis=0)
    where = np.column_stack([neutral_face().points[_around_mouth()[both], :2], np.ones(len(change))])
    change[:, 0] -= where @ np.linalg.lstsq(where, change[:, 0], rcond=None)[0]
    distance = np.linalg.norm(change * np.array([0.5, 1, 1]), axis=-1)
    return float((distance > _STRANGE).mean())


@cache
def _around_mouth() -> NDArray[np.int64]:
    """Return the points that are compared: near the mouth and not at its inner edge."""
    x, y = neutral_face().points[:, 0], neutral_face().points[:, 1] - neutral_face().points[INNER_UPPER[4], 1]
    is_near = np.hypot(x / _REACH[0], (y + _RAISED) / _REACH[1]) < 1
    is_near[[*UPPER_LIP[0], *UPPER_LIP[1], *LOWER_LIP[0], *LOWER_LIP[1]]] = False
    return np.flatnonzero(is_near)
