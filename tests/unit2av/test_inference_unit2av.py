"""The command that turns units into a video, on small random models and media made here."""

import pickle
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from avcore.media import FrameSource, VideoWriter, probe, read_frames, read_speech
from tests.unit2av.lip_programs import command
from unit2av.inference_unit2av import main

BOX = [30.5, 20.5, 90.0, 100.0]
UNITS = "5 5 17 230 230 7 999 41 8 301 77 6 12 500 2"


def make_clip(path: Path, num_frames: int = 20, rate: Fraction | int = 25, has_sound: bool = True, width: int = 160) -> Path:
    """A frame whose left edge shows its number as brightness, with noise for a voice."""
    rng = np.random.default_rng(0)
    texture = np.kron(rng.integers(30, 220, (12, width // 10 + 1, 3), dtype=np.uint8), np.ones((10, 10, 1), np.uint8))[:, :width]
    with VideoWriter(path, width, 120, rate, 16000 if has_sound else None, crf=6, preset="ultrafast") as writer:
        for k in range(num_frames):
            frame = np.roll(texture, k, axis=1)
            frame[:, :16] = 10 + 8 * k
            writer.write_rgb(frame)
        if has_sound:
            writer.write_sound(rng.normal(0, 0.1, int(16000 * num_frames / rate)).astype(np.float32))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clip of 20 frames, its boxes and some units."""
    (tmp_path / "units.txt").write_text(UNITS)
    make_clip(tmp_path / "talk.mp4")
    write_rows(tmp_path, [BOX] * 20)
    return tmp_path


def write_rows(folder: Path, rows: Sequence[object]) -> None:
    (folder / "talk.bbox.pkl").write_bytes(pickle.dumps(rows))


def arguments(folder: Path, parity: Path, *more: str, boxes: bool = True) -> list[str]:
    given = ["--in-bbox-path", str(folder / "talk.bbox.pkl")] if boxes else []
    return [
        "--in-unit-path", str(folder / "units.txt"), "--in-vid-path", str(folder / "talk.mp4"), *given,
        "--out-vid-path", str(folder / "out" / "dubbed.mp4"), "--unit2av-path", str(parity / "unit2av_renderer.pt"),
        "--speaker-encoder-path", str(parity / "unit2av_spk_encoder.pt"), "--vocoder-unit-offset", "0", "--cpu", "--quiet", *more,
    ]  # fmt: skip


def brightness(path: Path) -> list[int]:
    """Which frame of the clip each frame is, by its left edge."""
    return [round((float(frame.rgb[:, 2:12].mean()) - 10) / 8) for frame in read_frames(path)]


def refused(capsys: pytest.CaptureFixture[str], folder: Path, argv: list[str]) -> str:
    """Exit code 2, one line on stderr, nothing written."""
    assert main(argv) == 2
    complaint = capsys.readouterr().err.strip()
    assert len(complaint.splitlines()) == 1
    assert "Traceback" not in complaint
    assert not list(folder.glob("out/*")) + list(folder.glob("out/.*"))
    return complaint


@pytest.mark.parametrize(("language", "more"), [("en", []), ("ko", ["--hard-paste"])])
def test_a_video_comes_out_with_the_units_video_and_sound(folder: Path, parity_dir: Path, language: str, more: list[str]) -> None:
    (folder / "units.txt").write_text(" ".join(str(unit) for unit in np.repeat([5, 17, 230, 7, 999], 21)))
    assert main(arguments(folder, parity_dir, "--tgt-lang", language, "--no-durations", *more)) == 0
    out = folder / "out" / "dubbed.mp4"
    info = probe(out)
    assert (info.width, info.height, info.frame_rate, info.audio_rate) == (160, 120, 25, 16000)
    assert info.num_frames in (52, 53)
    assert abs(len(read_speech(out)) - 105 * 320) <= 640
    assert info.comment.startswith("synthetic: NetfLips ")
    assert f"->{language}, models sha256:" in info.comment


def test_footage_plays_to_and_fro_and_changes_only_inside_the_box(folder: Path, parity_dir: Path) -> None:
    write_rows(folder, [BOX] * 10 + [None] * 10)
    (folder / "units.txt").write_text(" ".join(["5"] * 100))
    assert main(arguments(folder, parity_dir, "--no-durations", "--hard-paste")) == 0
    order = [*range(20), *range(18, 0, -1), *range(12)]
    assert brightness(folder / "out" / "dubbed.mp4") == order
    source = [frame.rgb.astype(int) for frame in FrameSource(folder / "talk.mp4")]
    for frame, index in zip(read_frames(folder / "out" / "dubbed.mp4"), order, strict=True):
        difference = np.abs(frame.rgb.astype(int) - source[index])
        assert difference[:, 100:].mean() < 8
        assert (difference[24:96, 34:86].mean() > 15) == (index < 10)


def test_boxes_of_stored_frames_follow_a_video_of_another_rate(folder: Path, parity_dir: Path) -> None:
    make_clip(folder / "talk.mp4", num_frames=24, rate=30)
    write_rows(folder, [BOX if k < 12 else None for k in range(24)])
    (folder / "units.txt").write_text(" ".join(["5"] * 40))
    assert main(arguments(folder, parity_dir, "--no-durations", "--hard-paste")) == 0
    source = [frame.rgb.astype(int) for frame in FrameSource(folder / "talk.mp4")]
    shown = list(read_frames(folder / "out" / "dubbed.mp4"))
    assert len(shown) == 20
    for k, frame in enumerate(shown):
        is_changed = np.abs(frame.rgb - source[k])[24:96, 34:86].mean() > 15
        assert is_changed == (k * 30 // 25 < 12)


def test_one_frame_is_repeated(folder: Path, parity_dir: Path) -> None:
    make_clip(folder / "talk.mp4", num_frames=1)
    write_rows(folder, [np.array(BOX, dtype=np.float32)])
    np.save(folder / "voice.npy", np.full(256, 1 / 16, dtype=np.float32))
    assert main(arguments(folder, parity_dir, "--voice", str(folder / "voice.npy"))) == 0
    shown = brightness(folder / "out" / "dubbed.mp4")
    assert len(shown) > 5
    assert set(shown) == {0}


def test_a_voice_can_be_given_for_a_silent_video(folder: Path, parity_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_clip(folder / "talk.mp4", has_sound=False)
    assert "--voice" in refused(capsys, folder, arguments(folder, parity_dir))
    np.save(folder / "voice.npy", np.full(256, 1 / 16, dtype=np.float32))
    assert main(arguments(folder, parity_dir, "--voice", str(folder / "voice.npy"))) == 0


@pytest.mark.parametrize(
    ("units", "named"),
    [
        ("5 1000", "units.txt: unit at position 1 is out of range"),
        ("5 <unk> 7", "token 1"),
        ("", "unit file"),
        ("-1 -1", "no units"),
        ([BOX] * 7, "20 rows"),
        ([None] * 20, "no face box"),
        ("boxes", "cannot be read"),
        ([[0.0] * 4] * 20, "no face box"),
    ],
)
def test_bad_units_and_boxes_are_one_clear_error(
    folder: Path, parity_dir: Path, capsys: pytest.CaptureFixture[str], units: object, named: str
) -> None:
    is_boxes = units == "boxes" or not isinstance(units, str)
    if is_boxes:
        write_rows(folder, units)
    else:
        (folder / "units.txt").write_text(units)
    complaint = refused(capsys, folder, arguments(folder, parity_dir, "--tgt-lang", "en"))
    assert named in complaint
    assert ("talk.bbox.pkl" in complaint) == is_boxes


def test_other_wrong_uses_are_one_clear_error(folder: Path, parity_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    complaint = refused(capsys, folder, arguments(folder, parity_dir, boxes=False))
    assert "no face" in complaint
    assert "--in-bbox-path" in complaint
    here = str(folder / "talk.mp4")
    assert "would overwrite" in refused(capsys, folder, [*arguments(folder, parity_dir), "--out-vid-path", here])
    assert "no language 'de'" in refused(capsys, folder, arguments(folder, parity_dir, "--tgt-lang", "de"))
    other = ["--unit2av-path", str(parity_dir / "utut.pt")]
    assert "--unit2av-path" in refused(capsys, folder, [*arguments(folder, parity_dir), *other])
    assert "cannot be written" in refused(capsys, folder, [*arguments(folder, parity_dir), "--out-vid-path", str(folder / "x.gif")])
    assert "--face" in refused(capsys, folder, arguments(folder, parity_dir, "--face", "none", boxes=False))
    assert FrameSource(here).info.num_frames == 20


def test_no_face_is_refused_before_faces_are_looked_for(folder: Path, parity_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The drawn clip shows no face, so the complaint tells what comes first."""
    whole = torch.load(parity_dir / "unit2av_renderer.pt", weights_only=True)
    torch.save({"audio": whole["audio"]}, folder / "voice.pt")
    words = arguments(folder, parity_dir, "--unit2av-path", str(folder / "voice.pt"), boxes=False)
    assert "has no face renderer" in refused(capsys, folder, words)


def test_a_program_draws_the_lips_or_there_is_no_video(folder: Path, parity_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(folder, parity_dir, "--hard-paste", "--lips-with", command("mouth"), "--lips-size", "128")) == 0
    out = folder / "out" / "dubbed.mp4"
    seen = [frame.rgb[round(BOX[1]) : round(BOX[3]), round(BOX[0]) : round(BOX[2])] for frame in read_frames(out)]
    out.unlink()
    assert main(arguments(folder, parity_dir, "--hard-paste", "--lips-with", command("copy"), "--lips-size", "128")) == 0
    same = [frame.rgb[round(BOX[1]) : round(BOX[3]), round(BOX[0]) : round(BOX[2])] for frame in read_frames(out)]
    assert len(seen) == len(same)
    assert max(np.abs(one.astype(int) - other).max() for one, other in zip(seen, same, strict=True)) > 60
    out.unlink()
    assert "no lips were drawn" in capsys.readouterr().err
    words = arguments(folder, parity_dir, "--lips-with", command("exit"), "--hard-paste")
    assert "the program of --lips-with failed; found exit code 3: CUDA out of memory" in refused(capsys, folder, words)
