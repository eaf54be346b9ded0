"""Boxes averaged over time: the head's way stays, the chin's goes."""

import numpy as np
import pytest

from avcore.faces.crop import Box
from avcore.faces.geometry import steady_boxes


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
