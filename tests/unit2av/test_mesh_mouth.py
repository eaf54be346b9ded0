"""The mouth that moves a person's own pixels, on drawn heads whose truth is known; what is seen between the lips."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from avcore.errors import UnitError
from avcore.faces.geometry import hull
from avcore.units import Units
from recipes.demo.heads.camera import Pose
from recipes.demo.heads.head import MouthShape, draw
from recipes.demo.heads.motion import motion
from tests.unit2av.mouth_samples import SIDE, filmed, head, mesh_of, open_mouth, said, table, talk
from unit2av.lipsync import Scene, SpokenUnits
from unit2av.lipsync.mesh.inside import Appearance, draw_inside, draw_line, mouth_outline
from unit2av.lipsync.mesh.lip_sync import MeshLipSync
from unit2av.lipsync.mesh.person import Person, acquaint, lip_gaps
from unit2av.lipsync.mesh.seen import lip_edges, lip_source
from unit2av.lipsync.mesh.shape import (
    INNER_LOWER,
    INNER_UPPER,
    LOWER_LIP,
    NUM_ARCH,
    NUM_FACE,
    OUTER_CORNERS,
    OUTER_LOWER,
    OUTER_UPPER,
    TONGUE,
    UPPER_LIP,
    UPPER_TEETH,
    fit_pose,
    neutral_face,
    neutral_head,
)
from unit2av.lipsync.mesh.table import parameters_at


def drawn(scenes: Sequence[Scene], *units: int) -> list[np.ndarray]:
    mouth = MeshLipSync(table())
    try:
        return list(mouth.draw(mouth.codes(said(*units)), scenes))
    finally:
        mouth.close()


# The table


def test_the_mouth_closes_after_the_speech() -> None:
    mouth = MeshLipSync(table())
    codes = mouth.codes(said(0, 2))
    mouth.close()
    assert parameters_at(codes, 0.7)[0] > 0.8
    assert parameters_at(codes, 30)[0] == 0
    steps = np.abs(np.diff(codes[-6:, 0]))
    assert steps.max() < 0.4  # no hard end of movement
    with pytest.raises(UnitError, match="no units"):
        mouth.codes(SpokenUnits(Units(np.zeros(0, np.int64))))


# The person


def test_the_head_frame_is_found_again() -> None:
    pose = Pose(yaw=0.3, pitch=-0.1, roll=0.2, scale=0.5)
    found = fit_pose(mesh_of(pose, MouthShape(0.5, 0.0)))
    seen = found.to_head(mesh_of(pose, MouthShape(0.0, 0.0)))
    assert np.abs(seen[:, :2] - neutral_face().points[:, :2]).max() < 0.15
    np.testing.assert_allclose(found.to_image(seen), mesh_of(pose, MouthShape(0.0, 0.0)), atol=1e-3)


def test_at_rest_lips_are_closed_and_as_thick_as_they_were() -> None:
    heads = [fit_pose(scene.mesh).to_head(scene.mesh) for scene in filmed(talk(30))]
    person = acquaint(heads)
    assert abs(lip_gaps(person.rest[None, :NUM_FACE])[0]) < 1e-6

    def thickness(points: np.ndarray) -> float:
        upper = points[INNER_UPPER[4], 1] - points[OUTER_UPPER[4], 1]
        return float(upper + points[OUTER_LOWER[4], 1] - points[INNER_LOWER[4], 1])

    closed = sorted(heads, key=lambda points: lip_gaps(points[None])[0])[0]
    assert thickness(person.rest) > 0.9 * thickness(closed)
    gaps = [lip_gaps(person.shaped(opening, 0.0, 0.0)[None, :NUM_FACE])[0] for opening in (0.0, 0.3, 0.6, 1.0)]
    assert np.all(np.diff(gaps) > 0.01)
    assert lip_gaps(person.shaped(0.6, 0.0, 1.0)[None, :NUM_FACE])[0] < 0.3 * gaps[2]  # pressed lips stay together


def test_the_amount_is_the_speaker_s_own() -> None:
    mouths = [MouthShape(abs(np.sin(k / 3)), 0) for k in range(80)], [MouthShape(0.0, 0.0)] * 80
    loud, still = (acquaint([fit_pose(one.mesh).to_head(one.mesh) for one in filmed(each)]) for each in mouths)
    assert loud.amount > still.amount


# Drawing


def test_the_mouth_follows_the_units_and_nothing_else_changes() -> None:
    scenes = filmed(talk(40))
    shown = drawn(scenes, 0, 2, 0, 2)
    assert len(shown) == len(scenes)
    for scene, frame in zip(scenes, shown, strict=True):
        top = int(scene.mesh[197, 1])  # the middle of the nose
        np.testing.assert_array_equal(frame[:top], scene.rgb[:top])
        x1, _, x2, _ = scene.box.astype(int)
        aside = int(0.25 * (x2 - x1))
        assert np.array_equal(frame[:, : max(x1 - aside, 0)], scene.rgb[:, : max(x1 - aside, 0)])
    closed, opened = dark_between_lips(scenes[5], shown[5]), dark_between_lips(scenes[15], shown[15])
    assert opened > 4 * max(closed, 1)


def dark_between_lips(scene: Scene, frame: np.ndarray) -> int:
    """Dark pixels from the nose's base to the chin, near the middle."""
    x, top, bottom = int(scene.mesh[13, 0]), int(scene.mesh[2, 1]) + 3, int(scene.mesh[152, 1]) - 6
    bright = frame[top:bottom, x - 6 : x + 7].max(axis=-1).astype(float)
    return int((bright < 0.45 * np.median(bright)).sum())


