import numpy as np
import pytest

from avcore.faces.window import MAX_SIDE, CropWindow


def test_small_window_is_cut_as_it_is() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)

    np.testing.assert_array_equal(CropWindow(10, 5, 40).cut(picture), picture[5:45, 10:50])


def test_window_is_black_beyond_the_picture() -> None:
    picture = np.full((60, 80, 3), 200, dtype=np.uint8)

    view = CropWindow(-10, 40, 40).cut(picture)

    assert view.shape == (40, 40, 3)
    assert (view[:20, 10:] == 200).all()
    assert (view[20:] == 0).all()
    assert (view[:, :10] == 0).all()


def test_window_beside_the_picture_is_black() -> None:
    assert not CropWindow(500, 500, 30).cut(np.full((60, 80, 3), 200, dtype=np.uint8)).any()


def test_large_window_is_averaged_down() -> None:
    picture = np.zeros((1000, 1000, 3), dtype=np.uint8)
    picture[::2] = 200

    view = CropWindow(0, 0, 2 * MAX_SIDE).cut(picture)

    assert view.shape == (MAX_SIDE, MAX_SIDE, 3)
    assert (view == 100).all()


@pytest.mark.parametrize("side", [100, 3 * MAX_SIDE])
def test_positions_come_back(side: int) -> None:
    window = CropWindow(37, -12, side)
    inside = np.random.default_rng(0).uniform(0, 100, (20, 2)).astype(np.float32)
    half_pixels = (window.scale - 1) / 2

    there = window.to_picture(inside)

    np.testing.assert_allclose(window.from_picture(there - 0.5) + 0.5, inside, atol=1e-3)
    np.testing.assert_allclose(there[0], inside[0] * window.scale + (37, -12), atol=1e-3)
    np.testing.assert_allclose(window.from_picture(np.float32([[37 + half_pixels, -12 + half_pixels]])), [[0, 0]], atol=1e-4)


def test_window_lies_around_its_box() -> None:
    assert CropWindow.around(np.float32([10, 20, 30, 60]), 2.0) == CropWindow(-20, 0, 80)
