"""Tell people from the background (portrait segmentation), with mediapipe's network for selfies, run by LiteRT.

The network is Google's, published with mediapipe under Apache-2.0, and stands in `models/`.
"""

import cv2
import numpy as np

from avcore.arrays import Floats, Pixels
from avcore.faces.detect import without_chatter
from avcore.faces.networks import TurnedSquare, cut_region, load_network

_FILE, _SIDE = "selfie_segmentation.tflite", 256


def segment_person(picture: Pixels, region: TurnedSquare) -> Floats:
    """Return how much of each pixel is a person, float32 [height, width] from 0 to 1; beyond the region as at its edge.

    picture: uint8 [height, width, 3] (RGB). region: an upright square with the person's head and shoulders in it.
    """
    with without_chatter():
        network = load_network(_FILE)
    seen = network(cut_region(picture, region, _SIDE, low=0.0, border=None))[0].reshape(_SIDE, _SIDE)
    left, top = region.centre - region.side / 2
    scale = _SIDE / region.side
    # From a pixel of the picture to the network's: both count from the middle of a pixel.
    shift = (scale - 1) / 2
    back = np.array([[scale, 0, shift - left * scale], [0, scale, shift - top * scale]])
    size = picture.shape[1], picture.shape[0]
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(seen, back, size, flags=how, borderMode=cv2.BORDER_REPLICATE), np.float32)
