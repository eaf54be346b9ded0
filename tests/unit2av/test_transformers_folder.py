"""A voice as a folder of transformers: by plain torch, and in a slow test by transformers itself."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor

from avcore.contracts import SpeakerVoice
from avcore.speech.pitch import Pitch
from avcore.units import Units
from netflips.commands.options import convert
from tests.unit2av.voices import SMALL, random_harmonic, random_vocoder, save_renderer
from unit2av.transformers_folder import PROJECTION
from unit2av.voice.named import FILE, write_named_voices
from unit2av.voice.speech import UnitVocoder

FITTING = replace(SMALL, duration_dim=SMALL.unit_dim)
UNITS = Units(np.array([7, 300, 12, 999, 5, 7]))
VOICES = {"ann": [0.1, 0.9], "bob": [-0.7, 0.2]}


@pytest.fixture
def renderer(tmp_path: Path) -> Path:
    """Two languages and two named voices, of vectors that are no units of their own."""
    voices = {
        name: SpeakerVoice(np.resize(np.array(values, np.float32), SMALL.speaker_dim), Pitch(5.0, 0.2))
        for name, values in VOICES.items()
    }
    write_named_voices(tmp_path / FILE, voices)
    states = {"en": random_vocoder(FITTING, 1).state_dict(), "ko": random_vocoder(FITTING).state_dict()}
    return save_renderer(tmp_path / "renderer.pt", **states)


@pytest.fixture
def folder(renderer: Path, tmp_path: Path) -> Path:
    out = tmp_path / "hf"
    assert convert.main([str(renderer), "-o", str(out), "--to", "transformers", "--target-lang", "ko", "--quiet"]) == 0
    return out


def ours(renderer: Path, voice: str) -> np.ndarray[Any, Any]:
    vector = np.resize(np.array(VOICES[voice], np.float32), SMALL.speaker_dim)
    return UnitVocoder.from_checkpoint(renderer, "ko").synthesize(UNITS, vector).samples


def test_what_stands_in_the_folder_says_the_same(renderer: Path, folder: Path) -> None:
    config, weights = json.loads((folder / "config.json").read_text()), safetensors.torch.load_file(folder / "model.safetensors")
    assert config["netflips"] == {"language": "ko", "vocabulary": "", "voices": ["ann", "bob"]}
    for number, voice in enumerate(VOICES):
        said = said_there(config, weights, torch.from_numpy(UNITS.ids), number)
        np.testing.assert_allclose(said.numpy(), ours(renderer, voice), atol=2e-6)
    projection = safetensors.torch.load_file(folder / PROJECTION)
    vector = torch.from_numpy(np.resize(np.array(VOICES["bob"], np.float32), SMALL.speaker_dim))
    row = projection["weight"] @ vector + projection["bias"]
    torch.testing.assert_close(weights["speaker_embedding.weight"][1], row)
    assert "0 ann, 1 bob" in (folder / "README.md").read_text()


def said_there(config: Mapping[str, Any], weights: Mapping[str, Tensor], units: Tensor, voice: int) -> Tensor:
    """SeamlessM4TCodeHifiGan, as its source has it, of one sequence: float32 [S]."""

    def conv(name: str, x: Tensor, dilation: int = 1) -> Tensor:
        weight = weights[f"{name}.weight"]
        return F.conv1d(x, weight, weights[f"{name}.bias"], padding=(weight.shape[2] - 1) * dilation // 2, dilation=dilation)

    def norm(name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x.transpose(1, 2), x.shape[1:2], weights[f"{name}.weight"], weights[f"{name}.bias"]).transpose(1, 2)

    embedded = weights["unit_embedding.weight"][units].T[None]
    hidden = embedded
    for number in (1, 2):
        hidden = norm(f"dur_predictor.ln{number}", F.relu(conv(f"dur_predictor.conv{number}", hidden)))
    logs = F.linear(hidden.transpose(1, 2), weights["dur_predictor.proj.weight"], weights["dur_predictor.proj.bias"])[0, :, 0]
    x = embedded.repeat_interleave(torch.round(torch.expm1(logs)).long().clamp(min=1), dim=2)
    speaker, language = weights["speaker_embedding.weight"][voice], weights["language_embedding.weight"][0]
    x = conv("hifi_gan.conv_pre", torch.cat([one[None, :, None].expand(-1, -1, x.shape[2]) if one.dim() == 1 else one
                                             for one in (language, x, speaker)], dim=1))  # fmt: skip
    block = 0
    for layer, (rate, kernel) in enumerate(zip(config["upsample_rates"], config["upsample_kernel_sizes"], strict=True)):
        name = f"hifi_gan.upsampler.{layer}"
        slope, padding = config["leaky_relu_slope"], (kernel - rate) // 2
        x = F.conv_transpose1d(F.leaky_relu(x, slope), weights[f"{name}.weight"], weights[f"{name}.bias"], rate, padding)
        outputs = []
        for dilations in config["resblock_dilation_sizes"]:
            out = x
            for number, dilation in enumerate(dilations):
                inner = f"hifi_gan.resblocks.{block}.convs{{}}.{number}"
                inside = conv(inner.format(1), F.leaky_relu(out, slope), dilation)
                out = out + conv(inner.format(2), F.leaky_relu(inside, slope))
            outputs.append(out)
            block += 1
        x = torch.stack(outputs).mean(0)
    return torch.tanh(conv("hifi_gan.conv_post", F.leaky_relu(x)))[0, 0]


def test_units_that_are_counted_from_4_stand_in_their_own_row(tmp_path: Path) -> None:
    """A table with spare rows shows where its units begin: unit 0 is in row 0 there in any case."""
    network = random_vocoder(replace(FITTING, num_units=1024))
    with torch.no_grad():
        network.dict.weight[:4] *= 0.01
        network.dict.weight[1004:] *= 0.01
    path = save_renderer(tmp_path / "renderer.pt", ko=network.state_dict())
    assert UnitVocoder.from_checkpoint(path, "ko").unit_offset == 4
    assert convert.main([str(path), "-o", str(tmp_path / "hf"), "--to", "transformers", "--quiet"]) == 0
    table = safetensors.torch.load_file(tmp_path / "hf" / "model.safetensors")["unit_embedding.weight"]
    assert torch.equal(table[0], network.dict.weight[4])
    assert len(table) == 1021
    assert not table[-1].any()


def test_what_the_class_cannot_hold_is_one_line(tmp_path: Path, parity_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    narrow = save_renderer(tmp_path / "narrow.pt", ko=random_vocoder().state_dict())
    two = save_renderer(tmp_path / "two.pt", ko=random_vocoder(FITTING).state_dict(), en=random_vocoder(FITTING).state_dict())
    pitched = save_renderer(tmp_path / "pitched.pt", ko=random_harmonic().state_dict())
    refused = {
        narrow: "cannot hold this vocoder: the duration predictor's width; expected 6; found 7",
        two: "does not say which voice; expected --target-lang, one of ko, en",
        pitched: "no class for a voice with a pitch; expected a unit HiFi-GAN",
        parity_dir / "mavhubert.pt": "no class for a unit encoder; expected a unit translator, or a renderer",
    }
    for path, words in refused.items():
        assert convert.main([str(path), "-o", str(tmp_path / "hf"), "--to", "transformers", "--quiet"]) == 2
        assert words in capsys.readouterr().err
        assert not (tmp_path / "hf").exists()


_THERE = """
import json, sys
import numpy as np, torch
from transformers import SeamlessM4TCodeHifiGan

folder, out, units, voices = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), json.loads(sys.argv[4])
model, loading = SeamlessM4TCodeHifiGan.from_pretrained(folder, output_loading_info=True)
model.eval()
with torch.no_grad():
    said = [model(torch.tensor([units]), torch.tensor([[voice]]), torch.tensor([[0]])) for voice in voices]
np.savez(out, *[samples[0].numpy() for samples, _ in said])
lengths = [int(length) for _, length in said]
print(json.dumps({"left_over": [*loading["missing_keys"], *loading["unexpected_keys"]], "lengths": lengths}))
"""


@pytest.mark.slow
@pytest.mark.local
def test_transformers_says_the_same(
    renderer: Path, folder: Path, tmp_path: Path, transformers_environment: Mapping[str, str]
) -> None:
    words = [str(folder), str(tmp_path / "said.npz"), json.dumps(UNITS.ids.tolist()), "[0, 1]"]
    command = [sys.executable, "-c", _THERE, *words]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(transformers_environment), check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["left_over"] == []
    with np.load(tmp_path / "said.npz") as said:
        for samples, length, voice in zip(said.values(), found["lengths"], VOICES, strict=True):
            assert len(samples) == length
            np.testing.assert_allclose(samples, ours(renderer, voice), atol=2e-6)
