"""Linear layers in eight bits by FBGEMM: near to float32, row by row; only large ones of a translator's decoder."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from avcore.compute import inference
from avcore.compute.kernels import GELU_LOWEST, FbgemmLinear, MappedFiles, fuse_gelu, has_fbgemm, pack_in_eight_bits
from tests.avcore.test_eight_bit_linear import error, layer
from unit2unit import translator

pytestmark = [pytest.mark.cpu, pytest.mark.skipif(not has_fbgemm(), reason="this torch has no FBGEMM here")]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [1, 20, 300])
@torch.inference_mode()
def test_answers_are_those_of_numbers_that_are_rounded(rows: int, bias: bool) -> None:
    plain, x = layer(bias=bias), torch.randn(2, rows, 128)
    found = FbgemmLinear(plain, MappedFiles())(x)
    assert (found.shape, found.dtype) == ((2, rows, 192), torch.float32)
    assert 0 < error(found, plain(x)) < 0.02
    steps, sizes = plain.weight.abs().amax(1, keepdim=True) / 127, x.abs().amax(2, keepdim=True) * 2 / 127
    rounded = F.linear(torch.round(x / sizes) * sizes, torch.round(plain.weight / steps) * steps, plain.bias)
    assert error(found, rounded) < 4e-3  # ties are rounded to either side


@pytest.mark.parametrize("bias", [True, False])
@torch.inference_mode()
def test_what_is_never_low_is_nearer(bias: bool) -> None:
    plain, x = layer(bias=bias), F.gelu(torch.randn(20, 128))
    near, usual = (error(FbgemmLinear(plain, MappedFiles(), lowest)(x), plain(x)) for lowest in (GELU_LOWEST, None))
    assert near < 0.7 * usual


@torch.inference_mode()
def test_a_row_does_not_depend_on_its_neighbours_and_gelu_moves_in() -> None:
    plain, x = layer(), torch.randn(20, 128)
    own = FbgemmLinear(plain, MappedFiles())
    beside = x * 1000
    beside[7] = x[7]
    torch.testing.assert_close(own(beside)[7], own(x[7:8])[0], rtol=0, atol=0)
    assert own(torch.zeros(1, 128)).isfinite().all()
    assert isinstance(fuse_gelu(own, nn.GELU()), nn.Identity)
    assert error(own(x), F.gelu(plain(x))) < 0.02


def test_small_layers_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = nn.Sequential(layer(), nn.Linear(8, 8))
    monkeypatch.setattr(FbgemmLinear, "LEAST", 128 * 192)
    pack_in_eight_bits(pair, FbgemmLinear, MappedFiles())
    assert [type(one) for one in pair] == [FbgemmLinear, nn.Linear]


@pytest.mark.parametrize(
    ("precision", "has_bfloat16", "is_so"), [("auto", False, True), ("auto", True, False), ("float32", False, False)]
)
def test_a_translators_decoder_alone_is_so_where_auto_is_float32(
    monkeypatch: pytest.MonkeyPatch, parity_dir: Path, precision: str, has_bfloat16: bool, is_so: bool
) -> None:
    monkeypatch.setattr(inference, "has_native_bfloat16", lambda: has_bfloat16)
    monkeypatch.setattr(FbgemmLinear, "LEAST", 1)
    loaded = translator.UnitTranslator.from_checkpoint(parity_dir / "utut_ko.pt", precision=precision).model
    assert not any(isinstance(one, FbgemmLinear) for one in loaded.encoder.modules())
    assert any(isinstance(one, FbgemmLinear) for one in loaded.decoder.modules()) == is_so
