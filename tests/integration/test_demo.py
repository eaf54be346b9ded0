"""What `make demo` runs, on a bundle of random weights; the facts of its clip; the README's images."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from avcore.checkpoints.bundle import VARIABLE
from avcore.media import probe, read_speech
from avcore.speech.espeak import EspeakVoice, TimedSpeech, espeak_speech
from avcore.timeline import SAMPLE_RATE
from avcore.units import Units
from netflips.bundles.pack import pack_bundle
from netflips.cascade.kokoro import NaturalVoice
from netflips.commands import demo
from netflips.script.files import script_from
from netflips.script.types import Script
from recipes.demo.random.random_checkpoints import KOREAN_TRANSLATOR, RENDERER, UNIT_ENCODER, write_random_checkpoints
from recipes.demo.voices.cast import cast, held_out_english
from recipes.demo.voices.phrasebook import phrasebook
from tests.netflips.bundles.conftest import ABOUT, write_references
from tests.unit2text.tiny import write_reader
from unit2text.stage import UNIT2TEXT
from unit2text.training.corpus import SpokenText, UnitToTextCorpus

ROOT = Path(__file__).resolve().parents[2]
CLIP = ROOT / "docs" / "clip" / "clip.mp4"


@pytest.fixture(scope="module")
def random_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("random")
    write_random_checkpoints(folder, "tiny", only_korean=True)
    content = torch.load(folder / KOREAN_TRANSLATOR, weights_only=False)  # our own file
    content["cfg"]["model"].max_target_positions = 40  # or random weights, which know no end, talk for 40 s
    torch.save(content, folder / KOREAN_TRANSLATOR)
    references = write_references(folder / "references.jsonl")
    models = (folder / name for name in (UNIT_ENCODER, KOREAN_TRANSLATOR, RENDERER))
    bundle = pack_bundle(*models, references, ABOUT, folder / "bundle").folder
    said = tuple(SpokenText(name, text, name, Units.from_frames([1])) for name, text in (("en", "the end"), ("ko", "그 끝이요")))
    write_reader(bundle / UNIT2TEXT.file, UnitToTextCorpus(said, said, "", 1000))
    return bundle


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_demo_dubs_its_clip_and_says_what_came_out(random_bundle: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "netflips.cli", "demo", "--out-dir", str(tmp_path / "out"), "--cpu", "-v"]
    environment = {**os.environ, VARIABLE: str(random_bundle)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    facts = json.loads(CLIP.with_suffix(".json").read_text(encoding="utf-8"))
    assert facts["sentence"] in done.stdout
    assert facts["korean"] in done.stdout
    assert any(f"문장 {number}  (Sentence {number})" in done.stdout for number in range(3))
    assert "of 9 units differ" in done.stdout
    for stage in ("av2unit", "unit2unit", "frames", "faces"):
        assert f"  {stage} " in done.stdout
    assert str(tmp_path / "out" / "clip_ko.mp4") in done.stdout
    assert probe(tmp_path / "out" / "clip_ko.mp4").comment.startswith("synthetic")
    talking = probe(tmp_path / "out" / "portrait_ko.mp4")
    assert talking.comment.startswith("synthetic")
    assert (talking.height, talking.has_audio) == (512, True)
    rest_s = talking.duration_s - probe(tmp_path / "out" / "clip_ko.mp4").duration_s  # before and behind its speech
    assert 0.65 < rest_s < 0.85
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert len(page) > 10_000
    report = script_from(json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8")))
    assert report.num_drawn > 0
    for side, text, language in (("heard", report.source_text, "en"), ("said", report.target_text, "ko")):
        assert f"{side}, as text".ljust(18) + f"{text}  ({language})" in done.stdout
        assert text in page
        subtitles = tmp_path / "out" / f"clip_ko.{language}.srt"
        assert str(subtitles) in done.stdout
        is_written = " --> " in subtitles.read_text(encoding="utf-8")
        assert is_written == (language == "ko")  # what is not understood is no subtitle of the source


def test_without_a_text_reader_the_demo_says_so_in_one_line() -> None:
    told = list(demo._texts(Script("en", "ko")))
    assert told == [("as text", "nothing was read: these models have no unit-to-text model for it")]


def test_without_a_bundle_the_demo_says_how_to_make_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "netflips.cli", "demo", "--out-dir", str(tmp_path / "out")]
    environment = {**os.environ, VARIABLE: ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "make train-demo" in done.stderr


def test_training_never_met_what_the_clip_shows() -> None:
    facts = json.loads(CLIP.with_suffix(".json").read_text(encoding="utf-8"))
    held_out = cast().settings["held_out"]
    assert (facts["sentence"], facts["korean"]) in {(pair.english, pair.korean) for pair in phrasebook().all_pairs()}
    assert facts["sentence"] in held_out_english()
    assert tuple(facts["styles"].items()) in cast().unheard_styles
    assert not facts["styles"].keys() & set(cast().settings["natural"]["styles"])
    assert facts["head_seed"] >= held_out["first_head"]


def test_the_clip_is_made_of_what_is_held_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    maker, said = _script("make_demo_clip"), []

    def stand_in(text: str, voice: NaturalVoice) -> TimedSpeech:
        said.append(voice)
        return espeak_speech(text, EspeakVoice("en-us"))

    monkeypatch.setattr(maker, "natural_speech", stand_in)
    out = tmp_path / "made.mp4"
    assert maker.main(["--out-path", str(out), "--voice", "1", "--pause", "0.4", "--size", "96", "128"]) == 0
    facts = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    assert facts["styles"] == dict(said[0].styles) == dict(cast().unheard_styles[1])
    assert all(name in facts["voice"] for name in facts["styles"])
    speech = read_speech(out)
    assert np.abs(speech[: SAMPLE_RATE // 4]).max() < 0.01 < np.abs(speech).max()

    for wrong, word in ((["--text", "Good morning."], "held_out.txt"), (["--voice", "2"], "0..1")):
        assert maker.main(["--out-path", str(tmp_path / "no.mp4"), *wrong]) == 2
        assert word in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "no.mp4").exists()


def test_frames_of_sounds_show_pitch_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    frames = _script("demo_images")
    seconds = np.arange(frames.SOUND_RATE) / frames.SOUND_RATE
    tone = (np.sin(2 * np.pi * 3000 * seconds) * (seconds > 0.5)).astype(np.float32)
    wave, spectrum = frames.sounds({"a tone": tone}).axes
    assert len(wave.lines[0].get_xdata()) == len(tone)
    (drawn,) = spectrum.images
    decibels = np.asarray(drawn.get_array())[::-1]  # low ones first
    height, width = decibels.shape
    assert abs(decibels[:, width * 3 // 4].argmax() - round(height * 0.25)) <= 1  # 3 of 12 kHz
    assert decibels[:, : width // 3].max() < drawn.get_clim()[0]
