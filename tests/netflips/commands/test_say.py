"""`netflips say`: text to speech over units, its inputs and its one-line errors; text in an utterance's slot."""

import io
import json
import shutil
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from avcore.checkpoints.checkpoint import write_checkpoint
from avcore.contracts import SpeakerVoice
from avcore.media.writer import is_synthetic
from avcore.speech.pitch import Pitch
from avcore.timeline import SAMPLE_RATE, seconds_to_samples, units_to_samples
from avcore.units import read_unit_file
from netflips.cli import main as netflips
from netflips.commands.options import say
from netflips.commands.say import END_S
from netflips.dubbing.text_speech import natural_units
from netflips.loaded import load as netflips_load
from tests.unit2av.voices import TINY
from text2unit.model import ALIGNED, CTC, TextToUnitConfig, network_of
from text2unit.stage import TEXT2UNIT
from text2unit.text_to_units import PAUSE_S, TextToUnits
from unit2av.inference_unit2a import UnitVocoder
from unit2av.stage import RENDERER
from unit2av.voice.harmonic import HarmonicVocoder, source_settings
from unit2av.voice.named import write_named_voices

main = say.main

NUM_UNITS = 40


def write_random_text_to_unit(path: Path, network: str = CTC, vocabulary: str = "", languages: tuple[str, ...] = ("ko",)) -> Path:
    """A text-to-unit model with random weights: it says something, always the same."""
    torch.manual_seed(0)
    config = TextToUnitConfig(network, NUM_UNITS, width=16, kernel=3, layers=1, decoder_layers=1)
    tensors = network_of(config).state_dict()
    about = {"model": config.to_config(), "languages": list(languages), "vocabulary": vocabulary, "silence": 0}
    return write_checkpoint(path, TEXT2UNIT, about, tensors)


@pytest.fixture(scope="module")
def text_to_unit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_text_to_unit(tmp_path_factory.mktemp("text-to-unit") / "text2unit.safetensors")


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("voice") / "voice.npy"
    np.save(path, np.full(256, 1 / 16, dtype=np.float32))
    return path


@pytest.fixture(scope="module")
def models(text_to_unit: Path, voice: Path, parity_dir: Path) -> list[str]:
    renderer = parity_dir / "unit2av_renderer.pt"
    return ["--text2unit-path", str(text_to_unit), "--unit2av-path", str(renderer), "--voice", str(voice), "--cpu"]


def test_speech_and_units_are_written(models: list[str], text_to_unit: Path, parity_dir: Path, tmp_path: Path) -> None:
    wav, units = tmp_path / "x.wav", tmp_path / "x.txt"
    assert netflips(["say", "안녕하세요. 3시예요.", "--out", str(wav), "--units-path", str(units), *models]) == 0
    loaded = TextToUnits.from_checkpoint(text_to_unit)
    assert read_unit_file(units).tolist() == loaded.units_of("안녕하세요. 세 시예요.").ids.tolist()
    vocoder = UnitVocoder.from_checkpoint(parity_dir / "unit2av_renderer.pt", "ko")
    steps = [vocoder.predict_durations(loaded.units_of(text)).num_steps for text in ("안녕하세요.", "세 시예요.")]
    samples, rate = soundfile.read(wav)
    assert is_synthetic(wav)
    assert rate == SAMPLE_RATE
    assert len(samples) == sum(map(units_to_samples, steps)) + seconds_to_samples(PAUSE_S) + seconds_to_samples(END_S)
    assert not samples[-seconds_to_samples(END_S) :].any()
    assert not samples[units_to_samples(steps[0]) :][: seconds_to_samples(PAUSE_S)].any()
    assert np.abs(samples).max() > 0