def test_frames_without_a_face_or_a_mesh_are_given_back_as_they_are() -> None:
    scenes = filmed(talk(14))
    bare = [Scene(one.rgb, None if k in (3, 4) else one.box, one.time, mesh=one.mesh) for k, one in enumerate(scenes)]
    shown = drawn(bare, 2)
    assert len(shown) == 14
    for k in (3, 4):
        np.testing.assert_array_equal(shown[k], scenes[k].rgb)


def test_scenes_are_read_some_way_ahead_and_never_all() -> None:
    scenes, read = filmed(talk(8)) * 8, 0

    def counted():
        nonlocal read
        for k, scene in enumerate(scenes):
            read += 1
            yield Scene(scene.rgb, scene.box, Fraction(k, 25), mesh=scene.mesh)

    mouth = MeshLipSync(table())
    next(mouth.draw(mouth.codes(said(0, 2, 0)), counted()))
    assert read <= 31  # a second, and what the thread that looks at them has in hand
    mouth.close()


def test_a_still_mouth_does_not_tremble() -> None:
    rng = np.random.default_rng(3)
    scenes = filmed([MouthShape(0.0, 0.0)] * 30, amount=0.0)
    shaky = [
        Scene(one.rgb, one.box, one.time, mesh=(one.mesh + rng.normal(0, 0.8, (1, 3))).astype(np.float32)) for one in scenes
    ]  # the mesh jumps as a whole, the frame stands still
    shown = np.stack(drawn(shaky, 2))[12:20].astype(float)
    mouth = slice(110, 170), slice(70, 130)
    assert np.abs(np.diff(shown[(slice(None), *mouth)], n=2, axis=0)).mean() < 1.5


def test_a_mouth_that_holds_still_does_not_slide_on_a_moving_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """The drawn lips beside those that the head itself would have, on landmarks that are looked for: below 0.2 pixels a frame."""
    poses = motion(901, 30, Pose(scale=0.62))
    mouths = [MouthShape(0.3 + 0.3 * float(np.sin(k / 2)), 0.0) for k in range(30)]
    frames = [draw(head(), pose, mouth, SIDE) for pose, mouth in zip(poses, mouths, strict=True)]
    scenes = [Scene(frames[k], hull(mesh_of(pose, MouthShape())), Fraction(k, 25)) for k, pose in enumerate(poses)]
    lips, places = [*OUTER_UPPER, *OUTER_LOWER], []
    monkeypatch.setattr(
        "unit2av.lipsync.mesh.lip_sync.move_pixels",
        lambda frame, source, target, pose: places.append(target[lips, :2].mean(axis=0)),
    )
    mouth = MeshLipSync(table())
    assert len(list(mouth.draw(np.tile([0.5, 0.0, 0.0], (31, 1)), scenes))) == len(scenes)
    mouth.close()
    own = [mesh_of(pose, MouthShape(0.5, 0.0))[lips, :2].mean(axis=0) for pose in poses]
    slide = np.array(places) - np.array(own)
    assert 118 < np.ptp(mesh_of(poses[0], MouthShape())[:, 0]) < 130  # the width of the face
    assert np.hypot(*np.diff(slide, n=2, axis=0).T).mean() < 0.2


