"""`netflips lip2speech`: speech for a drawn head that makes no sound, in its own time."""

import io
import os
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from av2unit.extractor import UnitExtractor
from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.bundle import find_bundle
from avcore.checkpoints.checkpoint import write_checkpoint
from avcore.flags import options_from
from avcore.media import FrameSource, VideoWriter, probe, read_speech, write_speech
from avcore.timeline import SAMPLE_RATE
from netflips.cli import main as netflips
from netflips.commands.lip2speech import HOP, MELS, speak_video, spoken_stretches, write_mel
from netflips.commands.options import LipSpeechCommand, lip2speech
from netflips.dubbing.roads.units import as_units
from recipes.demo.heads.camera import Pose
from recipes.demo.heads.head import MouthShape, draw
from tests.avcore.faces.drawn import head_of
from tests.avcore.made_speech import talk as made_speech
from tests.avcore.test_streams import Reader
from unit2av.speaker import slaney_filters
from unit2av.stage import RENDERER, open_renderer_checkpoint, with_vocoder, with_vocoder_settings
from unit2av.voice.speech import UnitVocoder

main = lip2speech.main

RATE, SIDE = 20, 160
TALKS, RESTS, LASTS = 1.0, 3.4, 5.4
"""Seconds: the mouth moves, rests, and moves again to the end."""


def _opening(second: float) -> float:
    return 0.35 + 0.3 * float(np.sin(20 * second)) if second < TALKS or second >= TALKS + RESTS else 0.0


def write_head(path: Path, speech: np.ndarray | None = None) -> Path:
    """A head of 5.4 s at 20 fps that speaks twice. speech: its sound, float32 [S] at 16 kHz."""
    head = head_of(905)
    with VideoWriter(path, SIDE, SIDE, RATE, None if speech is None else SAMPLE_RATE, crf=8, preset="ultrafast") as writer:
        for k in range(round(LASTS * RATE)):
            writer.write_rgb(draw(head, Pose(scale=0.6), MouthShape(_opening(k / RATE), 0.0), SIDE))
        if speech is not None:
            writer.write_sound(speech)
    return path


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_head(tmp_path_factory.mktemp("silent") / "talk.mp4")


@pytest.fixture(scope="module")
def models(parity_dir: Path) -> list[str]:
    return ["--av2unit-path", str(parity_dir / "mavhubert.pt"), "--unit2av-path", str(parity_dir / "unit2av_renderer.pt"), "--cpu"]


