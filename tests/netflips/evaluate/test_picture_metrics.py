"""Pictures against pictures: changes of a known place and size."""

import cv2
import numpy as np
import pytest

from netflips.evaluate.metric import Missing
from netflips.evaluate.metrics.pictures import beside_source, sharpness, unchanged_outside
from tests.netflips.evaluate.made import values

_RNG = np.random.default_rng(0)
BOX = np.array([40, 20, 136, 116], np.float32)  # 96 x 96: the crop is the picture itself


def pictures(count: int = 3) -> list[np.ndarray]:
    smooth = cv2.GaussianBlur(_RNG.integers(0, 255, (count * 160, 200, 3), dtype=np.uint8), (0, 0), 2)
    return list(smooth.reshape(count, 160, 200, 3))


def test_a_change_inside_the_face_leaves_what_is_outside_as_it_was() -> None:
    source = pictures()
    made = [one.copy() for one in source]
    for one in made:
        one[30:100, 50:120] += 128  # by half of all levels, around the end: nothing is as bright as it was
    found = values(beside_source(made, source, [BOX] * 3))
    assert found["outside_unchanged"] == 1
    unseen = values(beside_source(made, source, [None] * 3))
    assert unseen["outside_unchanged"] == pytest.approx(1 - 70 * 70 / (160 * 200), abs=0.01)
    assert "sharpness" not in unseen


def test_what_changes_outside_is_measured() -> None:
    source = np.full((160, 200, 3), 100, np.uint8)
    made = source.copy()
    made[:10] = 151  # above the face, 10 of the 160 rows by 51 of 255 levels
    inner = (round(96 + 2 * 0.08 * 96)) ** 2  # the box with its margin
    assert unchanged_outside(made, source, BOX) == pytest.approx(1 - 2000 / (32000 - inner), abs=0.003)
    assert unchanged_outside(source + np.uint8(8), source, None) == 1
    assert unchanged_outside(source + np.uint8(9), source, None) == 0


def test_a_blurred_face_is_less_sharp() -> None:
    source = pictures()
    blurred = [cv2.GaussianBlur(one, (0, 0), 2) for one in source]
    found = values(beside_source(blurred, source, [BOX] * 3))
    assert 0 < found["sharpness"] < 0.5
    assert values(beside_source(source, source, [BOX] * 3))["sharpness"] == 1
    assert sharpness(np.full((50, 50, 3), 9, np.uint8)) == 0


def test_pictures_of_another_size_cannot_be_compared() -> None:
    lost = beside_source([one[:100] for one in pictures()], pictures(), [BOX] * 3)
    assert all(isinstance(one, Missing) and "200x100, 200x160" in one.reason for one in lost.values())
    assert isinstance(beside_source([], [], [])["sharpness"], Missing)
