"""The drawn frames to look at first: how steeply they depart from the source, and which are chosen."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from netflips.dubbing.segments import Encoded
from netflips.dubbing.write import worst_frames
from netflips.script.types import DrawnFrame
from unit2av.rendering import Reason, strain_of

BOX = (20.0, 20.0, 220.0, 220.0)


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    face = np.full((240, 240, 3), 170, np.uint8)
    cv2.ellipse(face, (120, 170), (40, 16), 0, 0, 360, (120, 60, 60), -1)
    return cv2.GaussianBlur(face, (0, 0), 2)


def _moved(face: np.ndarray, by: int) -> np.ndarray:
    moved = face.copy()
    moved[140:210, 60:180] = face[140 - by : 210 - by, 60:180]
    return moved


def _torn(face: np.ndarray) -> np.ndarray:
    torn = face.copy()
    torn[160:180, 100:140] = 20  # a dark hole with hard edges
    return torn


def test_lips_moved_far_and_torn_are_steeper(face: np.ndarray) -> None:
    still, near, far, torn = (strain_of(face, one, BOX) for one in (face, _moved(face, 2), _moved(face, 8), _torn(face)))
    assert still == 0
    assert 0 < near < far
    assert torn > near


def test_a_face_at_the_edge_or_outside_has_a_strain(face: np.ndarray) -> None:
    assert strain_of(face, _moved(face, 4), (-30.0, 20.0, 400.0, 400.0)) > 0
    assert strain_of(face, face, (300.0, 300.0, 400.0, 400.0)) == 0


def _encoded(begin: int, strains: list[float], owner: int = 1, reason: Reason = Reason.DRAWN) -> Encoded:
    times = [begin + Fraction(number, 10) for number in range(len(strains))]
    return Encoded(Path("x.mp4"), times, [owner] * len(strains), [int(reason)] * len(strains), strains)


def test_the_worst_are_apart_and_in_order_of_time() -> None:
    pieces = [
        _encoded(0, [1.0, 9.0, 8.0, 7.0, 6.0, 5.0]),
        _encoded(1, [50.0] * 3, reason=Reason.PROFILE),
        _encoded(2, [60.0] * 3, owner=0),
        _encoded(3, [12.0, 2.0], owner=2),
    ]
    assert worst_frames(pieces) == (DrawnFrame(0.1, 1, 9.0), DrawnFrame(0.5, 1, 5.0), DrawnFrame(3.0, 2, 12.0))
    assert len(worst_frames([_encoded(number, [float(number)]) for number in range(1, 12)])) == 6
    assert worst_frames([]) == ()
