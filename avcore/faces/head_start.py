"""Faces of a short video, followed by a process of its own while this one still loads its libraries.

A command that has just begun spends a second on importing torch, on one core; following faces needs none of it. The process
is started afresh and hands over the same tracks that `follow_faces` gives here, as plain arrays. Whatever goes wrong in it, or
would have to be said to the user, it keeps to itself: the faces are then looked for again, where errors and warnings are heard.
"""

import io
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from avcore.faces.find import FollowedFaces, follow_faces
from avcore.faces.geometry import HeadAngles
from avcore.faces.track import FaceTrack, RowStore, TrackFrame, TrackStore
from avcore.media import PictureSource
from avcore.suffixes import VIDEO_SUFFIXES

_CODE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from avcore.faces.head_start import hand_over; hand_over(*sys.argv[2:])"
)
_STORES = ("lips", "landmarks")
_PLACES, _FRAMES = "places", "frames"

Packed = Mapping[str, NDArray[Any]]


class HeadStart:
    """The process. video: a file; longer ones than `most_s` (s) are left alone. `close` ends it, wanted or not."""

    def __init__(self, video: Path, most_s: float) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        if not _pays(video):
            return
        words = [json.dumps(sys.path), str(video), str(most_s)]
        # -P: what lies in the working directory is no module, unless it was one for this process, too.
        command = [sys.executable, "-P", "-c", _CODE, *words]
        quiet = {"stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, **quiet)  # type: ignore[call-overload]

    def followed(self) -> FollowedFaces | None:
        """What `follow_faces` gives for the video, as soon as it is there; None = it has to be done here."""
        if self._process is None:
            return None
        content, _ = self._process.communicate()
        is_done = self._process.returncode == 0 and bool(content)
        self._process = None
        return unpacked(content) if is_done else None

    def close(self) -> None:
        """End the process if nobody waited for it."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _pays(video: Path) -> bool:
    """Whether there is something to be done beside: a second core, and a second to wait for torch."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    is_waiting = "torch" not in sys.modules and bool(sys.executable)
    return cores > 1 and is_waiting and video.suffix.lower() in VIDEO_SUFFIXES and video.is_file()


def packed(followed: FollowedFaces) -> bytes:
    """What was followed as an .npz file in memory."""
    store = followed.store
    arrays: dict[str, NDArray[Any]] = {"num_pictures": np.array(followed.num_pictures)}
    for name in _STORES:
        rows: RowStore = getattr(store, name)
        arrays[name] = rows.read(np.arange(len(rows)))
    arrays[_PLACES] = np.array([[one.number, one.shot, one.first, one.num_portraits] for one in followed.tracks], np.int64)
    for number, one in enumerate(followed.tracks):
        frames = [[frame.is_found, frame.opening, *frame.pose, frame.sharpness, frame.row] for frame in one.frames]
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
        TrackFrame(box, bool(is_found), opening, HeadAngles(*pose), sharpness, int(row))
        for box, (is_found, opening, *pose, sharpness, row) in zip(boxes, rows, strict=True)
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
