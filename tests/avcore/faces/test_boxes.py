"""The face boxes' side file. Boxes averaged over time."""

import collections
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from avcore.errors import InputError
from avcore.faces.boxes import read_boxes, write_boxes
from avcore.faces.geometry import Box, MouthsToDraw, lip_margin, mouths_in_boxes, mouths_to_draw, steady_boxes
from avcore.notes import sentence
from tests.refusal import refused

BOX = np.array([52.18, -2.72, 171.29, 161.77], dtype=np.float32)


def written(folder: Path, value: object, protocol: int = 4) -> Path:
    path = folder / "clip.bbox.pkl"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "row",
    [BOX, BOX.astype(np.float64), BOX.astype(">f4"), BOX.tolist(), tuple(BOX), list(BOX), np.append(BOX, np.ones(11, np.float32))],
    ids=["float32", "float64", "big-endian", "list", "tuple", "scalars", "retinaface"],
)
def test_every_form_of_a_row_is_read(tmp_path: Path, row: object, protocol: int) -> None:
    boxes = read_boxes(written(tmp_path, [row, None, row], protocol))
    assert boxes[1] is None
    for box in (boxes[0], boxes[2]):
        assert box.dtype == np.float32
        np.testing.assert_array_equal(box, BOX)


@pytest.mark.parametrize("order", ["C", "F"])
def test_one_array_of_all_rows_is_read(tmp_path: Path, order) -> None:
    rows = np.array([BOX, BOX + 1, BOX * 0], dtype=np.float32, order=order)
    first, second, third = read_boxes(written(tmp_path, rows))
    np.testing.assert_array_equal(first, BOX)
    np.testing.assert_array_equal(second, BOX + 1)
    assert third is None
    gaps = np.empty(2, dtype=object)
    gaps[:] = [None, BOX]
    first, second = read_boxes(written(tmp_path, gaps))
    assert first is None
    np.testing.assert_array_equal(second, BOX)
    flat = [[0, 0, 0, 0], np.zeros(4), [50, 60, 40, 90], [50, 60, 90, 60]]  # without width or height: no face
    assert read_boxes(written(tmp_path, flat)) == [None] * 4


class Evil:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def test_a_pickle_that_runs_something_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    path = written(tmp_path, [BOX, Evil(f"touch '{witness}'")])
    refused(InputError, r"clip\.bbox\.pkl: .* refused.*system", read_boxes, path)
    assert not witness.exists()


ODD = {
    "dict": {"boxes": [BOX]}, "text": "boxes", "number": 5, "three numbers": [[1, 2, 3]], "text row": ["a"],
    "nan": [[1, 2, float("nan"), 4]], "far away": [[1, 2, 1e9, 4]], "text array": [np.array(["a", "b", "c", "d"])],
    "ragged": [[[1, 2], 3, 4, 5]], "class": collections.OrderedDict(a=1),
    "endless": [[0, 0, 1, 10**400]], "longer than is printed": [[0, 0, 1, 10**5000]], "endless below": [[0, 0, 1, -(10**400)]],
}  # fmt: skip
DAMAGED = {"nothing": b"", "no pickle": b"not a pickle", "truncated": pickle.dumps([BOX])[:-20]}


@pytest.mark.parametrize("content", [*map(pickle.dumps, ODD.values()), *DAMAGED.values()], ids=[*ODD, *DAMAGED])
def test_anything_else_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.bbox.pkl"
    path.write_bytes(content)
    assert len(refused(InputError, r"clip\.bbox\.pkl", read_boxes, path)) < 300 + len(str(path))


def test_an_array_with_another_size_than_its_content_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, [BOX])
    content = path.read_bytes()
    assert content.count(b"K\x01K\x04\x85") == 1
    path.write_bytes(content.replace(b"K\x01K\x04\x85", b"K\x01K\x7f\x85"))
    refused(InputError, "size is not that of its content", read_boxes, path)


def test_written_boxes_are_what_the_published_tools_unpickle(tmp_path: Path) -> None:
    path = tmp_path / "a folder" / "clip.bbox.pkl"
    write_boxes(path, [BOX, None, BOX.astype(np.float64)])
    rows = pickle.loads(path.read_bytes())
    assert isinstance(rows, list)
    assert rows[1] is None
    assert [row.dtype for row in (rows[0], rows[2])] == [np.float32, np.float32]
    np.testing.assert_array_equal(rows[0], BOX)
    np.testing.assert_array_equal(read_boxes(path)[2], BOX)


