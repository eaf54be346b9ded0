"""A speller with random weights (text to units), at the size of the recipe for many units: for benchmarks and trying out."""

from dataclasses import replace
from math import log1p
from pathlib import Path

import torch

from avcore.checkpoints.checkpoint import write_checkpoint
from text2unit.model import ALIGNED, SpellerConfig
from text2unit.speller import network_of
from text2unit.stage import SPELLER

PUBLISHED = SpellerConfig(ALIGNED, 1000, width=256, kernel=5, layers=4, decoder_layers=4, heads=2)
"""As configs/text2unit/aligned.yaml; JETS' sizes."""
TINY = replace(PUBLISHED, width=16, kernel=3, layers=1, decoder_layers=1)
_STEPS_OF_A_LETTER = 4
"""Of 20 ms: Korean has about twelve jamo a second."""


def write_random_speller(path: Path, config: SpellerConfig, seed: int = 0) -> Path:
    """Write a speller of Korean whose letters last about as long as in speech. Raises OutputError."""
    torch.manual_seed(seed)
    network = network_of(config)
    if config.network == ALIGNED:
        network.get_parameter("duration.bias").data.fill_(log1p(_STEPS_OF_A_LETTER))
    about = {"model": config.to_config(), "languages": ["ko"], "vocabulary": "", "silence": 0}
    return write_checkpoint(path, SPELLER, about, network.state_dict())
