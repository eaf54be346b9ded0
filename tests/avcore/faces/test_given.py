"""Face boxes from a side file, for the pictures that are shown."""

from pathlib import Path

import numpy as np
import pytest

from avcore.errors import InputError, NoFaceError
from avcore.faces.boxes import read_boxes_for, write_boxes
from avcore.media import PictureSource, VideoWriter


def rows(number: int) -> list[np.ndarray | None]:
    """Boxes that tell their own number: x1 = number."""
    return [np.array([k, 0, k + 10, 10], dtype=np.float32) for k in range(number)]


def numbers(boxes: list[np.ndarray | None]) -> list[int | None]:
    return [None if box is None else int(box[0]) for box in boxes]


@pytest.fixture
def uneven(tmp_path: Path) -> PictureSource:
    """12 pictures on screen from 0, 1, 2, 3, 10, 11, 12, 13, 14, 15, 15.5, 16 times 40 ms."""
    times = [0, 1, 2, 3, 10, 11, 12, 13, 14, 15, 15.5, 16]
    with VideoWriter(tmp_path / "uneven.mp4", 64, 48, 25, preset="ultrafast") as writer:
        for k, time in enumerate(times):
            writer.write_picture(np.full((48, 64, 3), 20 * k, dtype=np.uint8), time * 0.04)
    return PictureSource(tmp_path / "uneven.mp4")


def test_rows_for_the_pictures_shown_are_taken_as_they_are(tmp_path: Path, uneven: PictureSource) -> None:
    write_boxes(tmp_path / "x.bbox.pkl", [None, *rows(len(uneven))[1:]])
    assert numbers(read_boxes_for(uneven, tmp_path / "x.bbox.pkl")) == [None, *range(1, len(uneven))]
    assert numbers(read_boxes_for(uneven, tmp_path / "x.bbox.pkl", "nearest"))[:2] == [1, 1]


def test_rows_for_the_pictures_stored_go_by_what_is_on_screen(tmp_path: Path, uneven: PictureSource) -> None:
    write_boxes(tmp_path / "x.bbox.pkl", rows(12))
    assert len(uneven) == 17
    assert numbers(read_boxes_for(uneven, tmp_path / "x.bbox.pkl")) == [0, 1, 2, *[3] * 7, 4, 5, 6, 7, 8, 9, 11]


def test_boxes_of_another_video_and_no_boxes_are_errors(tmp_path: Path, uneven: PictureSource) -> None:
    write_boxes(tmp_path / "x.bbox.pkl", rows(13))
    with pytest.raises(InputError, match=r"of another video; expected 12 rows, one per picture of uneven\.mp4; found 13"):
        read_boxes_for(uneven, tmp_path / "x.bbox.pkl")
    write_boxes(tmp_path / "x.bbox.pkl", [None] * 12)
    with pytest.raises(NoFaceError, match="no face box"):
        read_boxes_for(uneven, tmp_path / "x.bbox.pkl")
