"""Linear layers with weights laid out once."""

import pytest
import torch
from torch import nn

from avcore.packed_linear import CastLinear, PackedLinear, pack_linears


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
def test_every_linear_layer_is_replaced_and_nothing_else() -> None:
    packed = pack_linears(layers(), torch.float32)
    assert not [child for child in packed.modules() if isinstance(child, nn.Linear)]
    assert len([child for child in packed.modules() if isinstance(child, PackedLinear)]) == 2
    assert isinstance(packed[1], nn.GELU)  # type: ignore[index]


@torch.inference_mode()
def test_bfloat16_takes_and_gives_float32() -> None:
    packed, x = pack_linears(layers(), torch.bfloat16), torch.randn(6, 37)
    found = packed(x)
    assert found.dtype == torch.float32
    error = (found - layers()(x)).abs().max()
    assert 0 < error < 0.02


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
