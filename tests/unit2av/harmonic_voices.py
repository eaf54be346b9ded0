"""Small random harmonic voices for tests."""

import math

import torch

from unit2av.voice.harmonic import HarmonicConfig, HarmonicVocoder

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
