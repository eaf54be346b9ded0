"""Faces that one process followed, handed over to another as plain arrays: what `avcore.faces.head_start` runs."""

import io
import logging
import os
import signal
import sys
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.faces.find import FollowedFaces, follow_faces
from avcore.faces.geometry import HeadAngles
from avcore.faces.track import FaceTrack, RowStore, TrackFrame, TrackStore
from avcore.media import PictureSource

_STORES = ("lips", "landmarks")
_PLACES, _FRAMES = "places", "frames"

Packed = Mapping[str, NDArray[Any]]


def packed(followed: FollowedFaces) -> bytes:
    """What was followed as an .npz file in memory."""
    store = followed.store
    arrays: dict[str, NDArray[Any]] = {"num_pictures": np.array(followed.num_pictures)}
    for name in _STORES:
        rows: RowStore = getattr(store, name)
        arrays[name] = rows.read(np.arange(len(rows)))
    arrays[_PLACES] = np.array([[one.number, one.shot, one.first, one.num_portraits] for one in followed.tracks], np.int64)
    for number, one in enumerate(followed.tracks):
        frames = [[frame.is_found, frame.opening, *frame.pose, frame.sharpness, frame.row, frame.margin] for frame in one.frames]
        arrays[f"{_FRAMES} {number}"] = np.array(frames, np.float64)
        arrays[f"boxes {number}"], arrays[f"portraits {number}"] = one.boxes, one.portraits
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def unpacked(content: bytes) -> FollowedFaces:
    """What `packed` was given."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        store = TrackStore()
        for name in _STORES:
            rows: RowStore = getattr(store, name)
            for row in arrays[name]:
                rows.append(row)
        tracks = [_track(number, place, arrays, store) for number, place in enumerate(arrays[_PLACES].tolist())]
        return FollowedFaces(tracks, int(arrays["num_pictures"]), store)


def _track(number: int, place: list[int], arrays: Packed, store: TrackStore) -> FaceTrack:
    boxes, rows = arrays[f"boxes {number}"], arrays[f"{_FRAMES} {number}"].tolist()
    frames = [
        TrackFrame(box, bool(is_found), opening, HeadAngles(*pose), sharpness, int(row), margin)
        for box, (is_found, opening, *pose, sharpness, row, margin) in zip(boxes, rows, strict=True)
    ]
    track_number, shot, first, num_portraits = place
    return FaceTrack(track_number, shot, first, store, frames, arrays[f"portraits {number}"], num_portraits)


class _Silence(logging.Handler):
    """Ends the process where something is to be said."""

    def emit(self, record: logging.LogRecord) -> None:
        os._exit(1)


def hand_over(video: str, most_s: str) -> None:
    """Follow the faces of a video that is short enough, and write what was found to stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that wants the faces
    logging.basicConfig(level=logging.WARNING, handlers=[_Silence()], force=True)
    source = PictureSource(video)
    if source.info.duration_s <= Fraction(most_s):
        sys.stdout.buffer.write(packed(follow_faces(source, pixel_aspect=source.info.pixel_aspect)))
