"""Tiles that small faces are looked for in.

Boxes and landmarks beside those of mediapipe 0.10.21, which `mediapipe_faces.npz` holds for frames of a drawn face.
"""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from avcore.faces.detect import FaceDetector, without_chatter
from avcore.faces.geometry import Box
from recipes.demo.heads.camera import Pose
from recipes.demo.heads.head import MouthShape, draw
from tests.avcore.faces.drawn import head_of


class _Counting(FaceDetector):
    """Without models: only counts what it is asked to look at."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def _detect(self, frame: NDArray[np.uint8]) -> list[Box]:
        self.shapes.append(frame.shape[:2])
        return []


def test_a_narrow_frame_has_eight_tiles_at_most_others_square_ones() -> None:
    for size in ((30, 8192), (8192, 30), (120, 4000)):
        detector = _Counting()
        detector.far_boxes(np.zeros((*size, 3), np.uint8))
        assert 0 < len(detector.shapes) <= 8
    detector = _Counting()
    detector.far_boxes(np.zeros((108, 192, 3), np.uint8))
    assert detector.shapes == [(108, 108)] * 3


FIXTURE = Path(__file__).with_name("mediapipe_faces.npz")
DRAWN = Path(__file__).with_name("drawn_face.webp")
CASES = ("whole", "turned", "two", "small", "upright", "close")


def frames() -> dict[str, np.ndarray]:
    frame = cv2.cvtColor(cv2.imread(str(DRAWN)), cv2.COLOR_BGR2RGB)
    height, width = frame.shape[:2]

    def placed(degrees: float, scale: float) -> np.ndarray:
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, scale)
        return np.asarray(cv2.warpAffine(frame, matrix, (width, height), borderValue=(90, 90, 90)))

    made = {
        "whole": frame,
        "turned": placed(25, 1.0),
        "two": np.hstack([frame, frame[:, ::-1]]),
        "small": placed(-10, 0.5),
        "upright": placed(0, 1.0)[:, width // 3 : -width // 5],
        "close": placed(5, 2.2),
    }
    return {name: np.ascontiguousarray(image) for name, image in made.items()}


@pytest.mark.parametrize("name", CASES)
def test_faces_are_found_where_mediapipe_finds_them(name: str) -> None:
    expected, frame = np.load(FIXTURE), frames()[name]
    with FaceDetector() as detector:
        boxes, landmarks = detector.boxes(frame), detector.mesh(frame)
    assert landmarks is not None
    np.testing.assert_allclose(np.reshape(boxes, (-1, 4)), expected[f"{name}_boxes"], atol=0.01)
    np.testing.assert_allclose(landmarks, expected[f"{name}_mesh"], atol=0.1)


@pytest.mark.parametrize("size", [(20, 20), (7, 300), (1080, 1920), (97, 63)])
def test_noise_is_no_face(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    with FaceDetector() as detector:
        assert detector.boxes(noise) == []
        assert detector.mesh(noise) is None


CHATTER = [
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "I0000 00:00:1795161909.016812    9280 gl_context.cc:369] GL version",
]
TROUBLE = ["E0000 00:00:1795161909.016812    9280 graph.cc:20] model not found", "W0000 00:00:1 2 memory.cc:1] low", "Traceback"]


def test_only_chatter_is_dropped_and_all_else_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with without_chatter():
        for line in [*CHATTER, *TROUBLE]:
            os.write(2, f"{line}\n".encode())
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err.splitlines() == [*TROUBLE, "afterwards"]
    with pytest.raises(ValueError, match="broken"), without_chatter():
        os.write(2, b"why\n")
        raise ValueError("broken")
    assert capfd.readouterr().err == "why\n"


def test_starting_the_models_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    face = draw(head_of(1), Pose(), MouthShape(), 160)
    with FaceDetector() as detector:
        assert detector.mesh(np.zeros((64, 64, 3), dtype=np.uint8)) is None
        assert detector.mesh(face) is not None
        assert detector.boxes(face)
        assert detector.mesh(face[:120]) is not None
    assert capfd.readouterr().err == ""
