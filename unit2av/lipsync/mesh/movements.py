"""How a mouth moves: blend shapes, displacements of points for a movement done fully.

They are made for points of which the first 468 are a face by mediapipe's numbering, of any person, in widths of the face.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from unit2av.lipsync.mesh.face_shape import (
    EYES,
    INNER_LOWER,
    INNER_UPPER,
    LOWER_TEETH,
    MOUTH_CORNERS,
    NUM_FACE,
    OUTER_LOWER,
    OUTER_UPPER,
    TONGUE,
    UPPER_TEETH,
    Points,
    neutral_head,
    smoothstep,
)

TEETH_WEIGHTS = (0.0, 1.0, 0.8)
"""How much of the jaw's turn upper teeth, lower teeth and tongue make."""
_JAW_HINGE = np.array([0.0, -0.05, 0.42])
_JAW_ANGLE = 0.32
"""Radians the jaw turns for opening 1: a gap of about 0.18 widths of the face, as in a wide [a]."""
_LID_REACH = 0.035
_BROWS = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55, 300, 293, 334, 296, 336, 276, 283, 282, 295, 285)
_BROW_REACH, _BROW_RISE = 0.06, 0.03
_CORNER_WEIGHT = 0.45
"""Share of the jaw's way that the corners of the mouth go."""


class NeutralMoves(NamedTuple):
    """Movements of the neutral head with the inside of its mouth, each [522, 3]; jaw: weights [522] of the jaw's turn.

    rise: what opening does beside the turn (the upper lip goes up a little).
    """

    jaw: Points
    rise: Points
    wide: Points
    round: Points


@cache
def neutral_moves() -> NeutralMoves:
    """Return the movements that are carried over to any person."""
    head = neutral_head()
    weights = jaw_weights(head)
    for part, weight in zip((UPPER_TEETH, LOWER_TEETH, TONGUE), TEETH_WEIGHTS, strict=True):
        weights[part] = weight
    return NeutralMoves(weights, opening(head, weights) - jaw_turn(head, weights), wide(head), rounded(head))


def jaw_turn(points: Points, weights: Points) -> Points:
    """Turn the jaw about its hinge, each point as far as its weight says: displacements [n, 3]."""
    cosine, sine = np.cos(_JAW_ANGLE), np.sin(_JAW_ANGLE)
    _, y, z = (points - _JAW_HINGE).T
    turned = np.stack([np.zeros(len(points)), y * cosine - z * sine - y, y * sine + z * cosine - z], axis=1)
    return np.asarray(turned * weights[:, None], dtype=np.float64)


def opening(points: Points, weights: Points) -> Points:
    """The jaw turns and takes the lower lip along; the upper lip rises a little: displacements [n, 3]."""
    turned = jaw_turn(points, weights)
    rise = bump(points, (0, mouth_line(points)), 0.07) * (points[:, 1] <= mouth_line(points))
    rise[list(INNER_LOWER)] = 0
    turned[:, 1] -= 0.018 * rise
    return turned


def jaw_weights(points: Points) -> Points:
    """Return how much of the jaw's turn each point makes, 0 to 1: a step at the lips, a slope on the cheeks; [n]."""
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
    """The corners of the mouth go apart and back, the lips get thinner: displacements [n, 3]."""
    line = mouth_line(points)
    near = bump(points, (0, line), 0.22, 0.12)
    return np.stack([points[:, 0] * 0.34 * near, (line - points[:, 1]) * 0.18 * near, 0.9 * np.square(points[:, 0]) * near], axis=1)


def rounded(points: Points) -> Points:
    """Return the corners of the mouth come together and the lips forward: displacements [n, 3]."""
    line = mouth_line(points)
    near = bump(points, (0, line), 0.22, 0.12)
    forward = bump(points, (0, line), 0.1, 0.08)
    return np.stack([-points[:, 0] * 0.52 * near, (points[:, 1] - line) * 0.1 * near, -0.045 * forward], axis=1)


def blink(points: Points) -> Points:
    """Upper lids come down to the lower ones and draw the skin above them along: displacements [n, 3]."""
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
    """The brows go up, the skin around them less, the lids not: displacements [n, 3]."""
    near = np.exp(
        -np.square(np.linalg.norm(points[:, None, :2] - points[None, list(_BROWS), :2], axis=-1).min(axis=1) / _BROW_REACH)
    )
    lids = np.array([point for eye in EYES for lid in eye for point in lid])
    away = np.linalg.norm(points[:, None, :2] - points[None, lids, :2], axis=-1).min(axis=1)
    near *= smoothstep(away / _LID_REACH)
    near[NUM_FACE:] = 0
    return np.stack([np.zeros(len(points)), -_BROW_RISE * near, np.zeros(len(points))], axis=1)


def bump(points: Points, centre: tuple[float, float], across: float, along: float = 0) -> Points:
    """1 at a point of the face, falling to 0 around it, as fast up and down unless told otherwise; 0 elsewhere: [n]."""
    x, y = points[:, 0] - centre[0], points[:, 1] - centre[1]
    near = np.exp(-np.square(x / across) - np.square(y / (along or across)))
    near[NUM_FACE:] = 0
    return np.asarray(near, dtype=np.float64)


def mouth_line(points: Points) -> float:
    """Return the height at which the upper lip ends."""
    return float(points[INNER_UPPER[4], 1])
