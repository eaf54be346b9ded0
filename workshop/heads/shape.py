"""How one drawn head differs from another, and how its mouth and lids move.

Movements are blend shapes: displacements of all vertices for a movement done fully, scaled and added for each picture.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workshop.heads.geometry import (
    INNER_LOWER,
    INNER_UPPER,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LOWER_TEETH,
    MOUTH_CORNERS,
    NUM_FACE_VERTICES,
    NUM_HEAD_VERTICES,
    OUTER_LOWER,
    OUTER_UPPER,
    OVAL,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    SKULL_CENTRE,
    TONGUE,
    UPPER_TEETH,
    neutral_mesh,
)

Vertices = NDArray[np.float32]

_JAW_HINGE = np.array([0.0, -0.05, 0.42])
_JAW_ANGLE = 0.32
"""Radians the jaw turns for opening 1: a gap of about 0.18 widths of the face, as in a wide [a]."""
_CORNER_WEIGHT = 0.45
"""Share of the jaw's way that the corners of the mouth go."""
_LID_REACH = 0.035


@dataclass(frozen=True)
class Shape:
    """A head at rest and its movements, each float32 [n, 3]."""

    rest: Vertices
    opening: Vertices
    wide: Vertices
    round: Vertices
    blink: Vertices

    def moved(self, opening: float, width: float, blink: float) -> Vertices:
        """The head with its mouth open 0 to 1, its lips round (-1) to wide (1), its lids closed 0 to 1: float32 [n, 3]."""
        return np.asarray(
            self.rest + opening * self.opening + max(width, 0) * self.wide + max(-width, 0) * self.round + blink * self.blink,
            dtype=np.float32,
        )


def make_shape(rng: np.random.Generator) -> Shape:
    """Shape a head of its own from the neutral one."""
    rest = _shape_rest(neutral_mesh().vertices.astype(np.float64), rng)
    moves = (_opening(rest), _wide(rest), _round(rest), _blink(rest))
    return Shape(*(np.asarray(part, dtype=np.float32) for part in (rest, *moves)))


