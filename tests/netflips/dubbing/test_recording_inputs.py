"""What is a recording and what is not, and flags that cannot be."""

import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from avcore.errors import NetflipsError
from avcore.media import probe
from avcore.words import error_line as error_line_in
from netflips.commands import dub as dub_command
from netflips.dubbing import segments
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions, Modalities
from netflips.dubbing.video_format import VideoFormat
from netflips.model_paths import ModelPaths
from netflips.models import Models
from tests.netflips.conftest import error_line, model_flags, write_clip
from tests.netflips.dubbing.made import RATE, head_frames, speech, steady_times, write_recording


def test_a_full_disk_is_told_before_any_work_and_a_part_takes_less(
    recording: Path, paths: ModelPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(segments.shutil, "disk_usage", lambda _: SimpleNamespace(free=10_000))
    words = ["--cpu", "--modalities", "audio", "--quiet", *model_flags(paths), "-o", str(tmp_path / "x.mp4"), str(recording)]
    assert dub_command.main([*words, "--from", "en", "--to", "ko"]) == 2
    told = error_line(capsys)
    assert "too little room" in told
    assert told.endswith("choose another disk with --work-dir, or dub a part with --start and --end")
    frame = VideoFormat.of(probe(recording), 25)
    assert segments.expected_bytes(frame, 2, 10) < segments.expected_bytes(frame, 10, 10) == segments.expected_bytes(frame, 10)


def test_a_recording_without_speech_says_so(models: Models, tmp_path: Path) -> None:
    times, silent = steady_times(Fraction(25), 13), np.zeros((13 * RATE, 1), np.float32)
    for name, sound, modalities, way_out in (("quiet.mp4", silent, "audio", "--script-in"), ("mute.mp4", None, "video", "--voice")):
        video = write_recording(tmp_path / name, times, head_frames(times), sound)
        with pytest.raises(NetflipsError, match=way_out):
            dub(video, tmp_path / "x.mp4", models, DubOptions(beam=1, modalities=modalities))


def test_one_utterance_is_dubbed_freely_and_more_in_their_places(recording: Path, models: Models, tmp_path: Path) -> None:
    times = steady_times(Fraction(25), 4.5)
    short = write_recording(tmp_path / "short.mp4", times, head_frames(times), speech([0.5, 3, 1.0], RATE), RATE)
    quick = DubOptions(beam=1, max_target_units=20, draft=tmp_path / "draft.json")

    def schedule(video: Path, **asked: Any) -> str:
        return dub(video, tmp_path / "draft.mp4", models, replace(quick, **asked)).schedule

    assert schedule(short, timing="source") == schedule(short, background="mute") == schedule(recording) == "own"
    assert schedule(recording, timing="free") == "ping_pong"
    shutil.rmtree(tmp_path / "draft.mp4.work")
    assert dub(short, tmp_path / "x.mp4", models, replace(quick, draft=None)).schedule == "ping_pong"
    assert (probe(tmp_path / "x.mp4").frame_rate, probe(tmp_path / "x.mp4").audio_rate) == (25, 16_000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["draft.json", "short.mp4", "x.mp4"]


@pytest.mark.parametrize(
    ("has_sound", "modalities", "said"),
    [(True, "audio", "no speech was found in it"), (False, "video", "no sound in which"), (False, "audio", "no sound track")],
)
def test_a_video_with_neither_speech_nor_face_says_both(
    models: Models, tmp_path: Path, has_sound: bool, modalities: Modalities, said: str
) -> None:
    tone = (0.3 * np.sin(np.arange(4 * RATE) * 0.17)).astype(np.float32)
    video = write_clip(tmp_path / "bare.mp4", tone if has_sound else None, num_frames=40)
    with pytest.raises(NetflipsError, match=f"{said}.*, and no face") as error:
        dub(video, tmp_path / "x.mp4", models, DubOptions(timing="source", modalities=modalities))
    assert "얼굴도 찾지 못했습니다" in error_line_in(error.value, "ko")
    if has_sound:  # a clip that is played to and fro is dubbed, with a word
        made = dub(video, tmp_path / "x.mp4", models, DubOptions(modalities=modalities, max_target_units=20, beam=1))
        assert [one.code for one in made.notes if one.code in ("noise_only", "no_face")] == ["noise_only", "no_face"]
