"""Weights in eight bits come back near to what they were, and a file of them is read as any other."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.checkpoint import fingerprint_tensors, read_checkpoint, rewrite_config, write_checkpoint
from avcore.checkpoints.eight_bits import SCALES, from_eight_bits, to_eight_bits
from avcore.checkpoints.layouts import is_same
from avcore.checkpoints.sniff import file_checksum
from avcore.checkpoints.stages import Stage
from avcore.errors import CheckpointError
from unit2av.stage import RENDERER, SPEAKER_ENCODER
from unit2unit.layout import SHARED_TABLES
from unit2unit.stage import TRANSLATOR


def test_each_row_is_off_by_half_a_step_at_most() -> None:
    sizes = torch.tensor([1e-3, 1.0, 1e3, 0.0, 1e-30])[:, None, None]
    rows = torch.randn(5, 3, 7, generator=torch.Generator().manual_seed(0)) * sizes
    back = from_eight_bits(to_eight_bits({"kernel": rows}))["kernel"]
    assert back.shape == rows.shape
    steps = rows.abs().amax((1, 2)) / 127
    assert ((back - rows).abs().amax((1, 2)) <= steps * 0.501).all()
    assert not is_same(back, rows)


@pytest.mark.parametrize(
    "tensor",
    [torch.randn(100), torch.randn(100, 15), torch.arange(64).view(2, 32), torch.full((2, 16), float("inf")), torch.zeros(0, 16)],
    ids=["vector", "short rows", "whole numbers", "infinite", "empty"],
)
def test_what_is_left_as_it_is(tensor: torch.Tensor) -> None:
    assert is_same(from_eight_bits(to_eight_bits({"x": tensor}))["x"], tensor)


def test_half_precision_comes_back_as_float32() -> None:
    stored = to_eight_bits({"x": torch.ones(2, 16, dtype=torch.float16)})
    assert {name: tensor.dtype for name, tensor in stored.items()} == {"x": torch.int8, f"x{SCALES}": torch.float32}
    assert is_same(from_eight_bits(stored)["x"], torch.ones(2, 16))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("mavhubert.pt", UNIT_ENCODER), ("utut.pt", TRANSLATOR), ("unit2av_renderer.pt", RENDERER)],
)
def test_a_checkpoint_is_a_quarter_and_reads_back_rounded(parity_dir: Path, tmp_path: Path, name: str, kind: Stage) -> None:
    source = read_checkpoint(parity_dir / name, kind)
    whole = write_checkpoint(tmp_path / "whole", kind, source.config, source.tensors)
    small = write_checkpoint(tmp_path / "small", kind, source.config, source.tensors, eight_bits=True)
    assert small.stat().st_size < 0.4 * whole.stat().st_size
    own, expected = read_checkpoint(small, kind), from_eight_bits(to_eight_bits(source.tensors))
    assert own.tensors.keys() == source.tensors.keys()
    assert all(is_same(own.tensors[key], expected[key]) for key in expected)
    assert json.loads((tmp_path / "small.json").read_text())["tensors"] == fingerprint_tensors(own.tensors)
    if kind is TRANSLATOR:
        assert len({own.tensors[key].data_ptr() for key in SHARED_TABLES}) == 1


def test_another_configuration_leaves_the_tensors_as_they_are_stored(parity_dir: Path, tmp_path: Path) -> None:
    source = read_checkpoint(parity_dir / "unit2av_spk_encoder.pt", SPEAKER_ENCODER)
    path = write_checkpoint(tmp_path / "x", SPEAKER_ENCODER, {"a": 1}, source.tensors, eight_bits=True)
    before, stored = read_checkpoint(path, SPEAKER_ENCODER), path.read_bytes()
    rewrite_config(before, {**before.config, "이름": 2})
    after = read_checkpoint(path, SPEAKER_ENCODER)
    assert path.read_bytes() == stored
    assert after.config == {"a": 1, "이름": 2}
    assert after.fingerprint != before.fingerprint


@pytest.mark.parametrize("scales", [None, torch.ones(3)], ids=["of nothing", "of other rows"])
def test_scales_that_do_not_fit_are_an_error(parity_dir: Path, tmp_path: Path, scales: torch.Tensor | None) -> None:
    source = read_checkpoint(parity_dir / "unit2av_spk_encoder.pt", SPEAKER_ENCODER)
    path = write_checkpoint(tmp_path / "x", SPEAKER_ENCODER, {}, source.tensors, eight_bits=True)
    stored = load_file(path)
    stored |= {f"absent{SCALES}": torch.ones(2)} if scales is None else {f"linear.weight{SCALES}": scales}
    save_file(stored, path)
    beside = path.with_suffix(".json")
    beside.write_text(json.dumps(json.loads(beside.read_text()) | {"checksum": file_checksum(path)}))
    with pytest.raises(CheckpointError, match="does not fit a tensor of 8 bits"):
        read_checkpoint(path, SPEAKER_ENCODER)
