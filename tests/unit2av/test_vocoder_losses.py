"""Losses of the vocoder's training against sums done by hand. Discriminators: shapes and sizes as in the paper."""

from dataclasses import replace
from math import ceil

import numpy as np
import pytest
import torch
import torchaudio
from torch.nn.utils import parametrize

from avcore.errors import UsageError
from tests.unit2av.vocoder_runs import PUBLISHED
from unit2av.voice.training.losses import (
    DiscriminatorConfig,
    Discriminators,
    Judgement,
    LogMel,
    MelConfig,
    StftLoss,
    adversarial_loss,
    discriminator_loss,
    duration_loss,
    feature_loss,
    length_loss,
    stack_runs,
    whole_runs,
)


def judgement(*scores: float) -> Judgement:
    score = torch.tensor([scores])
    return Judgement(score, [score * 10, score])


def test_adversarial_losses_are_squares_and_features_match_in_sum() -> None:
    real, made = [judgement(1.0, 0.5), judgement(0.0)], [judgement(0.5, 0.0), judgement(1.0)]
    assert discriminator_loss(real, made).item() == pytest.approx((0 + 0.25) / 2 + (0.25 + 0) / 2 + 1 + 1)
    assert adversarial_loss(made).item() == pytest.approx((0.25 + 1) / 2 + 0)
    assert feature_loss(real, made).item() == pytest.approx((5 + 0.5) + (10 + 1))


@pytest.mark.parametrize(
    ("frames", "ids", "lengths"),
    [([4, 4, 7, 7, 7, 2], [7], [3]), ([4, 4, 7], [4, 7], [2, 1]), ([4, 4], [4], [2]), ([1, 2, 2, 1, 1, 3, 3], [2, 1], [2, 2])],
)
def test_runs_that_the_segment_cuts_are_dropped_where_others_are_left(frames: list, ids: list, lengths: list) -> None:
    runs = whole_runs(np.array(frames))
    assert (runs.ids.tolist(), runs.durations.tolist()) == (ids, lengths)


def test_durations_ignore_padding_and_the_length_loss_sums() -> None:
    runs = stack_runs([whole_runs(np.array([1, 2, 2, 1, 1, 3])), whole_runs(np.array([5, 5]))])
    assert runs.is_run.tolist() == [[True, True], [True, False]]
    predicted = torch.tensor([[0.0, 1.0], [2.0, 99.0]])
    truth = torch.log(torch.tensor([3.0, 3.0, 3.0]))
    assert duration_loss(predicted, runs).item() == pytest.approx(((torch.tensor([0.0, 1.0, 2.0]) - truth) ** 2).mean().item())
    steps = torch.tensor([[1.0, 2.0], [3.0, 99.0]])
    assert length_loss(torch.log(steps + 1), runs).item() == pytest.approx(0, abs=1e-10), "2 + 2 + 2 steps are 1 + 2 + 3"
    assert length_loss(torch.log(2 * steps + 1), runs).item() == pytest.approx(1)


def test_a_silent_segment_does_not_outweigh_the_others_of_its_batch() -> None:
    loss, real = StftLoss((256, 512)), torch.randn(4, 4096) * 0.1
    made = real + 0.05 * torch.randn(4, 4096)
    with_silence = real.clone()
    with_silence[0] = 0
    assert loss(made, with_silence) < 10 * loss(made, real)


def test_the_stft_loss_is_zero_for_equal_sound_finite_for_silence() -> None:
    loss, sound = StftLoss((256, 512)), torch.randn(2, 2048) * 0.1
    assert loss(sound, sound).item() == 0
    near, far = loss(sound * 0.9, sound).item(), loss(sound * 0.5, sound).item()
    assert 0 < near < far
    silent = torch.zeros(2, 2048, requires_grad=True)
    loss(silent, sound).backward()
    assert torch.isfinite(silent.grad).all()
    assert loss.state_dict() == {}
    silent = torch.zeros(1, 2048, requires_grad=True)  # anew, without a gradient
    LogMel(PUBLISHED.mel)(silent).sum().backward()
    assert torch.isfinite(silent.grad).all()


SMALL = DiscriminatorConfig((2, 3), (4, 8), 2, (4, 8), (15, 5), (4, 2), (1, 4))
SAMPLES = 8960


def after(length: int, strides: tuple[int, ...]) -> list[int]:
    """Lengths behind layers that pad by half their odd kernel: one output for each stride begun."""
    lengths = []
    for stride in strides:
        length = ceil(length / stride)
        lengths.append(length)
    return lengths


@torch.no_grad()
def test_published_shapes() -> None:
    published = Discriminators(PUBLISHED.discriminators)
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


def test_the_first_scale_has_spectral_norm_the_others_weight_norm() -> None:
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


def test_log_mel_is_that_of_numpy_and_torchaudio() -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, 4096)
    padded = np.pad(sound, (512 - 128) // 2, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)
    frames = np.stack([padded[start : start + 512] * window for start in range(0, len(padded) - 511, 128)])
    filters = torchaudio.functional.melscale_fbanks(257, 0, 4000, 20, 16_000, norm="slaney", mel_scale="slaney").numpy()
    expected = np.log(np.maximum(np.sqrt(np.abs(np.fft.rfft(frames)) ** 2 + 1e-9) @ filters, 1e-5)).T
    ours = LogMel(MelConfig(fft=512, hop=128, window=512, mels=20, max_hz=4000))(torch.from_numpy(sound).float()[None])[0]
    assert ours.shape == (20, 32)
    np.testing.assert_allclose(ours, expected, atol=1e-3)
