"""How one drawn head differs from another, and how its mouth and lids move.

Movements are blend shapes: displacements of all vertices for a movement done fully, scaled and added for each picture.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unit2av.mouths.mesh.movements import TEETH_WEIGHTS, blink, bump, jaw_weights, mouth_line, opening, rounded, wide
from workshop.heads.geometry import (
    LOWER_TEETH,
    NUM_FACE_VERTICES,
    NUM_HEAD_VERTICES,
    OVAL,
    SKULL_CENTRE,
    TONGUE,
    UPPER_TEETH,
    neutral_mesh,
)

Vertices = NDArray[np.float32]


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
    moves = (opening(rest, _jaw_weights(rest)), wide(rest), rounded(rest), blink(rest))
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
    nose = bump(neutral, (0, 0.02), 0.11)
    x *= 1 + vary(0.09) * nose
    y += vary(0.015) * nose
    z -= vary(0.025) * nose
    z -= vary(0.02) * bump(neutral, (0, 0.5), 0.12)
    apart, size = vary(0.008), vary(0.04)
    for side in (-1, 1):
        eye = bump(neutral, (side * 0.21, -0.24), 0.1)
        x += (size * (x - side * 0.21) + side * apart) * eye
        y += size * (y + 0.24) * eye
        x += side * vary(0.010) * bump(neutral, (side * 0.3, 0.1), 0.2)
    line = mouth_line(neutral)
    x *= 1 + vary(0.06) * bump(neutral, (0, line), 0.13)
    y += vary(0.12) * (y - mouth_line(vertices)) * bump(neutral, (0, line), 0.09)
    _raise_hair(vertices, volume=float(rng.uniform(0.02, 0.10)))
    return vertices


def _raise_hair(vertices: NDArray[np.float64], volume: float) -> None:
    """Move the skull outwards where hair grows on it, more behind the hairline than at it."""
    skull = vertices[NUM_FACE_VERTICES:NUM_HEAD_VERTICES].reshape(-1, len(OVAL), 3)
    growth = volume * np.clip(np.arange(len(skull)) / 2 + 0.3, 0, 1)[:, None] * np.clip((0.1 - skull[..., 1]) / 0.3, 0, 1)
    skull += (skull - SKULL_CENTRE) * growth[..., None]


def _jaw_weights(rest: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much of the jaw's turn each vertex makes, the inside of the mouth as well; [n]."""
    weights = jaw_weights(rest)
    for part, weight in zip((UPPER_TEETH, LOWER_TEETH, TONGUE), TEETH_WEIGHTS, strict=True):
        weights[part] = weight
    return weights
