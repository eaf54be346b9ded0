"""What stays before a mouth is seen in a frame alone, and every backend leaves the mouth as it is; no face counts as hidden."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from avcore.arrays import Pixels
from avcore.faces.crop import paste_face, paste_face_hard
from netflips.portraits.still import find_face, read_still
from recipes.demo.heads.camera import Camera, Pose
from recipes.demo.heads.head import MouthShape, draw
from tests.avcore.faces.drawn import head_of
from tests.unit2av.mouth_samples import filmed, said, table, talk
from unit2av.lipsync import Scene
from unit2av.lipsync.mesh.follow import MeshFinder
from unit2av.lipsync.mesh.lip_sync import MeshLipSync
from unit2av.lipsync.mesh.shape import NUM_FACE
from unit2av.lipsync.occlusion import COVERED_FROM, Cover, covering, is_hidden, unlike_lips
from unit2av.lipsync.patches import drawn_frames

SIDE = 200
LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
SKIN = (50, 280, 101, 330, 151, 9)


@cache
def face(seed: int) -> tuple[Pixels, NDArray[np.float32]]:
    """A drawn head that says something and looks somewhere, and its landmarks; of eight people, whose skin takes long to paint."""
    rng = np.random.default_rng(seed)
    pose = Pose(scale=float(rng.uniform(0.4, 0.7)), yaw=float(rng.uniform(-0.4, 0.4)))
    mouth = MouthShape(float(rng.choice([0, 0.2, 0.5, 0.9])), float(rng.uniform(-0.9, 0.6)))
    person, camera = head_of(300 + seed % 8), Camera(pose, (SIDE, SIDE))
    positions, depth = camera.project(person.shape.moved(mouth.opening, mouth.width, 0.0))
    mesh = np.concatenate([positions, depth[:, None] * camera.scale], axis=1)[:NUM_FACE].astype(np.float32)
    return draw(person, pose, mouth, SIDE), mesh


def before_mouth(
    frame: Pixels, mesh: NDArray[np.float32], colour: Sequence[float], across: float = 0.24, along: float = 0.2, fall: float = 0.2
) -> Pixels:
    """An ellipse before the mouth, darker towards its edge by `fall`; sizes in widths of the face."""
    width, (x, y) = float(np.ptp(mesh[:, 0])), mesh[[13, 14], :2].mean(axis=0)
    rows, columns = np.mgrid[: frame.shape[0], : frame.shape[1]]
    away = np.hypot((columns - x) / (across * width), (rows - y) / (along * width))
    shade = np.maximum(1.08 - fall * away[..., None] ** 2, 0)
    share = cv2.GaussianBlur((away < 1).astype(np.float32), (0, 0), 1.0)[..., None]
    return np.asarray(np.clip(frame * (1 - share) + np.array(colour) * shade * share, 0, 255), np.uint8)


def bearded(frame: Pixels, mesh: NDArray[np.float32], colour: Sequence[float] = (40, 30, 26)) -> Pixels:
    """Dark hair all around the lips, moustache and chin."""
    grown = before_mouth(frame, mesh, colour, 0.3, 0.26)
    lips = np.zeros(frame.shape[:2], np.uint8)
    cv2.fillPoly(lips, [np.rint(mesh[list(LIPS), :2]).astype(np.int32)], 255)
    share = cv2.GaussianBlur(lips.astype(np.float32) / 255, (0, 0), 0.7)[..., None]
    return np.asarray(np.rint(grown * (1 - share) + frame * share), np.uint8)


def skin(frame: Pixels, mesh: NDArray[np.float32], share: float = 1.0) -> list[float]:
    x, y = np.rint(mesh[list(SKIN), :2]).astype(int).T
    return [share * float(value) for value in np.median(frame[y, x], axis=0)]


def veiled(colour: Sequence[float], share: float = 0.5) -> "Change":
    """Something half transparent before the mouth, as a caption's ground."""
    return lambda frame, mesh: np.asarray(np.rint(frame * (1 - share) + before_mouth(frame, mesh, colour) * share), np.uint8)


