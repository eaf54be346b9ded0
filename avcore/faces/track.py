"""Track all faces of a shot, frame by frame. A track is one person: it ends where its face becomes another's.

Lip crops are kept in a temporary file, so that memory does not grow with the length of a video.
"""

import tempfile
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf, prod
from typing import IO, TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import DTypeLike, NDArray

from avcore.arrays import Pixels
from avcore.errors import OutputError
from avcore.faces.crop import LIP_SIDE, SIDE, CropWindow, appearance, crop_lips, face_box, portrait, smooth_landmarks
from avcore.faces.geometry import Box, HeadAngles, Landmarks, head_pose, hull, lip_margin, mouth_opening, overlap
from avcore.faces.identity import other_faces
from avcore.timeline import frame_at

if TYPE_CHECKING:
    from avcore.faces.detect import FaceDetector

_SMOOTHING = 6
"""Frames on either side over which landmarks are averaged."""


class RowStore:
    """An array that grows row by row in a file without a name, which disappears with the process."""

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self._shape, self._dtype = shape, np.dtype(dtype)
        self._row_bytes = prod(shape) * self._dtype.itemsize
        self._file = tempfile.TemporaryFile(prefix="netflips-")  # noqa: SIM115 (closed with the store)
        self._num_rows = 0
        weakref.finalize(self, _close, self._file)

    def __len__(self) -> int:
        return self._num_rows

    def append(self, row: NDArray[np.generic]) -> int:
        """Add a row of the store's shape, and return its number. Raises OutputError when the disk is full."""
        if row.shape != self._shape:
            raise ValueError(f"a row must have shape {self._shape}, not {row.shape}")
        with _disk_errors():
            self._file.seek(self._num_rows * self._row_bytes)
            self._file.write(np.ascontiguousarray(row, dtype=self._dtype).tobytes())
        self._num_rows += 1
        return self._num_rows - 1

    def read(self, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.generic]:
        """Read rows by number, in the given order: [len(rows), *shape]."""
        found = np.empty((len(rows), *self._shape), dtype=self._dtype)
        for place, row in enumerate(rows):
            if not 0 <= row < self._num_rows:
                raise IndexError(f"row {row} of {self._num_rows}")
            with _disk_errors():  # the seek flushes rows that were added last
                self._file.seek(int(row) * self._row_bytes)
            self._file.readinto(found[place].data)
        return found


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            "temporary files cannot be written",
            path=tempfile.gettempdir(),
            found=error.strerror,
            hint="free some space, or set TMPDIR to another folder",
        ) from error


def _close(file: IO[bytes]) -> None:
    with suppress(OSError):  # its content is no longer needed
        file.close()


class TrackFrame(NamedTuple):
    """One frame of a track."""

    box: Box
    is_found: bool
    """False where the face was not found and its landmarks were interpolated."""
    opening: float
    """Gap between the lips, in distances between the outer corners of the eyes."""
    pose: HeadAngles
    sharpness: float
    """Variance of the lip crop's Laplacian; small = blurred."""
    row: int
    """Number of its row in the store."""
    margin: float = inf
    """Distance of the lips from the edge of the frame, see `avcore.faces.geometry.lip_margin`."""


@dataclass
class FaceTrack:
    """One face in frames `first` to `last` of one shot, without gaps."""

    number: int
    shot: int
    first: int
    store: RowStore = field(repr=False)
    """Lip crops of all tracks."""
    frames: list[TrackFrame] = field(default_factory=list, repr=False)
    portraits: NDArray[np.float64] = field(default_factory=lambda: np.zeros((SIDE, SIDE, 3)), repr=False)
    """The sum of all portraits, for `appearance`."""
    num_portraits: int = 0

    @property
    def last(self) -> int:
        """The last frame (inclusive)."""
        return self.first + len(self.frames) - 1

    @property
    def boxes(self) -> NDArray[np.float32]:
        """The face boxes, float32 [frames, 4], x1, y1, x2, y2 in pixels."""
        return np.stack([frame.box for frame in self.frames])

    @property
    def openings(self) -> NDArray[np.float64]:
        """The gap between the lips in each frame, float64 of shape [frames], see `TrackFrame.opening`."""
        return np.array([frame.opening for frame in self.frames])

    @property
    def appearance(self) -> NDArray[np.float32]:
        """The face's appearance vector, float32 of shape [D], see `avcore.faces.crop`."""
        return appearance(np.asarray(self.portraits / max(self.num_portraits, 1), np.float32))

    def lips(self) -> NDArray[np.uint8]:
        """Return all lip crops, uint8 [frames, 96, 96]."""
        return np.asarray(self.store.read([frame.row for frame in self.frames]), dtype=np.uint8)


