"""A small unit encoder and something to feed it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from av2unit.config import AvHubertConfig
from av2unit.extractor import UnitExtractor
from av2unit.model import AvHubert
from av2unit.stage import UNIT_ENCODER
from avcore.arrays import Floats, Frames
from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.checkpoints.stages import Checkpoint
from tests.av2unit.made_clips import write_corpus
from tests.av2unit.training_runs import SIDE


@pytest.fixture(scope="session")
def encoder_path(parity_dir: Path) -> Path:
    return parity_dir / "mavhubert.pt"


@pytest.fixture(scope="session")
def encoder_checkpoint(encoder_path: Path) -> Checkpoint:
    return read_checkpoint(encoder_path, UNIT_ENCODER)


@pytest.fixture(scope="session")
def extractor(encoder_path: Path) -> UnitExtractor:
    return UnitExtractor.from_checkpoint(encoder_path)


@pytest.fixture(scope="session")
def speech() -> Floats:
    """2.3 s at 16 kHz, a sweep in noise."""
    time = np.arange(36_800) / 16_000
    noise = np.random.default_rng(1).standard_normal(len(time))
    return (0.3 * np.sin(2 * np.pi * (200 + 300 * time) * time) + 0.05 * noise).astype(np.float32)


@pytest.fixture(scope="session")
def lips() -> Frames:
    """57 gray frames, 2.28 s, of a blob that opens and closes."""
    rows, columns = np.mgrid[:96, :96]
    opening = 6 + 5 * np.sin(np.arange(57) * 0.7)
    inside = ((rows - 48) / opening[:, None, None]) ** 2 + ((columns - 48) / 25) ** 2 < 1
    texture = np.random.default_rng(2).integers(0, 40, (57, 96, 96))
    return (np.where(inside, 40, 150) + texture).astype(np.uint8)


@pytest.fixture(scope="session")
def other_checkpoint(encoder_checkpoint: Checkpoint) -> Checkpoint:
    """A random unit encoder of other sizes than the fixture, with two different, shuffled dictionaries."""
    sizes = {"encoder_layers": 3, "encoder_embed_dim": 48, "encoder_ffn_embed_dim": 80, "encoder_attention_heads": 6}
    rest = {"final_dim": 20, "conv_pos": 9, "conv_pos_groups": 8, "logit_temp": 0.2}
    random = np.random.default_rng(7)
    names = ["<s>", "<pad>", "</s>", "<unk>"]
    dictionaries = [names + [str(unit) for unit in random.permutation(30)], names + [str(unit) for unit in random.permutation(28)]]
    config = {**encoder_checkpoint.config, "model": encoder_checkpoint.config["model"] | sizes | rest, "dictionaries": dictionaries}
    shape_of = AvHubertConfig(**sizes, **rest, resnet_width=6, num_classes=(34, 32))
    torch.manual_seed(7)
    return replace(encoder_checkpoint, config=config, tensors=dict(AvHubert(shape_of).state_dict()))


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 clips of about a second, with frames of 48 x 48, as files."""
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder, side=SIDE)
    return folder
