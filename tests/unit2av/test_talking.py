"""Lips and sound as streams, with a renderer and a writer that only take notes."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import pytest
import torch

from avcore.errors import UnitError
from avcore.faces.geometry import MouthsToDraw
from avcore.media import Picture
from avcore.units import Units
from unit2av.lipsync.lip_sync import Said, Scene
from unit2av.lipsync.units.lip_sync import UnitLipSync
from unit2av.rendering import Shown, SoundFeed, Talk, drawn, faces_by_index, num_pictures_for, steady, write_in_step

BOX = np.array([8, 6, 40, 38], dtype=np.float32)


class WhiteFaces:
    """Draws white faces and notes what it was asked for."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, list[float]]] = []

    def codes(self, units: Units) -> torch.Tensor:
        return torch.zeros(-(-units.num_steps // 20) * 10, 4)

    def draw(self, codes: torch.Tensor, faces: Sequence[np.ndarray], times: Sequence[Fraction], first_row: int = 0) -> np.ndarray:
        assert all(face.shape == (96, 96, 3) for face in faces)
        self.calls.append((len(faces), [float(time) for time in times]))
        return np.full((len(faces), 96, 96, 3), 255, dtype=np.uint8)


class Notes:
    """A writer that notes in which order it gets what."""

    frame_rate = Fraction(25)

    def __init__(self) -> None:
        self.pictures: list[np.ndarray] = []
        self.sound: list[np.ndarray] = []
        self.lead: list[float] = []

    def write_picture(self, rgb: np.ndarray) -> None:
        self.pictures.append(rgb)
        self.lead.append(sum(map(len, self.sound)) / 16000 - len(self.pictures) / 25)

    def write_sound(self, samples: np.ndarray) -> None:
        self.sound.append(samples)


class Footage:
    """Pictures in memory, played as avcore.media.PictureSource plays them."""

    def __init__(self, pictures: Sequence[np.ndarray]) -> None:
        self._pictures = pictures

    @property
    def own(self) -> range:
        return range(len(self._pictures))

    def pingpong(self, num_frames: int, among: range) -> Iterator[Picture]:
        assert among == self.own
        order = [*range(len(self._pictures)), *range(len(self._pictures) - 2, 0, -1)]
        for k in range(num_frames):
            index = order[k % len(order)]
            yield Picture(self._pictures[index], Fraction(index, 25), index)


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(4).integers(0, 200, (6, 50, 60, 3), dtype=np.uint8)


def played(footage: Footage, boxes: Sequence[np.ndarray | None], count: int, *mesh_at: object) -> list[Shown]:
    face_of = faces_by_index(MouthsToDraw.of(boxes), *mesh_at)  # type: ignore[arg-type]
    return list(steady(footage.pingpong(count, footage.own), 25, Talk(1, Fraction(0), torch.zeros(40, 4)), face_of))


def scenes(pictures: np.ndarray, boxes: Sequence[np.ndarray | None]) -> Iterator[Scene]:
    for k, (picture, box) in enumerate(zip(pictures, boxes, strict=True)):
        yield Scene(picture, box, Fraction(k, 25))


def talking_pictures(
    renderer: WhiteFaces, units: Units, shown: Iterator[Scene], *paste: object, batch_size: int = 20
) -> Iterator[np.ndarray]:
    mouth = UnitLipSync(renderer, *paste, batch_size=batch_size)
    return mouth.draw(mouth.codes(Said(units)), shown)


def test_faces_are_pasted_where_there_is_a_box_and_nothing_else_changes(pictures: np.ndarray) -> None:
    boxes = [BOX, None, BOX + 3, None, None, BOX]
    renderer = WhiteFaces()
    shown = list(talking_pictures(renderer, Units.from_frames([5] * 12), scenes(pictures, boxes), batch_size=4))
    for picture, box, result in zip(pictures, boxes, shown, strict=True):
        if box is None:
            np.testing.assert_array_equal(result, picture)
            continue
        x1, y1, x2, y2 = box.astype(int)
        outside = np.ones(picture.shape[:2], dtype=bool)
        outside[y1:y2, x1:x2] = False
        np.testing.assert_array_equal(result[outside], picture[outside])
        assert np.all(result[(y1 + 3 * y2) // 4, (x1 + x2) // 2] == 255)
    assert renderer.calls == [(2, [0.0, 0.08]), (1, [0.2])]


def test_scenes_are_read_a_batch_ahead_and_no_further(pictures: np.ndarray) -> None:
    read = 0

    def counted() -> Iterator[Scene]:
        nonlocal read
        for scene in scenes(pictures, [BOX] * 6):
            read += 1
            yield scene

    stream = talking_pictures(WhiteFaces(), Units.from_frames([5] * 12), counted(), batch_size=2)
    for number in range(1, 7):
        next(stream)
        assert read == (number + 1) // 2 * 2


def test_no_units_is_an_error(pictures: np.ndarray) -> None:
    with pytest.raises(UnitError, match="no units"):
        next(talking_pictures(WhiteFaces(), Units.from_frames([]), scenes(pictures, [BOX] * 6)))


@pytest.mark.parametrize(("steps", "pictures"), [(1, 1), (2, 1), (3, 1), (45, 22), (60, 30)])
def test_as_published_an_odd_last_unit_has_no_picture(steps: int, pictures: int) -> None:
    assert num_pictures_for(Units.from_frames([1] * steps)) == pictures


def test_footage_is_played_to_and_fro_with_its_boxes(pictures: np.ndarray) -> None:
    boxes = [BOX + k for k in range(3)] + [None, BOX, BOX]
    shown = played(Footage(pictures), boxes, 13)
    order = [0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0, 1, 2]
    for k, (one, index) in enumerate(zip(shown, order, strict=True)):
        assert one.time == Fraction(k, 25)
        assert one.face.box is boxes[index]
        np.testing.assert_array_equal(one.rgb, pictures[index])
    seen = list(drawn(UnitLipSync(WhiteFaces()), shown))
    assert [one.rgb[30, 24].min() == 255 for one in seen] == [boxes[index] is not None for index in order]
    assert [one.time for one in seen] == [one.time for one in shown]


def test_sound_goes_with_the_pictures_and_is_written_whole() -> None:
    samples = np.arange(16000 * 2, dtype=np.float32)
    notes = Notes()
    write_in_step(notes, iter(np.zeros((40, 2, 2, 3), dtype=np.uint8)), SoundFeed(np.split(samples, 8)))
    np.testing.assert_array_equal(np.concatenate(notes.sound), samples)
    assert len(notes.pictures) == 40
    assert min(notes.lead) >= 0
    assert max(notes.lead) <= 0.25


def test_sound_that_ends_early_does_not_stop_the_pictures() -> None:
    notes = Notes()
    write_in_step(notes, iter(np.zeros((40, 2, 2, 3), dtype=np.uint8)), SoundFeed([np.zeros(100, dtype=np.float32)]))
    assert len(notes.pictures) == 40


def test_landmarks_come_with_the_pictures_that_they_are_of(pictures: np.ndarray) -> None:
    meshes = {0: np.zeros((468, 3), np.float32), 4: np.ones((468, 3), np.float32)}
    shown = [one.face.mesh for one in played(Footage(pictures), [BOX] * 6, 9, meshes.get)]
    assert [mesh is not None for mesh in shown] == [True, False, False, False, True, False, True, False, False]
    assert all(mesh is meshes[4] for mesh in (shown[4], shown[6]))
    assert all(one.face.mesh is None for one in played(Footage(pictures), [BOX] * 6, 9))
