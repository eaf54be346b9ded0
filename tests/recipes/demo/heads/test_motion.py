import numpy as np
from numpy.typing import NDArray

from recipes.demo.heads.camera import Pose
from recipes.demo.heads.motion import motion


def channel(poses: list[Pose], name: str) -> NDArray[np.float64]:
    return np.array([getattr(pose, name) for pose in poses])


def test_motion_is_smooth_and_bounded() -> None:
    for seed in range(20):
        poses = motion(seed, 500)
        for name, reach, step in (("yaw", 0.6, 0.055), ("pitch", 0.3, 0.025), ("roll", 0.2, 0.02), ("scale", 0.44, 0.002)):
            values = channel(poses, name)
            assert np.abs(values).max() < reach
            assert np.abs(np.diff(values)).max() < step
            assert values.std() > 0


def test_a_seed_moves_alike_whatever_the_length() -> None:
    assert motion(3, 60) == motion(3, 200)[:60]
    assert motion(3, 60) != motion(4, 60)
