from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from avcore.faces.find import find_faces
from avcore.media import Picture
from avcore.timeline import frames_to_seconds
from avdata.prepare.aihub_lips import UNDECIDED, Sighting, decide_order, look_for_faces
from avdata.prepare.clips import Framing
from avdata.prepare.quality import Quality, QualityGates, SampleKeeper, Thumbnails, lip_jump, measure_clip, write_contact_sheet
from tests.avcore.faces.drawn import Actor, clip
from tests.avdata.prepare.made import talking_head

GOOD = Quality(face_share=1.0, face_height=100, lip_jump=0.3, sharpness=50, turn=5, sync=0.5)


def test_each_gate_closes_and_some_only_when_asked_for() -> None:
    assert list(QualityGates().complaints(GOOD)) == []
    for name, value in {"face_share": 0.8, "face_height": 20, "lip_jump": 0.9, "sharpness": 1.0}.items():
        (complaint,) = QualityGates().complaints(replace(GOOD, **{name: value}))
        assert complaint[0] == name.replace("_", " ")
        assert "is wanted" in complaint[1]
    far = replace(GOOD, turn=70.0, sync=-0.3)
    assert list(QualityGates().complaints(far)) == []
    assert [name for name, _ in QualityGates(max_turn=45, min_sync=0.2).complaints(far)] == ["turn", "sync"]


def test_lips_that_jump() -> None:
    rng = np.random.default_rng(0)
    mouth, other = (cv2.GaussianBlur(rng.integers(0, 256, (96, 96), np.uint8), (0, 0), 6) for _ in range(2))
    still = np.stack([mouth] * 4)
    assert lip_jump(still) == 0
    assert lip_jump(np.stack([mouth, mouth, other])) > 0.8
    assert lip_jump(np.stack([mouth, np.roll(mouth, 1, axis=0)])) < 0.4
    assert lip_jump(still[:1]) == 0


def test_figures_of_a_drawn_head() -> None:
    """Sound that goes with the mouth agrees with it, sound that does not doesn't; a blur is seen."""
    pictures = list(clip([Actor(1, rate=2.0)], 50))
    time = np.arange(50 * 640) / 16000
    envelope = 0.5 - 0.5 * np.cos(2 * np.pi * 2.0 * time)
    noise = np.random.default_rng(0).standard_normal(len(time))
    face = find_faces(pictures)
    with_mouth = measure_clip(face, (0.1 * envelope * noise).astype(np.float32))
    without = measure_clip(face, (0.1 * noise).astype(np.float32))
    assert with_mouth.sync > 0.7
    assert without.sync < 0.5
    assert with_mouth.face_share == 1.0
    assert 0.05 < with_mouth.lip_jump < 0.5
    assert with_mouth.sharpness > 20
    assert with_mouth.turn < 30
    blurred = [picture._replace(rgb=cv2.GaussianBlur(picture.rgb, (0, 0), 6)) for picture in pictures[:10]]
    assert measure_clip(find_faces(blurred), np.zeros(6400, np.float32)).sharpness < 6


def test_the_frame_holds_all_boxes_with_room_around_also_at_the_border() -> None:
    boxes = [np.array([100, 80, 200, 210], np.float32), np.array([120, 90, 221, 221], np.float32)]
    frame = Framing.around(boxes, 480, 640, 1000)
    assert frame.left < 100 - 30
    assert frame.bottom > 221 + 30
    assert frame.size[0] % 2 == frame.size[1] % 2 == 0
    placed = frame.place(boxes[0])
    np.testing.assert_allclose(placed, boxes[0] - [frame.left, frame.top, frame.left, frame.top], atol=1e-4)
    frame = Framing.around([np.array([-30, -20, 40, 60], np.float32)], 100, 100, 384)
    assert (frame.left, frame.top) == (0, 0)
    assert Framing.around([np.array([99, 99, 140, 160], np.float32)], 100, 100, 384).size >= (2, 2)


def test_a_large_frame_is_made_smaller_and_boxes_with_it() -> None:
    box = np.array([500, 200, 1500, 1400], np.float32)
    frame = Framing.around([box], 1600, 2000, 384)
    assert max(frame.size) <= 384
    picture = np.zeros((1600, 2000, 3), np.uint8)
    picture[200:1400, 500:1500] = 255
    shown = frame.cut(picture)
    assert shown.shape == (*frame.size, 3)
    x1, y1, x2, y2 = frame.place(box)
    inside = shown[round(y1) + 1 : round(y2) - 1, round(x1) + 1 : round(x2) - 1]
    assert inside.min() == 255
    assert shown[: int(y1) - 1].max() == 0
    assert shown[:, int(x2) + 2 :].max() == 0


def _pictures(count: int) -> list[Picture]:
    rgb = np.full((100, 160, 3), 90, np.uint8)
    return [Picture(rgb, frames_to_seconds(number), number) for number in range(count)]


def test_samples_are_few_of_each_kind_and_make_a_sheet(tmp_path: Path) -> None:
    keeper = SampleKeeper(tmp_path / "samples")
    for number in range(20):
        thumbnails = Thumbnails(3)
        assert len(list(thumbnails.tapped(_pictures(3)))) == 3
        keeper.keep("kept" if number % 2 else "no face", f"화자/{number:02d}", thumbnails.strip(None), {"sharpness": 12.345})
    keeper.keep("cut", "none", Thumbnails(3).strip(None), {})
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == ["kept", "no face"]
    assert sum(1 for _ in (tmp_path / "samples" / "kept").iterdir()) == 10
    assert write_contact_sheet(tmp_path / "sheet.png", tmp_path / "samples")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape[1] == 2 * 6 * 96 + 4
    assert sheet.shape[0] > 10 * 192
    (tmp_path / "empty").mkdir()
    assert not write_contact_sheet(tmp_path / "none.png", tmp_path / "empty")


def test_a_strip_shows_faces_and_lips() -> None:
    pictures = list(clip([Actor(1)], 12))
    thumbnails = Thumbnails(len(pictures))
    face = find_faces(thumbnails.tapped(pictures))
    strip = thumbnails.strip(face)
    assert strip.shape == (192, 6 * 96, 3)
    np.testing.assert_array_equal(strip[96:, :96, 0], face.lips[0])
    np.testing.assert_array_equal(strip[96:, -96:, 1], face.lips[-1])


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
