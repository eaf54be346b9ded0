"""Averages of translators."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from avcore.checkpoints.checkpoint import Checkpoint, read_checkpoint
from avcore.errors import CheckpointError
from unit2unit.layout import SHARED_TABLES
from unit2unit.stage import TRANSLATOR
from unit2unit.training.export import write_fairseq
from unit2unit.translator import UnitTranslator
from unit2unit.utut_finetune.add_language import add_language
from unit2unit.utut_finetune.average import average, main


def _moved(checkpoint: Checkpoint, by: float) -> Checkpoint:
    """The checkpoint with the same number added to all weights."""
    tensors = {name: tensor + by if tensor.is_floating_point() else tensor for name, tensor in checkpoint.tensors.items()}
    return replace(checkpoint, tensors={**tensors, **dict.fromkeys(SHARED_TABLES, tensors[SHARED_TABLES[0]])})


def test_the_mean_of_weights_is_written_so_that_all_commands_read_it(parity_dir: Path, tmp_path: Path) -> None:
    first = read_checkpoint(parity_dir / "utut.pt", TRANSLATOR)
    for name, by in (("a.pt", 0.5), ("b.pt", -0.2)):
        write_fairseq(_moved(first, by), tmp_path / name)
    assert (
        main([str(parity_dir / "utut.pt"), str(tmp_path / "a.pt"), str(tmp_path / "b.pt"), "--out", str(tmp_path / "mean.pt")]) == 0
    )
    mean = read_checkpoint(tmp_path / "mean.pt", TRANSLATOR)
    assert mean.tensors.keys() == first.tensors.keys()
    for name, tensor in first.tensors.items():
        if tensor.is_floating_point() and "version" not in name and "_float_tensor" not in name:
            torch.testing.assert_close(mean.tensors[name], tensor + 0.1)
    assert mean.config == first.config
    assert UnitTranslator.from_checkpoint(tmp_path / "mean.pt").languages


def test_networks_that_differ_are_refused(parity_dir: Path) -> None:
    first = read_checkpoint(parity_dir / "utut.pt", TRANSLATOR)
    with pytest.raises(CheckpointError, match="other languages, sizes"):
        average([first, add_language(first, "ko")])
    with pytest.raises(CheckpointError, match="other units"):
        average([first, replace(first, config={**first.config, "vocabulary": "sha256:other"})])


def test_bad_arguments_write_nothing(parity_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(parity_dir / "utut.pt"), "--out", str(tmp_path / "x.pt")]) == 2
    assert "two or more" in capsys.readouterr().err
    assert main([str(parity_dir / "utut.pt")] * 2 + ["--out", str(tmp_path / "x.safetensors")]) == 2
    assert ".pt" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
