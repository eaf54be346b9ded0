import os

import pytest

from avcore.faces.detect import without_chatter

CHATTER = [
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "I0000 00:00:1795161909.016812    9280 gl_context.cc:369] GL version",
]
TROUBLE = ["E0000 00:00:1795161909.016812    9280 graph.cc:20] model not found", "W0000 00:00:1 2 memory.cc:1] low", "Traceback"]


def test_only_chatter_is_dropped(capfd: pytest.CaptureFixture[str]) -> None:
    with without_chatter():
        for line in [*CHATTER, *TROUBLE]:
            os.write(2, f"{line}\n".encode())
    os.write(2, b"afterwards\n")

    assert capfd.readouterr().err.splitlines() == [*TROUBLE, "afterwards"]


def test_what_was_written_before_an_error_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="broken"), without_chatter():
        os.write(2, b"why\n")
        raise ValueError("broken")

    assert capfd.readouterr().err == "why\n"


def test_starting_the_models_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    from avcore.faces.detect import FaceDetector
    from recipes.demo.heads.camera import Pose
    from recipes.demo.heads.head import Head, MouthShape, draw

    face = draw(Head(1), Pose(), MouthShape(), 160)
    with FaceDetector() as detector:
        assert detector.mesh(np.zeros((64, 64, 3), dtype=np.uint8)) is None
        assert detector.mesh(face) is not None
        assert detector.boxes(face)
        assert detector.mesh(face[:120]) is not None

    assert capfd.readouterr().err == ""
