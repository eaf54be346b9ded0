"""The voice of spectra: shapes, gradients, pieces that join at both rates, and the file that it is read from."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

from avcore.checkpoints.checkpoint import write_checkpoint
from avcore.contracts import SpeakerVoice
from avcore.errors import CheckpointError
from avcore.speech.audio import resample
from avcore.speech.pitch import Pitch
from avcore.units import Units
from tests.unit2av.voices import TINY
from unit2av.stage import RENDERER
from unit2av.voice.harmonic import VOCOS, harmonic_config, kind_of_voice, source_settings
from unit2av.voice.source import sound_of, spectrum_of
from unit2av.voice.speech import UnitVocoder
from unit2av.voice.training.losses import DiscriminatorConfig, Discriminators, LogMel, MelConfig, mel_loss
from unit2av.voice.vocos import VocosConfig, VocosVocoder

_OWN = {one.name: getattr(TINY, one.name) for one in fields(TINY)}
SMALL = VocosConfig(**_OWN | {"rate": 24_000, "fft": 480, "noise_fft": 240, "top_hz": 11_600.0, "bands": 80})
UNITS = Units(np.array([3, 1, 2, 3]), np.array([6, 30, 25, 7]))
VOICE = SpeakerVoice(np.eye(1, SMALL.speaker_dim, dtype=np.float32)[0], Pitch(np.log(140.0), 0.1))


def fresh(seed: int = 0) -> VocosVocoder:
    torch.manual_seed(seed)
    network = VocosVocoder(SMALL)
    network.source.restart()
    return network


@pytest.fixture(scope="module")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tensors = {f"audio.ko.{name}": tensor for name, tensor in fresh().state_dict().items()}
    settings = {"vocoders": {"ko": source_settings(SMALL) | {"edge_unit": 3}}, "unit_offsets": {"ko": 0}}
    return write_checkpoint(tmp_path_factory.mktemp("vocos") / "renderer.safetensors", RENDERER, settings, tensors)


def test_sizes_are_read_from_tensors_and_settings() -> None:
    tensors = fresh().state_dict()
    assert kind_of_voice(tensors) == VOCOS
    assert harmonic_config(tensors, source_settings(SMALL), Path("x"), VocosConfig) == SMALL
    with pytest.raises(CheckpointError, match="no harmonic voice"):
        harmonic_config({"source.seen.weight": tensors["source.seen.weight"]}, {}, Path("x"), VocosConfig)


def test_every_weight_of_the_sound_has_a_gradient() -> None:
    network = fresh()
    sound = network(torch.randint(0, SMALL.num_units, (2, 9)), torch.randn(2, SMALL.speaker_dim), torch.full((2, 36), 5.0))
    assert sound.shape == (2, 9 * 480)
    sound.square().mean().backward()
    lacking = [name for name, one in network.named_parameters() if one.grad is None or not one.grad.abs().sum() > 0]
    assert all(name.startswith(("dur_predictor.", "pitch.")) for name in lacking)


def test_without_a_filter_the_source_comes_back() -> None:
    pulses = torch.randn(1, 2400)
    assert torch.allclose(sound_of(spectrum_of(pulses, 480, 24_000), 480, 24_000, 2400), pulses, atol=1e-5)


def test_pieces_join_to_the_whole_at_its_own_rate_and_at_16_khz(renderer: Path) -> None:
    vocoder = UnitVocoder.from_checkpoint(renderer, "ko")
    assert vocoder.takes_pitch
    assert vocoder.rate == 24_000
    wide = [np.concatenate([*vocoder.iter_synthesize(UNITS, VOICE, steps, is_wide=True)]) for steps in (7, 250)]
    assert len(wide[0]) == len(wide[1]) == UNITS.num_steps * 480
    assert np.abs(wide[0] - wide[1]).max() < 1e-5
    narrow = [np.concatenate([*vocoder.iter_synthesize(UNITS, VOICE, steps)]) for steps in (7, 250)]
    assert len(narrow[0]) == UNITS.num_steps * 320
    assert np.abs(narrow[0] - narrow[1]).max() < 1e-5
    inside = slice(1600, -1600)  # the ends are faded at either rate
    assert np.abs(resample(wide[1], 24_000, 16_000) - narrow[1])[inside].max() < 1e-5
    assert np.array_equal(vocoder.synthesize(UNITS, VOICE).samples, narrow[1])


def test_a_mel_distance_counts_more_where_sound_sets_in() -> None:
    mel = LogMel(MelConfig(fft=512, hop=160, window=512, mels=40, max_hz=8000.0))
    sound = torch.cat([torch.zeros(1, 8000), 0.3 * torch.randn(1, 8000)], 1)
    onsets = mel.onsets(mel(sound))
    assert onsets.shape == (1, 100)
    assert onsets[0, 48:52].min() > 0.9
    assert onsets[0, :40].max() == onsets[0, 60:].clamp(min=0.3).max() - 0.3 == 0
    flat = torch.zeros(1, 40, 100)
    early, late = flat.clone(), flat.clone()
    early[..., 50], late[..., 80] = 1, 1
    assert mel_loss(early, flat, 1 + 2 * onsets) > 1.5 * mel_loss(late, flat, 1 + 2 * onsets)
    assert mel_loss(early, flat) == mel_loss(late, flat)


def test_resolutions_are_judged_one_discriminator_each() -> None:
    config = DiscriminatorConfig(
        periods=(), period_channels=(), scales=0, scale_channels=(), scale_kernels=(), scale_strides=(), scale_groups=(),
        resolutions=(256, 512), resolution_channels=4,
    )  # fmt: skip
    judgements = Discriminators(config)(torch.randn(2, 4800))
    assert len(judgements) == 2
    assert all(one.score.shape[0] == 2 and len(one.features) == 5 for one in judgements)
