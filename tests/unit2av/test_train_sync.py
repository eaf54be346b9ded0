"""The sync expert and its training on drawn lips."""

from pathlib import Path

import numpy as np
import pytest
import torch

from avcore.errors import CheckpointError, InputError, UsageError
from avcore.train.checkpoints import read_state
from recipes.made.drawn_lips import DrawnCorpus
from tests.avcore.train.toy import history
from tests.refusal import refused
from tests.unit2av.lip_runs import overrides, sync_config
from unit2av.face.training.config import SyncConfig
from unit2av.face.training.sync import SyncExpert, drawn_windows, load_sync_expert, sync_loss
from unit2av.lip_task import ChanceWatch, expert_input
from unit2av.train_sync import main, make_task


@pytest.mark.parametrize("frames", [5, 10])
def test_one_logit_for_each_choice(frames: int) -> None:
    expert = SyncExpert(SyncConfig(9, frames, 16, (4, 8, 8), 12))
    units, mouths = torch.randint(0, 9, (3, 4, 2 * frames)), torch.rand(3, 3 * frames, 48, 96)
    logits = expert(units, mouths)
    assert logits.shape == (3, 4)
    assert torch.allclose(expert(units[:, 2:3], mouths), logits[:, 2:3], atol=1e-5)
    assert torch.allclose(expert(units[1:2], mouths[1:2]), logits[1:2], atol=1e-5)
    assert sync_loss(torch.zeros(5)) == pytest.approx(np.log(2))


def test_drawn_windows_are_what_the_expert_learnt_from() -> None:
    frames = torch.randint(0, 256, (2, 10, 96, 96, 3), dtype=torch.uint8)
    drawn = frames.flip(-1).permute(0, 1, 4, 2, 3).float() / 255
    units = torch.arange(40).view(2, 20)
    said, mouths = drawn_windows(drawn, units, 5)
    assert torch.equal(mouths, expert_input(frames[:, :, 48:].reshape(4, 5, 48, 96, 3)))
    assert said.tolist() == units.view(4, 1, 10).tolist()


def test_the_expert_tells_aligned_from_shifted(sync_run: Path) -> None:
    assert read_state(sync_run / "checkpoints" / "best.pt")["position"]["best"] < 0.5
    assert max(history(sync_run, "valid", "accuracy").values()) > 0.8
    assert max(history(sync_run, "valid", "ranking").values()) > 0.9
    train = list(history(sync_run).values())
    assert train[-1] < 0.7 * train[0]


def test_an_expert_is_loaded_frozen_with_its_vocabulary(sync_run: Path, drawn: DrawnCorpus, tmp_path: Path) -> None:
    expert, vocabulary = load_sync_expert(sync_run / "checkpoints" / "best.pt")
    assert vocabulary == make_task(sync_config(drawn, sync_run / "crops", sync_run)).about["vocabulary"] != ""
    assert not any(weight.requires_grad for weight in expert.parameters())
    assert expert.config == SyncConfig(8, 5, 32, (8, 16, 32, 32), 32)
    torch.save({"about": {"kind": "unit vocoder"}}, tmp_path / "other.pt")
    refused(CheckpointError, "a unit vocoder's", load_sync_expert, tmp_path / "other.pt")
    refused(InputError, "train_sync", load_sync_expert, tmp_path / "none.pt")


def test_the_command_checks_and_exits(drawn: DrawnCorpus, crops: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["--config-name", "unit2av/sync_debug", *overrides(drawn, crops, tmp_path / "run")]
    assert main([*words, "model.num_units=7"]) == 2
    assert "drawn_000: unit at position 7 is out of range" in capfd.readouterr().err
    assert (main([*words, "model.frames=4"]), main([*words, "data.hold_out=0"])) == (2, 2)
    refused(UsageError, "min_shift", sync_config, drawn, crops, tmp_path, min_shift=0)


@pytest.mark.parametrize(("loss", "lines"), [(0.6931, 2), (0.5, 0)])
def test_an_expert_that_guesses_is_told_why(caplog: pytest.LogCaptureFixture, loss: float, lines: int) -> None:
    watch = ChanceWatch("units", 38, 8)
    for step in range(2100):
        watch.note(torch.tensor(loss), step)
    assert caplog.text.count("frames and units may not be in step (lse_offset tells by how much)") == lines
    assert caplog.text.count("of one person (38 clips), or the batch too small (8;") == lines