def test_no_part_of_a_lip_is_taken_from_inside_an_open_mouth() -> None:
    """Along each column of a lip, what is taken begins at its inner edge and goes on outwards."""
    pose, mouth = Pose(scale=0.6), MouthShape(0.8, 0.0)
    mesh = mesh_of(pose, mouth).astype(np.float64)
    inside = mesh.copy()  # found some pixels within the gap, as the mesh does
    for inner, sign in ((INNER_UPPER, 1), (INNER_LOWER, -1)):
        inside[list(inner), 1] += 4 * sign
    source = lip_source(draw(head(), pose, mouth, SIDE), inside, 0.1)
    assert source[INNER_UPPER[4], 1] < mesh[INNER_UPPER[4], 1] + 1
    for rings, sign in ((UPPER_LIP, -1), (LOWER_LIP, 1)):
        assert (sign * np.diff(np.array([source[list(ring), 1] for ring in rings])[:, 2:7], axis=0)).min() >= 0


def test_a_shine_on_the_lower_lip_is_no_tooth() -> None:
    pose, mouth = Pose(scale=0.9), MouthShape(0.6, 0.0)
    mesh, frame = mesh_of(pose, mouth).astype(np.float64), draw(head(), pose, mouth, SIDE)
    shiny = frame.copy()
    middle = [ring[4] for ring in LOWER_LIP]
    x, y = mesh[middle[1:3], :2].mean(axis=0).round().astype(int)
    cv2.ellipse(shiny, (int(x), int(y)), (12, 1), 0, 0, 360, (245, 235, 235), -1)
    dull, bright = (lip_source(one, mesh, 0.1)[middle[0], 1] for one in (frame, shiny))
    assert abs(bright - dull) < 1


def test_a_mole_in_one_column_is_no_edge_of_a_lip() -> None:
    mesh, frame = painted(0.6)
    low, high = (mesh[LOWER_LIP[ring][5]] for ring in (0, -1))
    x, y = (low + 0.35 * (high - low)).round().astype(int)
    frame[y - 2 : y + 3, x - 2 : x + 3] = 25
    assert lip_edges(frame, mesh).lower[5] < 0.2


LIP = np.array([190, 110, 105])


def painted(opening: float) -> tuple[np.ndarray, np.ndarray]:
    """The places of landmarks, and a frame of skin with lips of one colour there."""
    mesh = mesh_of(Pose(scale=0.9), MouthShape(opening, 0.0)).astype(np.float64)[:, :2]
    frame = np.full((SIDE, SIDE, 3), (200, 160, 140), np.uint8)
    outline = [OUTER_CORNERS[0], *OUTER_UPPER, OUTER_CORNERS[1], *reversed(OUTER_LOWER)]
    cv2.fillPoly(frame, [mesh[outline].round().astype(np.int32)], LIP.tolist())
    return mesh, frame


def test_the_tongue_is_high_in_a_narrow_mouth_that_is_not_round() -> None:
    mesh = mesh_of(Pose(scale=0.9), MouthShape(0.0, 0.0)).astype(np.float64)
    known = acquaint([fit_pose(mesh).to_head(mesh)])

    def depth(opening: float, width: float) -> float:
        """Of the tongue's middle below the upper lip, in gaps between the lips."""
        shape = known.shaped(opening, width, 0.0)
        upper, lower = shape[INNER_UPPER[4], 1], shape[INNER_LOWER[4], 1]
        return float((shape[TONGUE, 1].mean() - upper) / (lower - upper))

    assert depth(0.4, 0.2) < depth(0.9, 0.0) - 0.2
    assert depth(0.4, 0.2) < depth(0.4, -0.9) - 0.2


def grinning(opening: float) -> np.ndarray:
    """A head, float64 [468, 3], with a wide smile whose corners are raised."""
    mesh = mesh_of(Pose(scale=0.9), MouthShape(opening, 0.0)).astype(np.float64)
    lips = [point for ring in (*UPPER_LIP, *LOWER_LIP) for point in ring] + list(OUTER_CORNERS)
    mesh[lips, 0] += 0.3 * (mesh[lips, 0] - mesh[lips, 0].mean())
    mesh[list(OUTER_CORNERS), 1] -= 6  # in pixels of a face of 180
    return fit_pose(mesh).to_head(mesh)


def wide(points: np.ndarray) -> float:
    return float(np.ptp(points[list(OUTER_CORNERS), 0]))


def test_a_few_calm_frames_among_smiles_show_the_mouth_at_rest() -> None:
    calm, opened = (mesh_of(Pose(scale=0.9), MouthShape(opening, 0.0)).astype(np.float64) for opening in (0.0, 0.8))
    calm, opened = (fit_pose(head).to_head(head) for head in (calm, opened))
    smile, talk = grinning(0.0), [opened] * 3

    assert wide(acquaint([*talk, *[smile] * 12, *[calm] * 3]).rest) == pytest.approx(wide(calm))
    # Two may be errors of the mesh.
    assert wide(acquaint([*talk, *[smile] * 13, *[calm] * 2]).rest) == pytest.approx(wide(smile))


