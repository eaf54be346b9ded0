"""GRID, LRS2 and LRS3: their layouts, splits by rule and by list, and the report."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avcore.data.manifest import read_manifest
from avcore.data.manifest_command import check_manifest
from avcore.data.prepare import grid, lrs, video
from avcore.data.prepare.grid import FOUR, OVERLAP, UNSEEN, sentence_of_name, split_of
from avcore.data.prepare.listed_splits import read_split_lists
from avcore.errors import InputError, UsageError
from avcore.media import VideoWriter, probe, read_gray_video, write_speech
from avcore.timeline import SAMPLE_RATE
from tests.avcore.data.prepare.made import read_rows, talking_head
from tests.avcore.data.prepare.test_video import _empty_room

COMMON = ("--workers", "1", "--quiet", "--framing", "none")


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return talking_head(tmp_path_factory.mktemp("head") / "head.mp4", (0.2, 1.0, 0.2))


@pytest.fixture(scope="module")
def fast_head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return talking_head(tmp_path_factory.mktemp("head") / "fast.mp4", (0.2, 1.0, 0.2), rate=30)


def _put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def test_names_are_sentences() -> None:
    assert sentence_of_name("prwo5p") == "place red with o five please"
    assert sentence_of_name("bbafzn") == "bin blue at f zero now"
    assert sentence_of_name("brwg8pp") == sentence_of_name("talk") == sentence_of_name("prwo0p") == ""


def test_splits_by_rule_hold_out_what_they_say() -> None:
    clips = [(f"s{speaker}", f"clip{number}") for speaker in range(1, 35) for number in range(40)]
    overlap = Counter(split_of(*clip, OVERLAP) for clip in clips)
    assert set(overlap) == {"train", "valid", "test"}
    assert 0.86 < overlap["train"] / len(clips) < 0.94
    unseen = {speaker: {split_of(*clip, UNSEEN) for clip in clips if clip[0] == speaker} for speaker, _ in clips}
    assert all(len(splits) == 1 for splits in unseen.values())
    assert Counter(split for splits in unseen.values() for split in splits) == {"train": 26, "valid": 4, "test": 4}
    assert {speaker for speaker, clip in clips if split_of(speaker, clip, FOUR)} == {"s1", "s2", "s4", "s29"}


def test_grid_is_prepared_with_a_report(head: Path, fast_head: Path, tmp_path: Path) -> None:
    root, out = tmp_path / "GRID", tmp_path / "out"
    _put(head, root / "s1" / "video" / "prwo5p.mp4")
    _put(fast_head, root / "s31" / "video" / "bbaf2n.mp4")
    _put(_empty_room(tmp_path / "room.mp4"), root / "s5" / "video" / "lgbs6s.mp4")
    _put(head, root / "other" / "x.mp4")
    assert grid.main(["--data-root", str(root), "--out-dir", str(out), "--split", "unseen", *COMMON]) == 1
    assert check_manifest(out / "manifest.jsonl", is_deep=True).problems == []
    manifest = read_manifest(out / "manifest.jsonl")
    found = {entry.id: entry for entry in manifest.entries}
    assert {name: entry.extra["split"] for name, entry in found.items()} == {"s1/prwo5p": "test", "s31/bbaf2n": "valid"}
    first = found["s1/prwo5p"]
    assert (first.text, first.speaker, first.language) == ("place red with o five please", "s1", "en")
    assert "source_fps" not in first.extra
    assert found["s31/bbaf2n"].extra["source_fps"] == 30
    lips = out / str(found["s31/bbaf2n"].lips)
    assert probe(lips).frame_rate == 25
    assert read_gray_video(lips).shape[1:] == (96, 96)
    report = json.loads((out / "report.json").read_text())
    assert report["splits"]["test"]["clips"] == 1
    assert report["frame_rates"] == {"25": 1, "30": 1}
    assert report["rejected"] == {"no face": ["s5/lgbs6s"]}
    assert list(report["failed"]) == ["other/x.mp4"]


def _write_still(path: Path, num_frames: int, seconds: float) -> None:
    """Frames of a grey room, and a tone."""
    path.parent.mkdir(parents=True)
    with VideoWriter(path, 96, 96, 25, SAMPLE_RATE if seconds else None, preset="ultrafast") as writer:
        for _ in range(num_frames):
            writer.write_rgb(np.full((96, 96, 3), 90, np.uint8))
        if seconds:
            writer.write_sound((0.1 * np.sin(np.arange(round(seconds * SAMPLE_RATE)) / 5)).astype(np.float32))


@pytest.mark.parametrize(
    ("prepare", "place"), [(grid.main, "s1/video/prwo5p.mp4"), (lrs.main, "trainval/630/00001.mp4"), (video.main, "talks/a.mp4")]
)
def test_what_is_no_video_with_sound_is_set_aside_by_name(prepare: Callable[[list[str]], int], place: str, tmp_path: Path) -> None:
    kinds = {"one": (1, 0.04), "mute": (50, 0.0)}
    for kind, (num_frames, seconds) in kinds.items():
        _write_still(tmp_path / kind / place, num_frames, seconds)
    write_speech(tmp_path / "tone.wav", np.full(SAMPLE_RATE, 0.1, np.float32))
    Image.new("RGB", (96, 96)).save(tmp_path / "photo.png")
    _put(tmp_path / "tone.wav", tmp_path / "sound" / place)
    _put(tmp_path / "photo.png", tmp_path / "png" / place)
    expected = {
        "one": "it has one frame only", "mute": "it has no sound track",
        "sound": "it has no video track", "png": "it has no sound track",
    }  # fmt: skip
    for kind, what in expected.items():
        out = tmp_path / f"{kind}-out"
        assert prepare(["--data-root", str(tmp_path / kind), "--out-dir", str(out), *COMMON]) == 1
        (row,) = read_rows(out / "failed.jsonl")
        assert what in row["reason"], kind
        assert f"{tmp_path / kind / place}" in row["reason"]


def test_grid_by_list(head: Path, tmp_path: Path) -> None:
    root, out = tmp_path / "GRID", tmp_path / "out"
    for name in ("s1/video/prwo5p", "s2/video/prwo5p", "s3/video/prwo5p"):
        _put(head, root / f"{name}.mp4")
    (tmp_path / "unseen.txt").write_text("val/s2/prwo5p\n\ntrain/s3/prwo5p NF\n")
    words = ["--data-root", str(root), "--out-dir", str(out), "--split-list", str(tmp_path / "unseen.txt"), *COMMON]
    assert grid.main(words) == 0
    assert {row["id"]: row["split"] for row in read_rows(out / "manifest.jsonl")} == {"s2/prwo5p": "valid", "s3/prwo5p": "train"}
    assert json.loads((out / "report.json").read_text())["left_out"] == 1


def test_lrs2_takes_the_lists_beside_it(head: Path, tmp_path: Path) -> None:
    root, out = tmp_path / "lrs2", tmp_path / "out"
    for name in ("main/630/00001", "main/630/00002", "pretrain/630/00001", "main/631/00001"):
        _put(head, root / f"{name}.mp4")
        (root / f"{name}.txt").write_text("Text:  HELLO  THERE\nConf:  6\n\nWORD START END ASDSCORE\nHELLO 0.1 0.5 4\n")
    (root / "test.txt").write_text("630/00001 NF\n")
    (root / "train.txt").write_text("630/00002\n")
    (root / "pretrain.txt").write_text("630/00001\n")
    assert lrs.main(["--data-root", str(root), "--out-dir", str(out), *COMMON]) == 0
    rows = {row["id"]: row for row in read_rows(out / "manifest.jsonl")}
    expected = {"main/630/00001": "test", "main/630/00002": "train", "pretrain/630/00001": "train"}
    assert {name: row["split"] for name, row in rows.items()} == expected
    assert {(row["text"], row["speaker"], row["language"]) for row in rows.values()} == {("HELLO THERE", "630", "en")}
    assert json.loads((out / "report.json").read_text())["left_out"] == 1


def test_lrs3_has_its_splits_by_folder(head: Path, tmp_path: Path) -> None:
    root, out = tmp_path / "lrs3", tmp_path / "out"
    for name in ("trainval/a/00001", "test/b/00001", "pretrain/c/00001"):
        _put(head, root / f"{name}.mp4")
    assert lrs.main(["--data-root", str(root), "--out-dir", str(out), "--set", "trainval", "--set", "test", *COMMON]) == 0
    found = {row["id"]: row["split"] for row in read_rows(out / "manifest.jsonl")}
    assert found == {"trainval/a/00001": "train", "test/b/00001": "test"}


def test_clips_without_a_text_are_counted_and_marks_are_no_words(
    head: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, out, texts = (
        tmp_path / "lrs3",
        tmp_path / "out",
        ["\ufeffText:  EXCUSE ME {LAUGHTER}\r\nConf:  3\r\n", "Text:  \nConf:  3\n", ""],
    )
    for number, text in enumerate(texts, 1):
        clip = root / f"trainval/a/0000{number}.mp4"
        _put(head, clip)
        if text:
            clip.with_suffix(".txt").write_text(text, encoding="utf-8")
    words = ["--data-root", str(root), "--out-dir", str(out), *(word for word in COMMON if word != "--quiet")]
    assert lrs.main(words) == 0
    assert [row.get("text", "") for row in read_rows(out / "manifest.jsonl")] == ["EXCUSE ME", "", ""]
    assert json.loads((out / "report.json").read_text())["without_text"] == ["trainval/a/00002", "trainval/a/00003"]
    assert "manifest.jsonl: 3 entries, 0.00 h, 2 without a text" in capsys.readouterr().err


def test_lists_that_cannot_be_used(tmp_path: Path) -> None:
    one, other = tmp_path / "one.txt", tmp_path / "other.txt"
    one.write_text("a/1\na/2\n")
    other.write_text("a/2\n")
    assert read_split_lists([f"val={one}"]) == {"a/1": "valid", "a/2": "valid"}
    with pytest.raises(UsageError, match="in two splits"):
        read_split_lists([f"val={one}", f"test={other}"])
    other.write_text("nothing\n")
    with pytest.raises(InputError, match=r"line 1 names no clip"):
        read_split_lists([str(other)])
    other.write_text("pretrain/a/1\ntest/a/1\n")
    assert read_split_lists([str(other)]) == {"pretrain/a/1": "train", "a/1": "test"}
