"""A visible label in the picture, for those who must or want to show that a video is synthetic."""

import cv2
import numpy as np

from avcore.arrays import Pixels

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_HEIGHT_SHARE = 1 / 24
_MIN_PIXELS = 9
_FONT_PIXELS = 22
_MARGIN_SHARE = 0.5
_SHADE = 0.35


def draw_label(picture: Pixels, text: str) -> Pixels:
    """Return a copy of a picture, uint8 [height, width, 3], with a label whose size follows the picture's.

    The text is made smaller where it would not fit. Letters beyond ASCII show as `?`.
    """
    text = text.encode("ascii", "replace").decode()
    labelled = np.ascontiguousarray(picture).copy()
    height, width = picture.shape[:2]
    letter = max(_MIN_PIXELS, height * _HEIGHT_SHARE)
    margin = round(letter * _MARGIN_SHARE)
    scale = letter / _FONT_PIXELS
    (text_width, text_height), below = cv2.getTextSize(text, _FONT, scale, 1)
    if text_width > width - 2 * margin:
        scale *= max(1, width - 2 * margin) / text_width
        (text_width, text_height), below = cv2.getTextSize(text, _FONT, scale, 1)
    strip = labelled[: text_height + below + 2 * margin, : text_width + 2 * margin]
    strip[:] = (strip * _SHADE).astype(np.uint8)
    thickness = max(1, round(scale * 2))
    cv2.putText(labelled, text, (margin, margin + text_height), _FONT, scale, (255, 255, 255), thickness, cv2.LINE_AA)
    return labelled
