"""From the pictures of a video to the face that is dubbed: shots, tracks, its box and its lips at 25 fps.

Where pixels are not square (anamorphic), faces are looked at in their true shape, and boxes are given in stored pixels.
"""

from collections.abc import Iterable, Iterator, Sequence
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
from avcore.errors import NoFaceError, NoSuchFaceError
from avcore.faces.crop import LIP_SIDE
from avcore.faces.geometry import Box, MouthsToDraw, mouths_to_draw, steady_boxes
from avcore.faces.select import FaceChoice, choose_tracks, loudness
from avcore.faces.track import FaceTrack, RowStore, Tracker, TrackFrame
from avcore.notes import several
from avcore.progress import Progress, silent, track

if TYPE_CHECKING:
    from avcore.faces.detect import FaceDetector
    from avcore.media import Picture


CUT_DIFFERENCE = 0.12
"""Mean difference of two small pictures, 0..1, from which on they may be of different shots."""
CUT_RATIO = 3.0
"""A cut also stands out this much from the motion before it, so that a shaking camera makes no cuts."""

_SMALL = (32, 18)
SMALL_SIDE = 128
"""Pixels of the shorter side that are enough of a picture to see a cut."""
_MEMORY = 0.8

Small = NDArray[np.float32]


class ShotPicture(NamedTuple):
    """A picture and the number of the shot it belongs to, counted from 0."""

    picture: "Picture"
    shot: int


def with_shots(pictures: Iterable["Picture"]) -> Iterator[ShotPicture]:
    """Number the shots of a stream of pictures; one picture is held back.

    A cut must last: a single picture that differs from both its neighbours (a camera flash) makes no new shot.
    """
    cuts = Cuts()
    held: tuple[Picture, Small] | None = None
    shot = 0
    for picture in pictures:
        small = shrink(picture.rgb)
        if held is not None:
            shot += cuts.is_cut(held[1], after=small)
            yield ShotPicture(held[0], shot)
        held = picture, small
    if held is not None:
        yield ShotPicture(held[0], shot + cuts.is_cut(held[1], after=held[1]))


class Cuts:
    """Decides picture by picture, from what came before, on pictures made small by `shrink`."""

    def __init__(self) -> None:
        self._before: Small | None = None
        self._motion = 0.0

    def is_cut(self, here: Small, after: Small) -> bool:
        """Return whether a shot begins with the picture `here`, which `after` follows."""
        before, self._before = self._before, here
        if before is None:
            return False
        difference = float(np.abs(here - before).mean())
        if difference < max(CUT_DIFFERENCE, CUT_RATIO * self._motion):
            self._motion = _MEMORY * self._motion + (1 - _MEMORY) * difference
            return False
        if np.abs(after - before).mean() < difference / 2:
            self._before = before  # a flash: what follows is compared with what was before it
            return False
        return True


def shrink(picture: NDArray[np.uint8]) -> Small:
    """Return a picture uint8 [height, width, 3] as float32 [18, 32, 3] in 0..1, cheaply."""
    step = max(min(picture.shape[:2]) // SMALL_SIDE, 1)
    small = cv2.resize(picture[::step, ::step], _SMALL, interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float32) / 255


_FLATTEST, _TALLEST = Fraction(4), Fraction(1, 4)
"""Pixel aspects of footage lie between 1/2 and 2.2; one far from that is a damaged header, and would need huge pictures."""
_PICTURES_AHEAD = 4
"""Pictures that are decoded while faces are looked for."""
_STEADY = 6
"""Pictures on either side that the boxes of a dubbed face are averaged over: a quarter of a second."""
_WAY_OUT = "use --modalities audio to dub the speech and leave the picture as it is"


class PixelShape:
    """pixel_aspect: width to height of a pixel as shown. The narrower side is stretched, so that nothing seen is lost."""

    def __init__(self, pixel_aspect: Fraction) -> None:
        is_usual = _TALLEST <= pixel_aspect <= _FLATTEST
        aspect = float(pixel_aspect) if is_usual else 1.0
        self._x, self._y = max(aspect, 1.0), max(1 / aspect, 1.0)

    def true(self, picture: Pixels) -> Pixels:
        """Return a picture uint8 [height, width, 3] as it is shown; the same one where its pixels are square."""
        if self._x == self._y:
            return picture
        height, width = picture.shape[:2]
        size = (round(width * self._x), round(height * self._y))
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), np.uint8)

    def stored(self, box: Box) -> Box:
        """Return a box [4] (x1, y1, x2, y2) of the picture as shown, in pixels of the one that is stored."""
        return np.asarray(box / np.array([self._x, self._y, self._x, self._y], np.float32), np.float32)


