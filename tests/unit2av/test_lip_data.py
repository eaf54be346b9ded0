"""Windows for the lip trainers: crops cut once, aligned to the frame, checked before the first step, and changed alike."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avcore.data.manifest import Entry, read_manifest, write_manifest
from avcore.data.unit_store import UnitRow, read_units, write_units
from avcore.errors import InputError, UnitError, UnitRangeError, UsageError, VocabularyError
from avcore.faces.boxes import read_boxes, write_boxes
from avcore.faces.crop import crop_face
from avcore.faces.geometry import steady_boxes
from avcore.media import FrameSource
from avcore.units import Units
from recipes.made.drawn_lips import NUM_UNITS, VOCABULARY, DrawnCorpus, random_lip_units
from tests.refusal import refused
from unit2av import lip_crops
from unit2av.face.training.config import FaceAugmentConfig, LipDataConfig
from unit2av.face.training.items import FaceWindows, LipClip, SyncWindows, augment_faces, read_clips
from unit2av.lip_crops import ClipFaces, CropCache, CropSource, fill_cache, footage_of, main

FRAMES = 64


@pytest.fixture
def clip(monkeypatch: pytest.MonkeyPatch) -> LipClip:
    """A clip whose frame k is of colour k throughout, and whose units count the steps of 20 ms."""
    frames = np.broadcast_to(np.arange(FRAMES, dtype=np.uint8)[:, None, None, None], (FRAMES, 96, 96, 3))
    monkeypatch.setattr(CropCache, "faces", lambda self, footage: ClipFaces(frames, np.ones(FRAMES, dtype=bool)))
    return LipClip(CropSource("clip", Path("v.mp4"), Path("v.bbox.pkl")), Units.from_frames(np.arange(2 * FRAMES)), 0)


def colours(frames: np.ndarray) -> list[int]:
    return frames[:, 0, 0, 0].tolist()


@pytest.mark.parametrize(("frames", "is_run"), [(10, True), (5, True), (3, False)])
def test_each_frame_stands_with_its_two_units(clip: LipClip, frames: int, is_run: bool) -> None:
    source = FaceWindows([clip], "", seed=0, frames=frames, is_run=is_run)
    assert len(source) == FRAMES // 10
    starts = set()
    for epoch in range(40):
        example = source.load((epoch, 0))
        start = int(example.units[0]) // 2
        starts.add(start)
        assert example.units.tolist() == list(range(2 * start, 2 * start + 20))
        assert colours(example.target) == [start + k for k in example.shown.tolist()]
        assert len(set(example.shown.tolist())) == frames
        if is_run:
            assert np.all(np.diff(example.shown) == 1)
    assert len(starts) > 20


def test_references_come_from_elsewhere_in_the_clip_or_the_target(clip: LipClip) -> None:
    source = FaceWindows([clip], "", seed=0)
    for epoch in range(40):
        example = source.load((epoch, 0))
        assert not set(colours(example.reference)) & set(colours(example.target))
    source = FaceWindows([clip], "", seed=0, same_reference=0.5)
    same = sum(np.array_equal(example.reference, example.target) for example in (source.load((epoch, 0)) for epoch in range(60)))
    assert 15 < same < 45


def test_a_clip_with_a_reference_video_takes_its_frames(clip: LipClip, monkeypatch: pytest.MonkeyPatch) -> None:
    own = CropCache("").faces(clip.footage)
    other = CropSource("clip.reference", Path("r.mp4"), clip.footage.boxes)
    both = {clip.footage: own, other: ClipFaces(own.frames + np.uint8(100), own.is_seen)}
    monkeypatch.setattr(CropCache, "faces", lambda self, footage: both[footage])
    source = FaceWindows([replace(clip, reference=other)], "", seed=0, frames=3, is_run=False)
    for epoch in range(20):
        example = source.load((epoch, 0))
        assert colours(example.reference) == [colour + 100 for colour in colours(example.target)]


def test_references_are_held_as_the_target_is_when_there_is_a_choice(clip: LipClip, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = CropCache("").faces(clip.footage).frames.copy()
    poses = np.arange(FRAMES) % 4
    frames[:, :48] = 40 * poses[:, None, None, None]
    monkeypatch.setattr(CropCache, "faces", lambda self, footage: ClipFaces(frames, np.ones(FRAMES, dtype=bool)))

    def alike(choices: int) -> float:
        source = FaceWindows([clip], "", seed=0, frames=3, is_run=False, reference_choices=choices)
        examples = [source.load((epoch, 0)) for epoch in range(40)]
        mouths = [[set(part[:, -1, 0, 0].tolist()) for part in (one.reference, one.target)] for one in examples]
        assert not any(reference & target for reference, target in mouths)
        return float(np.mean([one.reference[:, 0, 0, 0] == one.target[:, 0, 0, 0] for one in examples]))

    assert alike(1) < 0.5
    assert alike(40) == 1.0


def test_a_window_depends_on_seed_epoch_and_index_alone(clip: LipClip) -> None:
    first, second = (FaceWindows([clip], "", seed=3) for _ in range(2))
    for key in ((0, 0), (0, 1), (5, 2)):
        assert all(np.array_equal(a, b) for a, b in zip(first.load(key), second.load(key), strict=True))


def test_windows_without_a_face_are_not_taken(clip: LipClip, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = CropCache("").faces(clip.footage).frames
    is_seen = np.ones(FRAMES, dtype=bool)
    is_seen[[12, 40]] = False
    monkeypatch.setattr(CropCache, "faces", lambda self, footage: ClipFaces(frames, is_seen))
    source = FaceWindows([clip], "", seed=0)
    for epoch in range(40):
        example = source.load((epoch, 0))
        assert not {12, 40} & {*colours(example.target), *colours(example.reference)}
    is_seen[::9] = False
    refused(InputError, "on end have a face", source.load, (0, 0))


def test_videos_that_are_longer_than_their_units_are_refused_or_cut(clip: LipClip) -> None:
    short = replace(clip, units=Units.from_frames(np.arange(2 * FRAMES - 10)))
    refused(InputError, "differ in length", FaceWindows([short], "", seed=0).load, (0, 0))
    source = FaceWindows([replace(short, max_mismatch_units=10)], "", seed=0)
    assert max(max(colours(source.load((epoch, 0)).target)) for epoch in range(400)) == FRAMES - 6


def test_mirrored_windows_show_mirrored_frames(drawn: DrawnCorpus, crops: Path) -> None:
    clips = read_clips(_config(drawn), 20, 0).train
    plain, mirrored = (FaceWindows(clips, crops, 0, flip, has_average=True).load((0, 0)) for flip in (0.0, 1.0))
    for name in ("target", "reference", "average"):
        assert np.array_equal(getattr(mirrored, name), np.flip(getattr(plain, name), axis=-2))
    assert not np.array_equal(mirrored.target, plain.target)


def test_shifted_units_are_of_another_moment_and_say_something_else(clip: LipClip) -> None:
    source = SyncWindows([clip], "", seed=0, num_frames=5, min_shift=3)
    for epoch in range(40):
        example = source.load((epoch, 0))
        start = int(example.mouths[0, 0, 0, 0])
        assert example.mouths.shape == (5, 48, 96, 3)
        assert example.units[0].tolist() == list(range(2 * start, 2 * start + 10))
        assert abs(int(example.units[1, 0]) // 2 - start) >= 3
    mostly_silent = Units(np.array([1, 2]), np.array([2 * FRAMES - 10, 10]))
    source = SyncWindows([replace(clip, units=mostly_silent)], "", seed=0, num_frames=5, min_shift=3)
    unlike = [not np.array_equal(*source.load((epoch, 0)).units) for epoch in range(40)]
    assert np.mean(unlike) > 0.5


def test_validation_takes_windows_from_all_over(clip: LipClip) -> None:
    said = [Units.from_frames(2 * FRAMES * number + np.arange(2 * FRAMES)) for number in range(10)]
    clips = [replace(clip, footage=CropSource(f"{n}", Path("v"), Path("b")), units=units) for n, units in enumerate(said)]
    source = FaceWindows(clips, "", seed=0, max_items=5)
    assert len(source) == 5
    assert len({source.name(index) for index in range(5)}) == 5
    for index in range(5):
        number = int(source.load((0, index)).units[0]) // (2 * FRAMES)
        assert f"{number}" == source.name(index), "an item is of the clip that it names"


# What is checked before the first step


def _config(corpus: DrawnCorpus, **changes: object) -> LipDataConfig:
    return LipDataConfig(**{"train": str(corpus.manifest), "units": str(corpus.units), "hold_out": 3} | changes)  # type: ignore[arg-type]


@pytest.fixture
def own(drawn: DrawnCorpus, tmp_path: Path) -> DrawnCorpus:
    """The corpus, to be spoilt."""
    shutil.copytree(drawn.manifest.parent, tmp_path / "own")
    return DrawnCorpus(tmp_path / "own" / "manifest.jsonl", tmp_path / "own" / "units.jsonl")


def _rewrite_units(corpus: DrawnCorpus, **changes: Units | None) -> None:
    units = {**read_units(corpus.units), **changes}
    write_units(corpus.units, [UnitRow(name, one, {}) for name, one in units.items() if one is not None])


def test_held_out_clips_are_not_trained_on(drawn: DrawnCorpus) -> None:
    clips = read_clips(_config(drawn), 20, seed=5)
    train, valid = ({clip.id for clip in part} for part in (clips.train, clips.valid))
    assert (len(train), len(valid)) == (17, 3)
    assert not train & valid
    assert valid == {clip.id for clip in read_clips(_config(drawn), 20, seed=5).valid}
    assert clips.vocabulary == VOCABULARY
    clips.check_range(NUM_UNITS)
    refused(UnitRangeError, "drawn_", clips.check_range, NUM_UNITS - 1)
    refused(UsageError, r"data\.hold_out below 20, the number of clips", read_clips, _config(drawn, hold_out=20), 20, 0)


def test_what_is_missing_is_named_and_counted(own: DrawnCorpus, caplog: pytest.LogCaptureFixture) -> None:
    folder = own.manifest.parent
    (folder / "drawn_004.mp4").unlink()
    refused(InputError, r"1 clip without video.*drawn_004", read_clips, _config(own), 20, 0)
    for name in ("drawn_005", "drawn_006"):
        (folder / f"{name}.bbox.pkl").unlink()
    _rewrite_units(own, drawn_007=None, drawn_008=random_lip_units(np.random.default_rng(0), 24))
    clips = read_clips(_config(own, allow_missing=True), 20, 0)
    assert len(clips.train) + len(clips.valid) == 15
    messages = " ".join(record.message for record in caplog.records)
    for part in ("1 clip without video", "2 clips without face boxes", "1 clip without units", "1 clip too short, below 20"):
        assert part in messages
    (folder / "drawn_004.mp4").write_bytes(b"x")
    refused(InputError, r"2 clips without face boxes.*drawn_005.*prepare video", read_clips, _config(own), 20, 0)


def test_reference_videos_are_found_by_the_manifest_or_named(own: DrawnCorpus) -> None:
    entries = [*read_manifest(own.manifest).entries]
    write_manifest(own.manifest, [replace(entries[0], reference=entries[1].video), *entries[1:]])
    clips = read_clips(_config(own), 20, 0)
    found = {clip.id: clip for clip in (*clips.train, *clips.valid)}
    first, second = found[entries[0].id], found[entries[1].id]
    assert (first.reference.video, first.reference.boxes) == (second.footage.video, first.footage.boxes)
    assert second.reference is None
    write_manifest(own.manifest, [replace(entries[0], reference="gone.mp4"), *entries[1:]])
    refused(InputError, r"1 clip without video.*gone\.mp4", read_clips, _config(own), 20, 0)


def test_a_manifest_s_length_is_checked_against_the_units(own: DrawnCorpus) -> None:
    entries = [*read_manifest(own.manifest).entries]
    entries[2] = Entry(**{**vars(entries[2]), "frames": 70})
    write_manifest(own.manifest, entries)
    refused(InputError, r"1 clip of another length.*drawn_002 \(70 and 40\)", read_clips, _config(own), 20, 0)


def test_units_of_two_quantizers_are_refused_and_unknown_ones_told(own: DrawnCorpus, caplog: pytest.LogCaptureFixture) -> None:
    units = read_units(own.units)
    _rewrite_units(own, drawn_001=replace(units["drawn_001"], vocabulary="sha256:other"))
    refused(VocabularyError, "mixed", read_clips, _config(own), 20, 0)
    _rewrite_units(own, **{name: replace(one, vocabulary="") for name, one in units.items()})
    assert read_clips(_config(own), 20, 0).vocabulary == ""
    assert sum("data.units_vocabulary" in record.message for record in caplog.records) == 1
    assert read_clips(_config(own, units_vocabulary="sha256:x"), 20, 0).vocabulary == "sha256:x"


def test_units_without_durations_and_raw_classes(own: DrawnCorpus) -> None:
    units = read_units(own.units)
    frames = {name: Units(one.frames() + 4, None, vocabulary=one.vocabulary) for name, one in units.items()}
    _rewrite_units(own, **frames)
    refused(UnitError, "no durations", read_clips, _config(own), 20, 0)
    clips = read_clips(_config(own, frame_level=True, first_unit=4), 20, 0)
    clips.check_range(NUM_UNITS)
    for clip in clips.train:
        assert np.array_equal(clip.units.frames(), units[clip.id].frames())


def test_boxes_may_be_missing_in_a_few_frames(own: DrawnCorpus, tmp_path: Path) -> None:
    path = own.manifest.parent / "drawn_000.bbox.pkl"
    boxes = read_boxes(path)
    write_boxes(path, [*boxes[:12], None, *boxes[13:]])
    clips = read_clips(_config(own, hold_out=1), 20, 0)
    clip = next(one for one in (*clips.train, *clips.valid) if one.id == "drawn_000")
    assert FaceWindows([clip], tmp_path / "crops", 0).load((0, 0)).target.any(axis=(1, 2, 3)).all()


EVERYTHING = FaceAugmentConfig(rotate_deg=12, scale=0.1, stretch=0.1, shift=4, brightness=0.2, contrast=0.2, tint=0.05)


@pytest.fixture
def faces() -> np.ndarray:
    """A bright square in the middle of a gray frame, twice."""
    face = np.full((96, 96, 3), 100, np.uint8)
    face[38:58, 38:58] = 180
    return np.stack([face, face])


def middle(face: np.ndarray) -> np.ndarray:
    """Where the square is: its mean column and row."""
    return np.argwhere(face[..., 0] > 140).mean(axis=0)[::-1]


def test_all_faces_are_changed_alike_and_none_unasked(faces: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    made = [augment_faces(faces, EVERYTHING, rng) for _ in range(8)]
    assert all(one.shape == faces.shape and one.dtype == np.uint8 for one in made)
    assert all(np.array_equal(one[0], one[1]) for one in made)
    assert len({one.tobytes() for one in made}) == 8
    assert augment_faces(faces, FaceAugmentConfig(), np.random.default_rng(0)) is faces


@pytest.mark.parametrize(("name", "reach"), [("shift", 6.0), ("rotate_deg", 15.0), ("scale", 0.2), ("stretch", 0.2)])
def test_faces_move_as_far_as_asked_for(faces: np.ndarray, name: str, reach: float) -> None:
    rng = np.random.default_rng(0)
    made = [augment_faces(faces[:1], replace(FaceAugmentConfig(), **{name: reach}), rng)[0] for _ in range(40)]
    moved = np.array([np.abs(middle(face) - middle(faces[0])).max() for face in made])
    areas = np.array([(face[..., 0] > 140).sum() / 400 for face in made])
    assert (moved.max() > 4) == (name == "shift")
    assert moved.max() < (6.6 if name == "shift" else 0.6)
    most = {"scale": 1.2**2, "stretch": 1.2}.get(name, 1.0)
    assert areas.max() == pytest.approx(most, abs=0.12)
    assert areas.min() == pytest.approx(2 - most if name == "stretch" else 0.8**2 if name == "scale" else 1.0, abs=0.12)


def test_colours_move_as_far_as_asked_for(faces: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    made = np.stack([augment_faces(faces[:1], FaceAugmentConfig(tint=0.1), rng)[0] for _ in range(60)])
    offsets = made[:, 0, 0].astype(int) - 100
    assert 18 < np.abs(offsets).max() <= 26
    assert np.abs(np.corrcoef(offsets.T)[0, 1:]).max() < 0.5
    brighter = np.stack([augment_faces(faces[:1], FaceAugmentConfig(brightness=0.1), rng)[0] for _ in range(20)])
    assert (brighter[:, 0, 0] == brighter[:, 0, 0, :1]).all()


def test_target_and_reference_of_a_window_are_changed_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (20, 96, 96, 3)).astype(np.uint8)
    monkeypatch.setattr(CropCache, "faces", lambda self, footage: ClipFaces(frames, np.ones(20, dtype=bool)))
    own = CropSource("clip", Path("v.mp4"), Path("v.bbox.pkl"))
    clip = LipClip(own, Units.from_frames(np.arange(40)), 0, reference=own)
    example = FaceWindows([clip], "", seed=0, frames=3, augment=EVERYTHING).load((0, 0))
    plain = FaceWindows([clip], "", seed=0, frames=3).load((0, 0))
    np.testing.assert_array_equal(example.target, example.reference)
    np.testing.assert_array_equal(example.units, plain.units)
    assert not np.array_equal(example.target, plain.target)


@pytest.fixture
def footage(drawn: DrawnCorpus, tmp_path: Path) -> CropSource:
    for name in ("drawn_000.mp4", "drawn_000.bbox.pkl"):
        shutil.copy(drawn.manifest.parent / name, tmp_path / name)
    return CropSource("a/clip", tmp_path / "drawn_000.mp4", tmp_path / "drawn_000.bbox.pkl")


def test_crops_are_the_published_ones_and_kept(footage: CropSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = read_boxes(footage.boxes)
    faces = CropCache(tmp_path / "crops").faces(footage)
    expected = [crop_face(frame.rgb, box) for frame, box in zip(FrameSource(footage.video), boxes, strict=True)]
    assert np.array_equal(faces.frames, expected)
    assert faces.is_seen.all()
    assert isinstance(faces.frames, np.memmap)
    monkeypatch.setattr(lip_crops, "FrameSource", None)  # nothing is decoded again
    assert np.array_equal(CropCache(tmp_path / "crops").faces(footage).frames, expected)


def test_crops_of_steady_boxes_are_kept_beside_the_others(footage: CropSource, tmp_path: Path) -> None:
    boxes = [box + np.float32([0, 0, 0, 9 * (place % 2)]) for place, box in enumerate(read_boxes(footage.boxes)) if box is not None]
    write_boxes(footage.boxes, boxes)
    cache = CropCache(tmp_path / "crops")
    faces = [cache.faces(replace(footage, steady=steady)).frames for steady in (0, 12)]
    source = FrameSource(footage.video)
    expected = [crop_face(frame.rgb, box) for frame, box in zip(source, steady_boxes(boxes, 12), strict=True)]
    assert np.array_equal(faces[1], expected)
    assert not np.array_equal(faces[0], faces[1])


def test_faceless_frames_are_black_and_a_changed_video_is_cut_anew(footage: CropSource, tmp_path: Path) -> None:
    boxes = read_boxes(footage.boxes)
    boxes[3:5] = [None, None]
    write_boxes(footage.boxes, boxes)
    cache = CropCache(tmp_path / "crops")
    faces = cache.faces(footage)
    assert np.flatnonzero(~faces.is_seen).tolist() == [3, 4]
    assert not faces.frames[3:5].any()
    assert faces.frames[5].any()
    os.utime(footage.video, (1, 1))
    cache.faces(footage)
    assert len(list((tmp_path / "crops").glob("*.seen.npy"))) == 2


def test_a_clip_that_failed_is_left_until_it_changes(footage: CropSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = read_boxes(footage.boxes)
    write_boxes(footage.boxes, boxes[:-7])
    cache = CropCache(tmp_path / "crops")
    refused(InputError, "another video", cache.faces, footage)
    with monkeypatch.context() as patched:
        patched.setattr(lip_crops, "FrameSource", None)
        refused(InputError, "another video", cache.faces, footage)
    write_boxes(footage.boxes, boxes)
    assert len(cache.faces(footage).frames) == len(boxes)
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
    assert named.boxes == footage_of(manifest, type(entry)(entry.id, video=entry.video)).boxes
    assert footage_of(manifest, type(entry)(entry.id)) is None
    footage.boxes.unlink()
    refused(InputError, "prepare video", CropCache(tmp_path / "crops").faces, footage)
