"""`netflips dub` with `ray`: a folder of videos, what is complete is not done again."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from netflips.bulk.dubbing import DubModels, DubRecord, VideoToDub, settings_key
from netflips.commands import dub as dub_command
from netflips.dubbing.options import DubOptions
from netflips.model_paths import ModelPaths, RunOptions
from tests.damage import DAMAGES, damaged
from tests.netflips.conftest import config, model_flags, write_clip


@pytest.fixture
def arguments(paths: ModelPaths, speech: np.ndarray, tmp_path: Path) -> list[str]:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.mp4", "c.mov"):
        write_clip(folder / name, speech, num_frames=10)
    (folder / "b.mp4").write_text("not a video")
    return [
        "--in-vid-path", str(folder), "--out-dir", str(tmp_path / "out"),
        *config(ray=True, workers=1, check="off"), "--src-lang", "en",
        "--tgt-lang", "ko", "--modalities", "audio", "--timing", "free", "--cpu", *model_flags(paths),
        "--beam", "1", "--max-target-units", "20", "--yes",
        "--report", str(tmp_path / "report.json"),
    ]  # fmt: skip


def test_videos_side_by_side(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dub_command.main(arguments) == 1
    out, bad = tmp_path / "out", str(tmp_path / "in" / "b.mp4")
    assert "1 of 3 inputs failed" in capsys.readouterr().err
    assert sorted(path.name for path in out.glob("*.mp4")) == ["a_ko.mp4", "c_ko.mp4"]
    report = json.loads((tmp_path / "report.json").read_text())
    assert [Path(dub["made"]["output"]).name for dub in report["dubs"]] == ["a_ko.mp4", "c_ko.mp4"]
    assert list(report["failures"]) == [bad]

    made = (out / "a_ko.mp4").stat().st_mtime_ns
    (out / "c_ko.mp4").unlink()
    (tmp_path / "in" / "b.mp4").write_bytes((tmp_path / "in" / "a.mp4").read_bytes())
    assert dub_command.main([*arguments, *config(retry_failed=True)]) == 0
    shown = capsys.readouterr().err
    assert "done or set aside already: 1 of 3 videos" in shown
    assert "2 videos done, 0 failed" in shown
    assert (out / "a_ko.mp4").stat().st_mtime_ns == made
    assert len(json.loads((tmp_path / "report.json").read_text())["dubs"]) == 3
    assert not (out / "failed.jsonl").exists()

    record, job = DubRecord(out), VideoToDub(tmp_path / "in" / "a.mp4", out / "a_ko.mp4")
    key = record.done["a_ko.mp4"]["key"]
    assert record.is_done(job, key)
    assert not record.is_done(job, key + "of other settings")
    assert not record.is_done(VideoToDub(job.source, out / "gone.mp4"), key)
    whole = job.target.read_bytes()
    for how in DAMAGES:
        job.target.write_bytes(damaged(whole, how))
        assert not record.is_done(job, key)
    job.target.write_bytes(whole)
    assert record.is_done(job, key)

    lines = (out / "dubs.jsonl").read_bytes().splitlines(keepends=True)
    (out / "dubs.jsonl").write_bytes(b"".join([lines[0], b"{bad\n", *lines[1:]]))
    assert DubRecord(out).done == record.done


@pytest.mark.parametrize("is_ray", [False, True])
def test_a_renderer_without_a_face_sets_no_video_aside(
    arguments: list[str], paths: ModelPaths, tmp_path: Path, capsys: pytest.CaptureFixture[str], is_ray: bool
) -> None:
    torch.save({"audio": torch.load(paths.unit2av, weights_only=True)["audio"]}, tmp_path / "voice.pt")
    if not is_ray:
        arguments[4:6] = config(check="off")
    assert dub_command.main([*arguments, "--unit2av-path", str(tmp_path / "voice.pt"), "--lips", "units"]) == 2
    assert capsys.readouterr().err.count("has no face renderer") == 1
    assert not (tmp_path / "out" / "failed.jsonl").exists()


def test_it_needs_a_folder(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del arguments[2:4]
    arguments[1] = str(tmp_path / "in" / "a.mp4")
    assert dub_command.main([*arguments, "--out-vid-path", str(tmp_path / "x.mp4")]) == 2
    assert "ray dubs into --out-dir" in capsys.readouterr().err


_ROAD = {"cascade": True, "recognizer": "whisper", "text_translator": "translator"}


@pytest.mark.parametrize(
    ("asked", "files"),
    [
        (_ROAD, [f"{folder}/{name}" for folder in ("whisper", "translator") for name in ("model.bin", "vocabulary.json")]),
        (
            {"cascade": True, "recognizer": "whisper", "translate_with": "cat"},
            ["whisper/encoder.onnx", "whisper/decoder/decoder.onnx"],
        ),
        ({"voice": "voice.npy", "background_audio": "music.wav"}, ["voice.npy", "music.wav"]),
    ],
)
def test_other_content_of_what_is_named_is_another_setting(
    paths: ModelPaths, tmp_path: Path, asked: dict[str, object], files: list[str]
) -> None:
    named = {name: value if value in (True, "cat") else tmp_path / str(value) for name, value in asked.items()}
    models, options = DubModels(ModelPaths(None, None, paths.unit2av), RunOptions("cpu")), DubOptions(**named)
    for path in (tmp_path / name for name in files):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"as it was")
    keys = [settings_key(DubOptions(), models), settings_key(options, models)]
    for name in files:
        (tmp_path / name).write_bytes(b"another 1")
        keys.append(settings_key(options, models))
    if asked is _ROAD:
        (tmp_path / "whisper" / "README.md").write_bytes(b"of no matter")
    assert settings_key(options, models) == keys[-1]
    assert len(set(keys)) == 2 + len(files)


def test_the_speaker_encoder_counts_by_its_content(paths: ModelPaths, parity_dir: Path, tmp_path: Path) -> None:
    copy, moved = tmp_path / "encoder.pt", tmp_path / "moved.pt"
    content = torch.load(parity_dir / "unit2av_spk_encoder.pt", weights_only=True)
    torch.save(content, copy), torch.save(content, moved)
    keys = [DubModels(replace(paths, speaker_encoder=path), RunOptions("cpu")).key() for path in (copy, moved, None)]
    content["model_state"]["linear.bias"] += 1.0
    torch.save(content, copy)
    keys.append(DubModels(replace(paths, speaker_encoder=copy), RunOptions("cpu")).key())
    assert keys[0] == keys[1]
    assert len({tuple(key) for key in keys}) == 3
