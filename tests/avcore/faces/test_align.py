import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from avcore.faces.crop import crop_lips, face_box, lip_corners, smooth_landmarks

STABLE = {
    195: (128.489, 106.925), 2: (128.870, 137.303), 33: (92.522, 94.369), 133: (112.772, 94.944),
    362: (145.525, 94.535), 263: (166.677, 93.566), 61: (107.168, 157.196), 291: (152.193, 156.987),
}  # fmt: skip
MOUTH = [61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91, 78, 81, 13, 311, 308, 402, 14, 178]


def mean_face(mouth: tuple[float, float] = (129.3, 157.8)) -> NDArray[np.float32]:
    """Landmarks of a face that lies on the mean face already; mouth: where its mouth points lie, but for the corners."""
    points = np.full((468, 2), 128, dtype=np.float32)
    points[MOUTH] = mouth
    for index, place in STABLE.items():
        points[index] = place
    return points


@pytest.fixture
def frame() -> NDArray[np.uint8]:
    noise = np.random.default_rng(1).integers(0, 256, (32, 32), dtype=np.uint8)
    return np.asarray(cv2.resize(noise, (256, 256), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def test_a_face_on_the_mean_face_is_cut_where_its_mouth_is(frame: NDArray[np.uint8]) -> None:
    points = mean_face()
    x, y = np.rint(points[MOUTH].mean(axis=0) + np.float32([1.6, 0.9]) - 48).astype(int)
    lips = crop_lips(frame, points)
    assert lips.shape == (96, 96)
    assert np.abs(lips.astype(int) - frame[y : y + 96, x : x + 96]).max() <= 1


@pytest.mark.parametrize(("angle", "scale"), [(20, 1.0), (-35, 1.6), (0, 0.7)])
def test_turning_scaling_and_moving_the_face_change_nothing(frame: NDArray[np.uint8], angle: float, scale: float) -> None:
    matrix = cv2.getRotationMatrix2D((128, 128), angle, scale)
    matrix[:, 2] += (150, 90)
    moved = cv2.warpAffine(frame, matrix, (600, 500), flags=cv2.INTER_CUBIC)
    points = (mean_face() @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    lips, expected = crop_lips(moved, points), crop_lips(frame, mean_face())
    assert lips is not None
    assert expected is not None
    assert float(np.corrcoef(lips.ravel(), expected.ravel())[0, 1]) > 0.97


def test_a_window_is_pushed_inside_and_flat_landmarks_give_no_crop(frame: NDArray[np.uint8]) -> None:
    assert np.abs(crop_lips(frame, mean_face(mouth=(250, 400))).astype(int) - frame[160:, 160:]).max() <= 1
    assert crop_lips(frame, np.full((468, 2), 50, dtype=np.float32)) is None


def test_smoothing_averages_shape_and_keeps_place() -> None:
    rng = np.random.default_rng(2)
    shape = rng.normal(0, 20, (468, 2))
    wobble = rng.normal(0, 1, (5, 468, 2))
    wobble -= wobble.mean(axis=(0, 1), keepdims=True)
    window = (shape + wobble + np.arange(5)[:, None, None] * 30).astype(np.float32)
    smooth = smooth_landmarks(window)
    assert smooth.dtype == np.float32
    np.testing.assert_allclose(smooth.mean(axis=0), window[2].mean(axis=0), atol=1e-3)
    expected = window.mean(axis=0)
    np.testing.assert_allclose(smooth - smooth.mean(axis=0), expected - expected.mean(axis=0), atol=1e-3)


def test_box_has_the_margins_of_the_published_detector() -> None:
    points = np.zeros((468, 2), dtype=np.float32)
    points[1] = 100, 200
    np.testing.assert_allclose(face_box(points), [1.5, -12.0, 97.9, 201.2], atol=1e-4)


def test_the_corners_of_the_crop_are_where_it_is_cut(frame: NDArray[np.uint8]) -> None:
    points = mean_face()
    corners = lip_corners(points)
    lips = crop_lips(frame, points)
    left, top = np.rint(corners[0]).astype(int)
    assert np.abs(corners - [[left, top], [left + 96, top], [left, top + 96], [left + 96, top + 96]]).max() < 0.05
    assert np.abs(lips.astype(int) - frame[top : top + 96, left : left + 96]).max() <= 1
    turned = np.asarray(points @ np.float32([[0, 2], [-2, 0]]) + 40, np.float32)
    assert np.abs(lip_corners(turned) - (corners @ np.float32([[0, 2], [-2, 0]]) + 40)).max() < 0.05
