import numpy as np
import pytest

from avcore.faces.detect import FaceDetector
from avcore.faces.geometry import head_pose, mouth_opening
from recipes.demo.heads.camera import Pose
from recipes.demo.heads.geometry import make_shape
from recipes.demo.heads.head import Head, MouthShape, draw
from recipes.demo.heads.motion import motion


@pytest.fixture(scope="module")
def heads() -> list[Head]:
    return [Head(seed) for seed in range(40, 46)]


def test_every_head_is_found_in_every_pose(heads: list[Head]) -> None:
    detector = FaceDetector()
    rng = np.random.default_rng(0)
    tried, found, turned, opened = 0, 0, [], []
    for head in heads:
        for yaw in (-0.35, 0, 0.35):
            for pitch in (-0.2, 0.2):
                for opening in (0, 0.5, 1):
                    pose, mouth = Pose(yaw, pitch, rng.uniform(-0.1, 0.1)), MouthShape(opening, rng.uniform(-1, 1))
                    seen = detector.mesh(draw(head, pose, mouth, 224))
                    tried += 1
                    if seen is not None:
                        found += 1
                        turned.append((yaw, head_pose(seen).yaw, pitch, head_pose(seen).pitch))
                        opened.append((opening, mouth_opening(seen)))

    assert found >= 0.99 * tried
    yaw, seen_yaw, pitch, seen_pitch = np.array(turned).T
    assert np.abs(seen_yaw - yaw).mean() < 0.1
    assert np.abs(seen_pitch - pitch).mean() < 0.1
    opening, gap = np.array(opened).T
    assert gap[opening == 0].mean() < 0.05
    assert gap[opening == 1].min() > gap[opening == 0].max()


def test_the_same_seed_draws_the_same_person_to_the_pixel(heads: list[Head]) -> None:
    pose, mouth = Pose(0.1, 0.05, blink=0.3), MouthShape(0.5, 0.2)
    frame = draw(heads[0], pose, mouth, (120, 160))

    assert (frame.shape, frame.dtype) == ((120, 160, 3), np.uint8)
    np.testing.assert_array_equal(frame, draw(Head(40), pose, mouth, (120, 160)))
    assert np.abs(frame.astype(int) - draw(heads[1], pose, mouth, (120, 160))).mean() > 10


def test_only_the_mouth_region_changes_when_the_mouth_moves(heads: list[Head]) -> None:
    closed, opened = (draw(heads[0], Pose(), MouthShape(opening), 256).astype(int) for opening in (0, 0.8))
    rows = np.flatnonzero(np.abs(closed - opened).max(axis=(1, 2)) > 8)

    assert rows.min() > 120
    assert len(rows) > 20


@pytest.mark.parametrize(
    "pose", [Pose(shift=(5, 0)), Pose(shift=(0.5, 0.4), scale=1.5), Pose(scale=0.02), Pose(yaw=1.4, pitch=0.6)]
)
def test_heads_partly_or_wholly_out_of_the_frame_are_drawn(heads: list[Head], pose: Pose) -> None:
    for head in heads[:2]:
        assert draw(head, pose, MouthShape(0.7), (90, 120)).shape == (90, 120, 3)


def test_lips_touch_when_closed_and_part_when_open_and_lids_meet() -> None:
    for seed in range(10):
        shape = make_shape(np.random.default_rng(seed))
        closed, opened = shape.moved(0, 0, 0), shape.moved(1, 0, 0)

        assert abs(closed[14, 1] - closed[13, 1]) < 1e-5
        assert 0.12 < opened[14, 1] - opened[13, 1] < 0.25
        assert np.abs(opened[:, 0] - closed[:, 0]).max() < 1e-5
        still = [10, 33, 133, 159, 168, 4]
        np.testing.assert_allclose(opened[still], closed[still], atol=2e-3)
    shape = make_shape(np.random.default_rng(1))
    eye = shape.moved(0, 0, 1)

    assert abs(eye[159, 1] - eye[145, 1]) < 0.1 * abs(shape.rest[159, 1] - shape.rest[145, 1])


def test_motion_is_smooth_bounded_and_alike_whatever_the_length() -> None:
    for seed in range(20):
        poses = motion(seed, 500)
        for name, reach, step in (("yaw", 0.6, 0.055), ("pitch", 0.3, 0.025), ("roll", 0.2, 0.02), ("scale", 0.44, 0.002)):
            values = np.array([getattr(pose, name) for pose in poses])
            assert np.abs(values).max() < reach
            assert np.abs(np.diff(values)).max() < step
            assert values.std() > 0
    assert motion(3, 60) == motion(3, 200)[:60]
    assert motion(3, 60) != motion(4, 60)
