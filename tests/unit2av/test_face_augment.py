"""Changes of training faces: the target and its reference alike, and as far as asked for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avcore.units import Units
from unit2av.face.training.config import FaceAugmentConfig
from unit2av.face.training.corpus import LipClip
from unit2av.face.training.items import FaceWindows, augment_faces
from unit2av.lip_crops import ClipFaces, CropCache, CropSource

EVERYTHING = FaceAugmentConfig(rotate_deg=12, scale=0.1, stretch=0.1, shift=4, brightness=0.2, contrast=0.2, tint=0.05)


@pytest.fixture
def faces() -> np.ndarray:
    """A bright square in the middle of a gray picture, twice."""
    face = np.full((96, 96, 3), 100, np.uint8)
    face[38:58, 38:58] = 180
    return np.stack([face, face])


def middle(face: np.ndarray) -> np.ndarray:
    """Where the square is: its mean column and row."""
    return np.argwhere(face[..., 0] > 140).mean(axis=0)[::-1]


def test_all_faces_are_changed_alike(faces: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    made = [augment_faces(faces, EVERYTHING, rng) for _ in range(8)]
    assert all(one.shape == faces.shape and one.dtype == np.uint8 for one in made)
    assert all(np.array_equal(one[0], one[1]) for one in made)
    assert len({one.tobytes() for one in made}) == 8


def test_nothing_is_changed_when_nothing_is_asked_for(faces: np.ndarray) -> None:
    assert augment_faces(faces, FaceAugmentConfig(), np.random.default_rng(0)) is faces


@pytest.mark.parametrize(("name", "reach"), [("shift", 6.0), ("rotate_deg", 15.0), ("scale", 0.2), ("stretch", 0.2)])
def test_faces_move_as_far_as_asked_for(faces: np.ndarray, name: str, reach: float) -> None:
    rng = np.random.default_rng(0)
    made = [augment_faces(faces[:1], replace(FaceAugmentConfig(), **{name: reach}), rng)[0] for _ in range(40)]
    moved = np.array([np.abs(middle(face) - middle(faces[0])).max() for face in made])
    areas = np.array([(face[..., 0] > 140).sum() / 400 for face in made])
    assert (moved.max() > 4) == (name == "shift")
    assert moved.max() < (6.6 if name == "shift" else 0.6)
    most = {"scale": 1.2**2, "stretch": 1.2}.get(name, 1.0)
    assert areas.max() == pytest.approx(most, abs=0.12)
    assert areas.min() == pytest.approx(2 - most if name == "stretch" else 0.8**2 if name == "scale" else 1.0, abs=0.12)


def test_colours_move_as_far_as_asked_for(faces: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    made = np.stack([augment_faces(faces[:1], FaceAugmentConfig(tint=0.1), rng)[0] for _ in range(60)])
    offsets = made[:, 0, 0].astype(int) - 100
    assert 18 < np.abs(offsets).max() <= 26
    assert np.abs(np.corrcoef(offsets.T)[0, 1:]).max() < 0.5
    brighter = np.stack([augment_faces(faces[:1], FaceAugmentConfig(brightness=0.1), rng)[0] for _ in range(20)])
    assert (brighter[:, 0, 0] == brighter[:, 0, 0, :1]).all()


def test_target_and_reference_of_a_window_are_changed_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (20, 96, 96, 3)).astype(np.uint8)
    monkeypatch.setattr(CropCache, "faces", lambda self, footage: ClipFaces(pictures, np.ones(20, dtype=bool)))
    own = CropSource("clip", Path("v.mp4"), Path("v.bbox.pkl"))
    clip = LipClip(own, Units.from_frames(np.arange(40)), 0, reference=own)
    example = FaceWindows([clip], "", seed=0, pictures=3, augment=EVERYTHING).load((0, 0))
    plain = FaceWindows([clip], "", seed=0, pictures=3).load((0, 0))
    np.testing.assert_array_equal(example.target, example.reference)
    np.testing.assert_array_equal(example.units, plain.units)
    assert not np.array_equal(example.target, plain.target)