class FaceLook(NamedTuple):
    """The content of a window in one frame."""

    window: CropWindow
    gray: NDArray[np.uint8]
    """uint8 [s, s]."""
    landmarks: Landmarks | None
    """float32 [468, 3] in pixels of the frame, None where no face was found."""
    portrait: Pixels | None = None
    """uint8 [SIDE, SIDE, 3] of the face, None where none was found."""

    @classmethod
    def at(cls, window: CropWindow, view: Pixels, landmarks: Landmarks | None) -> "FaceLook":
        """Make one from a view uint8 [s, s, 3] (RGB), kept in OpenCV's gray."""
        gray = np.asarray(cv2.cvtColor(view, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        face = None if landmarks is None else portrait(view, hull(window.from_frame(landmarks[:, :2])))
        return cls(window, gray, landmarks, face)


class _Waiting(NamedTuple):
    look: FaceLook
    landmarks: Landmarks
    is_found: bool


class OpenTrack:
    """A face that is being tracked.

    The lips of a frame are cropped when the landmarks of the 6 frames after it are known. Until then only its small gray window is
    kept, not the frame.
    """

    def __init__(self, track: FaceTrack, portraits: RowStore, size: tuple[int, int]) -> None:
        """track: an empty one. portraits: of all tracks. size: of the frames, height and width."""
        self._track, self._portraits, self._size = track, portraits, size
        self._shown: list[tuple[int, int]] = []
        """Of each portrait its frame in the track and its row."""
        self._waiting: deque[_Waiting] = deque()
        self._gap: list[FaceLook] = []
        self._passed: deque[Landmarks] = deque(maxlen=_SMOOTHING)
        self._newest: Landmarks | None = None

    @property
    def hull(self) -> Box:
        """The hull of the latest landmarks, float32 [4]."""
        if self._newest is None:
            raise ValueError("nothing was seen yet")
        return hull(self._newest)

    @property
    def num_missing(self) -> int:
        """Number of frames since the face was last found."""
        return len(self._gap)

    @property
    def num_seen(self) -> int:
        """Number of frames from the first to the last in which the face was found."""
        return len(self._track.frames) + len(self._waiting)

    def add(self, look: FaceLook) -> None:
        """Add the next frame; the first one must have landmarks."""
        if look.landmarks is None:
            self._gap.append(look)
            return

        if self._newest is not None:
            step = (look.landmarks - self._newest) / np.float32(len(self._gap) + 1)
            for number, missed in enumerate(self._gap, 1):
                self._waiting.append(_Waiting(missed, self._newest + step * np.float32(number), is_found=False))

        self._gap.clear()
        self._newest = look.landmarks
        if look.portrait is not None:
            self._shown.append((self.num_seen, self._portraits.append(look.portrait)))

        self._waiting.append(_Waiting(look, look.landmarks, is_found=True))
        while len(self._waiting) > _SMOOTHING:
            self._pass(min(len(self._passed), _SMOOTHING))

    def close(self) -> list[FaceTrack]:
        """End the track with the last frame in which the face was found; it is several where its face becomes another's."""
        while self._waiting:
            self._pass(min(len(self._passed), len(self._waiting) - 1))
        self._gap.clear()

        frames, shown = self._track.frames, self._shown
        poses = [frames[frame].pose[:2] for frame, _ in shown]
        turns = other_faces(lambda start, stop: self._faces(shown[start:stop]), np.array(poses))
        edges = [0, *(shown[turn][0] for turn in turns), len(frames)]
        return [self._part(start, stop) for start, stop in pairwise(edges)]

    def _part(self, start: int, stop: int) -> FaceTrack:
        part = replace(self._track, first=self._track.first + start, frames=self._track.frames[start:stop])
        shown = [one for one in self._shown if start <= one[0] < stop]
        part.portraits, part.num_portraits = np.zeros((SIDE, SIDE, 3)), len(shown)
        for one in shown:
            part.portraits += self._faces([one])[0]
        return part

    def _faces(self, shown: Sequence[tuple[int, int]]) -> Pixels:
        return np.asarray(self._portraits.read([row for _, row in shown]), np.uint8)

    def _pass(self, half_width: int) -> None:
        """Finish the frame that waits longest; its landmarks are averaged with `half_width` frames on each side."""
        before = list(self._passed)[len(self._passed) - half_width :]
        after = [self._waiting[place].landmarks for place in range(half_width + 1)]
        smooth = smooth_landmarks(np.stack(before + after)[..., :2])

        look, landmarks, is_found = self._waiting.popleft()
        self._passed.append(landmarks)
        lips = crop_lips(look.gray, look.window.from_frame(smooth))
        if lips is None:
            lips = np.zeros((LIP_SIDE, LIP_SIDE), dtype=np.uint8)

        self._track.frames.append(
            TrackFrame(
                box=face_box(landmarks[:, :2]),
                is_found=is_found,
                opening=mouth_opening(landmarks),
                pose=head_pose(landmarks),
                sharpness=float(cv2.Laplacian(lips, cv2.CV_32F).var()),
                row=self._track.store.append(lips),
                margin=lip_margin(landmarks, self._size),
            )
        )


MAX_GAP_SECONDS = 0.5
"""Longest gap in a track. A face that is missing no longer is interpolated."""
SEARCH_SECONDS = 0.2
"""Interval of the search for new faces while all known ones are found."""
FAR_SEARCH_SECONDS = 1.0
"""Interval of the search for small faces."""
MAX_FACES = 8
"""Most faces that are tracked at a time; in a crowd those with the highest scores."""

_MAX_GAP = frame_at(MAX_GAP_SECONDS)
_SEARCH_EVERY = frame_at(SEARCH_SECONDS)
_FAR_SEARCH_EVERY = frame_at(FAR_SEARCH_SECONDS)
# The mesh's own detector is for near faces: in boxes widened so it found all of 20 that are 78 pixels high.
_WIDEN_BOX = 2.2
_WIDEN_HULL = (2.0, 1.4)
"""Windows in which a known face is searched. The narrow one helps where a neighbour is found first in the wide one."""
_SAME_FACE = 0.3
"""Least overlap of a face with itself in the next frame."""
_SAME_FACE_AFTER_GAP = 0.1
_MIN_FACE_PIXELS = 24


class Tracker:
    """Makes face tracks from 25 fps frames: faces are linked by overlap.

    A cut ends a track, and so does a gap over `MAX_GAP_SECONDS`, or another person at its place.
    """

    def __init__(self, detector: "FaceDetector", store: RowStore) -> None:
        self._detector, self._store = detector, store
        self._portraits = RowStore((SIDE, SIDE, 3), np.uint8)
        self._open: list[OpenTrack] = []
        self._closed: list[FaceTrack] = []
        self._num_opened = 0
        self._index = -1
        self._shot = 0
        self._searched = self._searched_far = -_FAR_SEARCH_EVERY

    def step(self, frame: Pixels, shot: int) -> None:
        """Take the next frame, uint8 [height, width, 3] (RGB), and the number of its shot."""
        self._index += 1
        if shot != self._shot:
            self._close(self._open)
            self._shot = shot
            # A new shot may show small faces only, so these are searched for at once.
            self._searched_far = self._index - _FAR_SEARCH_EVERY

        # Every frame is searched: between landmarks of every second one, mouth openings were only 0.85 alike, and 1.2 of 11 ms were
        # saved.
        seen = self._follow(frame)
        self._search(frame, seen)
        for track in self._open:
            if (look := seen.get(track)) is None:  # kept to crop its lips from, should it come back
                window = CropWindow.around(track.hull, _WIDEN_HULL[0])
                look = FaceLook.at(window, window.cut(frame), None)
            track.add(look)
        self._close([track for track in self._open if track.num_missing > _MAX_GAP])

    def finish(self) -> list[FaceTrack]:
        """End all tracks, and return them in the order in which they began, numbered from 0."""
        self._close(self._open)
        tracks = sorted(self._closed, key=lambda track: (track.first, track.number))
        return [replace(track, number=number) for number, track in enumerate(tracks)]

    def _follow(self, frame: Pixels) -> dict[OpenTrack, FaceLook]:
        """Find the known faces near their last place. When two tracks meet on one face, the younger one ends."""
        seen: dict[OpenTrack, FaceLook] = {}
        for track in list(self._open):
            least = _SAME_FACE_AFTER_GAP if track.num_missing else _SAME_FACE
            for widen in _WIDEN_HULL:
                look = self._look(frame, CropWindow.around(track.hull, widen))
                if look is not None and overlap(_hull(look), track.hull) >= least:
                    if _is_taken(look, seen):
                        self._close([track])
                    else:
                        seen[track] = look
                    break

        return seen

    def _search(self, frame: Pixels, seen: dict[OpenTrack, FaceLook]) -> None:
        """Search for missing faces at once, and for new ones at intervals."""
        if min(frame.shape[:2]) < _MIN_FACE_PIXELS:
            return
        # While no face is known (1 even then), every frame is searched, so that a face is found where it appears.
        if len(seen) < max(len(self._open), 1) or self._index - self._searched >= _SEARCH_EVERY:
            self._searched = self._index
            self._take(self._detector.boxes(frame), frame, seen)
        if self._index - self._searched_far >= (_FAR_SEARCH_EVERY if seen else _SEARCH_EVERY):
            self._searched_far = self._index
            self._take(self._detector.far_boxes(frame), frame, seen)

    def _take(self, boxes: list[Box], frame: Pixels, seen: dict[OpenTrack, FaceLook]) -> None:
        """Add detected faces that are not in `seen`: missing ones to their tracks, others as new tracks."""
        for box in boxes:
            centre = (box[:2] + box[2:]) / 2
            # One that is followed already: the mesh need not run on it again.
            if any(np.all(centre > known[:2]) and np.all(centre < known[2:]) for known in map(_hull, seen.values())):
                continue
            look = self._look(frame, CropWindow.around(box, _WIDEN_BOX))
            if look is None or _is_taken(look, seen):
                continue

            hull = _hull(look)
            lost = [track for track in self._open if track not in seen and overlap(track.hull, hull) >= _SAME_FACE_AFTER_GAP]
            track = max(lost, key=lambda track: overlap(track.hull, hull), default=None)
            if track is None and len(self._open) < MAX_FACES:
                size = frame.shape[0], frame.shape[1]
                track = OpenTrack(FaceTrack(self._num_opened, self._shot, self._index, self._store), self._portraits, size)
                self._num_opened += 1
                self._open.append(track)

            if track is not None:
                seen[track] = look

    def _look(self, frame: Pixels, window: CropWindow) -> FaceLook | None:
        view = window.cut(frame)
        found = self._detector.mesh(view)
        if found is None:
            return None
        look = FaceLook.at(window, view, window.to_frame(found))
        x1, y1, x2, y2 = _hull(look)
        return look if min(x2 - x1, y2 - y1) >= _MIN_FACE_PIXELS else None

    def _close(self, tracks: list[OpenTrack]) -> None:
        self._closed += [part for track in tracks for part in track.close()]
        self._open = [track for track in self._open if track not in tracks]


def _hull(look: FaceLook) -> Box:
    if look.landmarks is None:
        raise ValueError("nothing was seen")
    return hull(look.landmarks)


def _is_taken(look: FaceLook, seen: dict[OpenTrack, FaceLook]) -> bool:
    return any(overlap(_hull(look), _hull(other)) >= _SAME_FACE for other in seen.values())
