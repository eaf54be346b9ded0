"""The vocoder network: sizes from tensors, weight norm, reach."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from avcore.errors import CheckpointError
from tests.unit2av.voices import SMALL, random_vocoder
from unit2av.voice.config import VocoderConfig, vocoder_config
from unit2av.voice.vocoder import NormedConv, NormedUpsampling, WeightNormed

HERE = Path("renderer.pt")
OTHER = replace(
    SMALL,
    num_units=1024,
    unit_dim=24,
    channels=96,
    duration_dim=20,
    pre_kernel=5,
    upsample_rates=(8, 5, 4, 2),
    upsample_kernels=(16, 11, 8, 4),
    resblock_kernels=(3, 5),
    resblock_dilations=((1, 2), (2, 6)),
)


@pytest.mark.parametrize("config", [SMALL, replace(SMALL, num_units=1024, unit_dim=24, channels=96, duration_dim=20)])
def test_published_layouts_are_read_from_tensors(config: VocoderConfig) -> None:
    assert vocoder_config(random_vocoder(config).state_dict(), {}, HERE) == config


def test_a_published_state_dict_has_304_entries_of_the_published_names() -> None:
    state = random_vocoder().state_dict()
    assert len(state) == 304
    assert state["ups.0.weight_g"].shape == (32, 1, 1)
    assert {"dict.weight", "spkr.bias", "dur_predictor.conv2.0.bias", "resblocks.14.convs2.2.weight_v"} <= state.keys()


def test_other_strides_and_dilations_come_from_the_configuration() -> None:
    settings = {"upsample_rates": [8, 5, 4, 2], "dilations": [[1, 2], [2, 6]]}
    assert vocoder_config(random_vocoder(OTHER).state_dict(), settings, HERE) == OTHER
    one_row = {"upsample_rates": [8, 5, 4, 2], "dilations": [1, 2]}
    assert vocoder_config(random_vocoder(OTHER).state_dict(), one_row, HERE).resblock_dilations == ((1, 2), (1, 2))


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
    with pytest.raises(CheckpointError, match=complaint):
        vocoder_config(random_vocoder(OTHER).state_dict(), settings, HERE)


@pytest.mark.parametrize("lost", ["dict.weight", "conv_pre.weight_v", "resblocks.0.convs1.0.weight_v"])
def test_a_missing_tensor_is_named(lost: str) -> None:
    state = random_vocoder().state_dict()
    del state[lost]
    with pytest.raises(CheckpointError, match=lost):
        vocoder_config(state, {}, HERE)


@pytest.mark.parametrize("prefix", ["ups", "resblocks"])
def test_a_missing_part_is_named(prefix: str) -> None:
    state = {name: tensor for name, tensor in random_vocoder().state_dict().items() if not name.startswith(prefix)}
    with pytest.raises(CheckpointError, match=rf"no '{prefix}\.0\."):
        vocoder_config(state, {}, HERE)


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
    sound = network.generate(condition)[0]
    sound[320 * middle : 320 * (middle + 1)].sum().backward()
    touched = torch.nonzero(condition.grad[0].abs().sum(0)).flatten()
    reach = max(middle - int(touched[0]), int(touched[-1]) - middle)
    assert reach == config.halo


def test_the_published_halo() -> None:
    assert SMALL.halo == 21


def test_weight_norm_is_torchs() -> None:
    for ours, plain in (
        (NormedConv(4, 6, 5, dilation=3), torch.nn.Conv1d(4, 6, 5, dilation=3, padding=6)),
        (NormedUpsampling(4, 6, 11, rate=5), torch.nn.ConvTranspose1d(4, 6, 11, stride=5, padding=3)),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = torch.nn.utils.weight_norm(plain)
        ours.load_state_dict(theirs.state_dict())
        with torch.no_grad():
            ours.weight_g.mul_(1.7)
            theirs.weight_g.mul_(1.7)
        x = torch.randn(2, 4, 20)
        torch.testing.assert_close(ours(x), theirs(x))
        unfolded = ours(x)
        ours.fold()
        assert set(ours.state_dict()) == {"weight", "bias"}
        torch.testing.assert_close(ours(x), unfolded)


@pytest.mark.parametrize("make", [lambda: NormedConv(4, 6, 5, dilation=3), lambda: NormedUpsampling(4, 6, 11, rate=5)])
def test_pictures_one_pixel_high_train_the_same_weights(make: Callable[[], WeightNormed]) -> None:
    torch.manual_seed(0)
    conv, sound = make().double(), torch.randn(2, 4, 20, dtype=torch.float64)
    made, gradients = [], []
    for x in (sound.clone(), sound.unsqueeze(2).contiguous(memory_format=torch.channels_last)):
        out = conv(x.requires_grad_())
        made.append(out.detach().flatten(2))
        of_x, *of_weights = torch.autograd.grad(out.square().sum(), [x, *conv.parameters()])
        gradients.append([of_x.flatten(2), *of_weights])
    torch.testing.assert_close(made[1], made[0])
    torch.testing.assert_close(gradients[1], gradients[0])


def test_every_weight_is_trained_while_the_norm_is_not_folded() -> None:
    network = random_vocoder().train()
    frames, speaker = torch.tensor([[3, 3, 9, 4]]), torch.randn(1, SMALL.speaker_dim)
    (network(frames, speaker).abs().mean() + network.log_durations(torch.tensor([[3, 9, 4]])).mean()).backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


def test_folding_changes_nothing_but_the_names() -> None:
    network = random_vocoder().eval()
    frames, speaker = torch.randint(0, 1000, (2, 30)), torch.randn(2, SMALL.speaker_dim)
    with torch.no_grad():
        before = network(frames, speaker)
        after = network.fold()(frames, speaker)
    assert before.shape == (2, 30 * 320)
    assert before.std() > 0.01
    torch.testing.assert_close(after, before, atol=1e-6, rtol=0)
    assert not [name for name in network.state_dict() if name.endswith(("weight_g", "weight_v"))]


@pytest.mark.parametrize("config", [SMALL, OTHER])
def test_sound_as_pictures_one_pixel_high_is_the_same_sound(config: VocoderConfig) -> None:
    network = random_vocoder(config).eval().requires_grad_(False).fold()
    frames, speaker = torch.randint(0, 1000, (2, 9)), torch.randn(2, config.speaker_dim)
    with torch.inference_mode():
        before = network(frames, speaker)
        flat = network.generator_to(torch.device("cpu"), torch.float32)
        assert flat.conv_pre.is_flat
        torch.testing.assert_close(flat(frames, speaker), before, atol=2e-6, rtol=0)


def test_a_batch_is_its_items() -> None:
    network = random_vocoder().eval()
    frames, speaker = torch.randint(0, 1000, (3, 12)), torch.randn(3, SMALL.speaker_dim)
    with torch.no_grad():
        whole = network(frames, speaker)
        single = network(frames[1:2], speaker[1:2])
    np.testing.assert_allclose(whole[1], single[0], atol=1e-6)