def walk(count: int, chin: np.ndarray | float = 0.0) -> list[Box | None]:
    """A face of 100 x 120 pixels that moves to the right, its lower edge moved by `chin`."""
    left = np.arange(count, dtype=np.float32)
    columns = (left, np.full(count, 20.0), left + 100, np.full(count, 140.0) + chin)
    return list(np.stack(columns, axis=1).astype(np.float32))


def test_a_moving_chin_leaves_the_box_and_the_head_is_followed() -> None:
    steady = np.array(steady_boxes(walk(60, 10 * np.sin(np.arange(60) * 2 * np.pi / 5)), 12))
    inside = slice(12, -12)
    assert np.array(steady).dtype == np.float32
    assert steady[inside, 0] == pytest.approx(np.arange(60)[inside], abs=1e-3)
    assert steady[inside, 3] == pytest.approx(140.0, abs=0.5)


def test_nothing_is_averaged_over_gaps_and_jumps_or_without_reach() -> None:
    other = [np.array([300, 20, 400, 140], np.float32)] * 4
    steady = steady_boxes([*walk(4), None, *walk(3), *other], 12)
    assert steady[4] is None
    assert all(np.array_equal(box, other[0]) for box in steady[8:])
    assert [float(box[0]) for box in steady[:4] if box is not None] == [1.5] * 4
    assert [float(box[0]) for box in steady[5:8] if box is not None] == [1.0] * 3
    boxes = [*walk(3), None]
    assert [one is other for one, other in zip(steady_boxes(boxes, 0), boxes, strict=True)] == [True] * 4


def drawn(margins: list[float]) -> MouthsToDraw:
    return mouths_to_draw(list(walk(len(margins))), margins)


def test_a_mouth_over_the_edge_goes_out_and_never_flickers() -> None:
    """Margins around both bounds: cut off below 0.05, and until it is 0.08 within the frame again."""
    cut = drawn([0.3] * 20 + [0.04, 0.06, 0.045, 0.07] * 5 + [0.3] * 20)
    assert cut.is_cut.tolist() == [False] * 20 + [True] * 20 + [False] * 20
    assert [box is None for box in cut.boxes] == cut.is_cut.tolist()
    assert cut.strengths[:20] == pytest.approx([1.0] * 16 + [0.8, 0.6, 0.4, 0.2])
    assert cut.strengths[40:] == pytest.approx([0.2, 0.4, 0.6, 0.8] + [1.0] * 16)
    assert not drawn([0.06] * 20).is_cut.any()  # near the edge, and whole
    brief = drawn([0.0] * 10 + [0.2] * 4 + [0.0] * 10)
    assert brief.is_cut.all()
    assert brief.note is not None
    assert sentence(brief.note) == "the mouth is cut off by the edge of the frame in 24 of 24 frames: it stays as it is there"


@pytest.mark.parametrize(
    ("move", "margin"), [((0, 0), 0.2), ((0, 30), -0.1), ((0, -100), -0.2), ((-50, 0), -0.2), ((100, 0), -0.3)]
)
def test_lips_have_a_margin_to_every_edge(move: tuple[int, int], margin: float) -> None:
    """A face 100 wide whose lips lie 30 to 70 across and 80 to 100 down, in a frame of 140 x 120."""
    points = np.tile(np.array([50, 90], np.float32), (468, 1))
    points[234], points[454] = [0, 40], [100, 40]
    points[61], points[291], points[0], points[17] = [30, 90], [70, 90], [50, 80], [50, 100]
    assert lip_margin(points + np.array(move, np.float32), (120, 140)) == pytest.approx(margin)


def test_boxes_alone_tell_a_mouth_that_lies_beyond_the_edge() -> None:
    assert mouths_in_boxes(walk(3), (141, 200)).is_cut.tolist() == [False] * 3
    assert mouths_in_boxes(walk(3), (118, 200)).is_cut.tolist() == [True] * 3
