"""Linear layers in eight bits: near to float32, row by row, and only where they pay."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avcore.compute import kernels
from avcore.compute.inference import compute_products_in
from avcore.compute.kernels import GELU_LOWEST, EightBitLinear, MappedFiles, PackedLinear, has_eight_bit_products, suits_eight_bits
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


def test_small_layers_other_formats_and_other_modules_do_not_suit() -> None:
    large = nn.Linear(1024, 1024)
    assert suits_eight_bits((large, large), torch.bfloat16)
    assert not suits_eight_bits((large, large), torch.float32)
    assert not suits_eight_bits((large, layer()), torch.bfloat16)
    assert not suits_eight_bits((large, nn.Identity()), torch.bfloat16)


@pytest.mark.parametrize("answer", [torch.zeros(3, 64), RuntimeError("no such primitive"), TypeError("takes 12 arguments")])
def test_a_torch_that_cannot_do_it_is_found_out(answer: Tensor | Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def product(*_: object) -> Tensor:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(kernels, "_product", product)
    assert not has_eight_bit_products.__wrapped__()


def test_without_such_products_nothing_suits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "has_eight_bit_products", lambda: False)
    assert not suits_eight_bits((nn.Linear(1024, 1024),), torch.bfloat16)


def decoder_layer(activation: type[nn.Module] = nn.GELU) -> DecoderLayer:
    torch.manual_seed(0)
    return DecoderLayer(LayerConfig(64, 1, 4, 256, activation)).eval().requires_grad_(False)


def run(own: DecoderLayer, x: Tensor) -> Tensor:
    source = own.encoder_attn.keys_values(torch.ones(1, 3, 64))
    found: Tensor = own(x, None, source, None, lambda new: new)
    return found


@torch.inference_mode()
def test_a_feed_forward_in_eight_bits_is_as_near_as_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_LEAST_EIGHT_BIT", 0)
    x = torch.randn(1, 9, 64)
    exact = run(decoder_layer(), x)
    own, without = decoder_layer(), decoder_layer()
    compute_products_in(own, torch.bfloat16, MappedFiles(), eight_bits=True)
    compute_products_in(without, torch.bfloat16, MappedFiles())
    kinds = [EightBitLinear, EightBitLinear, PackedLinear, PackedLinear]
    assert [type(one) for one in (own.fc1, own.fc2, own.self_attn.out_proj, without.fc2)] == kinds
    assert 0 < error(run(own, x), exact) < 2 * error(run(without, x), exact)
    assert not torch.equal(run(own, x), run(without, x))


@torch.inference_mode()
def test_float32_and_another_activation_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_LEAST_EIGHT_BIT", 0)
    monkeypatch.setattr(kernels, "_LEAST_PACKED", 0)
    for own, dtype in ((decoder_layer(), torch.float32), (decoder_layer(nn.ReLU), torch.bfloat16)):
        compute_products_in(own, dtype, MappedFiles(), eight_bits=True)
        assert type(own.self_attn.out_proj) is PackedLinear
        assert type(own.fc2) is PackedLinear
