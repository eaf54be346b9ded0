"""A mouth table of four units, what is said with them, and landmarks of drawn heads."""

from functools import cache

import numpy as np

from avcore.units import Units
from unit2av.mouths.mesh.face_shape import NUM_FACE
from unit2av.mouths.mesh.fit import Examples, learn_table
from unit2av.mouths.mesh.table import MouthTable
from unit2av.mouths.mouth import Said
from workshop.heads.camera import Camera, Pose
from workshop.heads.head import Head, MouthShape

VOCABULARY = "sha256:0000000000000001"
SIDE = 200
"""Pixels, of drawn pictures."""


@cache
def table() -> MouthTable:
    """Four units: closed, half open, wide open, round."""
    wanted = np.array([[0, 0, 0], [0.5, 0, 0], [1.0, 0.2, 0], [0.3, -0.9, 0]])
    rng = np.random.default_rng(0)
    examples = Examples(len(wanted))
    for _ in range(8):
        frames = np.repeat(rng.integers(0, len(wanted), 60), 2 * rng.integers(2, 5, 60))
        examples.add(frames, wanted[frames[::2]])
    return learn_table(examples, VOCABULARY)


def said(*units: int) -> Said:
    return Said(Units(np.array(units), np.full(len(units), 20), "ko", VOCABULARY))


@cache
def head(seed: int = 901) -> Head:
    return Head(seed)


def mesh_of(pose: Pose, mouth: MouthShape, seed: int = 901) -> np.ndarray:
    """The landmarks of a drawn head, known without looking for them: float32 [468, 3]."""
    camera = Camera(pose, (SIDE, SIDE))
    positions, depth = camera.project(head(seed).shape.moved(mouth.opening, mouth.width, 0.0))
    return np.concatenate([positions, depth[:, None] * camera.scale], axis=1)[:NUM_FACE].astype(np.float32)
