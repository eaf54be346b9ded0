"""Weights that were laid out before: the same bits out of a mapped file, and a file that does not fit changes nothing."""

import logging
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch
from torch import nn

from avcore.checkpoints import laid_out
from avcore.checkpoints.checkpoint import Checkpoint
from avcore.checkpoints.laid_out import laid_out_path, use_laid_out, write_laid_out
from avcore.compute.device import has_onednn
from avcore.compute.eight_bit_linear import EightBitLinear, has_eight_bit_products
from avcore.compute.laid_out import bytes_of, can_map, weight_of
from avcore.compute.memory import MappedFiles
from avcore.compute.modules import PackedLinear, lay_out_all, pack_linears
from avcore.errors import UsageError
from unit2unit.stage import TRANSLATOR

pytestmark = [pytest.mark.skipif(not can_map(), reason="this torch lays nothing out"), pytest.mark.usefixtures("packs_all")]
WIDTHS = (64, 128, 37)


def network(dtype: torch.dtype) -> nn.Module:
    torch.manual_seed(0)
    inner = [layer for width in WIDTHS for layer in (nn.Linear(64, width), nn.Linear(width, 64, bias=False))]
    return pack_linears(nn.Sequential(*inner).requires_grad_(False), dtype)


def network_in_eight_bits() -> nn.Module:
    """A layer that takes anything and one that takes no less than -0.17, wide and narrow by turns as a feed-forward is."""
    torch.manual_seed(0)
    inner, files = [nn.Linear(64, 128), nn.Linear(128, 64), nn.Linear(64, 128)], MappedFiles()
    return nn.Sequential(*(EightBitLinear(one, files, lowest) for one, lowest in zip(inner, (None, -0.17, None), strict=True)))


def source(folder: Path, fingerprint: str = "abc") -> Checkpoint:
    return Checkpoint(folder / "x.pt", TRANSLATOR, {}, {}, fingerprint)


def mapped(model: nn.Module) -> int:
    return sum(hasattr(layer, "_holder") for layer in model.modules() if isinstance(layer, PackedLinear))


@pytest.mark.cpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_a_mapped_weight_computes_the_same_bits_as_one_laid_out_here(tmp_path: Path, dtype: torch.dtype) -> None:
    if not has_onednn(dtype):
        pytest.skip("this CPU lays out no bfloat16")
    x, plain = torch.randn(7, 64), network(dtype)
    path = write_laid_out(network(dtype), source(tmp_path), dtype)
    model = network(dtype)
    use_laid_out(model, source(tmp_path), dtype)
    assert mapped(model) == 6
    assert torch.equal(model(x), plain(x))
    assert path == laid_out_path(tmp_path / "x.pt", dtype)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.cpu
@pytest.mark.skipif(not has_eight_bit_products(), reason="this CPU has no products of eight bits")
@torch.inference_mode()
def test_weights_in_eight_bits_come_back_with_their_steps(tmp_path: Path) -> None:
    x, plain = torch.randn(7, 64), network_in_eight_bits()
    write_laid_out(network_in_eight_bits(), source(tmp_path), torch.bfloat16)
    model = network_in_eight_bits()
    use_laid_out(model, source(tmp_path), torch.bfloat16)
    assert mapped(model) == 3
    assert torch.equal(model(x), plain(x))


def test_weights_that_are_laid_out_all_at_once_are_the_same() -> None:
    x, plain, model = torch.randn(7, 64), network(torch.bfloat16), network(torch.bfloat16)
    lay_out_all(model)
    assert all(layer.is_laid_out for layer in model.modules() if isinstance(layer, PackedLinear))
    assert not any(layer.is_laid_out for layer in plain.modules() if isinstance(layer, PackedLinear))
    assert torch.equal(model(x), plain(x))
    lay_out_all(model)  # nothing is left to do


@torch.inference_mode()
def test_a_file_can_be_made_anew_while_it_is_in_use(tmp_path: Path) -> None:
    x, model = torch.randn(3, 64), network(torch.float32)
    path = write_laid_out(model, source(tmp_path), torch.float32)
    before, content = model(x), safetensors.torch.load_file(path)
    use_laid_out(model, source(tmp_path), torch.float32)
    again = safetensors.torch.load_file(write_laid_out(model, source(tmp_path), torch.float32))
    assert again.keys() == content.keys()
    assert all(torch.equal(again[name], content[name]) for name in content)
    assert torch.equal(model(x), before)


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1000:] = bytes(1000)
    path.write_bytes(content)


def one_bit(path: Path) -> None:
    """Anywhere: far from the values that name a checkpoint."""
    content = bytearray(path.read_bytes())
    content[len(content) // 3 + 77] ^= 4
    path.write_bytes(content)


def relabel(path: Path) -> None:
    """Weights of one shape in one another's places, and a fingerprint that fits them: as if laid out otherwise."""
    with safetensors.safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        about = file.metadata()
    tensors["0"], tensors["1"] = tensors["1"], tensors["0"]
    laid_out._save_aligned(tensors, {**about, "tensors": laid_out._sums(tensors)}, path)


def as_the_form_before(path: Path) -> None:
    """What a file of an earlier version says of itself: it has weights of small layers too."""
    content = path.read_bytes()
    path.write_bytes(content.replace(b"netflips-laid-out-4", b"netflips-laid-out-3", 1))


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-64])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (damage, "other bytes than were written"),
        (one_bit, "other bytes than were written"),
        (relabel, "laid out otherwise here"),
        (shorten, ""),
        (as_the_form_before, "another format"),
        (None, "another source"),
    ],
)
@torch.inference_mode()
def test_a_file_that_does_not_fit_is_left_aside_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, change, why: str
) -> None:
    path = write_laid_out(network(torch.float32), source(tmp_path), torch.float32)
    if change is not None:
        change(path)
    x, model = torch.randn(3, 64), network(torch.float32)
    with caplog.at_level(logging.WARNING):
        use_laid_out(model, source(tmp_path, "abc" if change else "another"), torch.float32)
    (told,) = [record.getMessage() for record in caplog.records]
    assert str(path) in told
    assert why in told
    assert "netflips convert --for cpu" in told
    assert "\n" not in told
    assert mapped(model) == 0
    assert torch.equal(model(x), network(torch.float32)(x))


def test_another_machine_lays_out_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    write_laid_out(network(torch.float32), source(tmp_path), torch.float32)
    monkeypatch.setattr(laid_out, "_machine_name", lambda: "another")
    model = network(torch.float32)
    use_laid_out(model, source(tmp_path), torch.float32)
    assert "made for another processor" in caplog.text
    assert mapped(model) == 0


def test_without_a_file_nothing_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    use_laid_out(network(torch.float32), source(tmp_path), torch.float32)
    assert not caplog.records


def test_a_model_without_such_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no weights to lay out"):
        write_laid_out(nn.Conv1d(1, 1, 1), source(tmp_path), torch.float32)


def test_bytes_of_another_number_make_no_weight() -> None:
    layer = network(torch.float32)[0]
    assert isinstance(layer, PackedLinear)
    content = bytes_of(layer.laid_out())
    with pytest.raises(ValueError, match="no weight of this layout"):
        weight_of(content[:-64], layer.laid_out())