@dataclass(frozen=True)
class SpeakerFace:
    """The face to dub, one entry per 25 fps picture.

    frames: box, pose and quality, also where the face was unseen no longer than a breath; None where it is not in the
    picture. track_numbers: the track that a picture's face belongs to, or None. most_at_once: how many faces are seen at once, at
    most. cuts: pictures that begin a new shot. Lip crops lie in a temporary file.
    """

    frames: list[TrackFrame | None]
    track_numbers: list[int | None]
    most_at_once: int
    cuts: tuple[int, ...]
    _rows: NDArray[np.int64] = field(repr=False)
    _store: RowStore = field(repr=False)

    @property
    def boxes(self) -> list[Box | None]:
        """Boxes float32 [4], x1, y1, x2, y2 in pixels, None where the face is not in the picture."""
        return [None if frame is None else frame.box for frame in self.frames]

    @property
    def steady_boxes(self) -> list[Box | None]:
        """The same without the movements of the chin: where a dubbed face is cut out and put back."""
        return steady_boxes(self.boxes, _STEADY)

    @property
    def mouths(self) -> MouthsToDraw:
        """The mouths that may be drawn anew, in steady boxes."""
        return mouths_to_draw(self.steady_boxes, [inf if frame is None else frame.margin for frame in self.frames])

    @property
    def num_found(self) -> int:
        """Pictures that have a box."""
        return sum(frame is not None for frame in self.frames)

    @property
    def lips(self) -> NDArray[np.uint8]:
        """Lip crops of all pictures, uint8 [T, 96, 96]; see `lips_between`."""
        return self.lips_between(0, len(self.frames))

    def lips_between(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return the lip crops of pictures start to stop - 1, gray uint8 of shape [stop - start, 96, 96], 9 KB each.

        Where the face is not in the picture, the crop nearest in time stands: a mouth that holds still says nothing.
        """
        return np.asarray(self._store.read(self._rows[start:stop]), dtype=np.uint8)


class FollowedFaces(NamedTuple):
    """All faces of a video: tracks in the order in which they begin, the shot of each picture, the lips' store."""

    tracks: list[FaceTrack]
    shots: list[int]
    store: RowStore


def find_faces(
    pictures: Iterable["Picture"],
    face: FaceChoice = "auto",
    speech: NDArray[np.float32] | None = None,
    progress: Progress = silent,
    total: int | None = None,
    source: str | Path | None = None,
    pixel_aspect: Fraction = Fraction(1),
) -> SpeakerFace:
    """Find and follow all faces and choose the one to dub.

    pictures: at 25 fps; a few at a time are held. face: see `FaceChoice`. speech: float32 [samples] at 16 kHz, to tell
    who speaks. total: number of pictures, where known, for progress. source: the video's name for messages. pixel_aspect:
    width to height of a pixel as shown; faces are looked at in their true shape, boxes are in pixels of `pictures`. Raises
    NoFaceError when there is no face at all, or none of the number asked for.
    """
    tracks, shots, store = follow_faces(pictures, progress, total, pixel_aspect)
    if not tracks:
        raise NoFaceError("no face was found in any picture", path=source, found=several(len(shots), "picture"), hint=_WAY_OUT)
    chosen = choose_tracks(tracks, face, None if speech is None else loudness(speech))
    if not chosen:
        raise NoSuchFaceError(f"there is no face number {face} in any shot", path=source, hint=f"try --face auto, or {_WAY_OUT}")
    most = max(sum(one.first <= other.first <= one.last for one in tracks) for other in tracks)
    return _speaker(chosen, most, shots, store)


def follow_faces(
    pictures: Iterable["Picture"], progress: Progress = silent, total: int | None = None, pixel_aspect: Fraction = Fraction(1)
) -> FollowedFaces:
    """Find and follow all faces; takes pictures, progress, total and pixel_aspect as `find_faces` does."""
    from avcore.faces.detect import FaceDetector

    shots: list[int] = []
    with FaceDetector() as detector:
        follower = Follower(detector, pixel_aspect)
        for picture, shot in track(with_shots(ahead(pictures, _PICTURES_AHEAD)), "faces", progress, total):
            follower.step(picture.rgb, shot)
            shots.append(shot)
        return FollowedFaces(follower.finish(), shots, follower.store)


class Follower:
    """Follows all faces in pictures at 25 fps that come one by one; takes pixel_aspect as `find_faces` does."""

    def __init__(self, detector: "FaceDetector", pixel_aspect: Fraction = Fraction(1)) -> None:
        self.store = RowStore((LIP_SIDE, LIP_SIDE), np.uint8)
        self._tracker, self._shape = Tracker(detector, self.store), PixelShape(pixel_aspect)

    def step(self, picture: Pixels, shot: int) -> None:
        """Take the next picture, uint8 [height, width, 3] (RGB) as it is stored, and the number of its shot."""
        self._tracker.step(self._shape.true(picture), shot)

    def finish(self) -> list[FaceTrack]:
        """End all tracks; returns them in the order in which they began, boxes in pixels of the stored pictures."""
        tracks = self._tracker.finish()
        for one in tracks:
            one.frames = [frame._replace(box=self._shape.stored(frame.box)) for frame in one.frames]
        return tracks


def _speaker(chosen: Sequence[FaceTrack], most_at_once: int, shots: Sequence[int], store: RowStore) -> SpeakerFace:
    num_pictures = len(shots)
    frames: list[TrackFrame | None] = [None] * num_pictures
    rows = np.full(num_pictures, -1)
    numbers: list[int | None] = [None] * num_pictures
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
    """Return where a picture has no row of its own (-1), that of the picture nearest in time, the earlier of two.

    rows: int64 of shape [T], one for each picture; returns the same shape. At least one must be known.
    """
    known = np.flatnonzero(rows >= 0)
    here = np.arange(len(rows))
    after = np.searchsorted(known, here).clip(max=len(known) - 1)
    before = (after - 1).clip(min=0)
    is_before = np.abs(here - known[before]) <= np.abs(known[after] - here)
    return np.asarray(rows[known[np.where(is_before, before, after)]], dtype=np.int64)
