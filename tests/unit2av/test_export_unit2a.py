"""What the vocoder's trainer exports: a voice that speaks, alone or in a renderer of several languages."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.units import Units
from avtrain.checkpoints import read_state
from tests.unit2av.vocoder_runs import PUBLISHED
from unit2av.inference_unit2a import UnitVocoder
from unit2av.stage import RENDERER
from unit2av.tones import VOCABULARY, Singer, random_units, sing
from unit2av.train_unit2a import main
from unit2av.voice.training.items import normalise_peak
from unit2av.voice.training.losses import LogMel
from unit2av.voice.training.start import fresh_vocoder
from unit2av.voice.vocoder import UnitHifiGan


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
    assert main([*words, str(tmp_path / "other.safetensors"), "--edge-unit", "3"]) == 0
    assert UnitVocoder.from_checkpoint(tmp_path / "other.safetensors", "ko").edge_unit == 3
    assert main([*words, str(tmp_path / "none.safetensors"), "--edge-unit", "20"]) == 2
    assert "expected 0..19" in capfd.readouterr().err
    assert not (tmp_path / "none.safetensors").exists()


def test_an_export_that_cannot_be_made(trained: Path, tmp_path: Path, parity_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    best, out = str(trained / "checkpoints" / "best.pt"), str(tmp_path / "x.safetensors")
    torch.save({"generator": {}}, tmp_path / "other.pt")
    for words, complaint in (
        (["--checkpoint", str(tmp_path / "other.pt"), "--out-path", out], "no checkpoint of a unit vocoder's training"),
        (["--checkpoint", best, "--out-path", str(tmp_path / "x.pt")], "must end in .safetensors"),
        (["--checkpoint", best, "--out-path", out, "--into", best], "no renderer checkpoint"),
    ):
        assert main(["export", *words]) == 2
        assert complaint in capfd.readouterr().err
    assert not Path(out).exists()


def test_a_renderer_of_other_units_is_refused(trained: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    best, first, second = trained / "checkpoints" / "best.pt", tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    assert main(["export", "--checkpoint", str(best), "--out-path", str(first), "--language", "en"]) == 0
    content = json.loads(first.with_suffix(".json").read_text())
    content["config"]["vocabulary"] = "sha256:other"
    first.with_suffix(".json").write_text(json.dumps(content))
    words = ["export", "--checkpoint", str(best), "--out-path", str(second), "--into", str(first)]
    assert main(words) == 2
    assert "another quantizer" in capfd.readouterr().err
    assert main([*words, "--allow-other-vocabulary"]) == 0
