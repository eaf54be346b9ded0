"""The neutral face by mediapipe's numbering, and where lips, outline and the inside of the mouth are in it.

Units: the face is 1 wide; x to the right as seen, y down, z away from the viewer. The face is nobody's (see
`recipes.demo.heads.make_mesh`); drawn heads are shaped from it, and movements learnt on it fit every face of that numbering.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

NEUTRAL_FILE = Path(__file__).with_name("neutral_face.npz")
NUM_FACE = 468

MOUTH_CORNERS = 78, 308
INNER_UPPER = (191, 80, 81, 82, 13, 312, 311, 310, 415)
INNER_LOWER = (95, 88, 178, 87, 14, 317, 402, 318, 324)
OUTER_UPPER = (185, 40, 39, 37, 0, 267, 269, 270, 409)
OUTER_LOWER = (146, 91, 181, 84, 17, 314, 405, 321, 375)
OUTER_CORNERS = 61, 291
LEFT_EYE_UPPER = (33, 246, 161, 160, 159, 158, 157, 173, 133)
LEFT_EYE_LOWER = (33, 7, 163, 144, 145, 153, 154, 155, 133)
RIGHT_EYE_UPPER = (263, 466, 388, 387, 386, 385, 384, 398, 362)
RIGHT_EYE_LOWER = (263, 249, 390, 373, 374, 380, 381, 382, 362)
EYES = ((LEFT_EYE_UPPER, LEFT_EYE_LOWER), (RIGHT_EYE_UPPER, RIGHT_EYE_LOWER))
"""The edges of the lids, upper and lower one point for point."""
OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
"""The outline of the face, clockwise as seen, from the top of the forehead."""

UPPER_LIP = (INNER_UPPER, (183, 42, 41, 38, 12, 268, 271, 272, 407), (184, 74, 73, 72, 11, 302, 303, 304, 408), OUTER_UPPER)
LOWER_LIP = (INNER_LOWER, (96, 89, 179, 86, 15, 316, 403, 319, 325), (77, 90, 180, 85, 16, 315, 404, 320, 307), OUTER_LOWER)
"""The four rings of either lip, from its inner edge to its outer one, nine columns each."""
LIP_CORNERS = (78, 62, 76, 61, 308, 292, 306, 291)

NUM_ARCH = 9
"""Points along an edge of a row of teeth; the outline of the tongue has twice as many."""
UPPER_TEETH = slice(NUM_FACE, NUM_FACE + 2 * NUM_ARCH)
LOWER_TEETH = slice(UPPER_TEETH.stop, UPPER_TEETH.stop + 2 * NUM_ARCH)
TONGUE = slice(LOWER_TEETH.stop, LOWER_TEETH.stop + 2 * NUM_ARCH)
"""Points inside the mouth, behind those of the face. Teeth: one edge, then the other, both from left to right."""
_TEETH_EDGES = 0.012, -0.06, -0.005, 0.07
"""Visible edge and gum of the upper teeth, then of the lower ones, below the line of the lips."""


class NeutralFace(NamedTuple):
    """points: float64 [468, 3]; triangles: int64 [m, 3], wound alike."""

    points: Points
    triangles: NDArray[np.int64]


@cache
def neutral_face() -> NeutralFace:
    """Load the neutral face."""
    with np.load(NEUTRAL_FILE, allow_pickle=False) as stored:
        return NeutralFace(stored["vertices"].astype(np.float64), stored["triangles"].astype(np.int64))


@cache
def neutral_head() -> Points:
    """Return the neutral face with the inside of its mouth: float64 [522, 3]."""
    face = neutral_face().points
    return np.concatenate([face, inside_mouth(face[INNER_UPPER[4], 1])])


def inside_mouth(line: float) -> Points:
    """Both rows of teeth and the tongue of a mouth whose lips meet at the height `line`: float64 [54, 3]."""
    x = np.linspace(-0.115, 0.115, NUM_ARCH)
    depth = -0.045 + 2.5 * np.square(x)
    turn = np.linspace(0, 2 * np.pi, 2 * NUM_ARCH, endpoint=False)
    tongue = np.stack([0.085 * np.cos(turn), line + 0.022 + 0.03 * np.sin(turn), np.full(len(turn), 0.0)], axis=1)
    edges = [np.stack([x, line + down - 0.6 * np.square(x) * np.sign(down), depth], axis=1) for down in _TEETH_EDGES]
    return np.concatenate([*edges, tongue])


def smoothstep(values: Points | float) -> Points:
    """0 below 0, 1 above 1, and a smooth way between."""
    clipped = np.clip(values, 0, 1)
    return np.asarray(clipped * clipped * (3 - 2 * clipped), dtype=np.float64)
