"""Videos cut into clips at pauses, and the measures by which clips are kept."""

import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from avcore.data.manifest import read_manifest
from avcore.data.manifest_command import check_manifest
from avcore.data.prepare.aihub_lips import UNDECIDED, Sighting, decide_order, look_for_faces
from avcore.data.prepare.clips import Framing
from avcore.data.prepare.quality import Quality, QualityGates, SampleKeeper, Thumbnails, lip_jump, measure_clip, write_contact_sheet
from avcore.data.prepare.video import VideoCorpus, main
from avcore.faces.boxes import read_boxes
from avcore.faces.find import find_faces
from avcore.media import Frame, FrameSource, VideoWriter, probe, read_gray_video, read_speech
from avcore.timeline import frames_to_seconds
from recipes.demo.heads.camera import Pose
from tests.avcore.data.prepare.made import read_rows, talking_head, write_zip
from tests.avcore.faces.drawn import Actor, clip
from tests.avcore.made_speech import silence, talk

PLAN = (0.5, 1.6, 1.2, 1.5, 0.4)
"""Two stretches of speech with a pause longer than --max-pause between."""
SHORT = ("--min-seconds", "0.8", "--max-seconds", "3", "--workers", "1", "--quiet")


def _prepare(root: Path, out: Path, *more: str) -> int:
    return main(["--data-root", str(root), "--out-dir", str(out), *SHORT, *more])


def _empty_room(path: Path) -> Path:
    """Sound of speech without a face."""
    with VideoWriter(path, 96, 96, 25, 16000, preset="ultrafast") as writer:
        for number in range(50):
            writer.write_rgb(np.full((96, 96, 3), 60 + number, np.uint8))
        writer.write_sound(talk([0.3, 1.5, 0.2]))
    return path


@pytest.fixture(scope="module")
def talk_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return talking_head(tmp_path_factory.mktemp("talks") / "발표.mp4", PLAN)


