"""Boxes averaged over time: the head's way stays, the chin's goes."""

import numpy as np
import pytest

from avcore.faces.crop import Box
from avcore.faces.geometry import MouthsToDraw, lip_margin, mouths_in_boxes, mouths_to_draw, steady_boxes
from avcore.notes import sentence


def walk(count: int, chin: np.ndarray | float = 0.0) -> list[Box | None]:
    """A face of 100 x 120 pixels that moves to the right, its lower edge moved by `chin`."""
    left = np.arange(count, dtype=np.float32)
    columns = (left, np.full(count, 20.0), left + 100, np.full(count, 140.0) + chin)
    return list(np.stack(columns, axis=1).astype(np.float32))


def test_without_reach_boxes_stay_as_they_are() -> None:
    boxes = [*walk(3), None]
    assert [one is other for one, other in zip(steady_boxes(boxes, 0), boxes, strict=True)] == [True] * 4


def test_a_chin_that_goes_up_and_down_leaves_the_box_alone_and_the_head_is_followed() -> None:
    steady = np.array(steady_boxes(walk(60, 10 * np.sin(np.arange(60) * 2 * np.pi / 5)), 12))
    inside = slice(12, -12)
    assert np.array(steady).dtype == np.float32
    assert steady[inside, 0] == pytest.approx(np.arange(60)[inside], abs=1e-3)
    assert steady[inside, 3] == pytest.approx(140.0, abs=0.5)


def test_nothing_is_averaged_over_gaps_and_jumps() -> None:
    other = [np.array([300, 20, 400, 140], np.float32)] * 4
    steady = steady_boxes([*walk(4), None, *walk(3), *other], 12)
    assert steady[4] is None
    assert all(np.array_equal(box, other[0]) for box in steady[8:])
    assert [float(box[0]) for box in steady[:4] if box is not None] == [1.5] * 4
    assert [float(box[0]) for box in steady[5:8] if box is not None] == [1.0] * 3


def drawn(margins: list[float]) -> MouthsToDraw:
    return mouths_to_draw(list(walk(len(margins))), margins)


def test_a_mouth_that_goes_over_the_edge_goes_out_and_comes_back_and_never_flickers() -> None:
    """Margins around both bounds: cut off below 0.05, and until it is 0.08 within the picture again."""
    cut = drawn([0.3] * 20 + [0.04, 0.06, 0.045, 0.07] * 5 + [0.3] * 20)
    assert cut.is_cut.tolist() == [False] * 20 + [True] * 20 + [False] * 20
    assert [box is None for box in cut.boxes] == cut.is_cut.tolist()
    assert cut.strengths[:20] == pytest.approx([1.0] * 16 + [0.8, 0.6, 0.4, 0.2])
    assert cut.strengths[40:] == pytest.approx([0.2, 0.4, 0.6, 0.8] + [1.0] * 16)
    assert not drawn([0.06] * 20).is_cut.any()  # near the edge, and whole
    brief = drawn([0.0] * 10 + [0.2] * 4 + [0.0] * 10)
    assert brief.is_cut.all()
    assert brief.note is not None
    assert sentence(brief.note) == "the mouth is cut off by the edge of the picture in 24 of 24 pictures: it stays as it is there"


@pytest.mark.parametrize(
    ("move", "margin"), [((0, 0), 0.2), ((0, 30), -0.1), ((0, -100), -0.2), ((-50, 0), -0.2), ((100, 0), -0.3)]
)
def test_lips_have_a_margin_to_every_edge(move: tuple[int, int], margin: float) -> None:
    """A face 100 wide whose lips lie 30 to 70 across and 80 to 100 down, in a picture of 140 x 120."""
    points = np.tile(np.array([50, 90], np.float32), (468, 1))
    points[234], points[454] = [0, 40], [100, 40]
    points[61], points[291], points[0], points[17] = [30, 90], [70, 90], [50, 80], [50, 100]
    assert lip_margin(points + np.array(move, np.float32), (120, 140)) == pytest.approx(margin)


def test_boxes_alone_tell_a_mouth_that_lies_beyond_the_edge() -> None:
    assert mouths_in_boxes(walk(3), (141, 200)).is_cut.tolist() == [False] * 3
    assert mouths_in_boxes(walk(3), (118, 200)).is_cut.tolist() == [True] * 3
