"""Boxes and landmarks beside those of mediapipe 0.10.21, which `mediapipe_faces.npz` holds for pictures of a drawn face."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from avcore.faces.detect import FaceDetector

FIXTURE = Path(__file__).with_name("mediapipe_faces.npz")
DRAWN = Path(__file__).with_name("drawn_face.webp")
CASES = ("whole", "turned", "two", "small", "upright", "close")


def pictures() -> dict[str, np.ndarray]:
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
    return {name: np.ascontiguousarray(picture) for name, picture in made.items()}


@pytest.mark.parametrize("name", CASES)
def test_faces_are_found_where_mediapipe_finds_them(name: str) -> None:
    expected, picture = np.load(FIXTURE), pictures()[name]
    with FaceDetector() as detector:
        boxes, landmarks = detector.boxes(picture), detector.mesh(picture)
    assert landmarks is not None
    np.testing.assert_allclose(np.reshape(boxes, (-1, 4)), expected[f"{name}_boxes"], atol=0.01)
    np.testing.assert_allclose(landmarks, expected[f"{name}_mesh"], atol=0.1)


@pytest.mark.parametrize("size", [(20, 20), (7, 300), (1080, 1920), (97, 63)])
def test_noise_is_no_face(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    with FaceDetector() as detector:
        assert detector.boxes(noise) == []
        assert detector.mesh(noise) is None