def test_a_smile_stays_and_is_hardly_rounded() -> None:
    plain = mesh_of(Pose(scale=0.9), MouthShape(0.3, 0.0)).astype(np.float64)
    calm, smiling = acquaint([fit_pose(plain).to_head(plain)]), acquaint([grinning(0.3)])
    assert calm.smile < 0.05 < 0.5 < smiling.smile

    def narrower(person: Person) -> float:
        return 1 - wide(person.shaped(0.3, -1.0, 0.0)) / wide(person.shaped(0.3, 0.0, 0.0))

    closed = smiling.shaped(0.0, 0.0, 1.0)
    assert wide(closed) == pytest.approx(wide(grinning(0.3)), rel=0.01)
    assert abs(lip_gaps(closed[None, :NUM_FACE])[0]) < 0.003
    assert narrower(smiling) < 0.6 * narrower(calm)


def look_of(frame: np.ndarray, mesh: np.ndarray) -> Appearance:
    pose = fit_pose(mesh)
    return Appearance.of([(frame, mesh, pose.to_head(mesh), pose)])


def test_the_line_of_closed_lips_hides_specks_on_it_alone() -> None:
    mesh = mesh_of(Pose(scale=0.9), MouthShape(0.0, 0.0)).astype(np.float64)
    _, frame = painted(0.0)
    x, y = mesh[INNER_UPPER[4], :2].round().astype(int)
    clean = frame.copy()
    frame[y, x - 2 : x + 3] = 240
    look = replace(look_of(clean, mesh), soft=0.0)
    draw_line(frame, mesh, fit_pose(mesh), look, 1.0)
    assert frame[y, x].mean() < 0.8 * LIP.mean()
    away = np.ones((SIDE, SIDE), bool)
    lines = mesh[list(INNER_UPPER), 1]
    away[int(lines.min()) - 4 : int(lines.max()) + 5] = False
    np.testing.assert_array_equal(frame[away], clean[away])


@pytest.mark.parametrize(("width", "is_row"), [(0.3, True), (0.09, False)])
def test_teeth_are_cut_out_where_they_form_a_row(width: float, is_row: bool) -> None:
    """Where a part of an open mouth, `width` widths of the face, is white."""
    mesh = mesh_of(Pose(scale=0.9), MouthShape(0.8, 0.4)).astype(np.float64)
    frame, reach = np.full((SIDE, SIDE, 3), (70, 30, 30), np.uint8), width * fit_pose(mesh).scale / 2
    outline = mouth_outline(mesh)[:, :2]
    outline[:, 0] = np.clip(outline[:, 0], outline[:, 0].mean() - reach, outline[:, 0].mean() + reach)
    cv2.fillPoly(frame, [outline.round().astype(np.int32)], (215, 205, 190))
    assert (look_of(frame, mesh).teeth is not None) == is_row


def test_teeth_in_a_slit_are_dim() -> None:
    points = neutral_head() * 200.0 + 300.0
    look = Appearance(np.full(3, 150, np.float32), np.full(3, 100, np.float32), 0.0)

    def teeth(opening: float) -> float:
        """Of a mouth that is open by so much, in widths of the face."""
        target, frame = points[:NUM_FACE].copy(), np.full((600, 600, 3), 150, np.uint8)
        target[list(INNER_LOWER), 1] += opening * 200
        target[list(INNER_UPPER), 1] -= 4
        draw_inside(frame, target, points[NUM_FACE:], fit_pose(points[:NUM_FACE]), look, 1.0)
        row, y = points[UPPER_TEETH][2 : NUM_ARCH - 2], int(points[INNER_UPPER[4], 1])
        return float(frame[y - 1 : y + 1, int(row[0, 0]) : int(row[-1, 0])].mean())

    assert teeth(0.005) < 0.75 * teeth(0.1)


def test_a_black_and_white_frame_has_no_colours_in_its_mouth() -> None:
    scenes = [
        replace(one, rgb=cv2.cvtColor(cv2.cvtColor(one.rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)) for one in filmed(talk(8))
    ]
    mouth = MeshLipSync(open_mouth())
    try:
        frames = list(mouth.draw(mouth.codes(said(*[1, 2, 3] * 4)), scenes))
    finally:
        mouth.close()
    assert any(np.abs(one.astype(int) - scene.rgb).max() > 20 for one, scene in zip(frames, scenes, strict=True))
    assert max(int(np.ptp(one.astype(int), axis=-1).max()) for one in frames) <= 1
