"""A face followed through one shot: the finished track, and the one that is still being followed.

Rows of a track are kept in a temporary file instead of memory, so that memory does not grow with the length of a video.
"""

import tempfile
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from math import inf, prod
from typing import IO, NamedTuple

import cv2
import numpy as np
from numpy.typing import DTypeLike, NDArray

from avcore.arrays import Pixels
from avcore.errors import OutputError
from avcore.faces.align import LIP_SIDE, crop_lips, face_box, smooth_landmarks
from avcore.faces.appearance import SIDE, appearance, portrait
from avcore.faces.crop import Box
from avcore.faces.geometry import NUM_LANDMARKS, HeadAngles, Landmarks, head_pose, hull, lip_margin, mouth_opening
from avcore.faces.window import CropWindow

_SMOOTHING = 6
"""Pictures before and after that landmarks are averaged with."""


class RowStore:
    """An array that grows row by row in a file without a name, which is gone with the process, however it ends."""

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self._shape, self._dtype = shape, np.dtype(dtype)
        self._row_bytes = prod(shape) * self._dtype.itemsize
        self._file = tempfile.TemporaryFile(prefix="netflips-")  # noqa: SIM115 (closed with the store)
        self._num_rows = 0
        weakref.finalize(self, _close, self._file)

    def __len__(self) -> int:
        return self._num_rows

    def append(self, row: NDArray[np.generic]) -> int:
        """Add a row of the store's shape; returns its number. Raises OutputError when there is no room for it."""
        if row.shape != self._shape:
            raise ValueError(f"a row must have shape {self._shape}, not {row.shape}")
        with _room_needed():
            self._file.seek(self._num_rows * self._row_bytes)
            self._file.write(np.ascontiguousarray(row, dtype=self._dtype).tobytes())
        self._num_rows += 1
        return self._num_rows - 1

    def read(self, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.generic]:
        """Read rows by number, in the order asked for: [len(rows), *shape]."""
        found = np.empty((len(rows), *self._shape), dtype=self._dtype)
        for place, row in enumerate(rows):
            if not 0 <= row < self._num_rows:
                raise IndexError(f"row {row} of {self._num_rows}")
            with _room_needed():  # what was added last is written when another row is read
                self._file.seek(int(row) * self._row_bytes)
            self._file.readinto(found[place].data)
        return found


@contextmanager
def _room_needed() -> Iterator[None]:
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
    """One picture of a track."""

    box: Box
    is_found: bool
    """False where the face was not seen and its landmarks were interpolated."""
    opening: float
    """Gap between the lips, in distances between the outer corners of the eyes."""
    pose: HeadAngles
    sharpness: float
    """Variance of the lip crop's Laplacian; small = blurred."""
    row: int
    """Number of the row in the stores."""
    margin: float = inf
    """How far within the picture the lips lie, see `avcore.faces.geometry.lip_margin`."""


class TrackStore:
    """Where lip crops and landmarks of all tracks go, so that tracks stay small."""

    def __init__(self) -> None:
        self.lips = RowStore((LIP_SIDE, LIP_SIDE), np.uint8)
        self.landmarks = RowStore((NUM_LANDMARKS, 3), np.float32)


@dataclass
class FaceTrack:
    """One face in pictures `first` to `last` of one shot, without holes."""

    number: int
    shot: int
    first: int
    store: TrackStore = field(repr=False)
    frames: list[TrackFrame] = field(default_factory=list, repr=False)
    portraits: NDArray[np.float64] = field(default_factory=lambda: np.zeros((SIDE, SIDE, 3)), repr=False)
    """The sum of all portraits, to see what the face looks like."""
    num_portraits: int = 0

    @property
    def last(self) -> int:
        """The last picture (inclusive)."""
        return self.first + len(self.frames) - 1

    @property
    def boxes(self) -> NDArray[np.float32]:
        """The face boxes, float32 [frames, 4], x1, y1, x2, y2 in pixels."""
        return np.stack([frame.box for frame in self.frames])

    @property
    def openings(self) -> NDArray[np.float64]:
        """The gap between the lips in each picture, float64 of shape [frames], see `TrackFrame.opening`."""
        return np.array([frame.opening for frame in self.frames])

    @property
    def appearance(self) -> NDArray[np.float32]:
        """What the face looks like, float32 of shape [D], see `avcore.faces.appearance`."""
        return appearance(np.asarray(self.portraits / max(self.num_portraits, 1), np.float32))

    def landmarks(self, index: int) -> Landmarks | None:
        """Return the landmarks float32 [468, 3] in pixels of picture number `index`, or None when the face was not seen in it."""
        frame = self.frames[index - self.first]
        return np.asarray(self.store.landmarks.read([frame.row])[0], dtype=np.float32) if frame.is_found else None

    def lips(self) -> NDArray[np.uint8]:
        """Return all lip crops, uint8 [frames, 96, 96]."""
        return np.asarray(self.store.lips.read([frame.row for frame in self.frames]), dtype=np.uint8)


