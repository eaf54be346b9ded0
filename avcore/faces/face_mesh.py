"""The face mesh of mediapipe, run by LiteRT: 468 landmarks of the face that a picture is about.

The network is Google's, published with mediapipe under Apache-2.0, and stands in `models/`. It sees a square around the face,
turned so that the eyes are level, as in mediapipe's graph `face_landmark_front` for pictures that stand for themselves.
"""

import numpy as np

from avcore.faces.blazeface import SHORT_RANGE, BlazeFace, Detection
from avcore.faces.crop import Picture
from avcore.faces.geometry import Landmarks
from avcore.faces.litert import Region, cut_region, load_network

_SIDE = 192
_MARGIN = 1.5
"""Side of the square that the mesh sees, as a share of the longer side of the face's box."""
_MIN_PRESENCE = 0.5


class FaceMesh:
    """The near detector and the mesh behind it."""

    def __init__(self) -> None:
        self._detector = BlazeFace(SHORT_RANGE)
        self._network = load_network("face_landmark.tflite")

    def landmarks(self, picture: Picture) -> Landmarks | None:
        """Find the landmarks of the surest face in a picture uint8 [height, width, 3] (RGB).

        Returns float32 [468, 3]: x and y in pixels from the left and the top, z in the same measure, smaller = nearer
        to the camera; None when no face is seen.
        """
        found = self._detector.detect(picture)
        if not found:
            return None
        region = _region_of(found[0])
        points, presence = self._network(cut_region(picture, region, _SIDE, low=0.0, border=None))
        if 1 / (1 + np.exp(-float(presence.reshape(-1)[0]))) < _MIN_PRESENCE:
            return None
        shares = points.reshape(-1, 3) / _SIDE - np.array([0.5, 0.5, 0], dtype=np.float32)
        cosine, sine = np.cos(region.angle), np.sin(region.angle)
        x, y, z = shares.T * region.side
        turned = (cosine * x - sine * y + region.centre[0], sine * x + cosine * y + region.centre[1], z)
        return np.asarray(np.stack(turned, axis=1), dtype=np.float32)


def _region_of(face: Detection) -> Region:
    """The square around a face, turned as its eyes are."""
    x, y = face.points[1] - face.points[0]
    low, high = face.box.reshape(2, 2)
    return Region((low + high) / 2, float(max(high - low)) * _MARGIN, float(np.arctan2(y, x)))
