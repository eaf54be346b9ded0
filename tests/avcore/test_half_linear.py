"""Linear layers with weights of float16: near to float32, row by row, and only large ones of a translator on `auto`."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from avcore.compute import inference, kernels
from avcore.compute.kernels import HalfLinear, MappedFiles, fuse_gelu, halve_linears, has_half_products
from tests.avcore.test_eight_bit_linear import error, layer
from unit2unit import translator

pytestmark = [pytest.mark.cpu, pytest.mark.skipif(not has_half_products(), reason="this torch has no products of float16 here")]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [1, 20, 300])
@torch.inference_mode()
def test_answers_are_those_of_weights_that_are_rounded(rows: int, bias: bool) -> None:
    plain, x = layer(bias=bias), torch.randn(2, rows, 128)
    found = HalfLinear(plain, MappedFiles())(x)
    assert found.shape == (2, rows, 192)
    assert found.dtype == torch.float32
    assert 0 < error(found, plain(x)) < 5e-4
    assert error(found, F.linear(x, plain.weight.half().float(), plain.bias)) < 1e-6


@torch.inference_mode()
def test_a_row_does_not_depend_on_its_neighbours_and_gelu_moves_in() -> None:
    plain, x = layer(), torch.randn(20, 128)
    own = HalfLinear(plain, MappedFiles())
    beside = x * 1000
    beside[7] = x[7]
    torch.testing.assert_close(own(beside)[7], own(x[7:8])[0], rtol=1e-6, atol=1e-6)
    assert isinstance(fuse_gelu(own, nn.GELU()), nn.Identity)
    assert error(own(x), F.gelu(plain(x))) < 5e-4


def test_small_layers_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = nn.Sequential(layer(), nn.Linear(8, 8))
    monkeypatch.setattr(kernels, "_LEAST_HALF", 128 * 192)
    halve_linears(pair, MappedFiles())
    assert [type(one) for one in pair] == [HalfLinear, nn.Linear]


@pytest.mark.parametrize(
    ("precision", "has_bfloat16", "is_halved"), [("auto", False, True), ("auto", True, False), ("float32", False, False)]
)
def test_a_translators_decoder_alone_is_so_where_auto_is_float32(
    monkeypatch: pytest.MonkeyPatch, parity_dir: Path, precision: str, has_bfloat16: bool, is_halved: bool
) -> None:
    monkeypatch.setattr(inference, "has_native_bfloat16", lambda: has_bfloat16)
    monkeypatch.setattr(kernels, "_LEAST_HALF", 1)
    loaded = translator.UnitTranslator.from_checkpoint(parity_dir / "utut_ko.pt", precision=precision).model
    assert not any(isinstance(one, HalfLinear) for one in loaded.encoder.modules())
    assert any(isinstance(one, HalfLinear) for one in loaded.decoder.modules()) == is_halved
