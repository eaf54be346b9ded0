"""Changes of training pictures."""

import cv2
import numpy as np
import pytest

from avtrain.pictures import turn


@pytest.mark.parametrize("shape", [(3, 20, 24), (600, 8, 9), (1, 16, 16, 3), (200, 9, 8, 3), (0, 8, 8)])
def test_pictures_turned_together_come_out_as_one_by_one(shape: tuple[int, ...]) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    height, width = shape[1:3]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 7, 1.1)
    matrix[:, 2] += (1.5, -2)
    alone = [cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE) for picture in pictures]
    turned = turn(pictures, 7, 1.1, shift=(1.5, -2))
    assert turned.shape == shape
    assert np.array_equal(turned, np.asarray(alone, dtype=np.uint8).reshape(shape))
