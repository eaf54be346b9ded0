"""MuAViC, with the ids of its mTEDx."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from avcore.data.manifest import read_manifest
from avcore.data.prepare.muavic import main as muavic
from avcore.media import VideoWriter, read_frames
from avcore.timeline import SAMPLE_RATE
from tests.avcore.data.prepare.made import talking_head
from tests.avcore.data.prepare.trees import write_muavic


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory, parity_dir: Path) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("talks")
    head = talking_head(folder / "head.mp4", [0.2, 0.6])
    with VideoWriter(folder / "squeezed.mp4", 96, 96, 25, SAMPLE_RATE) as writer:
        for video_kind in read_frames(head):
            writer.write_rgb(np.asarray(cv2.resize(video_kind.rgb, (96, 96), interpolation=cv2.INTER_AREA), np.uint8))
    return write_muavic(folder, parity_dir / "clip_long.lip.mp4", folder / "squeezed.mp4")


def test_translations_are_joined_by_id_and_frames_are_what_they_are(
    talks: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """By line number two of four translations would be another segment's."""
    words = ["--data-root", str(talks[0]), "--mtedx", str(talks[1]), "--source", "es", "--out-dir", str(tmp_path), "--workers", "1"]
    assert muavic(words) == 1  # one segment has no translation
    found = {one.id.rpartition("/")[2]: one for one in read_manifest(tmp_path / "manifest.jsonl").entries}
    assert {name: one.translation for name, one in found.items()} == {
        name: f"en of {name}" for name in ("aaa_0000", "aaa_0001", "aaa_0002", "bbb_0000")
    }
    assert {name: one.text for name, one in found.items()} == {name: f"es of {name}" for name in found}
    assert {name: one.extra["video_kind"] for name, one in found.items()} == {
        "aaa_0000": "lips", "aaa_0001": "squeezed", "aaa_0002": "lips", "bbb_0000": "none",
    }  # fmt: skip
    assert {one.speaker for one in found.values()} == {"aaa", "bbb"}
    assert (tmp_path / found["aaa_0000"].audio).is_file()
    assert (tmp_path / found["aaa_0000"].lips).is_file()
    told = capfd.readouterr().err
    assert "2 of 4 lines belong to another segment" in told
    assert "2 with mouth crops, 1 with the whole frame squeezed (no face was found), 1 with sound alone" in told


def test_lines_that_are_not_as_many_are_no_join(
    talks: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["--data-root", str(talks[0]), "--source", "es", "--out-dir", str(tmp_path / "x"), "--workers", "1", "--quiet"]
    assert muavic(words) == 2
    assert "test_avst.en: lines that belong together are not as many; expected 5" in capfd.readouterr().err


def test_a_list_says_which_clips_a_paper_scored(talks: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "list").write_text("aaa_0002\ntest/bbb/bbb_0000 0 1\n")
    words = ["--data-root", str(talks[0]), "--mtedx", str(talks[1]), "--source", "es", "--split-list", str(tmp_path / "list")]
    assert muavic([*words, "--out-dir", str(tmp_path / "out"), "--workers", "1", "--quiet"]) == 0
    assert [one.id for one in read_manifest(tmp_path / "out" / "manifest.jsonl").entries] == [
        "test/aaa/aaa_0002",
        "test/bbb/bbb_0000",
    ]
