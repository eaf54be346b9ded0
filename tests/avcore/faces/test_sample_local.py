"""Gates on a real clip, which cannot be in the repository: NETFLIPS_SAMPLES names a folder with `<stem>.mp4`,
`<stem>.bbox.pkl` and `<stem>.lip.mp4`."""

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from avcore.faces.boxes import read_boxes
from avcore.faces.find import SpeakerFace, find_faces
from avcore.faces.geometry import Box, overlap
from avcore.media import Frame, FrameSource, read_gray_video

FOLDER = os.environ.get("NETFLIPS_SAMPLES", "")
CLIPS = sorted(path for path in Path(FOLDER).glob("*.mp4") if not path.name.endswith(".lip.mp4")) if FOLDER else []

pytestmark = [pytest.mark.local, pytest.mark.skipif(not CLIPS, reason="NETFLIPS_SAMPLES names no folder with sample clips")]


@dataclass(frozen=True)
class Sample:
    frames: list[Frame]
    boxes: list[Box | None]
    lips: NDArray[np.uint8]


@pytest.fixture(scope="module")
def sample() -> Sample:
    stem = CLIPS[0].with_suffix("")
    return Sample(list(FrameSource(CLIPS[0])), read_boxes(f"{stem}.bbox.pkl"), read_gray_video(f"{stem}.lip.mp4"))


@pytest.fixture(scope="module")
def tight(sample: Sample) -> SpeakerFace:
    return find_faces(sample.frames)


def mean_overlap(face: SpeakerFace, boxes: list[Box | None], scale: float = 1, left: int = 0, top: int = 0) -> float:
    moved = [None if box is None else box * np.float32(scale) + np.float32([left, top, left, top]) for box in boxes]
    pairs = zip(face.boxes, moved, strict=True)
    return float(np.mean([overlap(one, other) for one, other in pairs if one is not None and other is not None]))


def mean_correlation(lips: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    pairs = zip(lips, reference, strict=True)
    return float(np.mean([np.corrcoef(one.ravel(), other.ravel())[0, 1] for one, other in pairs]))


def test_boxes_and_lips_are_those_of_the_authors(sample: Sample, tight: SpeakerFace) -> None:
    assert tight.num_found == len(sample.frames)
    assert mean_overlap(tight, sample.boxes) >= 0.93
    assert mean_correlation(tight.lips, sample.lips) >= 0.96


@pytest.mark.parametrize(("scale", "left", "top"), [(1, 300, 100), (1, 1400, 700), (0.5, 900, 500), (3, 500, 200)])
def test_drawn_into_full_hd_it_is_found_as_well(sample: Sample, tight: SpeakerFace, scale: float, left: int, top: int) -> None:
    def placed(frame: Frame) -> Frame:
        large = np.full((1080, 1920, 3), 110, dtype=np.uint8)
        face = cv2.resize(frame.rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        large[top : top + face.shape[0], left : left + face.shape[1]] = face
        return frame._replace(rgb=large)

    face = find_faces(placed(frame) for frame in sample.frames)

    assert face.num_found >= 0.95 * len(sample.frames)
    assert abs(mean_overlap(face, sample.boxes, scale, left, top) - mean_overlap(tight, sample.boxes)) <= 0.02
    assert abs(mean_correlation(face.lips, sample.lips) - mean_correlation(tight.lips, sample.lips)) <= 0.02
