from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avdata.prepare.aihub_labels import UNDECIDED, Sighting, decide_order, look_for_faces
from tests.avdata.prepare.made import talking_head

WIDTH, HEIGHT = 1920, 1080


def _rows(order: str, x: float, y: float, count: int = 30) -> np.ndarray:
    """Boxes of a face at x, y, as a label of an order holds them."""
    boxes = np.array([[x, y, x + 230, y + 300]] * count, np.float32)
    return boxes if order == "xyxy" else boxes[:, [1, 0, 3, 2]]


@pytest.mark.parametrize("order", ["xyxy", "yxyx"])
def test_boxes_that_fit_both_ways_are_decided_by_faces(order: str) -> None:
    rows = _rows(order, 700, 200)
    assert decide_order(rows, WIDTH, HEIGHT, []).order == UNDECIDED
    seen = [Sighting(rows[0], [np.array([720, 260, 910, 480], np.float32)])]
    decided = decide_order(rows, WIDTH, HEIGHT, seen)
    assert decided.order == order
    assert decided.agreement[order] > 0.5


def test_rows_without_a_box_are_passed_over() -> None:
    rows = _rows("yxyx", 1500, 300)
    rows[::2] = np.nan
    assert decide_order(rows, WIDTH, HEIGHT, []).order == "yxyx"
    assert not decide_order(np.full((4, 4), np.nan, np.float32), WIDTH, HEIGHT, []).is_decided
    assert not decide_order(np.zeros((0, 4), np.float32), WIDTH, HEIGHT, []).is_decided


def test_faces_are_looked_for_in_the_video_itself(tmp_path: Path) -> None:
    video = talking_head(tmp_path / "a.mp4", [0.4], rate=30)
    rows = np.array([[60, 60, 170, 190]] * 12, np.float32)
    shown = Fraction(0), Fraction(2, 5)
    seen = list(look_for_faces(video, rows, shown))
    assert len(seen) == 5
    assert all(len(sighting.faces) == 1 for sighting in seen)
    assert list(look_for_faces(video, rows[:0], shown)) == []
