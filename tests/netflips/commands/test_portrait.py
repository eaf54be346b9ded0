"""`netflips portrait`: a still image that talks, on drawn heads."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from avcore.errors import InputError
from avcore.faces.detect import FaceDetector
from avcore.media import VideoWriter, probe, read_frames, read_speech, write_speech
from avcore.timeline import frames_covering, samples_to_seconds
from netflips.commands.options import portrait
from netflips.dubbing import segments
from netflips.portraits.head import HeadMove, StillHead, layers_of, movements
from netflips.portraits.still import find_face, read_still, sized
from netflips.provenance.manifest import read_provenance
from netflips.provenance.options import VIDEO
from netflips.script.files import script_from
from netflips.script.targets import SpokenSound
from recipes.demo.heads.camera import Pose
from recipes.demo.heads.head import MouthShape, draw
from tests.avcore.faces.drawn import head_of
from tests.netflips.commands.test_say import write_random_text_to_unit
from tests.unit2av.lip_programs import command
from tests.unit2av.mouth_samples import open_mouth

main = portrait.main

SIDE = 220
DEMO_CLIP = Path(__file__).resolve().parents[3] / "docs" / "clip" / "clip.mp4"
REST_S = 0.72
"""Of a portrait before and behind its speech."""


def write_portraits(folder: Path) -> None:
    """A portrait, one from the side, a small one, one that is cut off, two faces, and none."""
    head, rng = head_of(907), np.random.default_rng(0)
    images = {
        "face": draw(head, Pose(scale=0.55), MouthShape(0.0, 0.0), SIDE),
        "side": draw(head, Pose(scale=0.55, yaw=0.6), MouthShape(0.0, 0.0), SIDE),
        "small": draw(head, Pose(scale=0.28), MouthShape(0.0, 0.0), SIDE),
        "none": rng.integers(100, 110, (SIDE, SIDE, 3), dtype=np.uint8),
    }
    images["cut"] = draw(head, Pose(scale=0.55), MouthShape(0.0, 0.0), SIDE)[: round(SIDE * 0.68)]
    images["two"] = np.concatenate([images["face"], draw(head_of(908), Pose(scale=0.55), MouthShape(0.0, 0.0), SIDE)], axis=1)
    for name, rgb in images.items():
        Image.fromarray(rgb).save(folder / f"{name}.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Portraits, speech and a table that opens the mouth."""
    folder = tmp_path_factory.mktemp("portrait")
    write_portraits(folder)
    write_speech(folder / "voice.wav", np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32))
    open_mouth().save(folder / "mouth.npz")
    return folder


def arguments(folder: Path, image: str, out: Path, parity: Path, *more: str) -> list[str]:
    models = ["--av2unit-path", str(parity / "mavhubert.pt"), "--unit2av-path", str(parity / "unit2av_renderer.pt")]
    files = [str(folder / image), "--speech", str(folder / "voice.wav"), "--out-vid-path", str(out)]
    return [*files, "--mouth-table", str(folder / "mouth.npz"), "--cpu", "--quiet", *models, *more]


