"""What is seen between the lips of a mouth that is moved by geometry, and the light on the skin around it."""

import cv2
import numpy as np

from recipes.demo.heads.camera import Pose
from recipes.demo.heads.head import MouthShape
from tests.unit2av.mouth_samples import SIDE, mesh_of
from unit2av.lipsync.mesh.face_shape import INNER_LOWER, INNER_UPPER, NUM_ARCH, NUM_FACE, UPPER_TEETH, neutral_head
from unit2av.lipsync.mesh.head_frame import fit_pose
from unit2av.lipsync.mesh.inside import Appearance, Teeth, draw_inside, find_dark, find_teeth, mouth_outline, usual_dark
from unit2av.lipsync.mesh.person import lip_gaps
from unit2av.lipsync.mesh.shade import shade


def test_the_depth_of_a_mouth_is_as_dark_as_the_person_s_own() -> None:
    pose, light = Pose(scale=0.6), np.array([0.9, 0.9, 0.9], np.float32)
    mesh = mesh_of(pose, MouthShape(0.8, 0.0)).astype(np.float64)
    gap, picture = float(lip_gaps(fit_pose(mesh).to_head(mesh)[None])[0]), np.full((SIDE, SIDE, 3), 150, np.uint8)
    cv2.fillPoly(picture, [mouth_outline(mesh)[:, :2].round().astype(np.int32)], (60, 30, 28))
    dark = find_dark(picture, mesh, gap)
    np.testing.assert_allclose(dark, [60, 30, 28], atol=2)
    np.testing.assert_allclose(usual_dark([dark] * 3, light), [60, 30, 28], atol=2)
    assert usual_dark([], light).max() < 60  # guessed
    assert usual_dark([np.full(3, 220, np.float32)], light).max() < 80  # teeth alone were seen: no mouth is that bright inside
    assert find_dark(picture, mesh, 0.01) is None


def smiling(width: float, least: float = 0.0) -> Teeth | None:
    """Teeth that are found where a part of an open mouth, `width` widths of the face, is white."""
    mesh = mesh_of(Pose(scale=0.9), MouthShape(0.8, 0.4)).astype(np.float64)
    pose = fit_pose(mesh)
    picture = np.full((SIDE, SIDE, 3), (70, 30, 30), np.uint8)
    reach = width * pose.scale / 2
    outline = mouth_outline(mesh)[:, :2]
    outline[:, 0] = np.clip(outline[:, 0], outline[:, 0].mean() - reach, outline[:, 0].mean() + reach)
    cv2.fillPoly(picture, [outline.round().astype(np.int32)], (215, 205, 190))
    return find_teeth(picture, mesh, pose.to_head(mesh), pose, least)


def test_a_few_teeth_lend_their_colour_and_a_row_is_shown() -> None:
    row, few = smiling(0.3), smiling(0.09)
    assert row is not None
    assert few is not None
    assert row.is_row
    assert not few.is_row
    for teeth in (row, few):
        np.testing.assert_allclose(teeth.colour, [215, 205, 190], atol=6)


def test_a_mouth_too_small_to_show_better_teeth_is_not_looked_at() -> None:
    found = smiling(0.3)
    assert found is not None
    again = smiling(0.3, 0.99 * found.score)
    assert again is not None
    np.testing.assert_array_equal(again.patch, found.patch)
    assert smiling(0.3, 10 * found.score) is None


def test_teeth_of_a_small_face_are_a_row_and_those_of_a_large_one_have_corners() -> None:
    """Rounded corners would be a dotted line in the slit of a mouth."""

    def along_the_edge(scale: float, above: float) -> np.ndarray:
        """The light of the upper teeth along a line `above` their edge, in widths of the face."""
        points = neutral_head() * scale + 1.5 * scale
        target, side = points[:NUM_FACE].copy(), int(3 * scale)
        target[list(INNER_LOWER), 1] += 0.1 * scale
        picture = np.full((side, side, 3), 150, np.uint8)
        look = Appearance(np.ones(3, np.float32), np.full(3, 20, np.float32), 0.0, None)
        draw_inside(picture, target, points[NUM_FACE:], fit_pose(points[:NUM_FACE]), look, 1.0)
        teeth = points[UPPER_TEETH][2 : NUM_ARCH - 2]
        y = int(teeth[:, 1].mean() - above * scale)
        return np.asarray(picture[y, int(teeth[0, 0]) : int(teeth[-1, 0])].mean(axis=1))

    assert np.abs(np.diff(along_the_edge(110.0, -0.003), 2)).mean() < 8
    assert along_the_edge(400.0, 0.004).std() > 8


def test_teeth_in_a_slit_are_dim_and_have_the_grain_of_the_picture() -> None:
    points = neutral_head() * 200.0 + 300.0

    def teeth(opening: float, noise: float) -> np.ndarray:
        """The upper teeth of a mouth that is open by so much, in widths of the face, in a picture with noise."""
        target, rng = points[:NUM_FACE].copy(), np.random.default_rng(0)
        target[list(INNER_LOWER), 1] += opening * 200
        target[list(INNER_UPPER), 1] -= 4
        picture = (150 + rng.normal(0, 1, (600, 600, 1)) * noise).clip(0, 255).repeat(3, axis=2).astype(np.uint8)
        look = Appearance(np.ones(3, np.float32), np.full(3, 20, np.float32), 0.0, None)
        draw_inside(picture, target, points[NUM_FACE:], fit_pose(points[:NUM_FACE]), look, 1.0)
        row = points[UPPER_TEETH][2 : NUM_ARCH - 2]
        y = int(points[INNER_UPPER[4], 1])
        return np.asarray(picture[y - 1 : y + 1, int(row[0, 0]) : int(row[-1, 0])].mean(axis=2))

    assert teeth(0.005, 0).mean() < 0.75 * teeth(0.1, 0).mean()
    difference = teeth(0.1, 6) - teeth(0.1, 0)
    assert 2 < difference.std() < 8


def test_a_jaw_that_goes_down_darkens_the_skin_below_the_lip_and_nothing_beside_it() -> None:
    pose = Pose(scale=0.6)
    closed, opened = (mesh_of(pose, MouthShape(opening, 0.0)).astype(np.float64) for opening in (0.0, 0.9))
    grey = np.full((SIDE, SIDE, 3), 150, np.uint8)

    def shaded(source: np.ndarray, target: np.ndarray) -> np.ndarray:
        picture = grey.copy()
        shade(picture, source, target, fit_pose(source))
        return picture

    np.testing.assert_array_equal(shaded(opened, opened), grey)
    darker, lighter = shaded(closed, opened).astype(int), shaded(opened, closed).astype(int)
    x, y = opened[18, :2].round().astype(int)
    assert 132 <= darker[y, x].max() <= 145
    x, y = closed[18, :2].round().astype(int)
    assert 155 <= lighter[y, x].min() <= 168
    for point in (0, 17, 50, 280, 4):  # both lips, cheeks, nose
        x, y = opened[point, :2].round().astype(int)
        assert abs(darker[y, x] - 150).max() <= 3
