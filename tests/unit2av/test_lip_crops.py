"""Face crops on disk: cut once, cut anew when the video changes, and failures remembered."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avcore.errors import InputError
from avcore.faces.boxes import read_boxes, write_boxes
from avcore.faces.crop import crop_face
from avcore.faces.geometry import steady_boxes
from avcore.media import PictureSource
from avdata.manifest import read_manifest
from recipes.made.drawn_lips import DrawnCorpus
from unit2av import lip_crops
from unit2av.lip_crops import CropCache, CropSource, fill_cache, footage_of, main


@pytest.fixture
def footage(drawn: DrawnCorpus, tmp_path: Path) -> CropSource:
    for name in ("drawn_000.mp4", "drawn_000.bbox.pkl"):
        shutil.copy(drawn.manifest.parent / name, tmp_path / name)
    return CropSource("a/clip", tmp_path / "drawn_000.mp4", tmp_path / "drawn_000.bbox.pkl")


def test_crops_are_the_published_ones_and_kept(footage: CropSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = read_boxes(footage.boxes)
    faces = CropCache(tmp_path / "crops").faces(footage)
    expected = [crop_face(picture.rgb, box) for picture, box in zip(PictureSource(footage.video), boxes, strict=True)]
    assert np.array_equal(faces.pictures, expected)
    assert faces.is_seen.all()
    assert isinstance(faces.pictures, np.memmap)
    monkeypatch.setattr(lip_crops, "PictureSource", None)  # nothing is decoded again
    assert np.array_equal(CropCache(tmp_path / "crops").faces(footage).pictures, expected)


def test_crops_of_steady_boxes_are_kept_beside_the_others(footage: CropSource, tmp_path: Path) -> None:
    boxes = [box + np.float32([0, 0, 0, 9 * (place % 2)]) for place, box in enumerate(read_boxes(footage.boxes)) if box is not None]
    write_boxes(footage.boxes, boxes)
    cache = CropCache(tmp_path / "crops")
    faces = [cache.faces(replace(footage, steady=steady)).pictures for steady in (0, 12)]
    source = PictureSource(footage.video)
    expected = [crop_face(picture.rgb, box) for picture, box in zip(source, steady_boxes(boxes, 12), strict=True)]
    assert np.array_equal(faces[1], expected)
    assert not np.array_equal(faces[0], faces[1])


def test_pictures_without_a_face_are_black_and_marked_and_a_changed_video_is_cut_anew(footage: CropSource, tmp_path: Path) -> None:
    boxes = read_boxes(footage.boxes)
    boxes[3:5] = [None, None]
    write_boxes(footage.boxes, boxes)
    cache = CropCache(tmp_path / "crops")
    faces = cache.faces(footage)
    assert np.flatnonzero(~faces.is_seen).tolist() == [3, 4]
    assert not faces.pictures[3:5].any()
    assert faces.pictures[5].any()
    os.utime(footage.video, (1, 1))
    cache.faces(footage)
    assert len(list((tmp_path / "crops").glob("*.seen.npy"))) == 2


def test_a_clip_that_failed_is_left_until_it_changes(footage: CropSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = read_boxes(footage.boxes)
    write_boxes(footage.boxes, boxes[:-7])
    cache = CropCache(tmp_path / "crops")
    with pytest.raises(InputError, match="another video"):
        cache.faces(footage)
    with monkeypatch.context() as patched:
        patched.setattr(lip_crops, "PictureSource", None)
        with pytest.raises(InputError, match="another video"):
            cache.faces(footage)
    write_boxes(footage.boxes, boxes)
    assert len(cache.faces(footage).pictures) == len(boxes)
    assert not [path for path in (tmp_path / "crops").iterdir() if path.name.startswith(".")]


def test_a_manifest_is_cut_and_failures_are_named(drawn: DrawnCorpus, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "corpus"
    shutil.copytree(drawn.manifest.parent, root)
    (root / "drawn_001.mp4").write_bytes(b"no video")
    (root / "drawn_002.bbox.pkl").unlink()
    cache = tmp_path / "crops"
    assert main(["--manifest", str(root / "manifest.jsonl"), "--cache", str(cache), "--workers", "2"]) == 0
    said = capfd.readouterr().err
    assert "drawn_001: " in said
    assert "drawn_002: " in said
    assert "18 clips, 2 could not be cut" in said
    manifest = read_manifest(root / "manifest.jsonl")
    assert len(list(cache.glob("*.seen.npy"))) == len(manifest) - 2
    assert set(fill_cache(manifest, cache)) == {"drawn_001", "drawn_002"}


def test_boxes_stand_beside_the_video_unless_named(drawn: DrawnCorpus, footage: CropSource, tmp_path: Path) -> None:
    manifest = read_manifest(drawn.manifest)
    entry = manifest.entries[0]
    named = footage_of(manifest, entry)
    beside = footage_of(manifest, type(entry)(entry.id, video=entry.video))
    assert named.boxes == beside.boxes
    assert footage_of(manifest, type(entry)(entry.id)) is None
    footage.boxes.unlink()
    with pytest.raises(InputError, match="prepare video"):
        CropCache(tmp_path / "crops").faces(footage)