def test_a_portrait_says_that_it_was_made(folder: Path, tmp_path: Path, parity_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("c2pa")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    consent, out = tmp_path / "consent.yaml", tmp_path / "out.mkv"
    consent.write_text("- {who: A. Kim, agreed_to: her portrait talks}\n")
    assert main(arguments(folder, "face.png", out, parity_dir, "--operator", "Studio", "--consent", str(consent))) == 0
    found = read_provenance(out)  # beside it, in out.c2pa
    assert (found.state, found.actions[1]["description"], found.made["notice"]) == ("valid", VIDEO.done, VIDEO.notice)
    assert VIDEO.notice in probe(out).comment


def test_a_portrait_talks_moves_and_blinks(folder: Path, tmp_path: Path, parity_dir: Path) -> None:
    out = tmp_path / "out.mp4"
    reports = "--report", str(tmp_path / "out.json"), "--report", str(tmp_path / "out.html")
    assert main(arguments(folder, "face.png", out, parity_dir, "--motion", "1", "--seed", "4", "--size", "360p", *reports)) == 0
    script = script_from(json.loads((tmp_path / "out.json").read_text()))
    assert (script.schedule, script.result.frames, script.result.height) == ("still", 43, 360)
    assert script.notes == ()
    target = script.processed[0].target
    assert isinstance(target, SpokenSound)
    assert (target.file, target.keep_sound) == (str(folder / "voice.wav"), True)
    page = (tmp_path / "out.html").read_text()
    assert "43 of 43 frames" in page
    assert "was not there any more" not in page
    info = probe(out)
    assert (info.height, info.num_frames, info.frame_rate) == (360, 43, 25)
    assert info.comment.startswith("synthetic:")
    shown = [image.rgb.astype(int) for image in read_frames(out)]
    still = sized(read_still(folder / "face.png"), 360).astype(int)
    assert np.abs(shown[0][:150] - still[:150]).mean() < 3  # it begins as the image
    assert np.abs(shown[-1] - shown[0]).mean() > 1
    edge = np.abs(shown[-1][:, :8] - still[:, :8]).mean()
    assert edge < 3  # the border stays


def test_a_program_moves_the_lips_of_a_portrait(folder: Path, tmp_path: Path, parity_dir: Path) -> None:
    words = "--lips-with", command("mouth"), "--size", "360p", "--motion", "0", "--no-blinks", "--report", str(tmp_path / "o.json")
    assert main(arguments(folder, "face.png", tmp_path / "out.mp4", parity_dir, *words)) == 0
    script = script_from(json.loads((tmp_path / "o.json").read_text()))
    assert (script.result.lips, script.processed[0].drawn.drawn) == ("program", 43)
    shown = [image.rgb.astype(int) for image in read_frames(tmp_path / "out.mp4")]
    moved = [np.abs(image - shown[0]).max() for image in shown]
    assert max(moved) > 40 > 10 > max(moved[:4])  # it rests before the speech


def test_a_stopped_long_portrait_goes_on(folder: Path, tmp_path: Path, parity_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In pieces of half a second: the file is that of an unbroken run, and the images are those drawn all at once."""
    monkeypatch.setattr(segments, "LONGEST_S", 0.5)
    monkeypatch.setattr(segments, "SHORTEST_S", 0.3)
    write, drawn = segments.SegmentEncoder._write, list[Path]()

    def stops_at(most: int, studio: segments.SegmentEncoder, path: Path, *given: object) -> object:
        if len(drawn) == most:
            raise KeyboardInterrupt
        drawn.append(path)
        return write(studio, path, *given)  # type: ignore[arg-type]

    def words(name: str, *more: str) -> list[str]:
        return arguments(folder, "face.png", tmp_path / name, parity_dir, "--lips", "units", "--motion", "1", *more)

    monkeypatch.setattr(segments.SegmentEncoder, "_write", lambda *given: stops_at(1, *given))
    assert main(words("out.mp4", "--work-dir", str(tmp_path / "work"))) == 130
    assert not (tmp_path / "out.mp4").exists()
    monkeypatch.setattr(segments.SegmentEncoder, "_write", lambda *given: stops_at(-1, *given))
    assert main(words("out.mp4", "--work-dir", str(tmp_path / "work"))) == 0
    assert len(drawn) == len(set(drawn)) >= 2
    put, seen = VideoWriter.write_rgb, list[bytes]()
    monkeypatch.setattr(VideoWriter, "write_rgb", lambda one, rgb, *time: (seen.append(rgb.tobytes()), put(one, rgb, *time)))
    assert main(words("whole.mp4", "--work-dir", str(tmp_path / "other"))) == 0
    assert main(words("once.mp4")) == 0
    assert seen[:43] == seen[43:]
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_a_portrait_rests_before_and_behind_speech_and_in_silence(folder: Path, tmp_path: Path, parity_dir: Path) -> None:
    """0.2 s before and half a second behind: the sound is that much later, and the lips of a table that always opens them meet."""
    voice = read_speech(DEMO_CLIP)
    write_speech(tmp_path / "pauses.wav", np.concatenate([np.zeros(16000, np.float32), voice]))
    still = "--motion", "0", "--no-blinks", "--speech", str(tmp_path / "pauses.wav")
    assert main(arguments(folder, "face.png", tmp_path / "out.mp4", parity_dir, *still)) == 0
    shown = [image.rgb.astype(int) for image in read_frames(tmp_path / "out.mp4")]
    assert len(shown) == 5 + frames_covering(samples_to_seconds(16000 + len(voice))) + 13
    moved = np.array([np.abs(image[100:190] - shown[0][100:190]).mean() for image in shown])
    said = moved.max()
    assert moved[:25].max() < 0.2 * said
    assert moved[-6:].max() < 0.2 * said
    begun = [int(np.flatnonzero(np.abs(sound) > 0.1)[0]) for sound in (voice, read_speech(tmp_path / "out.mp4"))]
    assert abs(begun[1] - begun[0] - 16000 - 3200) < 300


@pytest.mark.parametrize("kind", ["--text", "--units"])
def test_a_portrait_says_text_and_units(folder: Path, tmp_path: Path, parity_dir: Path, kind: str) -> None:
    out, text_to_unit = tmp_path / "out.mp4", write_random_text_to_unit(tmp_path / "text_to_unit.safetensors")
    (tmp_path / "units.txt").write_text(" ".join(map(str, range(6))) + "\n")
    given = ["네.", "--text2unit-path", str(text_to_unit)] if kind == "--text" else [str(tmp_path / "units.txt")]
    words = [word for word in arguments(folder, "face.png", out, parity_dir) if word not in ("--speech", str(folder / "voice.wav"))]
    lengths = []
    for rate in ("2", "1"):
        assert main([*words, kind, *given, "--speed", rate]) == 0
        lengths.append(float(probe(out).duration_s))
        assert "speech and lips" in probe(out).comment
        assert abs(len(read_speech(out)) / 16000 - lengths[-1]) < 0.1
    assert lengths[1] - REST_S > 1.3 * (lengths[0] - REST_S) > 0.1


def test_the_background_stands_still_behind_a_head_that_moves() -> None:
    path = Path(__file__).resolve().parents[3] / "docs" / "clip" / "portrait.jpg"
    still = read_still(path)
    mesh, _ = find_face(still, None, path)
    layers = layers_of(still, mesh)
    head, mixed = StillHead(still, mesh, layers), StillHead(still, mesh)
    assert np.abs(head.moved(HeadMove(yaw=1e-9))[0].astype(int) - still).mean() < 0.5
    move = HeadMove(yaw=0.2, roll=0.05)
    moved, points = head.moved(move)
    is_ground = layers.cover == 0
    is_ground &= cv2.erode(is_ground.astype(np.uint8), np.ones((25, 25))) > 0
    assert is_ground.mean() > 0.1
    np.testing.assert_array_equal(moved[is_ground], still[is_ground])
    assert np.abs(mixed.moved(move)[0][is_ground].astype(int) - still[is_ground]).max() > 5  # else it goes along
    np.testing.assert_allclose(points, mixed.moved(move)[1])
    assert layers.cover[int(mesh[1, 1]), int(mesh[1, 0])] == 255
    assert np.abs(layers.ground.astype(int) - still)[layers.cover == 255].mean() > 20  # nobody is left in it
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    points = np.random.default_rng(1).uniform(60, 140, (468, 3)).astype(np.float32)
    assert layers_of(noise, points) is None


def test_the_same_seed_moves_alike_and_no_motion_moves_nothing() -> None:
    assert movements(3, 60, 1.0, True) == movements(3, 60, 1.0, True)
    assert movements(3, 60, 1.0, True) != movements(4, 60, 1.0, True)
    assert set(movements(3, 200, 0.0, False)) == {HeadMove()}
    assert max(move.lids for move in movements(3, 200, 0.0, True)) == 1
    for count in range(30, 130):  # and a film never ends with closed eyes
        assert not any(move.lids for move in movements(3, count, 0.0, True)[-12:])


def test_a_turned_head_is_where_its_mesh_says(folder: Path) -> None:
    still = read_still(folder / "face.png")
    mesh, _ = find_face(still, None, folder / "face.png")
    head = StillHead(still, mesh)
    unmoved, same = head.moved(HeadMove())
    np.testing.assert_array_equal(unmoved, still)
    np.testing.assert_allclose(same, mesh, atol=1e-2)
    turned, points = head.moved(HeadMove(yaw=0.15))
    found, _ = find_face(turned, None, folder / "face.png")
    assert np.abs(found[:, :2] - points[:, :2]).mean() < 0.04 * np.ptp(mesh[:, 0])
    assert np.abs(points[1, 0] - mesh[1, 0]) > 3  # the tip of the nose
    closed, _ = head.moved(HeadMove(lids=1.0))
    # Skin is in place of iris and white, in the upper half of the eye: lids meet below it, with dark lashes.
    eye = slice(int(mesh[159, 1]) + 1, int(mesh[[145, 159], 1].mean()) + 1), slice(int(mesh[33, 0]) + 4, int(mesh[133, 0]) - 4)
    assert still[eye][..., 1].std() > 2 * closed[eye][..., 1].std()


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned to the left
    return exif


KINDS: dict[str, tuple[str, Callable[[Image.Image, str], object]]] = {
    "exif": ("jpg", lambda one, to: one.transpose(Image.Transpose.ROTATE_90).save(to, quality=95, exif=_turned())),
    "alpha": ("png", lambda one, to: Image.merge("RGBA", (*one.split(), Image.new("L", one.size, 255))).save(to)),
    "cmyk": ("jpg", lambda one, to: one.convert("CMYK").save(to, quality=95)),
    "sixteen": ("png", lambda one, to: cv2.imwrite(to, np.asarray(one.convert("L")).astype(np.uint16) * 257)),
    "sixteen colours": ("tif", lambda one, to: cv2.imwrite(to, np.asarray(one)[..., ::-1].astype(np.uint16) * 257)),
    "float": ("tif", lambda one, to: Image.fromarray(np.asarray(one.convert("L")).astype(np.float32) / 255).save(to)),
    "grey": ("png", lambda one, to: one.convert("L").save(to)),
}
"""How each kind of video is called and written."""


@pytest.mark.parametrize("kind", KINDS)
def test_images_of_all_kinds_are_read_upright_in_colour(folder: Path, tmp_path: Path, kind: str) -> None:
    truth, (suffix, write) = Image.open(folder / "face.png"), KINDS[kind]
    path = tmp_path / f"x.{suffix}"
    write(truth, str(path))
    read = read_still(path)
    wanted = np.asarray(truth.convert("L").convert("RGB") if kind in ("sixteen", "grey", "float") else truth)
    assert read.shape == wanted.shape
    assert np.abs(read.astype(int) - wanted).mean() < 8


def test_an_image_of_an_iphone_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "x.heic"
    path.write_bytes(b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf" + bytes(40))
    with pytest.raises(InputError, match="found HEIC, as an iPhone takes it; export it as JPEG"):
        read_still(path)


DISPLAY_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
"""Its red, green and blue as XYZ under D50 (SMPTE EG 432-1); its curve is that of sRGB."""


def profile_of(primaries: Sequence[Sequence[float]]) -> bytes:
    """An ICC profile: Pillow's own of sRGB, with other primaries in it."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for tag, numbers in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True):
        entry = profile.index(tag, 128)
        place = int.from_bytes(profile[entry + 4 : entry + 8], "big") + 8
        profile[place : place + 12] = b"".join(round(one * 65536).to_bytes(4, "big", signed=True) for one in numbers)
    return bytes(profile)


@pytest.mark.parametrize("kind", ["RGB", "RGBA"])
def test_an_image_is_read_in_the_colours_that_its_profile_means(tmp_path: Path, kind: str) -> None:
    """Of a wider gamut: Display P3, as telephones write it. Without its profile skin would be pale."""
    wanted = np.array([[255, 255, 255], [200, 120, 100], [90, 60, 50], [0, 0, 0]], np.uint8)
    to_xyz = np.array(DISPLAY_P3).T
    srgb = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
    share = wanted / 255
    light = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    other = np.clip(light @ srgb.T @ np.linalg.inv(to_xyz).T, 0, 1)
    stored = np.rint(255 * np.where(other <= 0.0031308, 12.92 * other, 1.055 * other ** (1 / 2.4) - 0.055)).astype(np.uint8)
    assert np.abs(stored.astype(int) - wanted).max() > 8
    image = Image.fromarray(np.repeat(np.repeat(stored[None], 8, axis=0), 8, axis=1)).convert(kind)
    image.save(tmp_path / "p3.png", icc_profile=profile_of(DISPLAY_P3))
    assert np.abs(read_still(tmp_path / "p3.png")[4, 4::8].astype(int) - wanted).max() <= 2
    image.save(tmp_path / "broken.png", icc_profile=b"no profile")
    np.testing.assert_array_equal(read_still(tmp_path / "broken.png")[4, 4::8], stored)


def test_one_clear_face_is_one_face(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tie that a tile takes for a face, the same face in a box of another size, and somebody small in the background."""
    still = read_still(folder / "face.png")
    mesh, box = find_face(still, None, folder / "face.png")
    away, part = np.array([2, 175, 42, 215], np.float32), box + np.array([20, 45, -40, 0], np.float32)
    far_boxes = FaceDetector.far_boxes
    monkeypatch.setattr(FaceDetector, "far_boxes", lambda self, image: [part, away, *far_boxes(self, image)])
    again, _ = find_face(still, None, folder / "face.png")
    assert np.abs(again - mesh).max() < 2
    ground = np.repeat(still[:, :1], 120, axis=1)
    ground[40:110, 20:90] = cv2.resize(still, (70, 70), interpolation=cv2.INTER_AREA)
    with_another = np.concatenate([ground, still], axis=1)
    large, _ = find_face(with_another, None, folder / "face.png")
    assert large[:, 0].min() > 120
    with pytest.raises(InputError, match="too small"):  # the small one can be asked for
        find_face(with_another, 1, folder / "face.png")


def test_one_of_two_faces_is_chosen(folder: Path) -> None:
    still = read_still(folder / "two.png")
    left, right = (find_face(still, number, folder / "two.png")[1] for number in (1, 2))
    assert left[2] < right[0] + 20


def test_head_and_brows_move_with_stressed_syllables_not_in_silence() -> None:
    """Syllables every 0.4 s, every third of them stressed, then silence; over seeds, as nobody nods at each."""
    levels = np.full(250, -9.0, np.float32)
    for place in range(10, 150, 10):
        levels[place : place + 5] = -2.0 if place % 30 == 10 else -4.0
    moved = [movements(seed, 250, 0.6, False, levels) for seed in range(8)]
    plain = [movements(seed, 250, 0.6, False) for seed in range(8)]
    pitches, usual = (np.array([[one.pitch for one in moves] for moves in found]) for found in (moved, plain))
    nods = pitches - usual
    brows = np.array([[one.brows for one in moves] for moves in moved])
    assert nods.min() >= 0
    assert 0.01 < nods.max() < 0.05  # radians
    assert nods[:, 165:].max() == brows[:, 165:].max() == 0
    assert 0 < brows.max() <= 1
    assert 0.1 < np.mean([np.corrcoef(row[:150], levels[:150])[0, 1] for row in pitches]) < 0.6
    assert movements(3, 50, 0.6, False)[20].brows == 0


def test_raised_brows_leave_lids_and_mouth_where_they_are(folder: Path) -> None:
    still = read_still(folder / "face.png")
    head = StillHead(still, find_face(still, None, folder / "face.png")[0])
    before, after = (head.moved(HeadMove(brows=share))[1] for share in (0.0, 1.0))
    rise = (before - after)[:, 1] / np.ptp(before[:, 0])
    assert rise[[105, 334]].min() > 0.015
    assert np.abs(rise[[159, 386, 145, 374, 13, 14, 152]]).max() < 0.004


def test_something_before_a_mouth_fails(folder: Path, tmp_path: Path, parity_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    still = read_still(folder / "face.png")
    mesh, _ = find_face(still, None, folder / "face.png")
    middle, width = np.rint(mesh[[13, 14], :2].mean(axis=0)).astype(int).tolist(), float(np.ptp(mesh[:, 0]))
    cv2.circle(still, middle, round(0.24 * width), (35, 35, 38), -1, cv2.LINE_AA)
    Image.fromarray(still).save(folder / "microphone.png")
    assert main(arguments(folder, "microphone.png", tmp_path / "out.mp4", parity_dir)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "something is before the mouth in the portrait" in line
    assert not (tmp_path / "out.mp4").exists()
