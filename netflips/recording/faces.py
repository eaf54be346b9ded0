"""The speaker's face in one stretch of a recording: found once, and kept."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.errors import NoFaceError
from avcore.faces.crop import Box
from avcore.faces.find import SpeakerFace, find_faces
from avcore.faces.select import FaceChoice
from avcore.media import PictureSource
from avcore.progress import Progress
from netflips.workfolder import Arrays

Lips = NDArray[np.uint8]
Floats = NDArray[np.float32]
_COLUMNS = 7


@dataclass(frozen=True)
class FaceStretch:
    """One person's face in pictures `first`, `first` + 1, .. of the recording at 25 fps.

    boxes: float32 [T, 4], x1, y1, x2, y2 in pixels, NaN where the face is not in the picture. tracks: int64 [T], which
    track a box belongs to, -1 for none. yaw, pitch: float32 [T], radians. sharpness: float32 [T], of the lip crop. lips:
    uint8 [T, 96, 96], or [0, 96, 96] where no face was found. summaries: all faces that were followed, for reports.
    """

    first: int
    boxes: Floats
    tracks: NDArray[np.int64]
    yaw: Floats
    pitch: Floats
    sharpness: Floats
    lips: Lips
    summaries: tuple[dict[str, Any], ...] = ()

    def __len__(self) -> int:
        return len(self.boxes)

    def without_lips(self) -> "FaceStretch":
        """The same without its lip crops: they are large, and wanted for the units only."""
        return replace(self, lips=self.lips[:0].copy())

    @property
    def has_face(self) -> bool:
        """Whether there is a box in any picture."""
        return bool(np.isfinite(self.boxes).any())

    def lips_of(self, num_pictures: int) -> Lips | None:
        """The lip crops of the first pictures, uint8 [num_pictures, 96, 96], or None where there are none.

        Where the picture ends before the sound, the last crop stays.
        """
        if not len(self.lips):
            return None
        missing = max(num_pictures - len(self.lips), 0)
        return np.pad(self.lips[:num_pictures], ((0, missing), (0, 0), (0, 0)), mode="edge")

    def as_arrays(self) -> Arrays:
        """All of it, for the work folder."""
        fields = {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return fields | {"first": np.array(self.first), "summaries": np.array(json.dumps(self.summaries))}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "FaceStretch":
        """What `as_arrays` gave."""
        plain: dict[str, Any] = {"first": int(arrays["first"]), "summaries": tuple(json.loads(str(arrays["summaries"])))}
        return cls(**(arrays | plain))


def look_for_face(
    source: PictureSource, start: int, stop: int, face: FaceChoice, speech: Floats | None, progress: Progress
) -> FaceStretch:
    """Find the face to dub in pictures `start` to `stop` - 1 at 25 fps.

    speech: float32 [samples] at 16 kHz of the same time, to tell who speaks.
    """
    try:
        found = find_faces(source.pictures(start, stop), face, speech, progress, stop - start, source.path)
    except NoFaceError:
        return no_face(start, stop)
    return _stretch(found, start)


def no_face(start: int, stop: int) -> FaceStretch:
    """A stretch in which nobody is to be seen."""
    count = max(stop - start, 0)
    nothing = np.full(count, np.nan, np.float32)
    boxes = np.full((count, 4), np.nan, np.float32)
    return FaceStretch(start, boxes, np.full(count, -1), nothing, nothing, nothing, np.zeros((0, 96, 96), np.uint8))


def given_face(
    boxes: list[Box | None] | None, lips: Lips | None, start: int, stop: int, find: Callable[[], FaceStretch]
) -> FaceStretch:
    """A stretch from side files: boxes and lips of the whole recording at 25 fps, either of which may be missing."""
    stretch = find() if boxes is None else _with_boxes(no_face(start, stop), boxes)
    return stretch if lips is None else replace(stretch, lips=lips[start:stop])


def _with_boxes(empty: FaceStretch, boxes: list[Box | None]) -> FaceStretch:
    """Boxes from a side file say nothing of pose and sharpness: all are taken to be good."""
    shown = boxes[empty.first : empty.first + len(empty)]
    rows = [np.full(4, np.nan, np.float32) if box is None else box for box in shown]
    there = np.array([box is not None for box in shown], bool)
    level, sharp = np.where(there, 0, np.nan).astype(np.float32), np.where(there, np.inf, np.nan).astype(np.float32)
    return replace(
        empty,
        boxes=np.array(rows, np.float32).reshape(-1, 4),
        tracks=np.where(there, 0, -1),
        yaw=level,
        pitch=level,
        sharpness=sharp,
    )


def _stretch(face: SpeakerFace, first: int) -> FaceStretch:
    unseen = [np.nan] * _COLUMNS
    rows = [unseen if one is None else [*one.box, one.pose.yaw, one.pose.pitch, one.sharpness] for one in face.frames]
    table = np.array(rows, np.float32).reshape(len(rows), -1)
    return FaceStretch(
        first=first,
        boxes=table[:, :4],
        tracks=np.array([-1 if number is None else number for number in face.track_numbers]),
        yaw=table[:, 4],
        pitch=table[:, 5],
        sharpness=table[:, 6],
        lips=face.lips,
        summaries=tuple(asdict(one) for one in face.tracks),
    )
