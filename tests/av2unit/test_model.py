"""The network: stretches, padding, folding, sizes, gradients."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from av2unit.config import AvHubertConfig
from av2unit.lips import FrameBlock, LipFrontEnd, pack_clips
from av2unit.model import AvHubert
from avcore.compute.attention import attend
from avcore.compute.inference import ready_for_inference

TINY = AvHubertConfig(
    encoder_layers=2, encoder_embed_dim=32, encoder_ffn_embed_dim=48, encoder_attention_heads=4, conv_pos=16, conv_pos_groups=4,
    final_dim=12, resnet_width=4, num_classes=(14, 14),
)  # fmt: skip


def randomise_norms(module: nn.Module) -> None:
    """Give batch norms statistics as after training, so that folding has something to do."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.running_mean, -0.5, 0.5)
            nn.init.uniform_(part.running_var, 0.5, 2)
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.uniform_(part.bias, -0.5, 0.5)


def tiny_model() -> AvHubert:
    torch.manual_seed(0)
    model = AvHubert(TINY)
    randomise_norms(model)
    return model.eval()


def utterances(lengths: Sequence[int]) -> tuple[list[Tensor], list[Tensor]]:
    generator = torch.Generator().manual_seed(1)
    audio = [torch.randn(length, 104, generator=generator) for length in lengths]
    video = [torch.randn(length, 88, 88, generator=generator) for length in lengths]
    return audio, video


def padded(clips: Sequence[Tensor], fill: float = 0) -> Tensor:
    return nn.utils.rnn.pad_sequence(list(clips), batch_first=True, padding_value=fill)


@pytest.mark.parametrize("at_once", [1, 2, 5, 32])
@pytest.mark.parametrize("lengths", [[13], [9, 1, 4]])
def test_front_end_in_stretches_equals_the_whole(at_once: int, lengths: list[int]) -> None:
    torch.manual_seed(0)
    front_end = LipFrontEnd(8, 24)
    randomise_norms(front_end)
    front_end.eval()
    video = padded(utterances(lengths)[1])
    with torch.inference_mode():
        front_end.frames_at_once = 1000
        whole = front_end(video, lengths)
        front_end.frames_at_once = at_once
        stretches = front_end(video, lengths)
    assert (whole - stretches).abs().max() < 1e-5
    assert whole.abs().max() > 0.1


def test_the_front_end_is_the_published_one_and_learns_as_it() -> None:
    torch.manual_seed(0)
    resnet = LipFrontEnd(4, 8).double().resnet
    randomise_norms(resnet)
    resnet.trunk = nn.Sequential()
    convolution, norm, relu, _ = resnet.frontend3D
    first, second = (clip.double() for clip in utterances([6, 3])[1])

    def published(clips: list[Tensor]) -> Tensor:
        wide = (nn.functional.conv3d(clip[None, None], convolution.weight, stride=(1, 2, 2), padding=(2, 3, 3)) for clip in clips)
        normed = nn.functional.batch_norm(torch.cat(list(wide), dim=2), None, None, norm.weight, norm.bias, training=True)
        hidden = nn.functional.prelu(normed, relu.weight)
        return nn.functional.max_pool3d(hidden, (1, 3, 3), (1, 2, 2), (0, 1, 1))[0].transpose(0, 1).mean((2, 3))

    def learnt(features: Tensor) -> list[Tensor]:
        resnet.zero_grad()
        features.square().sum().backward()
        return [parameter.grad.clone() for parameter in resnet.parameters()]

    expected, found = published([first, second]), resnet(*pack_clips([first, second]))
    torch.testing.assert_close(found, expected)
    assert expected.abs().min() > 0
    for one, other in zip(learnt(found), learnt(expected), strict=True):
        torch.testing.assert_close(one, other)


def test_shortcuts_are_strided_convolutions_without_stride_left() -> None:
    """With AVX2, the way back of one that strides corrupts the heap; that shows seldom, and not on other processors."""
    block = FrameBlock(4, 8, stride=2).eval()
    assert block.downsample is not None
    convolution, norm = block.downsample
    assert isinstance(convolution, nn.Conv2d)
    assert convolution.stride == (1, 1)
    frames = torch.randn(3, 4, 9, 10)
    shortcut = norm(nn.functional.conv2d(frames, convolution.weight, stride=2))
    hidden = block.bn2(block.conv2(block.relu1(block.bn1(block.conv1(frames)))))
    torch.testing.assert_close(block(frames), block.relu2(hidden + shortcut))


@pytest.mark.parametrize("is_padded", [False, True])
def test_attention_in_training_gives_the_numbers_of_inference(is_padded: bool) -> None:
    torch.manual_seed(0)
    parts = [torch.randn(2, 4, 9, 8, requires_grad=True) for _ in range(3)]
    is_real = (torch.arange(9) < torch.tensor([9, 5])[:, None])[:, None, None] if is_padded else None
    both = [compute(*parts, is_real) for compute in (attend, nn.functional.scaled_dot_product_attention)]
    torch.testing.assert_close(*both)
    gradients = [torch.autograd.grad(mixed.square().sum(), parts) for mixed in both]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("modalities", ["audio,video", "audio", "video"])
def test_each_utterance_of_a_padded_batch_comes_out_as_alone(modalities: str) -> None:
    model, lengths = tiny_model(), [7, 19, 1, 30]
    audio, video = utterances(lengths)
    # What stands in the padding must not matter.
    batch = (padded(audio, fill=5) if "audio" in modalities else None, padded(video, fill=5) if "video" in modalities else None)
    with torch.inference_mode():
        together = model(*batch, lengths)
        for row, length in enumerate(lengths):
            alone = model(*(None if part is None else part[row : row + 1, :length] for part in batch))
            for head, head_alone in zip(together, alone, strict=True):
                torch.testing.assert_close(head[row, :length], head_alone[0], atol=1e-5, rtol=1e-5)


def test_a_network_made_ready_has_the_same_numbers() -> None:
    model = tiny_model()
    audio, video = utterances([9])
    with torch.inference_mode():
        before = model(audio[0][None], video[0][None])
        ready_for_inference(model, parts=[model.feature_extractor_video.resnet, *model.encoder.layers])
        after = model(audio[0][None], video[0][None])
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-5)
    assert not any("weight_v" in name or "running_mean" in name for name in model.state_dict())


def test_missing_modality_adds_no_bias() -> None:
    model = tiny_model()
    audio, video = utterances([4])
    seen: list[Tensor] = []
    model.layer_norm.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with torch.inference_mode():
        model(audio[0][None], None)
        model(None, video[0][None])
    assert not seen[0][..., 32:].any()
    assert seen[0][..., :32].any()
    assert not seen[1][..., :32].any()
    assert seen[1][..., 32:].any()
    with pytest.raises(ValueError, match="at least one"):
        model(None, None)
