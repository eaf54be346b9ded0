"""A drawn head as a mesh: mediapipe's face mesh, and a skull behind it that carries the hair; shapes and movements of heads.

The face is 1 wide; x to the right as seen, y down, z away from the viewer. Movements are blend shapes: displacements of all
vertices for a full movement, scaled and added for each frame.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from unit2av.lipsync.mesh.shape import (
    INNER_UPPER,
    NUM_ARCH,
    OVAL,
    TEETH_WEIGHTS,
    blink,
    bump,
    inside_mouth,
    jaw_weights,
    mouth_line,
    neutral_face,
    opening,
    rounded,
    wide,
)
from unit2av.lipsync.mesh.shape import NUM_FACE as NUM_FACE_VERTICES

LEFT_BROW = (46, 53, 52, 65, 55, 107, 66, 105, 63, 70)
RIGHT_BROW = (276, 283, 282, 295, 285, 336, 296, 334, 293, 300)

UV_REACH = 1.05
"""Half the side of the texture, in widths of the face."""

NUM_HEAD_VERTICES = NUM_FACE_VERTICES + 5 * len(OVAL)
UPPER_TEETH = slice(NUM_HEAD_VERTICES, NUM_HEAD_VERTICES + 2 * NUM_ARCH)
LOWER_TEETH = slice(UPPER_TEETH.stop, UPPER_TEETH.stop + 2 * NUM_ARCH)
TONGUE = slice(LOWER_TEETH.stop, LOWER_TEETH.stop + 2 * NUM_ARCH)
"""Vertices inside the mouth, which follow those of the head."""

_RINGS = (0.06, 0.2, 0.4, 0.65, 0.9)
"""Rings of the skull, as shares of the way from the outline of the face to the back of the head."""
_UV_RINGS = (1.06, 1.18, 1.32, 1.46, 1.6)
SKULL_CENTRE = np.array([0.0, -0.17, 0.42])
_SKULL_RADII = np.array([0.54, 0.56, 0.55])
_JAW_WIDTH, _JAW_DEPTH = 0.55, 0.52
"""Underside of the jaw: x shrinks to this share, and it ends at this z."""
Vertices = NDArray[np.float32]


@dataclass(frozen=True)
class Mesh:
    """A head's mesh."""

    vertices: NDArray[np.float32]
    """[n, 3], the first 468 with mediapipe's numbers, then skull, teeth and tongue"""
    triangles: NDArray[np.int64]
    """[m, 3], of face and skull, all of the same winding"""
    uv: NDArray[np.float32]
    """[n, 2], position of a vertex on the texture, 0 to 1"""


@cache
def neutral_mesh() -> Mesh:
    """Load the neutral face and add a skull, teeth and tongue."""
    face, triangles = neutral_face()
    outline = face[list(OVAL)]
    rings = [_ring(outline, share) for share in _RINGS]
    flat = face[:, :2] - (0, float(face[:, 1].max() + face[:, 1].min()) / 2)
    flat_outline = flat[list(OVAL)]
    flat_rings = [flat_outline * share for share in _UV_RINGS]
    first = np.array(OVAL)
    for number in range(len(rings)):
        second = NUM_FACE_VERTICES + number * len(OVAL) + np.arange(len(OVAL))
        # Triangles between two closed rings of vertices, the second outside the first.
        next_first, next_second = np.roll(first, -1), np.roll(second, -1)
        one = np.stack([first, next_first, second], axis=1)
        other = np.stack([next_first, next_second, second], axis=1)
        triangles = np.concatenate([triangles, one, other])
        first = second
    inside = inside_mouth(face[INNER_UPPER[4], 1])
    uv = np.concatenate([flat, *flat_rings, np.zeros((len(inside), 2))]) / (2 * UV_REACH) + 0.5
    vertices = np.concatenate([face, *rings, inside])
    return Mesh(vertices.astype(np.float32), triangles, uv.astype(np.float32))


def _ring(outline: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Move the outline [36, 3] `share` of the way around the skull; along the jaw it moves underneath, towards the neck."""
    start = (outline - SKULL_CENTRE) / _SKULL_RADII
    length = np.linalg.norm(start, axis=1, keepdims=True)
    angle = np.arccos(np.clip(start[:, 2:] / length, -1, 1)) * (1 - share)
    around = start * (1, 1, 0)
    around /= np.maximum(np.linalg.norm(around, axis=1, keepdims=True), 1e-9)
    direction = np.concatenate([around[:, :2] * np.sin(angle), np.cos(angle)], axis=1)
    skull = SKULL_CENTRE + direction * (length + (1 - length) * share) * _SKULL_RADII
    under = outline.copy()
    under[:, 0] *= 1 + share * (_JAW_WIDTH - 1)
    under[:, 1] -= share * 0.12
    under[:, 2] += share * (_JAW_DEPTH - outline[:, 2])
    is_jaw = np.clip((outline[:, 1:2] + 0.02) / 0.25, 0, 1)
    return np.asarray(skull + (under - skull) * is_jaw, dtype=np.float64)


@dataclass(frozen=True)
class HeadShape:
    """A head at rest and its movements, each float32 [n, 3]."""

    rest: Vertices
    opening: Vertices
    wide: Vertices
    round: Vertices
    blink: Vertices

    def moved(self, opening: float, width: float, blink: float) -> Vertices:
        """Return vertices, float32 [n, 3]. opening: 0 to 1; width: -1 (round lips) to 1 (wide); blink: 0 to 1 (lids closed)."""
        return np.asarray(
            self.rest + opening * self.opening + max(width, 0) * self.wide + max(-width, 0) * self.round + blink * self.blink,
            dtype=np.float32,
        )


def make_shape(rng: np.random.Generator) -> HeadShape:
    """Make a random head from the neutral one."""
    rest = _shape_rest(neutral_mesh().vertices.astype(np.float64), rng)
    weights = jaw_weights(rest)
    for part, weight in zip((UPPER_TEETH, LOWER_TEETH, TONGUE), TEETH_WEIGHTS, strict=True):
        weights[part] = weight
    moves = (opening(rest, weights), wide(rest), rounded(rest), blink(rest))
    return HeadShape(*(np.asarray(part, dtype=np.float32) for part in (rest, *moves)))


def _shape_rest(neutral: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Change proportions at random, but smoothly, so that every head stays a head."""

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
    # Where hair grows, the skull moves outwards, more behind the hairline than at it.
    skull = vertices[NUM_FACE_VERTICES:NUM_HEAD_VERTICES].reshape(-1, len(OVAL), 3)
    volume = float(rng.uniform(0.06, 0.14))
    growth = volume * np.clip(np.arange(len(skull)) / 2 + 0.3, 0, 1)[:, None] * np.clip((0.1 - skull[..., 1]) / 0.3, 0, 1)
    skull += (skull - SKULL_CENTRE) * growth[..., None]
    return vertices


def hair_outline(rest: Vertices) -> Vertices:
    """Return half the width of the skull with its hair, and its height above its centre: float32 [2]."""
    skull = rest[NUM_FACE_VERTICES:NUM_HEAD_VERTICES]
    return np.asarray([np.abs(skull[:, 0]).max(), SKULL_CENTRE[1] - skull[:, 1].min()], dtype=np.float32)
