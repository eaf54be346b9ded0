"""A mouth table of four units, what is said with them, and drawn heads with their landmarks."""

from collections.abc import Sequence
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from avcore.faces.geometry import hull
from avcore.units import Units
from recipes.demo.heads.camera import Camera, Pose
from recipes.demo.heads.head import Head, MouthShape, draw
from recipes.demo.heads.motion import motion
from tests.avcore.faces.drawn import head_of
from unit2av.lipsync import Scene, SpokenUnits
from unit2av.lipsync.mesh.learn import Examples, learn_table
from unit2av.lipsync.mesh.shape import NUM_FACE
from unit2av.lipsync.mesh.table import DOMINANCE_STEPS, MouthTable

VOCABULARY = "sha256:0000000000000001"
SIDE = 200
"""Pixels, of drawn frames."""


def learn_quickly(examples: Examples) -> MouthTable:
    """A fifth of the rounds are enough for a few units."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("unit2av.lipsync.mesh.learn._ROUNDS", 300)
        return learn_table(examples, VOCABULARY)


@cache
def table(*wanted: tuple[float, float, float]) -> MouthTable:
    """What each unit wants of opening, width and press, learnt from talks in which mouths do just that."""
    wants = np.array(wanted or [[0, 0, 0], [0.5, 0, 0], [1.0, 0.2, 0], [0.3, -0.9, 0]])
    rng, examples = np.random.default_rng(0), Examples(len(wants))
    for _ in range(8):
        frames = np.repeat(rng.integers(0, len(wants), 60), 2 * rng.integers(2, 5, 60))
        examples.add(frames, wants[frames[::2]])
    return learn_quickly(examples)


def open_mouth(num_units: int = 1000) -> MouthTable:
    return fixed_table(np.zeros((num_units, 3)), bias=(0.8, 0.0, 0.0))


def fixed_table(targets: np.ndarray, bias: Sequence[float] = (0.0, 0.0, 0.0), vocabulary: str = "") -> MouthTable:
    """A table in which a frame shows the targets [units, 3] of its own two units."""
    strengths = np.full((DOMINANCE_STEPS, len(targets)), -99.0, np.float32)
    strengths[DOMINANCE_STEPS // 2 - 1 : DOMINANCE_STEPS // 2 + 1] = 0
    weights = np.broadcast_to(np.asarray(targets, np.float32), (DOMINANCE_STEPS, *targets.shape))
    return MouthTable(weights, strengths, np.array(bias, np.float32), vocabulary)


def said(*units: int) -> SpokenUnits:
    return SpokenUnits(Units(np.array(units), np.full(len(units), 20), "ko", VOCABULARY))


def head(seed: int = 901) -> Head:
    return head_of(seed)


def mesh_of(pose: Pose, mouth: MouthShape, seed: int = 901) -> np.ndarray:
    """The landmarks of a drawn head, known without looking for them: float32 [468, 3]."""
    camera = Camera(pose, (SIDE, SIDE))
    positions, depth = camera.project(head(seed).shape.moved(mouth.opening, mouth.width, 0.0))
    return np.concatenate([positions, depth[:, None] * camera.scale], axis=1)[:NUM_FACE].astype(np.float32)


def filmed(mouths: Sequence[MouthShape], seed: int = 901, amount: float = 1.0) -> list[Scene]:
    """A head with moving mouth and moving head, every scene with its landmarks."""
    scenes = []
    for k, (pose, mouth) in enumerate(zip(motion(seed, len(mouths), Pose(scale=0.6), amount), mouths, strict=True)):
        mesh = mesh_of(pose, mouth, seed)
        scenes.append(Scene(draw(head(seed), pose, mouth, SIDE), hull(mesh), Fraction(k, 25), mesh=mesh))
    return scenes


def talk(count: int) -> list[MouthShape]:
    return [MouthShape(0.35 + 0.35 * float(np.sin(k / 2)), 0.0) for k in range(count)]
