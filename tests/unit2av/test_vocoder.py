"""The vocoder network: sizes from tensors, weight norm, reach, and whether it counts its units from 0 or from 4."""

import logging
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from avcore.compute.convolutions import FlatConv1d, WeightNormConv1d, WeightNormUpsampling
from avcore.errors import CheckpointError, UsageError
from tests.refusal import refused
from tests.unit2av.voices import SMALL, random_vocoder
from unit2av.voice.speech import estimate_unit_offset, resolve_unit_offset, vocoder_for_inference
from unit2av.voice.vocoder import VocoderConfig, vocoder_config

HERE = Path("renderer.pt")
OTHER = replace(
    SMALL, num_units=1024, unit_dim=24, channels=96, duration_dim=20, pre_kernel=5, upsample_rates=(8, 5, 4, 2),
    upsample_kernels=(16, 11, 8, 4), resblock_kernels=(3, 5), resblock_dilations=[[1, 2], [2, 6]],
)  # fmt: skip


@pytest.mark.parametrize("config", [SMALL, replace(SMALL, num_units=1024, unit_dim=24, channels=96, duration_dim=20)])
def test_published_layouts_are_read_from_tensors(config: VocoderConfig) -> None:
    assert vocoder_config(random_vocoder(config).state_dict(), {}, HERE) == config


def test_a_published_state_dict_has_its_304_published_names() -> None:
    state = random_vocoder().state_dict()
    assert (len(state), state["ups.0.weight_g"].shape) == (304, (32, 1, 1))
    assert {"dict.weight", "spkr.bias", "dur_predictor.conv2.0.bias", "resblocks.14.convs2.2.weight_v"} <= state.keys()
    assert SMALL.halo == 21


def test_other_strides_and_dilations_come_from_the_configuration() -> None:
    settings = {"upsample_rates": [8, 5, 4, 2], "dilations": [[1, 2], [2, 6]]}
    assert vocoder_config(random_vocoder(OTHER).state_dict(), settings, HERE) == OTHER
    one_row = {"upsample_rates": [8, 5, 4, 2], "dilations": [1, 2]}
    assert vocoder_config(random_vocoder(OTHER).state_dict(), one_row, HERE).resblock_dilations == [[1, 2], [1, 2]]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({}, "kernel size 16 is not known"),
        ({"upsample_rates": [8, 5, 4, 2]}, "dilations of the residual blocks are not known"),
        ({"upsample_rates": [8, 5, 4], "dilations": [1, 2]}, "expected 4; found 3"),
        ({"upsample_rates": [8, 5, 4, 4], "dilations": [1, 2]}, "expected 320; found 640"),
        ({"upsample_rates": [5, 8, 4, 2], "dilations": [1, 2]}, "kernel size 16, rate 5"),
    ],
)
def test_unknown_strides_and_dilations_are_refused(settings: dict[str, list[int]], complaint: str) -> None:
    refused(CheckpointError, complaint, vocoder_config, random_vocoder(OTHER).state_dict(), settings, HERE)


@pytest.mark.parametrize(
    ("lost", "named"),
    [(name, name) for name in ("dict.weight", "conv_pre.weight_v", "resblocks.0.convs1.0.weight_v")]
    + [(part, rf"no '{part}\.0\.") for part in ("ups", "resblocks")],
)
def test_a_missing_tensor_or_part_is_named(lost: str, named: str) -> None:
    state = {name: tensor for name, tensor in random_vocoder().state_dict().items() if not name.startswith(lost)}
    refused(CheckpointError, named, vocoder_config, state, {}, HERE)


def test_tensors_of_another_kind_are_refused() -> None:
    with pytest.raises(CheckpointError, match="too few axes"):
        vocoder_config({name: tensor.flatten() for name, tensor in random_vocoder().state_dict().items()}, {}, HERE)


@pytest.mark.parametrize("config", [SMALL, OTHER])
def test_the_halo_is_exactly_as_far_as_samples_reach(config: VocoderConfig) -> None:
    """Follow gradients from the samples of one unit back to the units: none beyond the halo, some at its edge."""
    network, steps = random_vocoder(config).double(), 2 * config.halo + 9
    middle = steps // 2
    condition = torch.randn(1, config.unit_dim + config.speaker_width, steps, dtype=torch.double, requires_grad=True)
    network.conv_post.float()
    network.generate(condition)[0][320 * middle : 320 * (middle + 1)].sum().backward()
    touched = torch.nonzero(condition.grad[0].abs().sum(0)).flatten()
    assert max(middle - int(touched[0]), int(touched[-1]) - middle) == config.halo