def test_text_from_a_file_an_argument_and_stdin(models: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "첫 문장입니다.\n둘째 문장입니다.\n"
    (tmp_path / "text.txt").write_text("\ufeff" + text, encoding="utf-8")
    found = []
    for number, words in enumerate((["--text-path", str(tmp_path / "text.txt")], [text], ["--text-path", "-"], [])):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert main([*words, "--units-path", str(tmp_path / f"{number}.txt"), *models]) == 0
        found.append((tmp_path / f"{number}.txt").read_text())
    assert len(set(found)) == 1
    assert found[0]


def test_the_shipped_voice_speaks_without_a_speaker(text_to_unit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--text2unit-path", str(text_to_unit), "--cpu"]
    assert main(["안녕", "--units-path", str(tmp_path / "x.txt"), *given]) == 0
    assert (tmp_path / "x.txt").read_text()
    assert main(["안녕하세요", "--out", str(tmp_path / "x.wav"), *given]) == 0
    assert f"the voice is {netflips_load().voices[0]}, as no --voice is given" in capsys.readouterr().err
    assert np.abs(soundfile.read(tmp_path / "x.wav")[0]).max() > 0


def test_a_voice_of_24_khz_speaks_with_all_that_it_has(text_to_unit: Path, voice: Path, tmp_path: Path) -> None:
    """What is above 8 kHz is its own."""
    sizes = replace(TINY, num_units=NUM_UNITS, speaker_dim=256, rate=24_000, fft=720, noise_fft=240, top_hz=11_600.0)
    torch.manual_seed(0)
    network = HarmonicVocoder(sizes)
    network.source.restart()
    tensors = {f"audio.ko.{name}": tensor for name, tensor in network.state_dict().items()}
    settings = {"vocoders": {"ko": source_settings(sizes) | {"edge_unit": 0}}, "unit_offsets": {"ko": 0}}
    renderer = write_checkpoint(tmp_path / "renderer.safetensors", RENDERER, settings, tensors)
    given = ["--text2unit-path", str(text_to_unit), "--unit2av-path", str(renderer), "--voice", str(voice), "--cpu"]
    assert netflips(["say", "안녕하세요.", "--out", str(tmp_path / "x.wav"), *given]) == 0
    samples, rate = soundfile.read(tmp_path / "x.wav")
    power, frequencies = np.square(np.abs(np.fft.rfft(samples))), np.fft.rfftfreq(len(samples), 1 / rate)
    assert rate == 24_000
    assert power[frequencies > 8200].sum() > 0.01 * power.sum()


def test_voices_are_chosen_by_name(models: list[str], parity_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng, renderer = np.random.default_rng(3), tmp_path / "renderer.pt"
    shutil.copy(parity_dir / "unit2av_renderer.pt", renderer)
    vectors = {name: rng.standard_normal(256).astype(np.float32) / 16 for name in ("man", "woman-1")}
    write_named_voices(tmp_path / "voices.npz", {name: SpeakerVoice(one, Pitch(5.0, 0.2)) for name, one in vectors.items()})
    np.save(tmp_path / "woman.npy", vectors["woman-1"])
    bare = [*models[:2], "--unit2av-path", str(renderer), "--cpu"]
    said = {}
    for asked in ("", "man", "woman-1", str(tmp_path / "woman.npy")):
        out = tmp_path / "x.wav"
        assert main(["안녕하세요", "--out", str(out), *bare, *(["--voice", asked] if asked else [])]) == 0
        said[asked] = soundfile.read(out)[0]
    assert "the voice is man, as no --voice is given; --voice takes woman-1, or a file" in capsys.readouterr().err
    np.testing.assert_array_equal(said[""], said["man"])
    np.testing.assert_array_equal(said["woman-1"], said[str(tmp_path / "woman.npy")])  # which this vocoder gives no pitch
    assert not np.array_equal(said["man"], said["woman-1"])
    unknown = "there is no voice of this name; expected man, woman-1, or a file; found woman"
    for asked, told in (("woman", unknown), ("woman.wav", "the voice is not there")):
        assert main(["안녕하세요", "--out", str(tmp_path / "y.wav"), *bare, "--voice", asked]) == 2
        assert told in capsys.readouterr().err
        assert not (tmp_path / "y.wav").exists()


def test_slower_speech_is_longer(models: list[str], parity_dir: Path, voice: Path, tmp_path: Path) -> None:
    for path in (None, write_random_text_to_unit(tmp_path / "aligned.safetensors", ALIGNED)):
        words = [*models, *(["--text2unit-path", str(path)] if path else [])]
        lengths = []
        for speed in ("1", "0.5"):
            out = tmp_path / f"{speed}.wav"
            assert main(["버스 정류장이 어디에 있어요?", "--out", str(out), "--speed", speed, *words]) == 0
            lengths.append(len(soundfile.read(out)[0]))
        assert lengths[1] > 1.4 * lengths[0]


def test_every_form_of_hangul_says_the_same(models: list[str], tmp_path: Path) -> None:
    text = "버스 정류장이 어디에 있어요?"
    apart = unicodedata.normalize("NFD", text)
    found = set()
    for number, form in enumerate((text, apart, text[:5] + unicodedata.normalize("NFD", text[5:]), f"\ufeff{text}\u200b")):
        out = tmp_path / f"{number}.txt"
        assert main([form, "--units-path", str(out), *models]) == 0
        found.add(out.read_text())
    assert len(found) == 1


def test_long_texts_are_said_and_unknown_words_told(models: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "long.txt").write_text("가나다라마 " * 2000, encoding="utf-8")
    assert main(["--text-path", str(tmp_path / "long.txt"), "--units-path", str(tmp_path / "x.txt"), *models]) == 0
    assert len(read_unit_file(tmp_path / "x.txt")) > 50
    assert main(["Zaphod 씨", "--units-path", str(tmp_path / "x.txt"), *models]) == 0
    assert "spelled letter by letter: Zaphod" in capsys.readouterr().err


def test_the_verdict_comes_before_anything_is_spoken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--units-path", str(tmp_path / "x.txt"), "--cpu"]
    for unseen in ("정부는 내년 예산안을 국회에 제출했습니다.", "인공지능 기술이 빠르게 발전하고 있습니다.", "Hello, KTX!"):
        assert main([unseen, *out, "--strict"]) == 0
        told = capsys.readouterr().err
        assert "understood" not in told and "warning" not in told, "it is given"  # noqa: PT018
    (tmp_path / "x.txt").unlink()
    assert main(["Zaphod Beeblebrox 씨", *out, "--strict"]) == 3
    assert "not understood (0%): it most likely means nothing; it has words or signs without a reading" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert main(["Zaphod Beeblebrox 씨", *out, "--verdict", str(tmp_path / "v.json")]) == 0
    assert json.loads((tmp_path / "v.json").read_text())["words"] == "not_understood"


def test_text_in_a_slot_has_natural_durations(text_to_unit: Path, parity_dir: Path, tmp_path: Path) -> None:
    voice = UnitVocoder.from_checkpoint(parity_dir / "unit2av_renderer.pt", "ko")
    for path in (text_to_unit, write_random_text_to_unit(tmp_path / "aligned.safetensors", ALIGNED)):
        units = natural_units("두 번째 문장입니다.", "ko", TextToUnits.from_checkpoint(path), voice)
        assert units.durations is not None
        assert units.language == "ko"
