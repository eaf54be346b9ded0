"""The shape of a face in mediapipe's numbering: the neutral face, a person's points from the front, and movements of a mouth.

Units: the face is 1 wide; x to the right as seen, y down, z away from the viewer. The neutral face is nobody's: it is what
mediapipe's network makes of a face of plain ellipses, then made symmetric, and its mouth closed. Drawn heads are shaped from it,
and movements learnt on it fit every face of that numbering.

The head frame has a person's points as seen from the front, whatever the head's place and turn in the image: a similarity takes
the neutral face to the points of the image that speech hardly moves, nose, brows, forehead and temples.

Movements are blend shapes, displacements of points for a movement done fully. They are made for points of which the first 468 are a
face of any person, in widths of the face.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.faces.geometry import Box, Landmarks

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
"""The edges of the lids; points of upper and lower lid correspond."""
OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
"""The outline of the face, clockwise in the image, from the top of the forehead."""

UPPER_LIP = (INNER_UPPER, (183, 42, 41, 38, 12, 268, 271, 272, 407), (184, 74, 73, 72, 11, 302, 303, 304, 408), OUTER_UPPER)
LOWER_LIP = (INNER_LOWER, (96, 89, 179, 86, 15, 316, 403, 319, 325), (77, 90, 180, 85, 16, 315, 404, 320, 307), OUTER_LOWER)
"""The four rings of each lip, from its inner edge to its outer edge, with nine columns each."""
LIP_CORNERS = (78, 62, 76, 61, 308, 292, 306, 291)
LIPS = (*INNER_UPPER, *INNER_LOWER, *OUTER_UPPER, *OUTER_LOWER, *OUTER_CORNERS)
"""Their inner and outer edges."""
_NOSE_BASE = [2, 94, 98, 327, 97, 326]

NUM_ARCH = 9
"""Points along an edge of a row of teeth; the outline of the tongue has twice as many."""
UPPER_TEETH = slice(NUM_FACE, NUM_FACE + 2 * NUM_ARCH)
LOWER_TEETH = slice(UPPER_TEETH.stop, UPPER_TEETH.stop + 2 * NUM_ARCH)
TONGUE = slice(LOWER_TEETH.stop, LOWER_TEETH.stop + 2 * NUM_ARCH)
"""Points inside the mouth, numbered after those of the face. Teeth: one edge, then the other, both from left to right."""
_TEETH_EDGES = 0.012, -0.06, -0.005, 0.07
"""Visible edge and gum of the upper teeth, then of the lower ones, below the line of the lips."""


class NeutralFace(NamedTuple):
    """The neutral face."""

    points: Points
    """float64 [468, 3]"""
    triangles: NDArray[np.int64]
    """int64 [m, 3], all with the same winding"""


@cache
def neutral_face() -> NeutralFace:
    """Load the neutral face."""
    with np.load(NEUTRAL_FILE, allow_pickle=False) as stored:
        return NeutralFace(stored["vertices"].astype(np.float64), stored["triangles"].astype(np.int64))


def nose_base(points: Points) -> Points:
    """Return the middle of the points under the nose of a face [468, 3], which speech hardly moves and which are next to the mouth:
    [2]."""
    return np.asarray(points[_NOSE_BASE, :2].mean(axis=0))


def neutral_in(box: Box) -> Points:
    """Return the neutral face scaled to a box [4], as an estimate for a face that the mesh does not find: float64 [468, 3]."""
    points = neutral_face().points.copy()
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    points[:, :2] = box[:2] + (points[:, :2] - low) / (high - low) * (box[2:] - box[:2])
    return points


@cache
def neutral_head() -> Points:
    """Return the neutral face with the inside of its mouth: float64 [522, 3]."""
    face = neutral_face().points
    return np.concatenate([face, inside_mouth(face[INNER_UPPER[4], 1])])


def inside_mouth(line: float) -> Points:
    """Return both rows of teeth and the tongue of a mouth whose lips meet at the height `line`: float64 [54, 3]."""
    x = np.linspace(-0.115, 0.115, NUM_ARCH)
    depth = -0.045 + 2.5 * np.square(x)
    turn = np.linspace(0, 2 * np.pi, 2 * NUM_ARCH, endpoint=False)
    tongue = np.stack([0.085 * np.cos(turn), line + 0.022 + 0.03 * np.sin(turn), np.full(len(turn), 0.0)], axis=1)
    edges = [np.stack([x, line + down - 0.6 * np.square(x) * np.sign(down), depth], axis=1) for down in _TEETH_EDGES]
    return np.concatenate([*edges, tongue])


def smoothstep(values: Points | float) -> Points:
    """Return 0 below 0, 1 above 1, and a smooth transition between."""
    clipped = np.clip(values, 0, 1)
    return np.asarray(clipped * clipped * (3 - 2 * clipped), dtype=np.float64)


_LIDS = {point for eye in EYES for lid in eye for point in lid[1:-1]}
_LOWEST, _HIGHEST = 0.06, -0.5
"""Heights in the neutral face between which points are stable."""
UPPER_FACE = [168, 6, 197, 195, 4, 1, 33, 133, 362, 263, 70, 105, 107, 336, 334, 300, 98, 327, 50, 280, 36, 266]
"""Points whose mean is the position of the head."""


class HeadPose(NamedTuple):
    """The similarity from the head frame to the image."""

    scale: float
    """pixels in a width of the face"""
    turn: Points
    """rotation, [3, 3]"""
    shift: Points
    """translation, [3], pixels"""

    def to_image(self, head: Points) -> Points:
        """Convert points [n, 3] of the head frame to pixels."""
        return np.asarray(self.scale * head @ self.turn.T + self.shift, np.float64)

    def to_head(self, points: Points | Landmarks) -> Points:
        """Convert points [n, 3] of the image to the head frame."""
        return np.asarray((points - self.shift) @ self.turn / self.scale, np.float64)


def fit_pose(points: Points | Landmarks) -> HeadPose:
    """Return the pose that fits landmarks [468, 3] best (Umeyama 1991)."""
    model = neutral_face().points[_STABLE]
    seen = points[_STABLE].astype(np.float64)
    model_middle, seen_middle = model.mean(axis=0), seen.mean(axis=0)
    left, sizes, right = np.linalg.svd((seen - seen_middle).T @ (model - model_middle))
    # Without the sign, noise could turn the best rotation into a reflection.
    signs = np.array([1, 1, np.sign(np.linalg.det(left @ right))])
    turn = left @ np.diag(signs) @ right
    scale = float((sizes * signs).sum() / np.square(model - model_middle).sum())
    return HeadPose(scale, turn, seen_middle - scale * turn @ model_middle)


def rolled(pose: HeadPose, roll: float, growth: float) -> HeadPose:
    """Return a pose rotated by `roll` radians within the image, and scaled by exp(`growth`), with the same shift."""
    within = cv2.Rodrigues(np.array([0.0, 0.0, roll]))[0]
    return HeadPose(pose.scale * float(np.exp(growth)), within @ pose.turn, pose.shift)


def mean_pose(poses: list[HeadPose], weights: Points) -> HeadPose:
    """Return the weighted mean of poses that are near each other. weights: [n], with the sum 1."""
    scale = float(np.exp(weights @ np.log([pose.scale for pose in poses])))
    # Rotation vectors can be averaged only because the poses are near each other.
    turns = np.stack([cv2.Rodrigues(pose.turn)[0][:, 0] for pose in poses])
    return HeadPose(scale, cv2.Rodrigues(weights @ turns)[0], weights @ np.stack([pose.shift for pose in poses]))


def _stable() -> list[int]:
    height = neutral_face().points[:, 1]
    # Lids lie there, too, but blink.
    lies_there = (height < _LOWEST) & (height > _HIGHEST)
    return [point for point in np.flatnonzero(lies_there) if point not in _LIDS]


_STABLE = _stable()
FOLLOWED = _STABLE[::3]
"""Points all over the upper face that are tracked from frame to frame."""

TEETH_WEIGHTS = (0.0, 1.0, 0.8)
"""Share of the jaw's rotation that upper teeth, lower teeth and tongue make."""
_JAW_HINGE = np.array([0.0, -0.05, 0.42])
_JAW_ANGLE = 0.32
"""Rotation of the jaw (radians) at opening 1, a gap of about 0.18 widths of the face, as in a wide [a]."""
_LID_REACH = 0.035
_BROWS = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55, 300, 293, 334, 296, 336, 276, 283, 282, 295, 285)
_BROW_REACH, _BROW_RISE = 0.06, 0.03
_CORNER_WEIGHT = 0.45
"""Share of the jaw's movement that the corners of the mouth make."""