@pytest.fixture(scope="module")
def prepared(talk_video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a good video, one without a face, a blurred one, a silent one, one that is damaged."""
    root = tmp_path_factory.mktemp("videos")
    (root / "화자A").mkdir()
    (root / "화자A" / "발표.mp4").write_bytes(talk_video.read_bytes())
    (root / "화자A" / "발표.lip.mp4").write_bytes(b"a side file, not a video to cut")
    (root / "화자B").mkdir()
    _empty_room(root / "화자B" / "room.mp4")
    talking_head(root / "화자B" / "blur.mp4", [0.2, 1.2, 0.2], blur=4)
    (root / "화자B" / "damaged.mp4").write_bytes(talk_video.read_bytes()[: talk_video.stat().st_size // 2])
    with VideoWriter(root / "화자B" / "mute.mkv", 96, 96, 25, 16000, preset="ultrafast") as writer:
        for _ in range(37):
            writer.write_rgb(np.zeros((96, 96, 3), np.uint8))
        writer.write_sound(silence(1.5))
    out = tmp_path_factory.mktemp("out")
    assert _prepare(root, out, "--language", "kor") == 1
    return out


def test_clips_are_cut_at_pauses_into_equal_parts_and_measured(prepared: Path) -> None:
    manifest = read_manifest(prepared / "manifest.jsonl")
    assert [entry.id for entry in manifest.entries] == ["화자A/발표_0001", "화자A/발표_0002"]
    first, second = manifest.entries
    assert (first.speaker, first.language) == ("화자A", "ko")
    assert first.extra["source"] == "화자A/발표.mp4"
    assert first.extra["start_s"] == pytest.approx(0.3, abs=0.25)
    assert second.extra["start_s"] == pytest.approx(3.1, abs=0.3)
    assert first.duration_s == pytest.approx(2.1, abs=0.4)
    quality = first.extra["quality"]
    assert quality["face_share"] == 1.0
    assert quality["sync"] > 0.4
    assert quality["lip_jump"] < 0.6
    assert quality["sharpness"] > 10
    assert check_manifest(prepared / "manifest.jsonl", is_deep=True).problems == []
    for entry in manifest.entries:
        paths = {what: manifest.path(entry, what) for what in ("audio", "video", "lips", "boxes")}
        assert len(read_speech(paths["audio"] or "")) == entry.frames * 640 == entry.samples
        assert read_gray_video(paths["lips"] or "").shape == (entry.frames, 96, 96)
        assert len(read_boxes(paths["boxes"] or "")) == entry.frames
        assert len(FrameSource(paths["video"] or "")) == entry.frames


def test_the_clip_shows_the_source_at_its_time(prepared: Path, talk_video: Path) -> None:
    """Frame k of a clip is frame start + k of the source, cut around the face; its sound is that of the same time."""
    manifest = read_manifest(prepared / "manifest.jsonl")
    entry = manifest.entries[1]
    start = round(entry.extra["start_s"] * 25)
    source = {frame.index: frame.rgb for frame in FrameSource(talk_video).frames(start, start + entry.frames)}
    boxes = read_boxes(manifest.path(entry, "boxes") or "")
    for frame in list(FrameSource(manifest.path(entry, "video") or ""))[::15]:
        whole = source[start + frame.index]
        place = cv2.matchTemplate(whole, frame.rgb, cv2.TM_SQDIFF)
        _, _, (left, top), _ = cv2.minMaxLoc(place)
        same = whole[top : top + frame.rgb.shape[0], left : left + frame.rgb.shape[1]]
        assert np.abs(same.astype(int) - frame.rgb).mean() < 3
        box = boxes[frame.index]
        assert box is not None
        x1, y1, x2, y2 = box
        assert 0 < x1 < x2 < frame.rgb.shape[1]
        assert 0 < y1 < y2 < frame.rgb.shape[0]
    sound = read_speech(talk_video)[start * 640 :][: entry.samples]
    np.testing.assert_allclose(read_speech(manifest.path(entry, "audio") or "")[: len(sound)], sound, atol=1e-4)


def test_what_is_rejected_or_bad_is_listed_with_its_reason_and_shown(prepared: Path) -> None:
    rejected = {row["id"]: row for row in read_rows(prepared / "rejected.jsonl")}
    assert rejected["화자B/room_0001"]["reason"] == "no face"
    assert rejected["화자B/blur_0001"]["reason"] == "sharpness"
    assert rejected["화자B/blur_0001"]["sharpness"] < 6
    assert rejected["화자B/mute"]["reason"] == "no speech"
    assert not list(prepared.rglob("*blur_0001.wav"))
    assert not list(prepared.rglob("*blur_0001.mp4"))
    failed = {row["id"]: row["reason"] for row in read_rows(prepared / "failed.jsonl")}
    assert set(failed) == {"화자B/damaged"}
    assert "cut short" in failed["화자B/damaged"]
    assert sorted(path.name for path in (prepared / "samples").iterdir()) == ["kept", "no face", "sharpness"]
    sheet = cv2.imread(str(prepared / "contact_sheet.png"))
    assert sheet.shape[0] > 3 * 192
    assert sheet.std() > 20
    assert sorted(path.name for path in (prepared / ".work").iterdir()) == [".lock", "journal.jsonl", "settings.json"]
    assert [path for path in prepared.rglob(".*") if path.name not in (".work", ".lock")] == []


def test_a_name_that_is_not_utf8_is_no_fault_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    for name in (b"\xc7\xd1\xb1\xdb.mp4", b"\xff\xfe.mp4"):
        Path(os.fsdecode(os.fsencode(tmp_path / "v") + b"/" + name)).write_bytes(b"no video")
    for _ in range(2):
        assert _prepare(tmp_path / "v", tmp_path / "o") == 1
        assert [row["id"] for row in read_rows(tmp_path / "o" / "failed.jsonl")] == ["%FF%FE", "한글"]


def test_clips_of_exactly_one_length(talk_video: Path, tmp_path: Path) -> None:
    assert _prepare(talk_video.parent, tmp_path, "--exact-seconds", "1.2", "--framing", "none") == 0
    manifest = read_manifest(tmp_path / "manifest.jsonl")
    assert len(manifest) == 2
    for entry in manifest.entries:
        assert (entry.frames, entry.samples, entry.duration_s) == (30, 19200, 1.2)
        assert len(read_speech(manifest.path(entry, "audio") or "")) == 19200
        assert len(read_gray_video(manifest.path(entry, "lips") or "")) == 30
        assert (entry.video, entry.boxes) == ("", "")


def test_a_speaker_of_voxceleb_is_a_person_and_not_a_video(tmp_path: Path) -> None:
    for name in ("dev/mp4/id00012/21Uxsk56VDQ/00001.mp4", "dev/mp4/id00012/2DLq_Kkc1r8/00016.mp4", "lrs3/0af00UcTOSc/50001.mp4"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    pieces = VideoCorpus(data_root=tmp_path, out_dir=tmp_path / "out").items()
    assert sorted(piece.work.speaker for piece in pieces) == ["0af00UcTOSc", "id00012", "id00012"]


def test_whole_files_with_their_text_from_an_archive(talk_video: Path, tmp_path: Path) -> None:
    """LRS3 keeps a text beside each clip; here both lie in a zip archive."""
    text = b"Text:  HELLO  THERE\nConf:  3\n\nWORD START END\nHELLO 0.1 0.4\n"
    root = tmp_path / "lrs3"
    write_zip(root / "trainval.zip", {"spk/00001.mp4": talk_video.read_bytes(), "spk/00001.txt": text})
    out = tmp_path / "out"
    assert _prepare(root, out, "--whole-files", "--framing", "full", "--max-lip-jump", "5") == 0
    (entry,) = read_manifest(out / "manifest.jsonl").entries
    assert (entry.id, entry.text, entry.speaker) == ("trainval/spk/00001", "HELLO THERE", "spk")
    assert entry.frames == 130
    info = probe(out / entry.video)
    assert (info.width, info.height) == (224, 224)


def test_another_rate_is_taken_by_presentation_time(tmp_path: Path) -> None:
    talking_head(tmp_path / "videos" / "a.mp4", [0.2, 1.2, 0.3], rate=30, size=(200, 240), pose=Pose(scale=0.45))
    out = tmp_path / "out"
    assert _prepare(tmp_path / "videos", out, "--whole-files") == 0
    (entry,) = read_manifest(out / "manifest.jsonl").entries
    assert entry.frames == 42  # 1.7 s
    assert len(read_gray_video(out / entry.lips)) == 42


def test_options_that_make_no_sense(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options, words in (
        ("--min-seconds 5 --max-seconds 6", "twice --min-seconds"),
        ("--exact-seconds 0.01", "at least one frame"),
        ("--workers 0", "--workers cannot be used; expected 1 or more"),
    ):
        assert main(["--data-root", str(tmp_path), "--out-dir", str(tmp_path / "out"), *options.split()]) == 2
        assert words in capsys.readouterr().err


def test_speech_without_video_of_its_time_is_no_clip(talk_video: Path, tmp_path: Path) -> None:
    """Of two stretches of speech the second has an image for its first half second only, or one that is held."""
    frames, sound = [image.rgb for image in FrameSource(talk_video)], read_speech(talk_video)
    height, width = frames[0].shape[:2]
    root = tmp_path / "videos"
    root.mkdir()
    for name, times in {"ends": range(90), "gap": [*range(90), *range(122, len(frames))]}.items():
        with av.open(str(root / f"{name}.mkv"), "w") as container:
            video, audio = container.add_stream("libx264", rate=25), container.add_stream("pcm_s16le", rate=16_000, layout="mono")
            video.width, video.height, video.pix_fmt = width, height, "yuv420p"  # type: ignore[attr-defined]
            for number in times:
                frame = av.VideoFrame.from_ndarray(frames[number])
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(video.encode(frame))  # type: ignore[attr-defined]
            heard = av.AudioFrame.from_ndarray((sound[None] * 32_767).astype(np.int16), "s16", "mono")
            heard.sample_rate = 16_000
            container.mux([*video.encode(None), *audio.encode(heard), *audio.encode(None)])  # type: ignore[attr-defined]
    out = tmp_path / "out"
    assert _prepare(root, out) == 0
    assert [entry.id for entry in read_manifest(out / "manifest.jsonl").entries] == ["ends_0001", "gap_0001"]
    rejected = {row["id"]: row["reason"] for row in read_rows(out / "rejected.jsonl")}
    assert rejected == {"ends#unseen": "no video", "gap_0002": "no video"}


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
    frames = list(clip([Actor(1, rate=2.0)], 50))
    time = np.arange(50 * 640) / 16000
    envelope = 0.5 - 0.5 * np.cos(2 * np.pi * 2.0 * time)
    noise = np.random.default_rng(0).standard_normal(len(time))
    face = find_faces(frames)
    with_mouth = measure_clip(face, (0.1 * envelope * noise).astype(np.float32))
    without = measure_clip(face, (0.1 * noise).astype(np.float32))
    assert with_mouth.sync > 0.7
    assert without.sync < 0.5
    assert with_mouth.face_share == 1.0
    assert 0.05 < with_mouth.lip_jump < 0.5
    assert with_mouth.sharpness > 20
    assert with_mouth.turn < 30
    blurred = [frame._replace(rgb=cv2.GaussianBlur(frame.rgb, (0, 0), 6)) for frame in frames[:10]]
    assert measure_clip(find_faces(blurred), np.zeros(6400, np.float32)).sharpness < 6


def test_the_frame_holds_all_boxes_with_room_around() -> None:
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
    image = np.zeros((1600, 2000, 3), np.uint8)
    image[200:1400, 500:1500] = 255
    shown = frame.cut(image)
    assert shown.shape == (*frame.size, 3)
    x1, y1, x2, y2 = frame.place(box)
    inside = shown[round(y1) + 1 : round(y2) - 1, round(x1) + 1 : round(x2) - 1]
    assert inside.min() == 255
    assert shown[: int(y1) - 1].max() == 0
    assert shown[:, int(x2) + 2 :].max() == 0


def _frames(count: int) -> list[Frame]:
    rgb = np.full((100, 160, 3), 90, np.uint8)
    return [Frame(rgb, frames_to_seconds(number), number) for number in range(count)]


def test_samples_are_few_of_each_kind_and_make_a_sheet(tmp_path: Path) -> None:
    keeper = SampleKeeper(tmp_path / "samples")
    for number in range(20):
        thumbnails = Thumbnails(3)
        assert len(list(thumbnails.tapped(_frames(3)))) == 3
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
    frames = list(clip([Actor(1)], 12))
    thumbnails = Thumbnails(len(frames))
    face = find_faces(thumbnails.tapped(frames))
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
    assert decide_order(rows, WIDTH, HEIGHT, []) == UNDECIDED
    seen = [Sighting(rows[0], [np.array([720, 260, 910, 480], np.float32)])]
    assert decide_order(rows, WIDTH, HEIGHT, seen) == order


def test_rows_without_a_box_are_passed_over() -> None:
    rows = _rows("yxyx", 1500, 300)
    rows[::2] = np.nan
    assert decide_order(rows, WIDTH, HEIGHT, []) == "yxyx"
    for none in (np.full((4, 4), np.nan, np.float32), np.zeros((0, 4), np.float32)):
        assert decide_order(none, WIDTH, HEIGHT, []) == UNDECIDED


def test_faces_are_looked_for_in_the_video_itself(tmp_path: Path) -> None:
    video = talking_head(tmp_path / "a.mp4", [0.4], rate=30)
    rows = np.array([[60, 60, 170, 190]] * 12, np.float32)
    shown = Fraction(0), Fraction(2, 5)
    seen = list(look_for_faces(video, rows, shown))
    assert len(seen) == 5
    assert all(len(sighting.faces) == 1 for sighting in seen)
    assert list(look_for_faces(video, rows[:0], shown)) == []
