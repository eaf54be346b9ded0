import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avcore.data.manifest import read_manifest
from avcore.data.manifest_command import check_manifest
from avcore.data.prepare.aihub_lips import LipSentence, main, read_lip_label, stretches
from avcore.data.prepare.sources import CorpusFile
from avcore.errors import InputError
from avcore.faces.find import find_faces
from avcore.faces.geometry import overlap
from avcore.media import FrameSource, read_gray_video, read_speech
from recipes.demo.heads.camera import Pose
from tests.avcore.data.prepare.made import read_rows, talking_head
from tests.avcore.data.prepare.trees import LIP_PLAN, LIP_SENTENCES, lip_label, write_aihub_lips

NAME = "lip_J_1_F_03_E220_A_001"
SIZE = (180, 320)
FACE = (164, 36, 246, 140)
"""x1, y1, x2, y2 of the drawn head, which stands to the right."""


def _rows(order: str = "yxyx") -> list[list[float]]:
    x1, y1, x2, y2 = FACE
    return [[y1, x1, y2, x2] if order == "yxyx" else [x1, y1, x2, y2]] * 132


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Five seconds at 30 fps, the face on the right."""
    path = tmp_path_factory.mktemp("video") / "a.mp4"
    return talking_head(path, LIP_PLAN, rate=30, size=SIZE, pose=Pose(scale=0.4, shift=(0.25, 0.0))).read_bytes()


def _prepare(root: Path, out: Path, *more: str) -> int:
    return main(["--data-root", str(root), "--out-dir", str(out), "--workers", "1", *more])


@pytest.fixture(scope="module")
def prepared(video: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    root = write_aihub_lips(tmp_path_factory.mktemp("corpus"), NAME, video, lip_label(NAME, _rows()))
    assert _prepare(root, out, "--quiet") == 0
    return out


def test_sentences_become_clips_whose_sound_and_lips_belong_together(prepared: Path) -> None:
    manifest = read_manifest(prepared / "manifest.jsonl")
    assert [entry.id for entry in manifest.entries] == [f"E220/{NAME}_001", f"E220/{NAME}_002"]
    first, second = manifest.entries
    assert (first.text, first.speaker, first.language) == (LIP_SENTENCES[0][2], "E220", "ko")
    assert (first.extra["split"], first.extra["angle"], first.extra["topic"]) == ("train", "A", "weather")
    assert "unclear" not in first.extra
    assert second.extra["unclear"] is True
    assert first.extra["start_s"] == 0.08  # half a second before, by 25 fps
    assert second.extra["start_s"] == 2.24  # half of the pause before
    assert first.frames == 55
    assert check_manifest(prepared / "manifest.jsonl", is_deep=True).problems == []
    assert first.extra["box_order"] == "yxyx"
    assert first.extra["quality"]["face_share"] == 1.0
    for entry in manifest.entries:
        assert read_gray_video(manifest.path(entry, "lips") or "").shape == (entry.frames, 96, 96)
        assert len(read_speech(manifest.path(entry, "audio") or "")) == entry.frames * 640
        assert entry.extra["quality"]["sync"] > 0.4


def test_the_labelled_boxes_lie_on_the_drawn_face(video: bytes, tmp_path: Path) -> None:
    """Otherwise the tests above would prove nothing."""
    (tmp_path / "a.mp4").write_bytes(video)
    boxes = find_faces(FrameSource(tmp_path / "a.mp4").frames(0, 10)).boxes
    assert boxes[0] is not None
    assert overlap(boxes[0], np.array(FACE, np.float32)) > 0.5


def test_no_frames_are_blended(prepared: Path, video: bytes, tmp_path: Path) -> None:
    """Each frame of a clip is one of the source, not a mixture of two."""
    (tmp_path / "a.mp4").write_bytes(video)
    manifest = read_manifest(prepared / "manifest.jsonl")
    entry = manifest.entries[0]
    first = round(entry.extra["start_s"] * 25)
    shown = [frame.rgb for frame in FrameSource(manifest.path(entry, "video") or "")]
    source = [frame.rgb for frame in FrameSource(tmp_path / "a.mp4").frames(first, first + entry.frames)]
    height, width = shown[0].shape[:2]
    offsets = [(top, left) for top in range(SIZE[0] - height + 1) for left in range(SIZE[1] - width + 1)]
    errors = {at: np.abs(source[0][at[0] : at[0] + height, at[1] : at[1] + width].astype(int) - shown[0]).mean() for at in offsets}
    top, left = min(errors, key=lambda at: errors[at])
    for one, other in zip(shown[::7], source[::7], strict=True):
        assert np.abs(other[top : top + height, left : left + width].astype(int) - one).mean() < 3


def test_boxes_named_as_they_are_work_too(video: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_aihub_lips(tmp_path / "corpus", NAME, video, lip_label(NAME, _rows("xyxy")))
    assert _prepare(root, tmp_path / "out") == 0
    assert read_manifest(tmp_path / "out" / "manifest.jsonl").entries[0].extra["box_order"] == "xyxy"
    said = capsys.readouterr().err
    assert "face boxes of 1 video: x1 y1 x2 y2" in said
    assert "1 label is of a video not there" in said


def test_boxes_that_fit_no_way_are_left_out(video: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_aihub_lips(tmp_path / "corpus", NAME, video, lip_label(NAME, [[5, 5, 40, 40]] * 132))
    assert _prepare(root, tmp_path / "out", "--framing", "none") == 0
    assert f"{NAME}: its face boxes are not used: neither order of their numbers fits" in capsys.readouterr().err
    entries = read_manifest(tmp_path / "out" / "manifest.jsonl").entries
    assert [entry.extra["box_order"] for entry in entries] == ["undecided"] * 2
    assert entries[0].extra["quality"]["face_share"] == 1.0


def test_other_cameras_can_be_left_out(video: bytes, tmp_path: Path) -> None:
    root = write_aihub_lips(tmp_path / "corpus", NAME, video, lip_label(NAME, _rows(), angle="C"))
    assert _prepare(root, tmp_path / "out", "--angles", "A,B", "--quiet") == 1
    assert not (tmp_path / "out" / "manifest.jsonl").exists()


def test_cameras_are_the_same_however_they_are_written(video: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_aihub_lips(tmp_path / "corpus", NAME, video, lip_label(NAME, _rows(), angle="C"))
    codes = [_prepare(root, tmp_path / "out", "--angles", angles, "--quiet") for angles in ("A,B", "B, A,", "A", "")]
    assert codes == [1, 1, 2, 2]  # nothing kept, twice; other cameras
    told = [line for line in capsys.readouterr().err.splitlines() if "begun with other settings" in line]
    assert ["expected angles=A,B; found angles=A;" in told[0], "expected angles=A,B; found angles=;" in told[1]] == [True, True]


def test_a_damaged_video_is_set_aside(tmp_path: Path, video: bytes) -> None:
    root = write_aihub_lips(tmp_path / "corpus", NAME, video[: len(video) // 2], lip_label(NAME, _rows()))
    assert _prepare(root, tmp_path / "out", "--quiet") == 1
    (failed,) = read_rows(tmp_path / "out" / "failed.jsonl")
    assert failed["id"] == NAME
    (archive,) = root.rglob("TS*.tar")
    assert failed["reason"].startswith(f"{archive}: "), "not a copy of its video that is gone"


def test_padding_stops_halfway_to_the_neighbour() -> None:
    sentences = [LipSentence(1, 1.0, 2.0, "", ""), LipSentence(2, 2.2, 3.0, "", ""), LipSentence(3, 9.0, 12.0, "", "")]
    found = [(sentence.number, first, count) for sentence, first, count in stretches(sentences, 0.5, 250)]
    assert found == [(1, 12, 41), (2, 52, 36), (3, 212, 38)]
    assert list(stretches(sentences[2:], 0.5, 200)) == []


def _read(tmp_path: Path, content: bytes) -> Any:
    (tmp_path / "a.json").write_bytes(content)
    return read_lip_label(CorpusFile("a.json", (tmp_path / "a.json",)))


def test_labels_that_are_none(tmp_path: Path) -> None:
    early = b'{"Sentence_info": [{"ID": 1, "sentence_text": "a", "start_time": 2, "end_time": 1}]}'
    for content, words in (
        (b"{", "no JSON"),
        (b'{"sentences": [{"a": 1}]}', r"found sentences\[0\]\.a = 1|sentences = a list of 1"),
        (b'{"Sentence_info": [{"ID": 1}]}', "sentence 1 of the label cannot be used"),
        (early, "ends before it begins"),
        (lip_label(NAME, [[1, 2, 3]]), "face boxes of the label"),
    ):
        with pytest.raises(InputError, match=words):
            _read(tmp_path, content)


def test_labels_with_little_in_them(tmp_path: Path) -> None:
    sentences = [
        {"ID": 5, "sentence_text": "b", "start_time": "3.5", "end_time": "4"},
        {"ID": 5, "sentence_text": " a  c ", "start_time": 1, "end_time": 2},
    ]
    label = _read(tmp_path, json.dumps({"Sentence_info": sentences}).encode())
    assert [(one.number, one.text) for one in label.sentences] == [(2, "a c"), (1, "b")]
    assert label.rows.shape == (0, 4)
    assert label.speaker == ""
    assert np.isnan(_read(tmp_path, lip_label(NAME, [[], [1, 2, 3, 4]])).rows[0]).all()