class FaceLook(NamedTuple):
    """What was seen through a window in one picture: gray uint8 [s, s], and landmarks float32 [468, 3] of the picture.

    portrait: uint8 [SIDE, SIDE, 3] of the face, None where none was seen.
    """

    window: CropWindow
    gray: NDArray[np.uint8]
    landmarks: Landmarks | None
    portrait: Pixels | None = None

    @classmethod
    def at(cls, window: CropWindow, view: Pixels, landmarks: Landmarks | None) -> "FaceLook":
        """Keep a view uint8 [s, s, 3] (RGB) in gray, as OpenCV makes it."""
        gray = np.asarray(cv2.cvtColor(view, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        face = None if landmarks is None else portrait(view, hull(window.from_picture(landmarks[:, :2])))
        return cls(window, gray, landmarks, face)


class _Waiting(NamedTuple):
    look: FaceLook
    landmarks: Landmarks
    is_found: bool


class OpenTrack:
    """A face that is being followed.

    Lips are cut from a picture when the landmarks of the 6 pictures after it are known; until then its small gray
    window waits here, so that no pictures of the video need to be kept.
    """

    def __init__(self, number: int, shot: int, first: int, store: TrackStore, size: tuple[int, int]) -> None:
        """size: of the pictures, height and width."""
        self._size = size
        self._track = FaceTrack(number, shot, first, store)
        self._waiting: deque[_Waiting] = deque()
        self._gap: list[FaceLook] = []
        self._passed: deque[Landmarks] = deque(maxlen=_SMOOTHING)
        self._newest: Landmarks | None = None

    @property
    def hull(self) -> Box:
        """The hull of the landmarks seen last, float32 [4]."""
        if self._newest is None:
            raise ValueError("nothing was seen yet")
        return hull(self._newest)

    @property
    def num_missing(self) -> int:
        """Pictures since the face was last seen."""
        return len(self._gap)

    @property
    def num_seen(self) -> int:
        """Pictures from the first to the last in which the face was seen."""
        return len(self._track.frames) + len(self._waiting)

    def add(self, look: FaceLook) -> None:
        """Add the next picture; the first one must have landmarks."""
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
            self._track.portraits += look.portrait
            self._track.num_portraits += 1
        self._waiting.append(_Waiting(look, look.landmarks, is_found=True))
        while len(self._waiting) > _SMOOTHING:
            self._pass(min(len(self._passed), _SMOOTHING))

    def close(self) -> FaceTrack:
        """End the track with the last picture in which the face was seen."""
        while self._waiting:
            self._pass(min(len(self._passed), len(self._waiting) - 1))
        self._gap.clear()
        return self._track

    def _pass(self, half_width: int) -> None:
        """Finish the picture that waits longest, its landmarks averaged with those of `half_width` on each side."""
        before = list(self._passed)[len(self._passed) - half_width :]
        after = [self._waiting[place].landmarks for place in range(half_width + 1)]
        smooth = smooth_landmarks(np.stack(before + after)[..., :2])
        look, landmarks, is_found = self._waiting.popleft()
        self._passed.append(landmarks)
        store = self._track.store
        lips = crop_lips(look.gray, look.window.from_picture(smooth))
        if lips is None:
            lips = np.zeros((LIP_SIDE, LIP_SIDE), dtype=np.uint8)
        store.landmarks.append(landmarks)
        self._track.frames.append(
            TrackFrame(
                box=face_box(landmarks[:, :2]),
                is_found=is_found,
                opening=mouth_opening(landmarks),
                pose=head_pose(landmarks),
                sharpness=float(cv2.Laplacian(lips, cv2.CV_32F).var()),
                row=store.lips.append(lips),
                margin=lip_margin(landmarks, self._size),
            )
        )