def test_a_silent_video_speaks_by_lips(
    silent: Path, models: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wav, video, mel = tmp_path / "x.wav", tmp_path / "x.mkv", tmp_path / "new" / "x.npz"
    more = ["--from", "ko", "--out-video", str(video), "--save-mel", str(mel), "--work-dir", str(tmp_path / "work")]
    assert netflips(["lip2speech", str(silent), "--out", str(wav), *more, *models]) == 0
    told = capsys.readouterr().err
    lines = [line for line in told.splitlines() if "voice:" in line]
    assert lines == ["voice: neutral, as the video has no sound and no --voice is given"]
    assert "2 utterances in 'ko'" in told
    speech = read_speech(wav)
    assert len(speech) == len(FrameSource(silent)) * 640
    middle = round((TALKS + RESTS / 2) * SAMPLE_RATE)
    assert not speech[middle - SAMPLE_RATE // 4 : middle + SAMPLE_RATE // 4].any()
    assert np.abs(speech[: SAMPLE_RATE // 2]).max() > 0
    assert np.abs(speech[-SAMPLE_RATE // 2 :]).max() > 0
    assert np.load(mel)["mel"].shape == (MELS, len(speech) // HOP)
    info = probe(video)
    assert info.comment.startswith("synthetic:")
    assert "->speech" in info.comment
    assert (info.frame_rate, info.num_frames, info.has_audio) == (RATE, round(LASTS * RATE), True)

    monkeypatch.delattr(UnitExtractor, "extract")  # all was kept
    pipe, shown = tmp_path / "p.wav", mel.read_bytes()  # which cannot be read again for the other two
    os.mkfifo(pipe)
    reader = Reader(pipe)
    assert netflips(["lip2speech", str(silent), "--out", str(pipe), *more, *models]) == 0
    assert reader.all() == wav.read_bytes()
    assert np.array_equal(np.load(mel)["mel"], np.load(io.BytesIO(shown))["mel"])


def test_units_of_the_lips_keep_their_durations(silent: Path, models: list[str], parity_dir: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "voice.npy", np.full(256, 1 / 16, np.float32))
    given = options_from(LipSpeechCommand, lip2speech.parser().parse_args([str(silent), "-o", str(tmp_path / "x.wav"), *models]))
    script = speak_video(replace(given, source="ko", voice=tmp_path / "voice.npy"))
    vocoder = UnitVocoder.from_checkpoint(parity_dir / "unit2av_renderer.pt", "ko")
    said = read_speech(tmp_path / "x.wav")
    for one in script.utterances:
        units = as_units(one.units, "ko")
        assert units.num_steps == round(one.place.seconds * 50)
        alone = vocoder.synthesize(units, np.full(256, 1 / 16, np.float32)).samples
        first, last = (round(edge * SAMPLE_RATE) for edge in (one.place.start_s, one.place.end_s))
        np.testing.assert_allclose(said[first:last], alone, atol=2 / 32768)


def test_the_voice_is_given_or_the_videos_own(models: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    speech = made_speech([0.1, 2.0, 0.4, 1.7, 0.2])
    own, out = write_head(tmp_path / "own.mp4", speech), tmp_path / "x.wav"
    said = []
    write_speech(tmp_path / "voice.wav", speech[::-1].copy())
    np.save(tmp_path / "voice.npy", np.eye(256, dtype=np.float32)[0])
    for words in ([], ["--voice", str(tmp_path / "voice.wav")], ["--voice", str(tmp_path / "voice.npy")]):
        assert main([str(own), "--out", str(out), "--from", "ko", *words, *models]) == 0
        said.append(out.read_bytes())
        assert ("that of the video's own sound" if not words else f"that of {words[1]}") in capsys.readouterr().err
    assert len(set(said)) == len(said)


def test_the_bundle_has_no_voice_for_another_language(silent: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "x.wav"
    assert main([str(silent), "--out", str(out), "--from", "fr", "--cpu"]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert "fr" in told
    assert "ko" in told
    assert main([str(silent), "--out", str(out), "--cpu", "--quiet"]) == 0
    assert np.abs(read_speech(out)).max() > 0
    assert probe(out).audio_rate == 24_000  # all that the voice has


def test_a_bundle_with_two_voices_speaks_its_source_language(
    silent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped, folder = find_bundle(), tmp_path / "bundle"
    folder.mkdir()
    for path in shipped.folder.iterdir():
        if not path.name.startswith("renderer"):
            (folder / path.name).symlink_to(path)
    renderer = open_renderer_checkpoint(shipped.checkpoint(RENDERER))
    voice, settings = renderer.vocoder_tensors("ko"), renderer.vocoder_settings("ko")
    tensors = with_vocoder(renderer.source.tensors, "en", voice)
    config = with_vocoder_settings(renderer.config, "en", {name: settings[name] for name in ("source", "edge_unit", "vocabulary")})
    write_checkpoint(folder / RENDERER.file, RENDERER, config, tensors)
    monkeypatch.setenv("NETFLIPS_BUNDLE", str(folder))
    for words, language in (([], "en"), (["--from", "ko"], "ko")):
        assert main([str(silent), "--out", str(tmp_path / "x.wav"), "--cpu", *words]) == 0
        assert f"utterances in '{language}'" in capsys.readouterr().err
    alone = [f"--{name}-path={folder / file}" for name, file in (("av2unit", UNIT_ENCODER.file), ("unit2av", RENDERER.file))]
    assert main([str(silent), "--out", str(tmp_path / "x.wav"), "--cpu", *alone]) == 0
    assert "utterances in 'en'" in capsys.readouterr().err
    (folder / "bundle.json").unlink()
    assert main([str(silent), "--out", str(tmp_path / "x.wav"), "--cpu", *alone]) == 2
    assert "say which language is spoken" in capsys.readouterr().err


def test_a_mel_spectrogram_is_that_of_the_whole_sound(tmp_path: Path) -> None:
    speech = (np.sin(2 * np.pi * 1000 * np.arange(14 * SAMPLE_RATE) / SAMPLE_RATE) * 0.3).astype(np.float32)
    write_speech(tmp_path / "x.wav", speech)
    assert write_mel(tmp_path / "x.npz", tmp_path / "x.wav") == 1400
    mel = np.load(tmp_path / "x.npz")["mel"]
    assert (mel.shape, mel.dtype) == ((80, 1400), np.float32)
    assert zipfile.ZipFile(tmp_path / "x.npz").namelist() == ["mel.npy"]
    loudest = mel[:, 5:-5].argmax(axis=0)
    assert len(set(loudest.tolist())) == 1
    assert mel[:, 5:-5].std(axis=1)[loudest[0]] < 0.02
    heard = read_speech(tmp_path / "x.wav") * (0.9 / np.abs(read_speech(tmp_path / "x.wav")).max())
    lifted = heard[1:] - 0.97 * heard[:-1]
    column = np.abs(np.fft.rfft(np.hanning(641)[:-1] * lifted[700 * 160 - 321 : 700 * 160 + 319]))
    filters = slaney_filters(80, 640, SAMPLE_RATE, 7500.0, 55.0).numpy()
    np.testing.assert_allclose(mel[:, 700], np.log(np.maximum(filters @ column, 1e-5)), atol=1e-2)


def stretches(openings: Sequence[float | None], tracks: Sequence[int | None]) -> list[tuple[int, int]]:
    return spoken_stretches(np.array([np.nan if one is None else one for one in openings]), tracks)


def test_utterances_follow_the_lips() -> None:
    talks = [0.1 + 0.05 * float(np.sin(k)) for k in range(25 * 30)]
    long = stretches(list(talks), [0] * len(talks))
    assert (long[0][0], long[-1][1]) == (0, len(talks))
    assert all(one[1] == other[0] for one, other in pairwise(long))
    assert max(last - first for first, last in long) <= 12 * 25
    away: list[float | None] = [*talks[:100], *[None] * 50, *talks[:100]]
    assert stretches(away, [0] * 100 + [None] * 50 + [1] * 100) == [(0, 100), (150, 250)]
    assert stretches(list(talks[:200]), [0] * 100 + [1] * 100) == [(0, 100), (100, 200)]
    rest = [0.1] * 100
    assert stretches([*rest, *talks[:50], *rest, *rest, *talks[:50]], [0] * 400) == [(69, 182), (319, 400)]
    softly = [0.1 + 0.003 * float(np.sin(k)) for k in range(20)]  # a word that hardly moves the mouth, before others and after
    assert stretches([*softly, *talks[:50], *softly], [0] * 90) == [(0, 90)]
    assert stretches([*talks[:50], *rest[:40], *talks[:50]], [0] * 140) == [(0, 140)]  # a pause of 1.6 s
    rests = [0.1] * 200
    assert stretches(list(rests), [0] * 200) == []
    rests[100] = 0.2
    assert stretches(list(rests), [0] * 200) == []
    talks, rest = talks[:12], [0.1] * 16
    assert stretches([*talks, *rest], [0] * 28) == [(0, 28)]
    assert stretches([*rest, *talks], [0] * 28) == [(0, 28)]
    assert stretches([*talks[:5], *rest, *rest], [0] * 37) == []