@pytest.mark.parametrize("is_up", [False, True])
def test_weight_norm_and_its_gradients_are_torchs(is_up: bool) -> None:
    torch.manual_seed(0)
    ours = WeightNormUpsampling(4, 6, 11, rate=5) if is_up else WeightNormConv1d(4, 6, 5, dilation=3)
    plain = torch.nn.ConvTranspose1d(4, 6, 11, stride=5, padding=3) if is_up else torch.nn.Conv1d(4, 6, 5, dilation=3, padding=6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = torch.nn.utils.weight_norm(plain).double()
    ours.double().load_state_dict(theirs.state_dict())
    with torch.no_grad():
        ours.weight_g.mul_(1.7)
        theirs.weight_g.mul_(1.7)
    sound, found = torch.randn(2, 4, 20, dtype=torch.float64), []
    for network in (ours, theirs):
        x, weights = sound.clone().requires_grad_(), [weight for _, weight in sorted(network.named_parameters())]
        made = network(x).flatten(2) if network is ours else network(x)
        found.append([made.detach(), *torch.autograd.grad(made.square().sum(), [x, *weights])])
    torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize("config", [SMALL, OTHER])
def test_a_vocoder_made_ready_makes_the_same_sound(config: VocoderConfig) -> None:
    network = random_vocoder(config).eval()
    frames, speaker = torch.randint(0, 1000, (2, 9)), torch.randn(2, config.speaker_dim)
    with torch.inference_mode():
        before = network(frames, speaker)
        vocoder_for_inference(network, torch.device("cpu"), torch.float32)
        assert isinstance(network.conv_pre, FlatConv1d)
        torch.testing.assert_close(network(frames, speaker), before, atol=2e-6, rtol=0)


def test_a_batch_is_its_items() -> None:
    network = random_vocoder().eval()
    frames, speaker = torch.randint(0, 1000, (3, 12)), torch.randn(3, SMALL.speaker_dim)
    with torch.no_grad():
        whole = network(frames, speaker)
        single = network(frames[1:2], speaker[1:2])
    np.testing.assert_allclose(whole[1], single[0], atol=1e-6)


DECAY = 0.37
"""What AdamW's weight decay leaves of a start value after a published training run."""


def table(offset: int | None, rows: int = 1024, dim: int = 128, seed: int = 0, change: float = DECAY, rare: float = 0.0) -> Tensor:
    """A unit table: random rows, decayed; those of units 0..999 moved by training, `rare` of them hardly."""
    torch.manual_seed(seed)
    weights = DECAY * torch.randn(rows, dim)
    if offset is not None:
        is_rare = torch.rand(1000, 1) < rare
        weights[offset : offset + 1000] += change * torch.where(is_rare, 0.02, 1.0) * torch.randn(1000, dim)
    return weights


@pytest.mark.parametrize("offset", [0, 4])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("change", [DECAY, 1.0])
@pytest.mark.parametrize("rare", [0.0, 0.1])
def test_a_trained_table_shows_its_offset(offset: int, seed: int, change: float, rare: float) -> None:
    weights = table(offset, seed=seed, change=change, rare=rare)
    # The eight rows in question are of units that do occur.
    for row in (*range(4), *range(1000, 1004)):
        if offset <= row < offset + 1000:
            weights[row] = torch.randn(128) * (DECAY**2 + change**2) ** 0.5
    estimate = estimate_unit_offset(weights)
    assert (estimate.offset, estimate.is_decided) == (offset, True)


@pytest.mark.parametrize("dim", [16, 128])
def test_a_random_table_is_undecided(dim: int) -> None:
    estimates = [estimate_unit_offset(table(None, dim=dim, seed=seed)) for seed in range(200)]
    assert not any(estimate.is_decided or estimate.offset for estimate in estimates)


def test_hardly_any_training_never_gives_the_wrong_offset() -> None:
    for seed in range(100):
        for offset in (0, 4):
            estimate = estimate_unit_offset(table(offset, seed=seed, change=0.4 * DECAY))
            assert not estimate.is_decided or estimate.offset == offset


def test_rows_that_contradict_one_another_are_undecided() -> None:
    """Neither units 0..3 nor 1000..1003 were used: that fits no offset, however odd the rest of the table is."""
    weights = table(4, change=1.0)
    weights[1000:1004] = DECAY * torch.randn(4, 128)
    assert not estimate_unit_offset(weights).is_decided
    weights = table(None)
    weights[2] *= 100
    assert not estimate_unit_offset(weights).is_decided
    weights = table(4, change=1.0)
    weights[17] = float("nan")
    assert not estimate_unit_offset(weights).is_decided
    assert not estimate_unit_offset(torch.zeros(1024, 8)).is_decided


@pytest.mark.parametrize(("rows", "is_decided"), [(40, True), (1000, True), (1003, True), (1004, False), (1008, False)])
def test_tables_without_room_for_a_shift_are_decided(rows: int, is_decided: bool) -> None:
    estimate = estimate_unit_offset(table(None, rows=rows))
    assert (estimate.offset, estimate.is_decided) == (0, is_decided)


def test_what_is_asked_for_comes_before_what_is_stored_or_seen() -> None:
    shifted = table(4, change=1.0)
    assert resolve_unit_offset("auto", "ko", shifted, {}) == 4
    assert resolve_unit_offset("auto", "ko", shifted, {"ko": 2, "en": 3}) == 2
    assert resolve_unit_offset(0, "ko", shifted, {"ko": 2}) == 0
    for setting in (-1, 1024, True, "four", 1.5):
        refused(UsageError, r"0\.\.1023", resolve_unit_offset, setting, "ko", shifted, {})


def test_only_an_undecided_table_warns_and_only_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        resolve_unit_offset("auto", "en", table(None, rows=1000), {})
        resolve_unit_offset("auto", "ko", table(4, change=1.0), {})
        resolve_unit_offset(4, "ko", table(None), {})
        assert caplog.messages == []
        assert resolve_unit_offset("auto", "ko", table(None), {}) == 0
    assert len(caplog.messages) == 1
    assert "--vocoder-unit-offset 4" in caplog.messages[0]
