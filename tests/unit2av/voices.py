"""Small random vocoders, harmonic voices and renderer files for tests."""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unit2av.voice.harmonic import HarmonicConfig, HarmonicVocoder
from unit2av.voice.vocoder import UnitHifiGan, VocoderConfig

SMALL = VocoderConfig(
    num_units=1000, unit_dim=6, speaker_dim=9, speaker_width=5, duration_dim=7, channels=32, pre_kernel=7, post_kernel=7,
    upsample_rates=(5, 4, 4, 2, 2), upsample_kernels=(11, 8, 8, 4, 4), resblock_kernels=(3, 7, 11),
    resblock_dilations=[[1, 3, 5]] * 3,
)  # fmt: skip


def random_vocoder(config: VocoderConfig = SMALL, seed: int = 0) -> UnitHifiGan:
    """An untrained vocoder whose sound is loud enough to compare."""
    torch.manual_seed(seed)
    network = UnitHifiGan(config)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("weight_g"):
                parameter.fill_(1.0)
            elif name.endswith("bias"):
                parameter.normal_(0.0, 0.1)
        network.dur_predictor.proj.bias.fill_(1.0)
    return network


def save_renderer(path: Path, **vocoders: dict[str, Tensor]) -> Path:
    content: dict[str, Any] = {"audio": vocoders}
    torch.save(content, path)
    return path


TINY = HarmonicConfig(
    num_units=30, unit_dim=6, speaker_dim=9, speaker_width=5, duration_dim=7, width=24, fine=16, layers=2, kernel=5, bands=20,
    pitch_unit_dim=8, pitch_width=12, pitch_layers=2,
)  # fmt: skip


def random_harmonic(config: HarmonicConfig = TINY, seed: int = 0, voicing: float = 9.0) -> HarmonicVocoder:
    """An untrained voice, loud enough to compare, whose contour moves and whose usual pitch is 140 Hz.

    voicing: log odds of voice in all units.
    """
    torch.manual_seed(seed)
    network = HarmonicVocoder(config)
    network.source.restart()
    with torch.no_grad():
        network.dur_predictor.proj.bias.fill_(1.5)
        network.pitch.proj.weight.mul_(4)
        network.pitch.proj.weight[1] = 0
        network.pitch.proj.bias[1] = voicing
        network.pitch.of_voice.weight.mul_(0.1)
        network.pitch.of_voice.bias.copy_(torch.tensor([math.log(140.0), math.log(0.1)]))
    return network
