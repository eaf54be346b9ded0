"""Cutting faces out and putting them back."""

import cv2
import numpy as np
import pytest

from avcore.faces.crop import crop_face, paste_face, paste_face_hard, scale_face

HEIGHT, WIDTH = 60, 80
BOXES = {
    "inside": (10.9, 12.2, 50.7, 49.9),
    "beyond the upper left": (-7.5, -3.2, 40.5, 30.5),
    "beyond the lower right": (40.0, 20.0, 95.0, 90.0),
    "larger than the frame": (-10.0, -20.0, 100.0, 90.0),
}
NOTHING = {"zero": (0, 0, 0, 0), "upside down": (30, 30, 20, 20), "right of it": (90, 5, 120, 40), "above it": (5, -40, 30, -10)}


def box(*numbers: float) -> np.ndarray:
    return np.array(numbers, dtype=np.float32)


@pytest.fixture
def frame() -> np.ndarray:
    """A smooth frame, so that scaling there and back loses little."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([rows * 4, columns * 3, 255 - rows * 2 - columns], axis=2).clip(0, 255).astype(np.uint8)


@pytest.fixture
def patch() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (96, 96, 3), dtype=np.uint8)


def inside(numbers: tuple[float, ...]) -> np.ndarray:
    """True where the box covers the frame."""
    x1, y1, x2, y2 = (max(int(number), 0) for number in numbers)
    covered = np.zeros((HEIGHT, WIDTH), dtype=bool)
    covered[y1:y2, x1:x2] = True
    return covered


def test_crop_truncates_toward_zero_and_stops_at_the_border(frame: np.ndarray) -> None:
    expected = cv2.resize(frame[0:30, 0:40], (96, 96), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(crop_face(frame, box(-7.5, -0.9, 40.9, 30.5)), expected)
    expected = cv2.resize(frame[20:60, 40:80], (96, 96), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(crop_face(frame, box(40.9, 20.1, 95, 90)), expected)


@pytest.mark.parametrize("numbers", NOTHING.values(), ids=NOTHING)
def test_a_box_without_pixels_crops_black_pastes_nothing(frame: np.ndarray, patch: np.ndarray, numbers: tuple[float, ...]) -> None:
    assert not crop_face(frame, box(*numbers)).any()
    np.testing.assert_array_equal(paste_face(frame, patch, box(*numbers)), frame)
    np.testing.assert_array_equal(paste_face_hard(frame, patch, box(*numbers)), frame)


def test_a_crop_of_the_right_size_is_not_scaled(patch: np.ndarray) -> None:
    assert scale_face(patch) is patch
    assert scale_face(patch[:50]).shape == (96, 96, 3)


@pytest.mark.parametrize("numbers", BOXES.values(), ids=BOXES)
@pytest.mark.parametrize("paste", [paste_face, paste_face_hard])
def test_pasting_touches_nothing_outside_the_box(frame: np.ndarray, patch: np.ndarray, paste, numbers: tuple[float, ...]) -> None:
    before = frame.copy()
    pasted = paste(frame, patch, box(*numbers))
    np.testing.assert_array_equal(frame, before)
    covered = inside(numbers)
    np.testing.assert_array_equal(pasted[~covered], frame[~covered])
    assert (pasted[covered] != frame[covered]).mean() > 0.25


@pytest.mark.parametrize("numbers", BOXES.values(), ids=BOXES)
@pytest.mark.parametrize("paste", [paste_face, paste_face_hard])
def test_a_crop_pasted_back_lands_where_it_came_from(frame: np.ndarray, paste, numbers: tuple[float, ...]) -> None:
    assert np.abs(paste(frame, crop_face(frame, box(*numbers)), box(*numbers)).astype(int) - frame).max() <= 3


def test_the_hard_paste_scales_a_cut_box_twice_as_published(frame: np.ndarray, patch: np.ndarray) -> None:
    pasted = paste_face_hard(frame, patch, box(-7.5, 20, 95, 90))
    once = cv2.resize(patch, (95, 70), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(pasted[20:], cv2.resize(once, (80, 40), interpolation=cv2.INTER_LINEAR))


def test_the_edge_is_soft_inside_the_box_and_absent_at_the_border() -> None:
    black, white = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8), np.full((96, 96, 3), 255, dtype=np.uint8)
    pasted = paste_face(black, white, box(-20, 10, 50, 60), feather=0.2)[..., 0].astype(int)
    across, down = pasted[47], pasted[:, 20]
    assert across[0] == 255  # the box begins left of the frame: no edge in sight
    assert across[49] < 5
    assert across[50] == 0
    assert np.all(np.diff(across[30:50]) <= 0)
    assert np.all(np.abs(np.diff(across[:50])) < 40)
    assert not down[:35].any()  # the upper half is the frame's own
    assert 0 <= down[35] < 10
    assert down[47] == 255
    hard = paste_face(black, white, box(-20, 10, 50, 60), feather=0, upper=0)
    np.testing.assert_array_equal(hard, paste_face_hard(black, white, box(-20, 10, 50, 60)))


def test_what_is_behind_a_face_is_not_tinted() -> None:
    ground = np.full((HEIGHT, WIDTH, 3), (60, 90, 110), dtype=np.uint8)
    numbers = (10, 4, 70, 58)
    face = cv2.ellipse(ground.copy(), (40, 29), (28, 27), 0, 0, 360, (210, 170, 150), -1)
    drawn = crop_face(face, box(*numbers)).astype(int)
    is_ground = (drawn == (60, 90, 110)).all(axis=-1)
    drawn[is_ground] += (30, -20, 40)  # a violet smudge, as a network draws it
    pasted = paste_face(face, drawn.astype(np.uint8), box(*numbers)).astype(int)
    beside = inside(numbers) & (face == (60, 90, 110)).all(axis=-1)
    beside[: (4 + 58) // 2] = False
    assert beside.sum() > 200
    assert np.abs(pasted - face)[beside].mean() < 2
