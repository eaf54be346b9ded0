"""Linear layers with weights laid out once. Modules without weights. Folded convolutions do what convolution and norm did."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from avcore.compute import kernels
from avcore.compute.inference import fold_norm, skeleton
from avcore.compute.kernels import (
    CastLinear,
    MappedFiles,
    PackedLinear,
    copy_from_files,
    has_onednn,
    lay_out_all,
    let_go_of_mapped,
    pack_linears,
)

pytestmark = pytest.mark.usefixtures("packs_all")


def layers(width: int = 37, out: int = 53) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(width, out), nn.GELU(), nn.Sequential(nn.Linear(out, width, bias=False)))


@pytest.mark.parametrize("rows", [1, 5, 300])
@torch.inference_mode()
def test_float32_is_exact_to_rounding(rows: int) -> None:
    plain, packed = layers(), pack_linears(layers(), torch.float32)
    x = torch.randn(2, rows, 37)
    torch.testing.assert_close(packed(x), plain(x), atol=1e-6, rtol=1e-5)


@torch.inference_mode()
def test_what_is_too_small_to_pay_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_LEAST_PACKED", 40 * 50)
    mixed, x = nn.Sequential(nn.Linear(37, 53), nn.Linear(53, 60)), torch.randn(6, 37)
    wanted = mixed(x)
    pack_linears(mixed, torch.float32)
    assert [type(child) for child in mixed] == [nn.Linear, PackedLinear]
    torch.testing.assert_close(mixed(x), wanted, atol=1e-6, rtol=1e-5)
    small = pack_linears(nn.Sequential(nn.Linear(5, 5)), torch.bfloat16)
    assert isinstance(small[0], PackedLinear if has_onednn(torch.bfloat16) else CastLinear)  # type: ignore[index]


@torch.inference_mode()
def test_bfloat16_takes_and_gives_float32() -> None:
    packed, x = pack_linears(layers(), torch.bfloat16), torch.randn(6, 37)
    found = packed(x)
    assert found.dtype == torch.float32
    assert 0 < (found - layers()(x)).abs().max() < 0.02


@torch.inference_mode()
def test_a_type_that_cannot_be_packed_is_cast() -> None:
    cast, x = pack_linears(layers(), torch.float64), torch.randn(6, 37)
    assert isinstance(cast[0], CastLinear)  # type: ignore[index]
    assert cast(x).dtype == torch.float32
    torch.testing.assert_close(cast(x), layers()(x), atol=1e-6, rtol=1e-5)


@torch.inference_mode()
def test_tied_weights_stay_with_the_embedding() -> None:
    embedding, projection = nn.Embedding(9, 6), nn.Linear(6, 9, bias=False)
    projection.weight = embedding.weight
    module = nn.ModuleList([embedding, projection])
    pack_linears(module, torch.float32)
    x = torch.randn(3, 6)
    torch.testing.assert_close(module[1](x), x @ embedding.weight.T, atol=1e-6, rtol=1e-5)


@torch.inference_mode()
def test_weights_that_are_laid_out_all_at_once_are_the_same() -> None:
    x, plain, model = torch.randn(7, 37), pack_linears(layers(), torch.float32), pack_linears(layers(), torch.float32)
    lay_out_all(model)
    assert all(layer.is_laid_out for layer in model.modules() if isinstance(layer, PackedLinear))
    assert not any(layer.is_laid_out for layer in plain.modules() if isinstance(layer, PackedLinear))
    assert torch.equal(model(x), plain(x))
    lay_out_all(model)  # nothing is left to do


def resident_mib(path: Path) -> float:
    """How much of a file this process holds in memory through mappings."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    starts = [number for number, line in enumerate(lines) if line.endswith(str(path))]
    found = [line for start in starts for line in lines[start + 1 : start + 4] if line.startswith("Rss:")]
    return sum(int(line.split()[1]) for line in found) / 1024


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@torch.inference_mode()
def test_layers_are_laid_out_when_used_and_let_their_file_go(tmp_path: Path) -> None:
    path, plain = tmp_path / "weights.pt", [nn.Linear(1024, 1024) for _ in range(4)]
    torch.save([layer.state_dict() for layer in plain], path)
    mapped = [nn.Linear(1024, 1024, device="meta") for _ in plain]
    for layer, tensors in zip(mapped, torch.load(path, mmap=True), strict=True):
        layer.load_state_dict(tensors, assign=True)
    packed = pack_linears(nn.ModuleList(mapped), torch.float32)
    assert resident_mib(path) < 1
    x, held = torch.randn(3, 1024), []
    for layer, own in zip(plain, packed, strict=True):
        torch.testing.assert_close(own(x), layer(x), atol=1e-5, rtol=1e-5)
        held.append(resident_mib(path))
    assert max(held) < 2  # of 16
    assert path.stat().st_size > 16 << 20


def test_a_part_of_a_mapped_file_is_found_and_read_again(tmp_path: Path) -> None:
    torch.save(torch.arange(1 << 20), path := tmp_path / "values.pt")
    values = torch.load(path, mmap=True)
    assert MappedFiles().hold(values[1000:])
    assert not MappedFiles().hold(values[:10])  # less than a page: it shares that with others
    assert let_go_of_mapped(values)
    assert torch.equal(values, torch.arange(1 << 20))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_what_lies_in_a_file_is_copied_once_and_nothing_else(tmp_path: Path) -> None:
    torch.save([torch.arange(1 << 20), torch.arange(3)], path := tmp_path / "values.pt")
    mapped, own = [*torch.load(path, mmap=True)], torch.arange(5)
    places, files = [tensor.data_ptr() for tensor in (*mapped, own)], MappedFiles()
    copy_from_files([*mapped, own], files)
    copied = [tensor.data_ptr() for tensor in (*mapped, own)]
    assert [before == after for before, after in zip(places, copied, strict=True)] == [False, False, True]
    assert torch.equal(mapped[0], torch.arange(1 << 20))
    copy_from_files([*mapped, own], files)
    assert [tensor.data_ptr() for tensor in (*mapped, own)] == copied


def test_modules_are_on_the_meta_device_inside_and_ordinary_outside() -> None:
    with skeleton():
        layer = torch.nn.Linear(3, 2)
    assert layer.weight.is_meta
    assert torch.nn.Linear(3, 2).weight.abs().sum() > 0


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
@torch.no_grad()
def test_a_folded_convolution_does_what_both_did(kind: type[nn.Conv2d], has_bias: bool) -> None:
    torch.manual_seed(0)
    convolution, norm = kind(3, 5, 3, bias=has_bias), nn.BatchNorm2d(5)
    for values in (norm.weight, norm.bias, norm.running_mean):
        values.normal_()
    norm.running_var.uniform_(0.5, 2)
    frames = torch.randn(2, 3, 8, 8)
    expected = norm.eval()(convolution(frames))
    before, given = convolution.weight.clone(), convolution.weight
    assert fold_norm(convolution, norm) is convolution
    torch.testing.assert_close(convolution(frames), expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(given, before), "weights that lie in a file stay as they are"