def _shape_rest(neutral: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Change proportions smoothly, so that every head stays a head."""

    def vary(spread: float) -> float:
        return spread * float(np.clip(rng.standard_normal(), -2, 2))

    vertices = neutral.copy()
    x, y, z = vertices.T
    x *= 1 + vary(0.03) + vary(0.06) * y + vary(0.05) * np.square(y)
    y *= 1 + vary(0.03)
    y += vary(0.05) * np.maximum(y, 0)
    nose = _bump(neutral, (0, 0.02), 0.11)
    x *= 1 + vary(0.09) * nose
    y += vary(0.015) * nose
    z -= vary(0.025) * nose
    z -= vary(0.02) * _bump(neutral, (0, 0.5), 0.12)
    apart, size = vary(0.008), vary(0.04)
    for side in (-1, 1):
        eye = _bump(neutral, (side * 0.21, -0.24), 0.1)
        x += (size * (x - side * 0.21) + side * apart) * eye
        y += size * (y + 0.24) * eye
        x += side * vary(0.010) * _bump(neutral, (side * 0.3, 0.1), 0.2)
    line = _mouth_line(neutral)
    x *= 1 + vary(0.06) * _bump(neutral, (0, line), 0.13)
    y += vary(0.12) * (y - _mouth_line(vertices)) * _bump(neutral, (0, line), 0.09)
    _raise_hair(vertices, volume=float(rng.uniform(0.02, 0.10)))
    return vertices


def _raise_hair(vertices: NDArray[np.float64], volume: float) -> None:
    """Move the skull outwards where hair grows on it, more behind the hairline than at it."""
    skull = vertices[NUM_FACE_VERTICES:NUM_HEAD_VERTICES].reshape(-1, len(OVAL), 3)
    growth = volume * np.clip(np.arange(len(skull)) / 2 + 0.3, 0, 1)[:, None] * np.clip((0.1 - skull[..., 1]) / 0.3, 0, 1)
    skull += (skull - SKULL_CENTRE) * growth[..., None]


def _bump(vertices: NDArray[np.float64], centre: tuple[float, float], across: float, along: float = 0) -> NDArray[np.float64]:
    """1 at a point of the face, falling to 0 around it, as fast up and down unless told otherwise; 0 elsewhere: [n]."""
    x, y = vertices[:, 0] - centre[0], vertices[:, 1] - centre[1]
    near = np.exp(-np.square(x / across) - np.square(y / (along or across)))
    near[NUM_FACE_VERTICES:] = 0
    return np.asarray(near, dtype=np.float64)


def _opening(rest: NDArray[np.float64]) -> NDArray[np.float64]:
    """The jaw turns about its hinge and takes the lower lip along; the upper lip rises a little."""
    cosine, sine = np.cos(_JAW_ANGLE), np.sin(_JAW_ANGLE)
    _, y, z = (rest - _JAW_HINGE).T
    turned = np.stack([np.zeros(len(rest)), y * cosine - z * sine - y, y * sine + z * cosine - z], axis=1)
    turned *= _jaw_weights(rest)[:, None]
    rise = _bump(rest, (0, _mouth_line(rest)), 0.07) * (rest[:, 1] <= _mouth_line(rest))
    rise[list(INNER_LOWER)] = 0
    turned[:, 1] -= 0.018 * rise
    return np.asarray(turned, dtype=np.float64)


def _jaw_weights(rest: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much of the jaw's turn each vertex makes, 0 to 1: a step at the lips, a slope on the cheeks; [n]."""
    line, corner = _mouth_line(rest), abs(rest[MOUTH_CORNERS[0], 0])
    across = np.clip(np.abs(rest[:, 0]) / corner, 0, 1)
    below = rest[:, 1] - line
    lower = 1 - (1 - _CORNER_WEIGHT) * across**2.5
    lower += (1 - lower) * _smoothstep(below / 0.15)
    upper = _CORNER_WEIGHT * across**3 * _smoothstep(1 + below / 0.12)
    at_mouth = np.where(below > 0, lower, upper)
    for indices, weights in ((INNER_UPPER, upper), (OUTER_UPPER, upper), (INNER_LOWER, lower), (OUTER_LOWER, lower)):
        at_mouth[list(indices)] = weights[list(indices)]
    cheek = _smoothstep((below + 0.16) / 0.3)
    sideways = _smoothstep((np.abs(rest[:, 0]) - corner) / 0.12)
    weights = at_mouth + (cheek - at_mouth) * sideways
    for part, weight in ((UPPER_TEETH, 0.0), (LOWER_TEETH, 1.0), (TONGUE, 0.8)):
        weights[part] = weight
    return np.asarray(weights, dtype=np.float64)


def _wide(rest: NDArray[np.float64]) -> NDArray[np.float64]:
    """The corners of the mouth go apart and back, the lips get thinner."""
    line = _mouth_line(rest)
    near = _bump(rest, (0, line), 0.22, 0.12)
    return np.stack([rest[:, 0] * 0.34 * near, (line - rest[:, 1]) * 0.18 * near, 0.9 * np.square(rest[:, 0]) * near], axis=1)


def _round(rest: NDArray[np.float64]) -> NDArray[np.float64]:
    """The corners of the mouth come together and the lips forward."""
    line = _mouth_line(rest)
    near = _bump(rest, (0, line), 0.22, 0.12)
    forward = _bump(rest, (0, line), 0.1, 0.08)
    return np.stack([-rest[:, 0] * 0.52 * near, (rest[:, 1] - line) * 0.1 * near, -0.045 * forward], axis=1)


def _blink(rest: NDArray[np.float64]) -> NDArray[np.float64]:
    """Upper lids come down to the lower ones and draw the skin above them along."""
    move = np.zeros_like(rest)
    for upper, lower in ((LEFT_EYE_UPPER, LEFT_EYE_LOWER), (RIGHT_EYE_UPPER, RIGHT_EYE_LOWER)):
        lid, way = rest[list(upper)], rest[list(lower)] - rest[list(upper)]
        distance = np.linalg.norm(rest[:, None, :2] - lid[None, :, :2], axis=-1)
        nearest = distance.argmin(axis=1)
        is_above = rest[:, 1] < lid[nearest, 1]
        pull = np.exp(-np.square(distance.min(axis=1) / _LID_REACH)) * is_above
        pull[NUM_FACE_VERTICES:] = 0
        pull[[*upper, *lower]] = 0
        move += way[nearest] * 0.7 * pull[:, None]
        move[list(upper)] = way * 0.97
    return move


def _mouth_line(rest: NDArray[np.float64]) -> float:
    return float(rest[INNER_UPPER[4], 1])


def _smoothstep(values: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(values, 0, 1)
    return np.asarray(clipped * clipped * (3 - 2 * clipped), dtype=np.float64)