class NeutralMoves(NamedTuple):
    """Movements of the neutral head with the inside of its mouth, displacements [522, 3] unless stated otherwise."""

    jaw: Points
    """each point's share of the jaw's rotation, [522]"""
    rise: Points
    """what opening adds to the rotation: the upper lip rises a little"""
    wide: Points
    round: Points


@cache
def neutral_moves() -> NeutralMoves:
    """Return the movements, which are transferred to any person."""
    head = neutral_head()
    weights = jaw_weights(head)
    for part, weight in zip((UPPER_TEETH, LOWER_TEETH, TONGUE), TEETH_WEIGHTS, strict=True):
        weights[part] = weight
    return NeutralMoves(weights, opening(head, weights) - jaw_turn(head, weights), wide(head), rounded(head))


def jaw_turn(points: Points, weights: Points) -> Points:
    """Rotate the jaw about its hinge, each point by its weight: displacements [n, 3]."""
    cosine, sine = np.cos(_JAW_ANGLE), np.sin(_JAW_ANGLE)
    _, y, z = (points - _JAW_HINGE).T
    turned = np.stack([np.zeros(len(points)), y * cosine - z * sine - y, y * sine + z * cosine - z], axis=1)
    return np.asarray(turned * weights[:, None], dtype=np.float64)


