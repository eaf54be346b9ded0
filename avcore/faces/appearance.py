"""Appearance of a face, as numbers that are close for one person and apart for two, within one recording.

No network for recognising people comes with the models that are used here. A small portrait (face, hair and a rim of what is
around) tells people of one recording apart: by the colours of skin and hair, and by where light and dark lie. It is no match
for a trained one where people look alike, or where the light changes between shots.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pixels
from avcore.faces.crop import Box

SIDE = 24
"""Pixels of a portrait's side."""
SAME_PERSON = 0.40
"""Distance of two appearances below which they are taken for one person. On drawn heads, in one trial, 1 in 200 pairs of two
people were nearer (more where heads are alike), and half of the pairs of one person, seen from other sides and before other
walls, were not."""

_WIDEN, _RAISE = 1.3, 0.12
"""Side of the portrait in heights of the face, and how far its middle lies above the face's: hair belongs to it."""
_PATTERN, _BRIGHTNESS, _COLOUR = 2.0, 60.0, 12.0
"""What counts as a distance of 1: of light and dark in their own spread, of brightness and of colour in units of CIE Lab."""
_SMALLEST_SPREAD = 4.0
_BLUR = 1.5


def portrait(picture: Pixels, face: Box) -> NDArray[np.uint8]:
    """Cut a face with its hair out of a picture uint8 [height, width, 3] (RGB): uint8 [SIDE, SIDE, 3].

    face: hull of the landmarks, float32 [4], x1, y1, x2, y2 in pixels. Beyond the picture its border is repeated.
    """
    x1, y1, x2, y2 = (float(value) for value in face)
    step = max(_WIDEN * (y2 - y1), 1.0) / SIDE
    left = (x1 + x2) / 2 - step * SIDE / 2
    top = (y1 + y2) / 2 - _RAISE * (y2 - y1) - step * SIDE / 2
    smooth = cv2.blur(picture, (max(int(step), 1),) * 2) if step >= 2 else picture
    place = np.array([[step, 0, left + step / 2 - 0.5], [0, step, top + step / 2 - 0.5]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(smooth, place, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def appearance(mean_portrait: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a portrait, or the mean of many, 0..255 float32 of shape [SIDE, SIDE, 3] (RGB), as a vector float32 [3 * SIDE * SIDE +
    1].

    Vectors of one person are less than `SAME_PERSON` apart (Euclidean). Contrast is taken out, brightness counts little.
    """
    lab = cv2.GaussianBlur(cv2.cvtColor(np.float32(mean_portrait / 255), cv2.COLOR_RGB2LAB), (0, 0), _BLUR)
    weight = _weights()
    brightness = float(np.average(lab[..., 0], weights=weight))
    pattern = lab[..., 0] - brightness
    spread = max(float(np.sqrt(np.average(np.square(pattern), weights=weight))), _SMALLEST_SPREAD)
    shares = np.sqrt(weight / weight.sum())[..., None]
    planes = np.concatenate([pattern[..., None] / (spread * _PATTERN), lab[..., 1:] / _COLOUR], axis=-1) * shares
    return np.append(planes.ravel(), brightness / _BRIGHTNESS).astype(np.float32)


def _weights() -> NDArray[np.float64]:
    """Return how much each pixel of a portrait counts: an ellipse around face and hair, float64 [SIDE, SIDE]."""
    y, x = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE * 2 - 1
    return np.asarray(np.clip(1.6 - 1.6 * (np.square(x / 0.65) + np.square(y / 0.95)), 0, 1))