def from_below(frame: Pixels, mesh: NDArray[np.float32]) -> Pixels:
    """A hand over chin and lower lip: skin from between the lips on, darker between the fingers."""
    width, (x, y) = float(np.ptp(mesh[:, 0])), mesh[[13, 14], :2].mean(axis=0)
    rows, columns = np.mgrid[: frame.shape[0], : frame.shape[1]]
    fingers = 1 - 0.12 * np.cos((columns - x) / (0.09 * width) * np.pi)[..., None]
    inside = ((rows > y + 0.01 * width) & (np.abs(columns - x) < 0.36 * width)).astype(np.float32)
    share = cv2.GaussianBlur(inside, (0, 0), 0.8)[..., None]
    return np.asarray(np.clip(frame * (1 - share) + np.array(skin(frame, mesh)) * fingers * share, 0, 255), np.uint8)


def made_up(frame: Pixels, mesh: NDArray[np.float32]) -> Pixels:
    """Lips in a lipstick that is as red as a red microphone."""
    lips = np.zeros(frame.shape[:2], np.uint8)
    cv2.fillPoly(lips, [np.rint(mesh[list(LIPS), :2]).astype(np.int32)], 255)
    share = 0.9 * cv2.GaussianBlur(lips.astype(np.float32) / 255, (0, 0), 0.7)[..., None]
    return np.asarray(np.rint(frame * (1 - share) + np.array([175, 25, 45]) * share), np.uint8)


def spectacled(frame: Pixels, mesh: NDArray[np.float32]) -> Pixels:
    """Lips that are a little pale, below broad dark frames, which take more of the cheeks than skin does."""
    lips = np.zeros(frame.shape[:2], np.uint8)
    cv2.fillPoly(lips, [np.rint(mesh[list(LIPS), :2]).astype(np.int32)], 255)
    share = 0.3 * cv2.GaussianBlur(lips.astype(np.float32) / 255, (0, 0), 0.7)[..., None]
    pale = np.rint(frame * (1 - share) + np.array(skin(frame, mesh)) * share).astype(np.uint8)
    for eye in ((33, 133), (362, 263)):
        middle = np.rint(mesh[list(eye), :2].mean(axis=0)).astype(int)
        cv2.circle(pale, middle.tolist(), round(0.17 * float(np.ptp(mesh[:, 0]))), (25, 25, 25), 6)
    return pale


def cartoon(frame: Pixels, mesh: NDArray[np.float32]) -> Pixels:
    """A face of one colour with a wide dark mouth that has no lips."""
    bare = cv2.fillConvexPoly(frame.copy(), cv2.convexHull(np.rint(mesh[:, :2]).astype(np.int32)), (250, 205, 170))
    return np.asarray(cv2.fillPoly(bare, [np.rint(mesh[list(LIPS), :2]).astype(np.int32)], (30, 10, 12)))


Change = Callable[[Pixels, NDArray[np.float32]], Pixels]
SEEN: dict[str, Change] = {
    "as it is": lambda frame, mesh: frame,
    "in the dark": lambda frame, mesh: (frame * 0.12).astype(np.uint8),
    "under blue light": lambda frame, mesh: (frame * [0.55, 0.8, 1.0]).astype(np.uint8),
    "under warm light": lambda frame, mesh: (frame * [1.0, 0.8, 0.5]).astype(np.uint8),
    "without colours": lambda frame, mesh: cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB),
    "far away": lambda frame, mesh: cv2.resize(cv2.resize(frame, (64, 64), interpolation=cv2.INTER_AREA), (SIDE, SIDE)),
    "with a beard": bearded,
    "with a brown beard": lambda frame, mesh: bearded(frame, mesh, (85, 55, 38)),
    "as a cartoon": cartoon,
    "with lipstick": made_up,
    "with glasses": spectacled,
}


@pytest.mark.parametrize("how", SEEN)
def test_no_face_is_taken_for_hidden(how: str) -> None:
    shares = [unlike_lips(SEEN[how](*face(seed)), face(seed)[1]) for seed in range(300, 316)]
    assert max(shares) < COVERED_FROM


