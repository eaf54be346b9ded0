"""Pictures whose pixels are not square (anamorphic): faces are looked at in their true shape, boxes are given in stored pixels."""

from fractions import Fraction

import cv2
import numpy as np

from avcore.faces.crop import Box, Picture

_FLATTEST, _TALLEST = Fraction(4), Fraction(1, 4)
"""Pixel aspects of footage lie between 1/2 and 2.2; one far from that is a damaged header, and would need huge pictures."""


class Shape:
    """pixel_aspect: width to height of a pixel as shown. The narrower side is stretched, so that nothing seen is lost."""

    def __init__(self, pixel_aspect: Fraction) -> None:
        is_usual = _TALLEST <= pixel_aspect <= _FLATTEST
        aspect = float(pixel_aspect) if is_usual else 1.0
        self._x, self._y = max(aspect, 1.0), max(1 / aspect, 1.0)

    def true(self, picture: Picture) -> Picture:
        """A picture uint8 [height, width, 3] as it is shown; the same one where its pixels are square."""
        if self._x == self._y:
            return picture
        height, width = picture.shape[:2]
        size = (round(width * self._x), round(height * self._y))
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), np.uint8)

    def stored(self, box: Box) -> Box:
        """A box [4] (x1, y1, x2, y2) of the picture as shown, in pixels of the one that is stored."""
        return np.asarray(box / np.array([self._x, self._y, self._x, self._y], np.float32), np.float32)
