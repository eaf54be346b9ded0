"""Face boxes that somebody made before, brought to the pictures that are shown."""

from bisect import bisect_right
from pathlib import Path

from avcore.errors import InputError, NoFaceError
from avcore.faces.boxes import fill_boxes, read_boxes
from avcore.faces.crop import Box
from avcore.faces.fill import FillPolicy
from avcore.media import PictureSource, read_pictures
from avcore.timeline import frames_to_seconds


def read_boxes_for(source: PictureSource, path: str | Path, policy: FillPolicy = "keep") -> list[Box | None]:
    """Read a side file for a video and give each picture of `source` its box.

    The file may have one row per picture of `source`, or, as the published tools write it, one per picture stored in the
    video, whatever its rate: then each picture takes the row of the stored picture on screen. policy: what pictures
    without a box get. Returns len(source) boxes. Raises InputError for a file that does not fit the video, NoFaceError
    for one without any box.
    """
    boxes = fill_boxes(read_boxes(path), policy)
    if not any(box is not None for box in boxes):
        raise NoFaceError("there is no face box in it", path=path, found=f"{len(boxes)} rows without a box")
    if len(boxes) == len(source):
        return boxes
    times = [picture.time for picture in read_pictures(source.path)]
    if len(boxes) != len(times):
        expected = f"{len(times)} rows, one per picture of {source.path.name}"
        raise InputError("the face boxes are of another video", path=path, expected=expected, found=f"{len(boxes)} rows")
    shown = (bisect_right(times, frames_to_seconds(index, source.rate)) - 1 for index in range(len(source)))
    return [boxes[max(index, 0)] for index in shown]
