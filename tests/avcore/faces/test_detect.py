"""Tiles that small faces are looked for in."""

import numpy as np
import pytest
from numpy.typing import NDArray

from avcore.faces.crop import Box
from avcore.faces.detect import FaceDetector


class _Counting(FaceDetector):
    """Without models: only counts what it is asked to look at."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def _detect(self, picture: NDArray[np.uint8]) -> list[Box]:
        self.shapes.append(picture.shape[:2])
        return []


@pytest.mark.parametrize(("height", "width"), [(30, 8192), (8192, 30), (120, 4000)])
def test_a_narrow_picture_has_no_more_than_eight_tiles(height: int, width: int) -> None:
    detector = _Counting()
    detector.far_boxes(np.zeros((height, width, 3), np.uint8))
    assert 0 < len(detector.shapes) <= 8


def test_a_usual_picture_has_square_tiles() -> None:
    detector = _Counting()
    detector.far_boxes(np.zeros((108, 192, 3), np.uint8))
    assert detector.shapes == [(108, 108)] * 3
