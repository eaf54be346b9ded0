"""Follow all faces of a video, picture by picture."""

from typing import TYPE_CHECKING

import numpy as np

from avcore.arrays import Pixels
from avcore.faces.crop import Box
from avcore.faces.geometry import hull, overlap
from avcore.faces.track import FaceLook, FaceTrack, OpenTrack, TrackStore
from avcore.faces.window import CropWindow
from avcore.timeline import frame_at

if TYPE_CHECKING:
    from avcore.faces.detect import FaceDetector

MAX_GAP_SECONDS = 0.5
"""A breath. A face that is unseen no longer than this was there all the time; its landmarks are interpolated."""
SEARCH_SECONDS = 0.2
"""How often a picture is searched for further faces while all known ones are in sight."""
FAR_SEARCH_SECONDS = 1.0
"""How often it is also searched for small faces."""
MAX_FACES = 8
"""Faces followed at a time; in a crowd the surest ones."""

_MAX_GAP = frame_at(MAX_GAP_SECONDS)
_SEARCH_EVERY = frame_at(SEARCH_SECONDS)
_FAR_SEARCH_EVERY = frame_at(FAR_SEARCH_SECONDS)
_WIDEN_BOX = 2.2
_WIDEN_HULL = (2.0, 1.4)
"""Windows to look for a known face through. The narrow one helps where a neighbour is seen first in the wide one."""
_SAME_FACE = 0.3
"""Overlap of a face with itself in the next picture, at least."""
_SAME_FACE_AFTER_GAP = 0.1
_MIN_FACE_PIXELS = 24


class Tracker:
    """Turns pictures at 25 fps into tracks: faces linked by overlap, ended by a cut or by a gap longer than a breath."""

    def __init__(self, detector: "FaceDetector", store: TrackStore) -> None:
        self._detector, self._store = detector, store
        self._open: list[OpenTrack] = []
        self._closed: list[FaceTrack] = []
        self._num_opened = 0
        self._index = -1
        self._shot = 0
        self._searched = self._searched_far = -_FAR_SEARCH_EVERY

    def step(self, picture: Pixels, shot: int) -> None:
        """Take the next picture, uint8 [height, width, 3] (RGB), and the number of its shot."""
        self._index += 1
        if shot != self._shot:
            self._close(self._open)
            self._shot = shot
            self._searched_far = self._index - _FAR_SEARCH_EVERY
        seen = self._follow(picture)
        self._search(picture, seen)
        for track in self._open:
            track.add(seen.get(track) or _blank(picture, track))
        self._close([track for track in self._open if track.num_missing > _MAX_GAP])

    def finish(self) -> list[FaceTrack]:
        """End all tracks; returns them in the order in which they began."""
        self._close(self._open)
        return sorted(self._closed, key=lambda track: track.number)

    def _follow(self, picture: Pixels) -> dict[OpenTrack, FaceLook]:
        """Look for the known faces where they were; of two tracks that meet on one face the younger is ended."""
        seen: dict[OpenTrack, FaceLook] = {}
        for track in list(self._open):
            least = _SAME_FACE_AFTER_GAP if track.num_missing else _SAME_FACE
            for widen in _WIDEN_HULL:
                look = self._look(picture, CropWindow.around(track.hull, widen))
                if look is not None and overlap(_hull(look), track.hull) >= least:
                    if _is_taken(look, seen):
                        self._close([track])
                    else:
                        seen[track] = look
                    break
        return seen

    def _search(self, picture: Pixels, seen: dict[OpenTrack, FaceLook]) -> None:
        """Search as often as it is worth: at once for a face that is missing, for others from time to time."""
        if min(picture.shape[:2]) < _MIN_FACE_PIXELS:
            return
        if len(seen) < max(len(self._open), 1) or self._index - self._searched >= _SEARCH_EVERY:
            self._searched = self._index
            self._take(self._detector.boxes(picture), picture, seen)
        if self._index - self._searched_far >= (_FAR_SEARCH_EVERY if seen else _SEARCH_EVERY):
            self._searched_far = self._index
            self._take(self._detector.far_boxes(picture), picture, seen)

    def _take(self, boxes: list[Box], picture: Pixels, seen: dict[OpenTrack, FaceLook]) -> None:
        """Add the faces found that are not among those seen: lost ones, and new ones."""
        for box in boxes:
            centre = (box[:2] + box[2:]) / 2
            if any(np.all(centre > known[:2]) and np.all(centre < known[2:]) for known in map(_hull, seen.values())):
                continue
            look = self._look(picture, CropWindow.around(box, _WIDEN_BOX))
            if look is None or _is_taken(look, seen):
                continue
            track = self._lost_at(_hull(look), seen)
            if track is None and len(self._open) < MAX_FACES:
                size = picture.shape[0], picture.shape[1]
                track = OpenTrack(self._num_opened, self._shot, self._index, self._store, size)
                self._num_opened += 1
                self._open.append(track)
            if track is not None:
                seen[track] = look

    def _look(self, picture: Pixels, window: CropWindow) -> FaceLook | None:
        view = window.cut(picture)
        found = self._detector.mesh(view)
        if found is None:
            return None
        look = FaceLook.at(window, view, window.to_picture(found))
        x1, y1, x2, y2 = _hull(look)
        return look if min(x2 - x1, y2 - y1) >= _MIN_FACE_PIXELS else None

    def _lost_at(self, box: Box, seen: dict[OpenTrack, FaceLook]) -> OpenTrack | None:
        lost = [track for track in self._open if track not in seen and overlap(track.hull, box) >= _SAME_FACE_AFTER_GAP]
        return max(lost, key=lambda track: overlap(track.hull, box), default=None)

    def _close(self, tracks: list[OpenTrack]) -> None:
        self._closed += [track.close() for track in tracks]
        self._open = [track for track in self._open if track not in tracks]


def _hull(look: FaceLook) -> Box:
    if look.landmarks is None:
        raise ValueError("nothing was seen")
    return hull(look.landmarks)


def _is_taken(look: FaceLook, seen: dict[OpenTrack, FaceLook]) -> bool:
    return any(overlap(_hull(look), _hull(other)) >= _SAME_FACE for other in seen.values())


def _blank(picture: Pixels, track: OpenTrack) -> FaceLook:
    """Return what is to be seen where a lost face was, should it come back."""
    window = CropWindow.around(track.hull, _WIDEN_HULL[0])
    return FaceLook.at(window, window.cut(picture), None)
