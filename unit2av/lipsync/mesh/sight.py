"""What a stream of pictures shows of a face: looked at one after the other, before anybody knows who it is or what it shall say."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from avcore.arrays import Pixels
from avcore.faces.crop import Box
from avcore.faces.detect import FaceDetector
from avcore.faces.geometry import Landmarks, hull, overlap
from avcore.faces.window import CropWindow
from unit2av.lipsync.lip_sync import Scene
from unit2av.lipsync.mesh.face_shape import NUM_FACE
from unit2av.lipsync.mesh.flow import flow, surface_flow
from unit2av.lipsync.mesh.stream import Look, look_at

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


@dataclass(frozen=True, eq=False)
class Sight:
    """A picture that was looked at. look: None where the mesh finds no face in the box; begins: whether a shot of a face does."""

    scene: Scene
    look: Look | None
    begins: bool


def sights(scenes: Iterable[Scene], finder: MeshFinder) -> Iterator[Sight]:
    """Look at pictures, each beside the one before it that shows the same face in the same shot.

    It holds one picture, and needs nothing of what is made of the sights: it may run in a thread of its own.
    """
    before: Scene | None = None
    last: tuple[Scene, Look] | None = None
    for scene in scenes:
        begins = before is None or not _goes_on(before, scene)
        if begins:
            last = None
        look = _look(scene, last, finder)
        yield Sight(scene, look, begins)
        before = scene
        if look is not None:
            last = scene, look


def _goes_on(before: Scene, scene: Scene) -> bool:
    if scene.box is None or before.box is None or scene.shot != before.shot:
        return False
    return overlap(scene.box, before.box) >= _SAME_FACE


def _look(scene: Scene, last: tuple[Scene, Look] | None, finder: MeshFinder) -> Look | None:
    if scene.box is None:
        return None
    mesh = scene.mesh if scene.mesh is not None else finder.find(scene.rgb, scene.box)
    if mesh is None:
        return None
    if last is None:
        return look_at(scene.rgb, mesh, np.zeros(4), np.zeros((NUM_FACE, 2)))
    before, seen = last
    both = before.rgb, scene.rgb, seen.mesh, mesh.astype(np.float64)
    return look_at(scene.rgb, mesh, seen.flowed + flow(*both), seen.carried + surface_flow(*both))
