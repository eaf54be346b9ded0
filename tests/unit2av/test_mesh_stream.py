"""Where a face is from frame to frame, by its mesh and its own pixels, and when something hides its mouth."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest

from recipes.demo.heads.camera import Pose
from recipes.demo.heads.head import MouthShape, draw
from tests.unit2av.mouth_samples import SIDE, filmed, head, mesh_of, talk
from unit2av.lipsync.mesh.follow import Look, flow, placed, sights, similarity, surface_flow
from unit2av.lipsync.mesh.person import lip_gaps
from unit2av.lipsync.mesh.shape import NUM_FACE, OUTER_CORNERS, OUTER_LOWER, OUTER_UPPER, UPPER_FACE, fit_pose


def looked(
    mesh: np.ndarray, flowed: Sequence[float] = (0, 0, 0, 0), carried: np.ndarray | None = None, is_hidden: bool = False
) -> Look:
    """A look at a head whose landmarks are found there."""
    mesh = mesh.astype(np.float64)
    pose, carried = fit_pose(mesh), np.zeros((NUM_FACE, 2)) if carried is None else carried
    return Look(mesh, pose, pose.to_head(mesh), np.array(flowed, float), carried, is_hidden)


# From one frame to the next


@pytest.mark.parametrize(("roll", "growth"), [(0.0, 0.0), (0.05, 0.0), (-0.03, 0.04)])
def test_flow_finds_how_a_shaken_camera_moves_a_face(roll: float, growth: float) -> None:
    """Landmarks that do not move say nothing: the pixels do."""
    pose = Pose(scale=0.6)
    before, mesh = draw(head(), pose, MouthShape(), SIDE), mesh_of(pose, MouthShape()).astype(np.float64)
    middle = mesh[UPPER_FACE, :2].mean(axis=0)
    step = np.exp(growth + 1j * roll)
    turn = np.array([[step.real, -step.imag], [step.imag, step.real]])
    place = np.column_stack([turn, np.array([3.4, -2.2]) + middle - turn @ middle])
    after = cv2.warpAffine(before, place, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    found = flow(before, after, mesh, mesh)
    assert np.abs(found[:2] - [3.4, -2.2]).max() < 0.15
    assert np.abs(found[2:] - [roll, growth]).max() < 0.004


def test_a_background_that_stays_does_not_hold_a_turned_head_back() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (SIDE // 4, SIDE // 4, 3), dtype=np.uint8)
    wall = cv2.resize(noise, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    poses = [Pose(yaw=0.6, scale=0.6, shift=(right, 0.0)) for right in (0.0, 3 / SIDE)]
    before, after = (draw(head(), pose, MouthShape(), SIDE, onto=wall) for pose in poses)
    mesh, moved = (mesh_of(pose, MouthShape()).astype(np.float64) for pose in poses)
    assert np.abs(flow(before, after, mesh, mesh)[:2] - (moved - mesh)[:, :2].mean(axis=0)).max() < 0.2


def test_points_make_a_small_roll_only_where_they_agree() -> None:
    rng, points = np.random.default_rng(2), np.random.default_rng(3).uniform(-60, 60, (70, 2))
    turn = np.array([[1, -0.002], [0.002, 1]])
    even = np.ones(len(points))
    clear = similarity(points, points @ turn.T, even)
    vague = [similarity(points, points + rng.normal(0, 0.8, points.shape), even)[2] for _ in range(20)]
    assert abs(clear[2] - 0.002) < 1e-4
    assert np.std(vague) < 0.7 * 0.8 / np.sqrt(np.square(points - points.mean(axis=0)).sum())


SURFACE = [*OUTER_UPPER, *OUTER_LOWER, *OUTER_CORNERS, 199, 200, 205, 425]
"""Outer edges of the lips, chin and cheeks."""


def test_lips_and_chin_are_followed_by_their_own_pixels() -> None:
    first, second = Pose(scale=0.6), Pose(scale=0.6, shift=(0.01, 0.0))
    before, after = (draw(head(), *one, SIDE) for one in ((first, MouthShape(0.3, 0.0)), (second, MouthShape(0.6, -0.2))))
    mesh, moved = mesh_of(first, MouthShape(0.3, 0.0)), mesh_of(second, MouthShape(0.6, -0.2))
    way = (moved - mesh)[:, :2]
    found = surface_flow(before, after, mesh.astype(np.float64), mesh.astype(np.float64) + 2)
    missed = np.linalg.norm((found - way)[SURFACE], axis=1)
    assert missed.mean() < 0.3 * np.linalg.norm(way[SURFACE], axis=1).mean()
    small = surface_flow(before[:20], after[:20], mesh.astype(np.float64), moved.astype(np.float64))
    np.testing.assert_allclose(small, way, atol=1e-4)  # too little is seen


def test_what_the_mesh_says_wrongly_of_a_mouth_is_mended_by_flow() -> None:
    """The outer edge of the upper lip is found too high where the mouth is open, and every point with an error of its own."""
    rng, looks, mouths = np.random.default_rng(6), list[Look](), talk(21)
    scenes = filmed(mouths, amount=0.0)
    for number, (scene, mouth) in enumerate(zip(scenes, mouths, strict=True)):
        found = scene.mesh + rng.normal(0, 0.3, (NUM_FACE, 3))
        found[list(OUTER_UPPER), 1] -= 4 * mouth.opening
        carried = np.zeros((NUM_FACE, 2))
        if looks:
            carried = looks[-1].carried + surface_flow(scenes[number - 1].rgb, scene.rgb, looks[-1].mesh, found)
        looks.append(looked(found, carried=carried))
    alone, mended = [], []
    for number in range(5, 16):
        place, true = placed(looks, number), scenes[number].mesh
        for errors, points in ((alone, looks[number].mesh), (mended, place.pose.to_image(place.seen))):
            errors.append((points - true)[list(OUTER_UPPER), 1])
    changes = [np.std(errors, axis=0).mean() for errors in (alone, mended)]
    assert changes[1] < 0.5 * changes[0]  # an error that stays moves no pixel


def test_what_comes_before_a_mouth_does_not_carry_it_away() -> None:
    def carried(x: float, way: float, is_hidden: bool) -> Look:
        return replace(look(x, is_hidden), carried=np.full((NUM_FACE, 2), way))

    looks = [carried(0, 30.0 if k > 4 else 0.0, is_hidden=k in (4, 5)) for k in range(12)]  # flow went with a hand
    for k in (0, 2, 8, 11):
        np.testing.assert_allclose(placed(looks, k).seen, looks[0].head, atol=1e-6)
    astray = [carried(0, 80.0 * k, is_hidden=False) for k in range(12)]
    assert np.abs(placed(astray, 3).seen - looks[0].head).max() < 0.07  # never further than the mesh may be wrong


def test_neighbours_are_turned_and_grown_by_flow_then_averaged() -> None:
    """The head rolls in one frame; its landmarks say so, and so do the pixels: nothing is smoothed away."""
    still, tilted = mesh_of(Pose(scale=0.6), MouthShape()), mesh_of(Pose(scale=0.6, roll=0.1), MouthShape())
    sign = -1 if fit_pose(tilted).turn[1, 0] < 0 else 1

    flowed = (0.0, 0.0, sign * 0.1, 0.0)
    looks = [looked(tilted, flowed) if k == 5 else looked(still) for k in range(11)]
    np.testing.assert_allclose(placed(looks, 5).pose.turn, fit_pose(tilted).turn, atol=0.01)
    np.testing.assert_allclose(placed(looks, 4).pose.turn, fit_pose(still).turn, atol=0.01)


# In a stream


def test_frames_are_compared_within_a_face_and_shot_alone() -> None:
    """A cut, another face and a frame without a face begin anew; a frame in which the mesh finds none does not."""
    film = filmed(talk(8))
    far = film[4].box + 300
    cut, empty = replace(film[2], shot=1), replace(film[3], shot=1, box=None)
    scenes = [*film[:2], cut, empty, *film[4:6], replace(film[6], box=far), film[7]]

    class Blind:
        def find(self, frame: np.ndarray, box: np.ndarray) -> None:
            return None

    seen = list(sights(scenes, Blind()))
    assert [one.begins for one in seen] == [True, False, True, True, True, False, True, True]
    assert [one.look is None for one in seen] == [k == 3 for k in range(8)]
    followed = [k for k, one in enumerate(seen) if one.look is not None and np.any(one.look.carried)]
    assert followed == [1, 5]
    blinked = list(sights([film[0], replace(film[1], mesh=None), film[2]], Blind()))
    assert blinked[1].look is None
    assert not blinked[2].begins
    way = (film[2].mesh - film[0].mesh)[[199, 200], :2]
    assert np.abs(blinked[2].look.carried[[199, 200]] - way).max() < 1  # it is followed from the last frame that has one


def look(x: float, is_hidden: bool = False) -> Look:
    return looked(mesh_of(Pose(scale=0.6), MouthShape(0.0, 0.0)) + np.array([x, 0, 0]), is_hidden=is_hidden)


def test_a_place_is_the_mean_of_its_neighbours_and_flow_moves_it() -> None:
    steady = placed([look(x) for x in (0, 1, 0, 1, 0, 1, 0)], 3)
    assert abs(steady.pose.shift[0] - look(0.5).pose.shift[0]) < 0.2
    assert placed([None, None], 0) is None
    assert np.isfinite(placed([look(0), *[None] * 6], 6).seen).all()  # out of sight for a while


def trembling(mouths: Sequence[MouthShape]) -> list[Look]:
    """Looks at a head that holds still, found with a third of a pixel of error."""
    rng = np.random.default_rng(5)
    return [looked(mesh_of(Pose(scale=0.6), mouth) + rng.normal(0, 0.3, (NUM_FACE, 3))) for mouth in mouths]


def test_still_lips_do_not_tremble_and_moving_ones_do_not_lag() -> None:
    lips = [*OUTER_UPPER, *OUTER_LOWER]
    still = trembling([MouthShape(0.2, 0.0)] * 21)
    alone, seen = np.array([one.head[lips] for one in still[5:16]]), np.array([placed(still, k).seen[lips] for k in range(5, 16)])
    assert np.abs(np.diff(seen, axis=0)).mean() < 0.5 * np.abs(np.diff(alone, axis=0)).mean()
    opened = trembling([MouthShape(0.9 if k == 10 else 0.0, 0.0) for k in range(21)])
    assert lip_gaps(placed(opened, 10).seen[None])[0] > 0.95 * lip_gaps(opened[10].head[None])[0]


def test_a_drawn_mouth_goes_before_something_hides_it_and_comes_back() -> None:
    looks = [look(0, is_hidden=k in (8, 9)) for k in range(18)]
    strengths = [placed(looks, k).strength for k in range(18)]
    assert strengths[8] == strengths[9] == 0
    assert strengths[0] == strengths[-1] == 1
    assert np.abs(np.diff(strengths)).max() <= 0.21
