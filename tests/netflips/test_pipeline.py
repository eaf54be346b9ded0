"""The main job on made material with side files: what comes out, and what is refused."""

import gc
import json
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from avcore.errors import InputError, MediaError, NoFaceError, NoSpeechError, UnitError
from avcore.faces.boxes import read_boxes_for
from avcore.media import FrameSource, probe, read_speech, write_speech
from avcore.notes import json_text
from avcore.units import Units
from netflips import __version__
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.model_paths import ModelPaths, RunOptions
from netflips.models import Models, load_models
from netflips.report.files import summary_of
from netflips.script.files import script_from, script_json
from tests.netflips.conftest import write_clip
from tests.netflips.dubbing.made import write_times
from tests.refusal import refused
from unit2av.renderer import LipRenderer

BEAM = 2


@pytest.fixture
def options(boxes: Path, parity_dir: Path) -> DubOptions:
    return DubOptions(beam=BEAM, in_bbox_path=boxes, in_lip_path=parity_dir / "clip_long.lip.mp4")


def _frames(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.parametrize("modalities", ["audio,video", "audio", "video"])
def test_a_clip_is_dubbed_in_each_mode(clip: Path, models: Models, options: DubOptions, tmp_path: Path, modalities: str) -> None:
    out = tmp_path / "a folder" / "dubbed clip.mp4"
    seen: dict[str, int] = {}
    asked = replace(options, modalities=modalities)
    report = dub(clip, out, models, asked, progress=lambda stage, done, _: seen.update({stage: done}))
    info = probe(out)
    assert (info.width, info.height, info.frame_rate, info.audio_rate, info.audio_channels) == (160, 120, 25, 16000, 1)
    num_steps = round(report.processed[0].fit.spoken_s * 50)
    assert info.num_frames == report.result.frames == max(1, num_steps // 2)
    assert abs(len(read_speech(out)) - num_steps * 320) <= 640
    assert report.processed[0].source_units.modalities == modalities
    assert seen["frames"] == report.result.frames
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    assert info.comment == f"synthetic: NetfLips {__version__}, en->ko, models {' '.join(models.fingerprints.values())}"
    content = script_from(json.loads(json_text(script_json(report))))
    steps = {"read", "faces", "voice", "av2unit", "unit2unit", "speech", "frames", "write"}
    assert {step.name for step in content.result.timings} == steps
    assert all(step.seconds > 0 for step in content.result.timings)
    assert content.num_source_units > 0
    assert {one.part: one.fingerprint for one in content.result.models if one.fingerprint} == models.fingerprints
    assert "x real time" in summary_of(report)


@pytest.mark.parametrize("timing", ["free", "source"])
def test_stages_leave_memory_when_a_single_dub_has_done_with_them(
    clip: Path, paths: ModelPaths, options: DubOptions, tmp_path: Path, timing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if timing == "source":
        options = replace(options, timing=timing, script_in=write_times(tmp_path / "times.json", (0.1, 1.9)))
    models = load_models(paths, "en", "ko", RunOptions(device="cpu", unloads=True))
    gone = [weakref.ref(models.extractor.model), weakref.ref(models.translator.model)]
    kept: list[bool] = []
    draw = LipRenderer.draw

    def look(*given: Any, **named: Any) -> Any:
        gc.collect()
        kept.append(any(one() for one in gone))
        return draw(*given, **named)

    monkeypatch.setattr(LipRenderer, "draw", look)
    first = dub(clip, tmp_path / "first.mp4", models, options)
    assert kept
    assert not any(kept)
    second = dub(clip, tmp_path / "second.mp4", models, options)  # as good as new
    assert second.processed == first.processed


def test_only_the_face_box_changes(clip: Path, models: Models, options: DubOptions, tmp_path: Path) -> None:
    report = dub(clip, tmp_path / "x.mp4", models, replace(options, hard_paste=True))
    source, dubbed = _frames(clip), _frames(tmp_path / "x.mp4")
    shared = min(len(source), len(dubbed))
    difference = np.abs(source[:shared].astype(int) - dubbed[:shared])
    assert difference[:5].mean() < 3  # no face there: only the encoder's loss
    assert difference[5:, 30:70, 56:85].mean() > 20
    assert difference[:, :, 110:].mean() < 3
    assert report.num_drawn == sum(min(i % 98, 98 - i % 98) >= 5 for i in range(report.result.frames))


def test_a_long_translation_that_stops_at_the_limit_says_so(
    clip: Path, models: Models, options: DubOptions, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    report = dub(clip, tmp_path / "x.mp4", models, replace(options, max_target_units=3))
    assert report.processed[0].note("truncated") is not None
    assert any("translation stopped at" in text for text in report.warnings)
    assert any("translation stopped at" in record.message for record in caplog.records)


@pytest.mark.parametrize("num_frames", [1, 3])
def test_the_speech_may_be_longer_than_the_footage(models: Models, speech: np.ndarray, tmp_path: Path, num_frames: int) -> None:
    short = write_clip(tmp_path / "short.mp4", speech, num_frames=num_frames)
    report = dub(short, tmp_path / "x.mp4", models, DubOptions(beam=BEAM, modalities="audio"))
    assert report.num_drawn == 0
    assert probe(tmp_path / "x.mp4").num_frames == report.result.frames > num_frames


def test_odd_sides_grow_and_it_is_said(models: Models, speech: np.ndarray, tmp_path: Path) -> None:
    odd = tmp_path / "odd.mkv"
    with av.open(str(odd), "w") as container:
        video = container.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = 161, 119, "bgr0"
        audio = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        for index in range(10):
            image = np.full((119, 161, 3), index * 20, dtype=np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        frame = av.AudioFrame.from_ndarray((speech[None] * 32767).astype(np.int16), "s16", "mono")
        frame.sample_rate = 16000
        container.mux(audio.encode(frame))
        for stream in (video, audio):
            container.mux(stream.encode(None))
    report = dub(odd, tmp_path / "x.mp4", models, DubOptions(beam=BEAM, modalities="audio"))
    assert report.result.has_grown
    assert (probe(tmp_path / "x.mp4").width, probe(tmp_path / "x.mp4").height) == (162, 120)
    assert "grew" in summary_of(report)


def test_lips_alone_need_a_voice(models: Models, options: DubOptions, boxes: Path, speech: np.ndarray, tmp_path: Path) -> None:
    mute = write_clip(tmp_path / "mute.mp4", None)
    silent_options = replace(options, modalities="video")
    refused(NoSpeechError, "--voice", dub, mute, tmp_path / "x.mp4", models, silent_options)
    write_speech(tmp_path / "voice.wav", np.tile(speech, 2))
    report = dub(mute, tmp_path / "x.mp4", models, replace(silent_options, voice=tmp_path / "voice.wav"))
    assert report.setting("voice").endswith("voice.wav")
    np.save(tmp_path / "voice.npy", np.full(256, 1 / 16, dtype=np.float32))
    dub(mute, tmp_path / "x.mp4", models, replace(silent_options, voice=tmp_path / "voice.npy"))


def test_sound_that_is_missing_silent_or_too_short_is_refused(models: Models, speech: np.ndarray, tmp_path: Path) -> None:
    options = DubOptions(beam=BEAM, modalities="audio")
    mute = write_clip(tmp_path / "mute.mp4", None)
    refused(MediaError, "--modalities video", dub, mute, tmp_path / "x.mp4", models, options)
    for name, sound in (("silent", np.zeros(32000, dtype=np.float32)), ("short", speech[8000:11200])):
        clip = write_clip(tmp_path / f"{name}.mp4", sound)
        refused(NoSpeechError, "--voice", dub, clip, tmp_path / "x.mp4", models, options)
    assert not (tmp_path / "x.mp4").exists()


def test_no_face_or_a_lip_video_of_another_size_is_refused(clip: Path, models: Models, options: DubOptions, tmp_path: Path) -> None:
    refused(NoFaceError, "--modalities audio", dub, clip, tmp_path / "x.mp4", models, DubOptions(beam=BEAM))
    refused(InputError, "96x96", dub, clip, tmp_path / "x.mp4", models, replace(options, in_lip_path=clip))


def test_an_empty_translation_is_an_error(clip: Path, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = DubOptions(beam=1, modalities="audio")
    real = models.translator.translate_batch

    def nothing(*arguments: object) -> object:
        return [replace(one, units=Units([], None, "ko")) for one in real(*arguments)]  # type: ignore[arg-type]

    monkeypatch.setattr(models.translator, "translate_batch", nothing)
    refused(UnitError, "no utterance has a translation that can be spoken", dub, clip, tmp_path / "x.mp4", models, options)


def test_an_interrupt_leaves_nothing(clip: Path, models: Models, options: DubOptions, tmp_path: Path) -> None:
    def interrupt(stage: str, done: int, total: int | None) -> None:
        if stage == "frames" and done == 2:
            raise KeyboardInterrupt

    refused(KeyboardInterrupt, "", dub, clip, tmp_path / "out" / "x.mp4", models, options, progress=interrupt)
    assert list(tmp_path.rglob("*.mp4")) == []


@pytest.mark.parametrize("timing", ["free", "source"])
def test_boxes_of_a_side_file_are_followed(clip: Path, models: Models, options: DubOptions, tmp_path: Path, timing: str) -> None:
    options = replace(options, script_in=write_times(tmp_path / "times.json", (0, 2))) if timing == "source" else options
    seen = dub(clip, tmp_path / "x.mp4", models, options).processed[0]
    given = read_boxes_for(FrameSource(clip), options.in_bbox_path)
    assert seen.seen.quality.share_of_frames == pytest.approx(sum(box is not None for box in given) / len(given))
    assert set(seen.drawn.left) <= {"no_face", "moment", "margin", "silent"}