HIDING: dict[str, Change] = {
    "a black microphone": lambda frame, mesh: before_mouth(frame, mesh, (35, 35, 38)),
    "a grey one": lambda frame, mesh: before_mouth(frame, mesh, (130, 130, 134)),
    "a red one": lambda frame, mesh: before_mouth(frame, mesh, (190, 35, 40)),
    "a blue one": lambda frame, mesh: before_mouth(frame, mesh, (50, 80, 190)),
    "a violet one": lambda frame, mesh: before_mouth(frame, mesh, (110, 50, 140)),
    "an orange one": lambda frame, mesh: before_mouth(frame, mesh, (235, 120, 40)),
    "a golden one": lambda frame, mesh: before_mouth(frame, mesh, (190, 150, 80), fall=0.8),
    "a wooden one": lambda frame, mesh: before_mouth(frame, mesh, (140, 95, 60), fall=0.8),
    "a copper cup": lambda frame, mesh: before_mouth(frame, mesh, (190, 120, 85), 0.26, 0.3, 0.8),
    "a cup": lambda frame, mesh: before_mouth(frame, mesh, (235, 235, 230), 0.26, 0.3),
    "a hand": lambda frame, mesh: before_mouth(frame, mesh, skin(frame, mesh), 0.3, 0.24),
    "blue glass": veiled((50, 80, 190)),
    "white glass": veiled((240, 240, 240)),
    "grey glass": veiled((130, 130, 134), 0.7),
    "a caption's black ground": veiled((0, 0, 0), 0.8),
    "a hand over chin and lower lip": from_below,
    "a hand in the shade": lambda frame, mesh: before_mouth(frame, mesh, skin(frame, mesh, 0.65), 0.3, 0.24),
}


@pytest.mark.parametrize("what", HIDING)
def test_what_is_before_a_mouth_hides_it(what: str) -> None:
    shares = [unlike_lips(HIDING[what](*face(seed)), face(seed)[1]) for seed in range(300, 316)]
    least = 0.8 if "chin" in what else 0.9  # a hand as light as the skin is as near to it as pale lips are
    assert np.mean(np.array(shares) >= COVERED_FROM) >= least


def test_one_frame_alone_decides_at_the_beginning_only() -> None:
    cover = Cover()
    assert [cover.step(share) for share in (0.1, 0.9, 0.1, 0.1)] == [False] * 4
    assert [cover.step(0.9) for _ in range(6)][-1]
    assert [cover.step(0.1) for _ in range(6)][-1] is False
    assert Cover().step(0.9)


def film(hidden: range) -> list[Scene]:
    """A head that talks for 2.4 s; in some of its frames a microphone is before the mouth."""
    shown = filmed(talk(60))
    for number in hidden:
        scene = shown[number]
        assert scene.mesh is not None
        shown[number] = Scene(before_mouth(scene.rgb, scene.mesh, (35, 35, 38)), scene.box, scene.time, mesh=scene.mesh)
    return shown


def mesh_drawn(scenes: list[Scene]) -> list[Pixels]:
    mouth = MeshLipSync(table())
    try:
        return list(mouth.draw(mouth.codes(said(*[1, 2, 3] * 20)), scenes))
    finally:
        mouth.close()


def patches_drawn(scenes: list[Scene]) -> list[Pixels]:
    return list(drawn_frames(lambda faces, _: np.full((len(faces), 96, 96, 3), 255, np.uint8), scenes, paste_face, 8))


OutputFrame = Callable[[list[Scene]], list[Pixels]]


@pytest.fixture(params=[mesh_drawn, patches_drawn], ids=["mesh", "patches"])
def shown(request: pytest.FixtureRequest) -> OutputFrame:
    drawn: OutputFrame = request.param
    return drawn


def test_a_microphone_that_stays_is_left_alone(shown: OutputFrame) -> None:
    scenes = film(range(60))
    assert all(frame is scene.rgb for frame, scene in zip(shown(scenes), scenes, strict=True))


def test_what_is_before_a_mouth_stays_while_no_face_is_found(shown: OutputFrame) -> None:
    """A dark mask leaves so little to be seen that it is found in some video only."""
    scenes = film(range(60))[:24]
    scenes[1:] = [Scene(np.full_like(scene.rgb, 60), scene.box, scene.time) for scene in scenes[1:]]
    assert all(frame is scene.rgb for frame, scene in zip(shown(scenes), scenes, strict=True))


def test_a_palm_that_hides_a_face_from_the_mesh_at_once_is_left_alone() -> None:
    for scene in film(range(0))[:4]:
        assert scene.mesh is not None
        assert scene.box is not None
        hidden = before_mouth(scene.rgb, scene.mesh, skin(scene.rgb, scene.mesh), 0.8, 0.8)
        with MeshFinder() as finder:
            assert finder.find(hidden, scene.box) is None
        assert patches_drawn([Scene(hidden, scene.box, scene.time)])[0] is hidden


def test_one_that_comes_for_a_while_is_left_alone_then(shown: OutputFrame) -> None:
    scenes = film(range(20, 42))
    is_drawn = [frame is not scene.rgb for frame, scene in zip(shown(scenes), scenes, strict=True)]
    assert not any(is_drawn[34:42])
    assert all(is_drawn[:15])
    assert all(is_drawn[56:])


