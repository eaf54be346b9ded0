"""Training a voice with a pitch: it learns, resumes exactly, starts from a checkpoint, and exports."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from avcore.speech.pitch import Pitch, measure_pitch
from avcore.train.entry import read_config
from netflips.commands.convert import convert_checkpoint
from recipes.made.tones import SPEAKER_DIM, TonesCorpus, random_units
from tests.avcore.train.toy import history
from unit2av.stage import RENDERER
from unit2av.train_unit2a import main, make_task
from unit2av.voice.speech import UnitVocoder
from unit2av.voice.training.config import Unit2aConfig
from unit2av.voice.training.corpus import PITCH_FILE
from unit2av.voice.training.start import start_vocoder


def words(tones: TonesCorpus, run_dir: Path, *overrides: str) -> list[str]:
    data = [f"data.train={tones.manifest}", f"data.units={tones.units}", f"run_dir={run_dir}"]
    return ["model=harmonic_debug", *data, *overrides]


@pytest.fixture(scope="module")
def harmonic(tones: TonesCorpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("harmonic")
    assert main(words(tones, run_dir, "loop.max_steps=60", "loop.log_every=5", "loop.validate_every=30")) == 0
    return run_dir


@pytest.fixture(scope="module")
def renderer(harmonic: Path) -> Path:
    out = harmonic / "renderer.safetensors"
    assert main(["export", "--checkpoint", str(harmonic / "checkpoints" / "best.pt"), "--out-path", str(out)]) == 0
    return out


def test_pitch_is_measured_once_and_again_where_a_line_is_broken(tones: TonesCorpus, tmp_path: Path) -> None:
    assert main(words(tones, tmp_path, "check_only=true")) == 0
    cache = tmp_path / PITCH_FILE
    first = cache.read_text()
    rows = [json.loads(line) for line in first.splitlines()]
    assert len(rows) == 24
    assert all(len(row["tenths_of_hz"]) == 60 * 4 for row in rows)
    assert main(words(tones, tmp_path, "check_only=true")) == 0
    assert cache.read_text() == first
    cache.write_text(first[:-40])
    assert main(words(tones, tmp_path, "check_only=true")) == 0
    assert sorted(cache.read_text().splitlines()) == sorted(first.splitlines())
    second, fewer = tmp_path / "second", tmp_path / "fewer.jsonl"
    fewer.write_text(first.split("\n", 1)[1])
    more = ("check_only=true", f"data.more_units=[{tones.units}]")
    assert main(words(tones, second, *more, f"data.pitch={fewer}")) == 0
    (measured,) = map(json.loads, (second / PITCH_FILE).read_text().splitlines())
    assert measured == rows[0]
    assert main(words(tones, second, *more, "data.pitch=nowhere.jsonl")) == 2


def test_a_trained_voice_keeps_to_its_pitch_and_is_stored_in_8_bits(renderer: Path, tmp_path: Path) -> None:
    vocoder = UnitVocoder.from_checkpoint(renderer)
    assert vocoder.takes_pitch
    assert vocoder.edge_unit is not None
    units = random_units(np.random.default_rng(5), 150)
    voice = np.eye(SPEAKER_DIM, dtype=np.float32)[0]
    made = [vocoder.synthesize(units, voice, pitch=Pitch(float(np.log(hz)), 0.05)).samples for hz in (130.0, 260.0)]
    found = [measure_pitch(one) for one in made]
    assert all(np.abs(one).max() <= 1 for one in made)
    assert 12 * abs(np.log2(found[1].hz / found[0].hz) - 1) < 1
    out = tmp_path / "eight.safetensors"
    convert_checkpoint(renderer, out, RENDERER, torch.int8)
    assert out.stat().st_size < 0.5 * renderer.stat().st_size
    assert UnitVocoder.from_checkpoint(out).takes_pitch


def test_training_goes_on_from_a_run_or_a_renderer(harmonic: Path, renderer: Path, tones: TonesCorpus, tmp_path: Path) -> None:
    best = harmonic / "checkpoints" / "best.pt"
    weights = torch.load(best, weights_only=True)["modules"]["generator"]
    for checkpoint in (best, renderer):
        more = (f"init.checkpoint={checkpoint}", "init.language=ko", "model.num_units=25")
        config = read_config(Unit2aConfig, "unit2av/unit2a_harmonic_debug", words(tones, tmp_path, *more)[1:])
        started = start_vocoder(config.model, config.init, "", SPEAKER_DIM, 0).state_dict()
        for name, tensor in weights.items():
            assert torch.equal(started[name][: len(tensor)], tensor), name
        assert len(started["pitch.dict.weight"]) == len(started["dict.weight"]) == 25


def test_silence_stands_around_every_utterance(tones: TonesCorpus, tmp_path: Path) -> None:
    config = read_config(Unit2aConfig, "unit2av/unit2a_harmonic_debug", words(tones, tmp_path, "edge_unit=3")[1:])
    item = make_task(config).valid.load((0, 0))
    assert (item.frames[:4] == 3).all()
    assert not item.samples[: 4 * 320].any()
    assert item.samples[4 * 320 : 8 * 320].any()
    assert len(item.melody.log_f0) == 4 * len(item.frames)
    assert np.isfinite(item.melody.log_f0).all()


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        (["model.kind=piano"], "model.kind cannot be used; expected hifigan or harmonic; found piano"),
        (["model.source.kernel=4"], "model.source.kernel must be odd; found 4"),
        (["model.source.highest_hz=9000"], "do not rise"),
        (["edge_unit="], "data.edge_steps are said as edge_unit"),
        (["data.contour_items=9"], "a part of a batch; expected 1..8; found 9"),
        (["losses.stft_drawn=5"], "expected 0..4; found 5"),
        (["init.checkpoint={hifigan}/checkpoints/best.pt", "init.language=ko"], "of another kind"),
    ],
)
def test_mistakes_are_found_before_the_first_step(
    trained: Path, tones: TonesCorpus, tmp_path: Path, overrides: list[str], complaint: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tones, tmp_path / "run", *(one.format(hifigan=trained) for one in overrides))) == 2
    assert complaint in capfd.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_a_gpu_trains_it(tones: TonesCorpus, tmp_path: Path, precision: str) -> None:
    more = (f"loop.precision={precision}", "loop.device=auto", "loop.max_steps=40")
    assert main(words(tones, tmp_path, *more)) == 0
    losses = history(tmp_path, "train", "mel")
    assert losses[40] < losses[10]