def opening(points: Points, weights: Points) -> Points:
    """Return the displacements [n, 3] of an opening mouth: the lower lip moves with the jaw, and the upper lip rises a little."""
    turned = jaw_turn(points, weights)
    rise = bump(points, (0, mouth_line(points)), 0.07) * (points[:, 1] <= mouth_line(points))
    rise[list(INNER_LOWER)] = 0
    turned[:, 1] -= 0.018 * rise
    return turned


def jaw_weights(points: Points) -> Points:
    """Return each point's share of the jaw's rotation, [n], 0 to 1: a step at the lips, a slope on the cheeks."""
    line, corner = mouth_line(points), abs(points[MOUTH_CORNERS[0], 0])
    across = np.clip(np.abs(points[:, 0]) / corner, 0, 1)
    below = points[:, 1] - line
    lower = 1 - (1 - _CORNER_WEIGHT) * across**2.5
    lower += (1 - lower) * smoothstep(below / 0.15)
    upper = _CORNER_WEIGHT * across**3 * smoothstep(1 + below / 0.12)

    at_mouth = np.where(below > 0, lower, upper)
    for indices, weights in ((INNER_UPPER, upper), (OUTER_UPPER, upper), (INNER_LOWER, lower), (OUTER_LOWER, lower)):
        at_mouth[list(indices)] = weights[list(indices)]

    cheek = smoothstep((below + 0.16) / 0.3)
    sideways = smoothstep((np.abs(points[:, 0]) - corner) / 0.12)
    return np.asarray(at_mouth + (cheek - at_mouth) * sideways, dtype=np.float64)


def wide(points: Points) -> Points:
    """Return the displacements [n, 3] of a wide mouth: its corners move apart and back, the lips get thinner."""
    line = mouth_line(points)
    near = bump(points, (0, line), 0.22, 0.12)
    return np.stack([points[:, 0] * 0.34 * near, (line - points[:, 1]) * 0.18 * near, 0.9 * np.square(points[:, 0]) * near], axis=1)


def rounded(points: Points) -> Points:
    """Return the displacements [n, 3] of a round mouth: its corners move together, the lips forward."""
    line = mouth_line(points)
    near = bump(points, (0, line), 0.22, 0.12)
    forward = bump(points, (0, line), 0.1, 0.08)
    return np.stack([-points[:, 0] * 0.52 * near, (points[:, 1] - line) * 0.1 * near, -0.045 * forward], axis=1)


def blink(points: Points) -> Points:
    """Return the displacements [n, 3] of a blink: the upper lids move down to the lower ones, with some of the skin above them."""
    move = np.zeros_like(points)

    for upper, lower in EYES:
        lid, way = points[list(upper)], points[list(lower)] - points[list(upper)]
        distance = np.linalg.norm(points[:, None, :2] - lid[None, :, :2], axis=-1)
        nearest = distance.argmin(axis=1)
        is_above = points[:, 1] < lid[nearest, 1]

        pull = np.exp(-np.square(distance.min(axis=1) / _LID_REACH)) * is_above
        pull[NUM_FACE:] = 0
        pull[[*upper, *lower]] = 0
        move += way[nearest] * 0.7 * pull[:, None]
        move[list(upper)] = way * 0.97

    return move


def raised_brows(points: Points) -> Points:
    """Return the displacements [n, 3] of raised brows: the skin around them moves less, the lids do not."""
    near = np.exp(
        -np.square(np.linalg.norm(points[:, None, :2] - points[None, list(_BROWS), :2], axis=-1).min(axis=1) / _BROW_REACH)
    )

    lids = np.array([point for eye in EYES for lid in eye for point in lid])
    away = np.linalg.norm(points[:, None, :2] - points[None, lids, :2], axis=-1).min(axis=1)
    near *= smoothstep(away / _LID_REACH)
    near[NUM_FACE:] = 0
    return np.stack([np.zeros(len(points)), -_BROW_RISE * near, np.zeros(len(points))], axis=1)


def bump(points: Points, centre: tuple[float, float], across: float, along: float = 0) -> Points:
    """Return weights [n] that fall from 1 at a point of the face to 0 around it, and are 0 inside the mouth.

    across: width; along: height, 0 = the same.
    """
    x, y = points[:, 0] - centre[0], points[:, 1] - centre[1]
    near = np.exp(-np.square(x / across) - np.square(y / (along or across)))
    near[NUM_FACE:] = 0
    return np.asarray(near, dtype=np.float64)


def mouth_line(points: Points) -> float:
    """Return the height of the upper lip's inner edge."""
    return float(points[INNER_UPPER[4], 1])


def measure_movements(head: Points) -> Points:
    """Gap, width and thickness of the lips of points [468, 3] in the head frame."""
    middle = len(INNER_UPPER) // 2
    gap = head[INNER_LOWER[middle], 1] - head[INNER_UPPER[middle], 1]
    width = np.linalg.norm(head[OUTER_CORNERS[1]] - head[OUTER_CORNERS[0]])
    thickness = head[OUTER_LOWER[middle], 1] - head[OUTER_UPPER[middle], 1] - gap
    return np.array([gap, width, thickness])