@pytest.mark.parametrize("what", ["a black microphone", "a hand", "grey glass", "a hand over chin and lower lip"])
def test_a_mesh_that_looks_ahead_draws_on_nothing_that_comes(what: str) -> None:
    scenes = filmed(talk(60))
    for number in range(20, 42):
        scene = scenes[number]
        assert scene.mesh is not None
        scenes[number] = Scene(HIDING[what](scene.rgb, scene.mesh), scene.box, scene.time, mesh=scene.mesh)
    is_drawn = [frame is not scene.rgb for frame, scene in zip(mesh_drawn(scenes), scenes, strict=True)]
    assert [number for number in range(60) if is_drawn[number]] == [*range(20), *range(45 if "chin" in what else 46, 60)]


def test_hard_patches_cover_what_is_before_the_mouth_as_published() -> None:
    scenes = film(range(8))[:8]
    white = np.full((8, 96, 96, 3), 255, np.uint8)
    frames = drawn_frames(lambda *_: white, scenes, paste_face_hard, 8)
    assert all(frame is not scene.rgb for frame, scene in zip(frames, scenes, strict=True))


@cache
def photograph() -> tuple[Pixels, NDArray[np.float32]]:
    """The portrait of the demo, and its landmarks."""
    path = Path(__file__).resolve().parents[2] / "docs" / "clip" / "portrait.jpg"
    still = read_still(path)
    return still, find_face(still, None, path)[0]


def painted(frame: Pixels, mesh: NDArray[np.float32], tone: Sequence[float], lips: Sequence[float], beard: bool) -> Pixels:
    """Another skin and other lips, as shares of what they are, and strokes of a dark beard."""
    cover = np.zeros(frame.shape[:2], np.uint8)
    cv2.fillPoly(cover, [np.rint(mesh[list(LIPS), :2]).astype(np.int32)], 255)
    lip = cv2.GaussianBlur(cover.astype(np.float32) / 255, (0, 0), 1.5)[..., None]
    changed = frame * np.array(tone) * (1 + lip * (np.array(lips) - 1))
    if beard:
        rng, width, (x, y) = np.random.default_rng(0), float(np.ptp(mesh[:, 0])), mesh[[13, 14], :2].mean(axis=0)
        hair = np.zeros(frame.shape[:2], np.uint8)
        for _ in range(3000):
            angle, away = rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 1.0)
            root = np.array([x + away * 0.33 * width * np.cos(angle), y + away * 0.3 * width * np.sin(angle) + 0.06 * width])
            tip = root + rng.normal(0, [0.012, 0.03]) * width
            cv2.line(hair, np.rint(root).astype(int).tolist(), np.rint(tip).astype(int).tolist(), 255, 1, cv2.LINE_AA)
        share = cv2.GaussianBlur(hair.astype(np.float32) / 255, (0, 0), 0.6)[..., None] * (1 - lip)
        changed = changed * (1 - 0.85 * share) + np.array([28.0, 22.0, 20.0]) * 0.85 * share
    return np.asarray(np.clip(np.rint(changed), 0, 255), np.uint8)


PEOPLE = {
    "dark skin, plum lips": ((0.42, 0.36, 0.34), (0.72, 0.95, 1.05), False),
    "browner skin, plum lips": ((0.6, 0.5, 0.45), (0.75, 0.95, 1.05), False),
    "a beard, grey lips": ((1.0, 1.0, 1.0), (0.6, 0.75, 0.85), True),
    "lips bluer than the skin": ((0.8, 0.74, 0.7), (0.7, 0.8, 1.0), False),
}


@pytest.mark.parametrize("who", PEOPLE)
def test_ordinary_people_are_drawn_whatever_their_colours(who: str) -> None:
    frame, mesh = photograph()
    person = painted(frame, mesh, *PEOPLE[who])
    assert not is_hidden(person, mesh)
    cover = Cover()
    assert not any(cover.step(cover.counted(covering(person, mesh))) for _ in range(3))
    assert unlike_lips(person, mesh) >= COVERED_FROM  # by its colours alone it was left still


@pytest.mark.parametrize("what", ["a black microphone", "a grey one", "a blue one", "a cup", "a hand", "a copper cup"])
def test_a_single_frame_with_something_before_the_mouth_is_told(what: str) -> None:
    frame, mesh = photograph()
    for who in PEOPLE.values():
        assert is_hidden(HIDING[what](painted(frame, mesh, *who), mesh), mesh)
