"""Find the face to dub in a video: shots, face tracks, and the face's boxes and lips at 25 fps.

Where pixels are not square (anamorphic), faces are detected in their true shape, and boxes are in stored pixels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pixels
from avcore.compute.threads import ahead
from avcore.errors import Message, NoFaceError, NoSuchFaceError
from avcore.faces.crop import LIP_SIDE
from avcore.faces.cuts import with_shots
from avcore.faces.geometry import Box, MouthsToDraw, mouths_to_draw, steady_boxes
from avcore.faces.select import FaceChoice, choose_tracks, loudness
from avcore.faces.track import FaceTrack, RowStore, Tracker, TrackFrame
from avcore.notes import several
from avcore.progress import Progress, silent, track

if TYPE_CHECKING:
    from avcore.faces.detect import FaceDetector
    from avcore.media import Frame


_FLATTEST, _TALLEST = Fraction(4), Fraction(1, 4)
"""Pixel aspects of footage lie between 1/2 and 2.2; one far outside is a damaged header, and would need huge frames."""
_FRAMES_AHEAD = 4
"""Frames that are decoded ahead while faces are detected."""
_STEADY = 6
"""Frames on either side over which the boxes of a dubbed face are averaged: a quarter of a second."""
_WAY_OUT = "use --modalities audio to dub the speech and leave the video as it is"


class PixelShape:
    """Converts frames and boxes between stored and square pixels. The narrower side is stretched, so that no detail is lost."""

    def __init__(self, pixel_aspect: Fraction) -> None:
        """pixel_aspect: width to height of a pixel as shown."""
        is_usual = _TALLEST <= pixel_aspect <= _FLATTEST
        aspect = float(pixel_aspect) if is_usual else 1.0
        self._x, self._y = max(aspect, 1.0), max(1 / aspect, 1.0)

    def true(self, frame: Pixels) -> Pixels:
        """Return a frame uint8 [height, width, 3] as it is shown; the same object where its pixels are square."""
        if self._x == self._y:
            return frame
        height, width = frame.shape[:2]
        size = (round(width * self._x), round(height * self._y))
        return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR), np.uint8)

    def stored(self, box: Box) -> Box:
        """Convert a box [4] (x1, y1, x2, y2) of the frame as shown to stored pixels."""
        return np.asarray(box / np.array([self._x, self._y, self._x, self._y], np.float32), np.float32)


@dataclass(frozen=True)
class SpeakerFace:
    """The face to dub, one entry per 25 fps frame. Lip crops are in a temporary file."""

    frames: list[TrackFrame | None]
    """Box, pose and quality, interpolated over short gaps; None where the face is not in the frame."""
    track_numbers: list[int | None]
    """The track of each frame's face, or None."""
    most_at_once: int
    """The largest number of faces at the same time."""
    cuts: tuple[int, ...]
    """Frames that begin a new shot."""
    _rows: NDArray[np.int64] = field(repr=False)
    _store: RowStore = field(repr=False)

    @property
    def boxes(self) -> list[Box | None]:
        """Boxes float32 [4], x1, y1, x2, y2 in pixels, None where the face is not in the frame."""
        return [None if frame is None else frame.box for frame in self.frames]

    @property
    def steady_boxes(self) -> list[Box | None]:
        """Boxes without the movements of the chin: where a dubbed face is cropped and pasted."""
        return steady_boxes(self.boxes, _STEADY)

    @property
    def mouths(self) -> MouthsToDraw:
        """The mouths that may be drawn, in steady boxes."""
        return mouths_to_draw(self.steady_boxes, [inf if frame is None else frame.margin for frame in self.frames])

    @property
    def num_found(self) -> int:
        """Number of frames with a box."""
        return sum(frame is not None for frame in self.frames)

    @property
    def lips(self) -> NDArray[np.uint8]:
        """Lip crops of all frames, uint8 [T, 96, 96]; see `lips_between`."""
        return self.lips_between(0, len(self.frames))

    def lips_between(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return the lip crops of frames start to stop - 1, gray uint8 of shape [stop - start, 96, 96], 9 KB each.

        Where the face is not in the frame, the crop nearest in time is repeated: a still mouth means silence.
        """
        return np.asarray(self._store.read(self._rows[start:stop]), dtype=np.uint8)


class FollowedFaces(NamedTuple):
    """All faces of a video."""

    tracks: list[FaceTrack]
    """In the order in which they begin."""
    shots: list[int]
    """The shot of each frame."""
    store: RowStore
    """Of the lip crops."""


def find_faces(
    frames: Iterable["Frame"],
    face: FaceChoice = "auto",
    speech: NDArray[np.float32] | None = None,
    progress: Progress = silent,
    total: int | None = None,
    source: str | Path | None = None,
    pixel_aspect: Fraction = Fraction(1),
) -> SpeakerFace:
    """Detect and track all faces, and choose the one to dub.

    frames: at 25 fps; a few at a time are held. face: see `FaceChoice`. speech: float32 [samples] at 16 kHz, for active speaker
    detection. total: number of frames, where known, for progress. source: the video's name in messages. pixel_aspect: width to
    height of a pixel as shown; faces are detected in their true shape, boxes are in pixels of `frames`. Raises NoFaceError when
    there is no face at all, or none with the requested number.
    """
    tracks, shots, store = follow_faces(frames, progress, total, pixel_aspect)
    if not tracks:
        raise NoFaceError("no face was found in any frame", path=source, found=several(len(shots), "frame"), hint=_WAY_OUT)
    chosen = choose_tracks(tracks, face, None if speech is None else loudness(speech))
    if not chosen:
        raise NoSuchFaceError(
            Message("there is no face number {face} in any shot", face=face), path=source, hint=f"try --face auto, or {_WAY_OUT}"
        )
    most = max(sum(one.first <= other.first <= one.last for one in tracks) for other in tracks)
    return _speaker(chosen, most, shots, store)


def follow_faces(
    frames: Iterable["Frame"], progress: Progress = silent, total: int | None = None, pixel_aspect: Fraction = Fraction(1)
) -> FollowedFaces:
    """Detect and track all faces; takes frames, progress, total and pixel_aspect as `find_faces` does."""
    from avcore.faces.detect import FaceDetector

    shots: list[int] = []
    with FaceDetector() as detector:
        follower = Follower(detector, pixel_aspect)
        for frame, shot in track(with_shots(ahead(frames, _FRAMES_AHEAD)), "faces", progress, total):
            follower.step(frame.rgb, shot)
            shots.append(shot)
        return FollowedFaces(follower.finish(), shots, follower.store)


class Follower:
    """Tracks all faces in 25 fps frames that come one by one; takes pixel_aspect as `find_faces` does."""

    def __init__(self, detector: "FaceDetector", pixel_aspect: Fraction = Fraction(1)) -> None:
        self.store = RowStore((LIP_SIDE, LIP_SIDE), np.uint8)
        self._tracker, self._shape = Tracker(detector, self.store), PixelShape(pixel_aspect)

    def step(self, frame: Pixels, shot: int) -> None:
        """Take the next frame, uint8 [height, width, 3] (RGB) as it is stored, and the number of its shot."""
        self._tracker.step(self._shape.true(frame), shot)

    def finish(self) -> list[FaceTrack]:
        """End all tracks, and return them in the order in which they began, with boxes in stored pixels."""
        tracks = self._tracker.finish()
        for one in tracks:
            one.frames = [frame._replace(box=self._shape.stored(frame.box)) for frame in one.frames]
        return tracks


def _speaker(chosen: Sequence[FaceTrack], most_at_once: int, shots: Sequence[int], store: RowStore) -> SpeakerFace:
    num_frames = len(shots)
    frames: list[TrackFrame | None] = [None] * num_frames
    rows = np.full(num_frames, -1)
    numbers: list[int | None] = [None] * num_frames
    for one in chosen:
        frames[one.first : one.last + 1] = one.frames
        rows[one.first : one.last + 1] = [frame.row for frame in one.frames]
        numbers[one.first : one.last + 1] = [one.number] * len(one.frames)

    return SpeakerFace(
        frames=frames,
        track_numbers=numbers,
        most_at_once=most_at_once,
        cuts=tuple((1 + np.flatnonzero(np.diff(shots))).tolist()),
        _rows=nearest_rows(rows),
        _store=store,
    )


def nearest_rows(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Fill missing rows (-1) with the row of the frame nearest in time, the earlier of two.

    rows: int64 of shape [T], one for each frame; returns the same shape. At least one must be known.
    """
    known = np.flatnonzero(rows >= 0)
    here = np.arange(len(rows))
    after = np.searchsorted(known, here).clip(max=len(known) - 1)
    before = (after - 1).clip(min=0)
    is_before = np.abs(here - known[before]) <= np.abs(known[after] - here)
    return np.asarray(rows[known[np.where(is_before, before, after)]], dtype=np.int64)
