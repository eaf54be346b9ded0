"""Cut faces out of a video as SyncNet wants them: followed, steadied, 224 pixels square with the face in the upper part.

The arithmetic is that of the pipeline published with SyncNet; faces are found by our detector in place of S3FD, and pictures are
taken as they are decoded, not through JPEG.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pixels
from avcore.errors import MediaError, NoFaceError
from avcore.faces.find import follow_faces
from avcore.faces.geometry import Box, overlap
from avcore.media import PictureSource, read_speech
from avcore.timeline import frames_to_seconds, seconds_to_samples
from unit2av.face.syncnet import SIDE

_LEAST_OVERLAP = 0.5
_MOST_MISSING = 25
_MEDIAN = 13
_BORDER = 110
_SCALE = 0.4
"""What is seen around a face, in its half sizes: so much to the sides, twice as much below."""


@dataclass(frozen=True)
class LeastFace:
    """What a face is followed for: seen in more than so many pictures, and larger than so many pixels.

    As published, a clip of 4 s or less gives none.
    """

    pictures: int = 100
    side: float = 100.0


AS_PUBLISHED = LeastFace()


@dataclass(frozen=True, eq=False)
class FaceClip:
    """A face that was followed. pictures: uint8 [224, 224, 3] at 25 fps, decoded as taken; sound: float32 [S] at 16 kHz."""

    pictures: Iterator[Pixels]
    sound: NDArray[np.float32]


@dataclass(frozen=True)
class WatchedFace:
    """One face in pictures first .. first + n - 1. boxes: float64 [n, 4], filled in where the detector saw nothing."""

    first: int
    boxes: NDArray[np.float64]

    @property
    def squares(self) -> NDArray[np.float64]:
        """Centre x, centre y and half the size, each a median over 13 pictures, with zeros beyond the ends: float64 [n, 3]."""
        low, high = self.boxes[:, :2], self.boxes[:, 2:]
        raw = np.concatenate([(low + high) / 2, (high - low).max(axis=1, keepdims=True) / 2], axis=1)
        padded = np.pad(raw, ((_MEDIAN // 2, _MEDIAN // 2), (0, 0)))
        return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, _MEDIAN, axis=0), axis=-1), np.float64)


def clips_of(video: Path, least: LeastFace = AS_PUBLISHED) -> Iterator[FaceClip]:
    """Cut all faces out of a video that are seen long enough and large enough, shot by shot.

    Raises MediaError for a video without sound, NoFaceError where there is no such face.
    """
    source = PictureSource(video)
    if not source.info.has_audio:
        raise MediaError("it has no sound track", path=video, expected="speech, to compare lips with")
    speech = read_speech(video)
    followed, shots, _ = follow_faces(source, total=len(source))
    found: dict[int, list[list[Box]]] = {}
    for one in followed:
        boxes = found.setdefault(one.shot, [[] for _ in shots])
        for number, frame in enumerate(one.frames, one.first):
            if frame.is_found:
                boxes[number].append(frame.box)
    tracks = [track for shot in sorted(found) for track in face_tracks(found[shot], least)]
    if not tracks:
        expected = f"one larger than {least.side:.0f} pixels in more than {least.pictures} pictures"
        raise NoFaceError("no face was seen long enough", path=video, expected=expected)
    for track in tracks:
        start, end = frames_to_seconds(track.first), frames_to_seconds(track.first + len(track.boxes))
        pictures = (picture.rgb for picture in source.pictures(track.first, track.first + len(track.boxes)))
        sound = speech[seconds_to_samples(start) : seconds_to_samples(end)]
        yield FaceClip(face_crops(track, pictures), sound)


def face_tracks(found: Sequence[Sequence[Box]], least: LeastFace = AS_PUBLISHED) -> list[WatchedFace]:
    """Follow faces through the pictures of one shot. found: the boxes [4] (x1, y1, x2, y2) of each picture."""
    left, tracks = [list(boxes) for boxes in found], list[WatchedFace]()
    while (start := next((number for number, boxes in enumerate(left) if boxes), None)) is not None:
        taken = {start: left[start].pop(0)}
        for number in range(start + 1, len(left)):
            if number - max(taken) > _MOST_MISSING:
                break
            last = taken[max(taken)]
            here = next((place for place, box in enumerate(left[number]) if overlap(box, last) > _LEAST_OVERLAP), None)
            if here is not None:
                taken[number] = left[number].pop(here)
        if len(taken) > least.pictures:
            numbers, seen = np.array(list(taken)), np.stack(list(taken.values())).astype(np.float64)
            every = np.arange(numbers[0], numbers[-1] + 1)  # straight lines where there is none
            boxes = np.stack([np.interp(every, numbers, column) for column in seen.T], axis=1)
            if (boxes[:, 2:] - boxes[:, :2]).mean(axis=0).max() > least.side:
                tracks.append(WatchedFace(start, boxes))
    return tracks


def face_crops(track: WatchedFace, pictures: Iterable[Pixels]) -> Iterator[Pixels]:
    """Cut the face of a track out of its pictures uint8 [h, w, 3], the first that of `track.first`: uint8 [224, 224, 3] each."""
    for (x, y, half), picture in zip(track.squares, pictures, strict=False):
        margin = int(half * (1 + 2 * _SCALE))
        padded = cv2.copyMakeBorder(picture, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=(_BORDER,) * 3)
        down, across = y + margin, x + margin
        rows = slice(int(down - half), int(down + half * (1 + 2 * _SCALE)))
        columns = slice(int(across - half * (1 + _SCALE)), int(across + half * (1 + _SCALE)))
        yield np.asarray(cv2.resize(padded[rows, columns], (SIDE, SIDE)), np.uint8)
