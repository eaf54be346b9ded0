"""Find the mesh of a face whose box is known already."""

from typing import Self

from avcore.arrays import Pixels
from avcore.faces.crop import Box
from avcore.faces.detect import FaceDetector
from avcore.faces.geometry import Landmarks, hull, overlap
from avcore.faces.window import CropWindow

_WIDEN = (2.0, 1.4)
"""Windows around the box that are looked through; the narrow one helps where a neighbour is seen first in the wide one."""
_SAME_FACE = 0.3


class MeshFinder:
    """The face mesh of one face in a picture. It frees its networks when it is closed."""

    def __init__(self) -> None:
        self._detector = FaceDetector()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the networks."""
        self._detector.close()

    def find(self, picture: Pixels, box: Box) -> Landmarks | None:
        """Landmarks float32 [468, 3] of the face in a box [4] of a picture uint8 [height, width, 3]; None where none is seen."""
        for widen in _WIDEN:
            window = CropWindow.around(box, widen)
            found = self._detector.mesh(window.cut(picture))
            if found is not None:
                points = window.to_picture(found)
                if overlap(hull(points), box) >= _SAME_FACE:
                    return points
        return None
