"""Discriminators: shapes and sizes as in the paper, norms, settings that cannot work."""

from dataclasses import replace
from math import ceil

import pytest
import torch
from torch.nn.utils import parametrize

from avcore.errors import UsageError
from tests.unit2av import vocoder_runs
from unit2av.voice.training.discriminators import DiscriminatorConfig, Discriminators

PUBLISHED = vocoder_runs.PUBLISHED.discriminators
SMALL = DiscriminatorConfig((2, 3), (4, 8), 2, (4, 8), (15, 5), (4, 2), (1, 4))
SAMPLES = 8960


def after(length: int, strides: tuple[int, ...]) -> list[int]:
    """Lengths behind layers that pad by half their odd kernel: one output for each stride begun."""
    lengths = []
    for stride in strides:
        length = ceil(length / stride)
        lengths.append(length)
    return lengths


@pytest.fixture(scope="module")
def published() -> Discriminators:
    return Discriminators(PUBLISHED)


@torch.no_grad()
def test_published_shapes(published: Discriminators) -> None:
    judgements = published(torch.randn(1, SAMPLES))
    assert len(judgements) == 5 + 3
    for period, judgement in zip((2, 3, 5, 7, 11), judgements[:5], strict=True):
        rows = after(ceil(SAMPLES / period), (3, 3, 3, 3, 1, 1))
        widths = (32, 128, 512, 1024, 1024, 1)
        assert [tuple(x.shape) for x in judgement.features] == [(1, w, r, period) for w, r in zip(widths, rows, strict=True)]
        assert judgement.score.shape == (1, rows[-1] * period)
    for samples, judgement in zip((8960, 4481, 2241), judgements[5:], strict=True):
        lengths = after(samples, (1, 2, 2, 4, 4, 1, 1, 1))
        widths = (128, 128, 256, 512, 1024, 1024, 1024, 1)
        assert [tuple(x.shape) for x in judgement.features] == [(1, w, n) for w, n in zip(widths, lengths, strict=True)]
        assert judgement.score.shape == (1, lengths[-1])


def test_the_first_scale_has_spectral_norm_and_everything_else_weight_norm() -> None:
    model = Discriminators(SMALL)
    for number, scale in enumerate(model.scales):
        layers = [*scale.convs, scale.conv_post]
        kinds = {type(layer.parametrizations.weight[0]).__name__ for layer in layers}
        assert kinds == ({"_SpectralNorm"} if number == 0 else {"_WeightNorm"})
    assert all(parametrize.is_parametrized(layer) for part in model.periods for layer in [*part.convs, part.conv_post])
    for _ in range(30):
        model(torch.randn(1, 640))
    weight = model.scales[0].convs[1].weight.detach()
    assert torch.linalg.matrix_norm(weight.flatten(1), 2).item() == pytest.approx(1, abs=1e-3)


@torch.no_grad()
def test_a_batch_is_its_items() -> None:
    model = Discriminators(SMALL).eval()
    sound = torch.randn(3, 641)
    whole, single = model(sound), model(sound[1:2])
    for several, one in zip(whole, single, strict=True):
        torch.testing.assert_close(several.score[1:2], one.score)
        assert len(several.features) == len(one.features) == 3


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"scale_channels": (4, 8, 8)}, "differ in length"),
        ({"scale_groups": (1, 3)}, "4 -> 8, 3 groups"),
        ({"scale_kernels": (15, 4)}, "must be odd"),
        ({"periods": (0,)}, "periods"),
        ({"period_channels": ()}, "periods"),
    ],
)
def test_settings_that_cannot_work(change: dict, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        Discriminators(replace(SMALL, **change))
