"""The vocoder's trainer: it learns, resumes exactly, survives being killed, and exports a voice that speaks."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.errors import InputError, UsageError, VocabularyError
from avcore.train.checkpoints import read_state
from avcore.train.entry import read_config
from avcore.train.loop import Trainer
from avcore.units import Units
from recipes.made.tones import VOCABULARY, Singer, TonesCorpus, random_units, sing, sing_corpus
from tests.avcore.train.toy import OneStep, batch_of, history
from tests.refusal import refused
from tests.unit2av.vocoder_runs import PUBLISHED, config_of, words
from unit2av.inference_unit2a import UnitVocoder
from unit2av.stage import RENDERER
from unit2av.train_unit2a import main, make_task
from unit2av.voice.training.config import Unit2aConfig
from unit2av.voice.training.items import normalise_peak
from unit2av.voice.training.losses import LogMel
from unit2av.voice.training.start import fresh_vocoder, start_vocoder
from unit2av.voice.vocoder import UnitHifiGan


def test_held_out_songs_improve_and_the_log_has_what_was_heard(trained: Path) -> None:
    for name in ("mel", "duration_error_s", "length_error"):
        values = history(trained, "valid", name)
        assert values[60] < values[30], name
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventAccumulator(str(trained / "tensorboard"), {"audio": 0, "images": 0})
    log.Reload()
    assert sum(tag.startswith("made/tones_") for tag in log.Tags()["audio"]) == 4
    assert sum(tag.startswith("real/tones_") for tag in log.Tags()["audio"]) == 4
    (image, *_) = log.Images(log.Tags()["images"][0])
    assert (image.height, image.width) == (2 * 81 * 3, 3 * (60 * 320 // 256))


@pytest.mark.slow
def test_two_processes_train_together(tones: TonesCorpus, tmp_path: Path) -> None:
    """Each weight must take part in each step, before the discriminators start and after, or the processes would wait."""
    launch = ["-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"]
    more = ["loop.max_steps=4", "losses.adversarial_from=0.5", "batch.batch_size=2"]
    command = [*launch, "--dynamo_backend", "no", "-m", "unit2av.train_unit2a", *words(tones, tmp_path, *more)]
    assert subprocess.run([sys.executable, *command], check=False, timeout=400).returncode == 0
    assert (set(history(tmp_path)), history(tmp_path, "valid", "mel").keys()) == ({1, 2, 3, 4}, {4})


class Forgetful(OneStep):
    """Leaves no gradient of a loss after its update."""

    def update(self, name: str, loss: torch.Tensor) -> None:
        super().update(name, loss)
        self.optimizers[name].zero_grad()


def test_the_vocoders_update_leaves_nothing_in_the_discriminators(tones: TonesCorpus, tmp_path: Path) -> None:
    """Their next update must see their own loss only."""
    task = make_task(config_of(tones, tmp_path))
    task.training_step(batch_of(task, range(2)), Forgetful(task))
    weights = list(task.parts["discriminators"].parameters())
    assert all(weight.grad is None for weight in weights)
    assert all(weight.requires_grad for weight in weights)


@pytest.mark.parametrize("config", ["unit2a_debug", "unit2a_harmonic_debug"])
def test_sizes_of_a_debug_config_are_those_of_the_data(tmp_path: Path, config: str) -> None:
    """Of units of any number and voices of any length; what was published keeps its own."""
    corpus = sing_corpus(tmp_path / "songs", utterances=8, steps=40)
    rows = [json.loads(line) for line in corpus.units.read_text().splitlines()]
    for row in rows:
        row |= {"units": [37 + unit for unit in row["units"]], "speaker_embedding": row["speaker_embedding"][:5]}
    corpus.units.write_text("".join(json.dumps(row) + "\n" for row in rows))
    largest = max(max(row["units"]) for row in rows)
    line = [*words(corpus, tmp_path / "run")[2:5], "data.hold_out=1"]
    refused(UsageError, "edge_unit is no unit", make_task, read_config(Unit2aConfig, f"unit2av/{config}", [*line, "edge_unit=99"]))
    task = make_task(read_config(Unit2aConfig, f"unit2av/{config}", line))
    sizes = task.about["config"]["model"]
    assert (sizes["num_units"], sizes["speaker_dim"]) == (largest + 1, 5)
    assert len(task.parts["generator"].state_dict()["dict.weight"]) == largest + 1
    assert (PUBLISHED.model.num_units, PUBLISHED.model.speaker_dim) == (1000, 256)


def test_discriminators_start_when_they_are_told_to(tones: TonesCorpus, tmp_path: Path) -> None:
    config = config_of(tones, tmp_path, "loop.max_steps=4", "losses.adversarial_from=0.5", "losses.stft=1")
    result = Trainer(make_task(config), config).train()
    steps = [line["step"] for line in result.history if line["kind"] == "train" and "discriminator" in line]
    assert steps == [3, 4]
    without = config_of(tones, tmp_path / "none", "loop.max_steps=2", "unit2av/discriminators@discriminators=none")
    task = make_task(without)
    assert set(task.parts) == {"generator", "mel", "stft"}
    assert "discriminator" not in Trainer(task, without).train().history[-2]


def test_bfloat16_and_accumulation(tones: TonesCorpus, tmp_path: Path) -> None:
    clipped = [f"{part}_optim.clip_norm=5" for part in ("generator", "discriminator")]
    assert main(words(tones, tmp_path, "loop.max_steps=3", "loop.precision=bf16", "loop.accumulate=2", *clipped)) == 0
    assert all(np.isfinite(value) for value in history(tmp_path).values())
    assert read_state(tmp_path / "checkpoints" / "last.pt")["position"]["batch"] == 6 - 5


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("precision", ["no", "bf16", "fp16"])
def test_a_gpu_trains_and_goes_on(tones: TonesCorpus, tmp_path: Path, precision: str) -> None:
    more = [f"loop.precision={precision}", "loop.device=auto", "generator_optim.clip_norm=5", "losses.stft=1"]
    assert main(words(tones, tmp_path, *more, "loop.max_steps=20")) == 0
    assert main(words(tones, tmp_path, *more, "loop.max_steps=40")) == 0
    losses = history(tmp_path, "train", "mel")
    assert losses[40] < losses[1]


def test_the_state_dict_has_the_published_names(parity_dir: Path) -> None:
    published = read_checkpoint(parity_dir / "unit2av_renderer.pt", RENDERER).section("audio.en")
    ours = fresh_vocoder(PUBLISHED.model, 0).state_dict()
    assert ours.keys() == published.keys()
    assert {name: tensor.ndim for name, tensor in ours.items()} == {name: tensor.ndim for name, tensor in published.items()}
    assert sum(tensor.numel() for tensor in ours.values()) == 13_966_658 + sum(
        tensor.numel() for name, tensor in ours.items() if name.endswith("weight_g")
    )


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        (["data.units=/nowhere.jsonl"], "nowhere.jsonl"),
        (["model.num_units=19"], "is out of range; expected 0..18; found 19"),
        (["model.speaker_dim=256"], "the voices do not fit the vocoder; expected 256 values; found 16"),
        (["data.units_vocabulary=sha256:other"], "units of two quantizers are mixed"),
        (["init.checkpoint=/nowhere.pt"], "nowhere.pt"),
    ],
)
def test_mistakes_are_found_before_the_first_step(
    tones: TonesCorpus, tmp_path: Path, overrides: list[str], complaint: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tones, tmp_path / "run", *overrides)) == 2
    error = capfd.readouterr().err
    assert complaint in error
    assert "Traceback" not in error
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_training_starts_from_a_language_of_a_published_checkpoint(tones: TonesCorpus, tmp_path: Path, parity_dir: Path) -> None:
    start = f"init.checkpoint={parity_dir / 'unit2av_renderer.pt'}"
    config = config_of(tones, tmp_path, start, "init.language=ko", "model.num_units=1030")
    network = start_vocoder(config.model, config.init, "", 256, seed=0)
    source = read_checkpoint(config.init.checkpoint, RENDERER).section("audio.ko")
    assert (network.state_dict().keys(), network.config.num_units) == (source.keys(), 1030)
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor[:1024] if name == "dict.weight" else tensor, source[name], rtol=0, atol=0)
    assert all(weight.requires_grad for weight in network.parameters())
    shifted = start_vocoder(config.model, replace(config.init, unit_offset=4), "", 256, seed=0)
    assert torch.equal(shifted.state_dict()["dict.weight"][:1020], source["dict.weight"][4:])
    fewer = start_vocoder(replace(config.model, num_units=100), config.init, "", 256, seed=0)
    assert torch.equal(fewer.state_dict()["dict.weight"], source["dict.weight"][:100])


def test_training_starts_from_other_training_checkpoints(trained: Path, tones: TonesCorpus, tmp_path: Path) -> None:
    best = trained / "checkpoints" / "best.pt"
    weights = read_state(best)["modules"]["generator"]
    torch.save({"generator": weights}, tmp_path / "g_00000060")
    for checkpoint in (best, tmp_path / "g_00000060"):
        config = config_of(tones, tmp_path / "run", f"init.checkpoint={checkpoint}", "init.language=ko", "loop.max_steps=1")
        started = make_task(config).parts["generator"].state_dict()
        assert all(torch.equal(started[name], tensor) for name, tensor in weights.items())
    config = config_of(tones, tmp_path / "run", f"init.checkpoint={best}", "init.language=ko", "loop.max_steps=1")
    Trainer(make_task(config), config).train()
    assert history(tmp_path / "run", "train", "mel")[1] < 0.7 * history(trained, "train", "mel")[5]


def test_other_units_are_refused(trained: Path, tones: TonesCorpus, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    units = tmp_path / "units.jsonl"
    units.write_text(tones.units.read_text().replace(VOCABULARY, "sha256:another"))
    best = trained / "checkpoints" / "best.pt"
    more = [f"data.units={units}", f"init.checkpoint={best}", "init.language=ko", "check_only=true"]
    assert main(words(tones, tmp_path / "run", *more)) == 2
    assert "the 'ko' vocoder of" in capfd.readouterr().err
    assert main(words(tones, tmp_path / "run", *more, "init.allow_other_vocabulary=true")) == 0


class Deaf:
    """A unit encoder that hears one unit whatever is said."""

    def extract(self, speech: np.ndarray) -> Units:
        assert speech.dtype == np.float32
        return Units([3, 3], np.array([len(speech) // 320, 1]))


def test_a_unit_encoder_tells_how_much_is_heard(tones: TonesCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unit2av.voice.training.task.load_evaluation_encoder", lambda *_: Deaf())
    task = make_task(config_of(tones, tmp_path, "unit_encoder=named.pt"))
    items = task.valid
    batch = task.collate([items.load((0, index)) for index in range(2)])
    said = [Units.from_frames(row[:length].numpy()).ids for row, length in zip(batch["frames"], batch["num_frames"], strict=True)]
    right = sum(3 in ids for ids in said)  # of each, the one unit that is heard where it is said at all
    with torch.no_grad():
        found = task.validate(iter([batch]), OneStep(task))
    expected = 1 - right / sum(map(len, said))
    assert found["unit_error_rate"] == found["recorded_unit_error_rate"] == pytest.approx(expected)
    assert {"mel", "length_error"} < set(found)
    assert not {"errors", "length"} & set(found)


def test_a_unit_encoder_of_other_units_is_refused(tones: TonesCorpus, tmp_path: Path, parity_dir: Path) -> None:
    refused(VocabularyError, "quantizer", make_task, config_of(tones, tmp_path, f"unit_encoder={parity_dir / 'mavhubert.pt'}"))
    refused(InputError, r"nowhere\.pt", make_task, config_of(tones, tmp_path, f"unit_encoder={tmp_path / 'nowhere.pt'}"))


def test_an_exported_voice_speaks(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "renderer.safetensors"
    assert main(["export", "--checkpoint", str(trained / "checkpoints" / "best.pt"), "--out-path", str(out)]) == 0
    vocoder = UnitVocoder.from_checkpoint(out, "ko")
    assert (vocoder.num_units, vocoder.speaker_dim, vocoder.vocabulary, vocoder.unit_offset) == (20, 16, VOCABULARY, 0)
    units = random_units(np.random.default_rng(5), 60)
    speech = vocoder.synthesize(replace(units, durations=None), Singer.numbered(0).embedding)
    assert len(speech.samples) == 320 * speech.units.num_steps
    assert 30 < speech.units.num_steps < 120
    assert np.sqrt(np.mean(speech.samples**2)) > 0.02
    untrained = fresh_vocoder(vocoder.network.config, 0).eval()
    assert distance(vocoder.network, units) < 0.6 * distance(untrained, units)


@torch.no_grad()
def distance(network: UnitHifiGan, units: Units) -> float:
    """Mel L1 between what a vocoder makes of units and what the singer sings."""
    singer = Singer.numbered(0)
    real = normalise_peak(sing(units, singer, np.random.default_rng(1)), 0.95)
    made = network(torch.from_numpy(units.frames())[None], torch.from_numpy(singer.embedding)[None])
    mel = LogMel(PUBLISHED.mel)
    return float((mel(made) - mel(torch.from_numpy(real)[None])).abs().mean())


def test_a_voice_is_added_to_a_renderer(trained: Path, tmp_path: Path, parity_dir: Path) -> None:
    published, out = parity_dir / "unit2av_renderer.pt", tmp_path / "both.safetensors"
    words = ["export", "--checkpoint", str(trained / "checkpoints" / "best.pt"), "--into", str(published), "--out-path", str(out)]
    assert main(words) == 0
    before, after = read_checkpoint(published, RENDERER), read_checkpoint(out, RENDERER)
    kept = [name for name in before.tensors if not name.startswith("audio.ko.")]
    assert len(kept) == 304 + 274
    assert all(torch.equal(before.tensors[name], after.tensors[name]) for name in kept)
    ko = read_state(trained / "checkpoints" / "best.pt")["modules"]["generator"]
    assert all(torch.equal(after.tensors[f"audio.ko.{name}"], tensor) for name, tensor in ko.items())
    said = UnitVocoder.from_checkpoint(out, "en")
    assert (said.num_units, said.vocabulary) == (1000, "")
    assert UnitVocoder.from_checkpoint(out, "ko").vocabulary == VOCABULARY
    assert main([*words[:-1], str(tmp_path / "named.safetensors"), "--language", "kor2"]) == 0
    assert "audio.kor2.dict.weight" in read_checkpoint(tmp_path / "named.safetensors", RENDERER).tensors


def test_the_edge_unit_goes_with_the_voice(trained: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["export", "--checkpoint", str(trained / "checkpoints" / "best.pt"), "--out-path"]
    assert main([*words, str(tmp_path / "run.safetensors")]) == 0
    found = read_state(trained / "checkpoints" / "best.pt")["about"]["settings"]["edge_unit"]
    assert UnitVocoder.from_checkpoint(tmp_path / "run.safetensors", "ko").edge_unit == found
    assert found in range(20)
    best, out = str(trained / "checkpoints" / "best.pt"), tmp_path / "x.safetensors"
    assert main(["export", "--checkpoint", best, "--out-path", str(out), "--into", best]) == 2
    assert "no renderer checkpoint" in capfd.readouterr().err
    assert not out.exists()


def test_a_renderer_of_other_units_is_refused(trained: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    best, first, second = trained / "checkpoints" / "best.pt", tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    assert main(["export", "--checkpoint", str(best), "--out-path", str(first), "--language", "en"]) == 0
    content = json.loads(first.with_suffix(".json").read_text())
    content["config"]["vocabulary"] = "sha256:other"
    first.with_suffix(".json").write_text(json.dumps(content))
    assert main(["export", "--checkpoint", str(best), "--out-path", str(second), "--into", str(first)]) == 2
    assert "another quantizer" in capfd.readouterr().err
