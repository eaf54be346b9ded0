"""Linear layers in eight bits: near to float32, row by row, and only where they pay."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avcore.compute import kernels
from avcore.compute.inference import compute_products_in
from avcore.compute.kernels import (
    GELU_LOWEST,
    EightBitLinear,
    FbgemmLinear,
    MappedFiles,
    PackedLinear,
    eight_bits_beside,
    has_eight_bit_products,
    has_fbgemm,
    pack_in_eight_bits,
)
from avcore.decoding.layers import DecoderLayer, LayerConfig

pytestmark = [pytest.mark.cpu, pytest.mark.skipif(not has_eight_bit_products(), reason="this CPU has no products of eight bits")]


def layer(width: int = 128, out: int = 192, bias: bool = True) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(width, out, bias).requires_grad_(False)


def eight(linear: nn.Linear, lowest: float | None = None) -> EightBitLinear:
    return EightBitLinear(linear, MappedFiles(), lowest)


def error(found: Tensor, wanted: Tensor) -> float:
    """The root mean square of what differs, as a share of what is wanted."""
    return float((found - wanted).square().mean().sqrt() / wanted.square().mean().sqrt())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("rows", "dtype"), [(1, torch.float32), (20, torch.float32), (300, torch.float32), (5, torch.bfloat16)])
@torch.inference_mode()
def test_answers_are_near_to_those_of_float32(rows: int, dtype: torch.dtype, bias: bool) -> None:
    plain, x = layer(bias=bias), torch.randn(2, rows, 128).to(dtype)
    found = eight(plain)(x)
    assert found.shape == (2, rows, 192)
    assert 0 < error(found, plain(x.float())) < 0.015


@torch.inference_mode()
def test_what_is_no_less_than_a_bound_is_twice_as_exact() -> None:
    plain, x = layer(), F.gelu(2 * torch.randn(50, 128))
    below, anywhere = error(eight(plain, GELU_LOWEST)(x.clone()), plain(x)), error(eight(plain)(x), plain(x))
    assert 0 < below < 0.65 * anywhere


@pytest.mark.parametrize("lowest", [None, GELU_LOWEST])
@torch.inference_mode()
def test_a_row_does_not_depend_on_its_neighbours(lowest: float | None) -> None:
    own, x = eight(layer(), lowest), F.gelu(torch.randn(20, 128))
    alone, pair = own(x[7:8].clone()), x[5:9].view(2, 2, 128).clone()
    beside = x * 1000
    beside[7], beside[3] = x[7], torch.nan
    found = own(beside)
    assert torch.equal(found[7], alone[0])
    assert found[3].isnan().all()
    assert found[:3].isfinite().all()
    assert torch.equal(own(pair)[1, 0], alone[0])


def test_small_layers_and_other_modules_stay() -> None:
    parts = nn.Sequential(nn.Linear(1024, 1024), layer(), nn.Identity())
    pack_in_eight_bits(parts, EightBitLinear, MappedFiles())
    assert [type(one) for one in parts] == [EightBitLinear, nn.Linear, nn.Identity]


def test_each_format_has_its_own_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    assert eight_bits_beside(torch.bfloat16) is EightBitLinear
    assert eight_bits_beside(torch.float32) is (FbgemmLinear if has_fbgemm() else None)
    assert eight_bits_beside(torch.float16) is None
    monkeypatch.setattr(kernels, "has_eight_bit_products", lambda: False)
    assert eight_bits_beside(torch.bfloat16) is None


@pytest.mark.parametrize("answer", [torch.zeros(3, 64), RuntimeError("no such primitive"), TypeError("takes 12 arguments")])
def test_a_torch_that_cannot_do_it_is_found_out(answer: Tensor | Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def product(*_: object) -> Tensor:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(kernels, "_product", product)
    assert not has_eight_bit_products.__wrapped__()


def decoder_layer(activation: type[nn.Module] = nn.GELU) -> DecoderLayer:
    torch.manual_seed(0)
    return DecoderLayer(LayerConfig(64, 1, 4, 256, activation)).eval().requires_grad_(False)


def run(own: DecoderLayer, x: Tensor) -> Tensor:
    source = own.encoder_attn.keys_values(torch.ones(1, 3, 64))
    found: Tensor = own(x, None, source, None, lambda new: new)
    return found


@pytest.mark.parametrize("activation", [nn.GELU, nn.ReLU])
@torch.inference_mode()
def test_a_layer_in_eight_bits_is_hardly_worse_than_bfloat16(activation: type[nn.Module], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EightBitLinear, "LEAST", 0)
    x = torch.randn(1, 9, 64)
    exact = run(decoder_layer(activation), x)
    own, without = decoder_layer(activation), decoder_layer(activation)
    compute_products_in(own, torch.bfloat16, MappedFiles(), EightBitLinear)
    compute_products_in(without, torch.bfloat16, MappedFiles())
    kinds = [EightBitLinear, EightBitLinear, EightBitLinear, PackedLinear]
    assert [type(one) for one in (own.fc1, own.fc2, own.self_attn.out_proj, without.fc2)] == kinds
    assert own.encoder_attn.keys_values(x).keys.dtype == torch.bfloat16
    assert 0 < error(run(own, x), exact) < 4 * error(run(without, x), exact)
    assert not torch.equal(run(own, x), run(without, x))


@torch.inference_mode()
def test_without_them_all_is_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_LEAST_PACKED", 0)
    own = decoder_layer()
    compute_products_in(own, torch.float32, MappedFiles())
    assert type(own.self_attn.out_proj) is PackedLinear
    assert type(own.fc2) is PackedLinear
