"""AV-HuBERT's visual front end: a 3-D convolution and a ResNet-18 trunk over lip frames, one vector for each frame.

Stafylakis and Tzimiropoulos, "Combining Residual Networks with LSTMs for Lipreading" (2017); He et al., "Deep Residual Learning for
Image Recognition" (2016). Frames are cropped at their centre and normalised, as in AV-HuBERT.
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from avcore.arrays import Floats, Frames
from avcore.errors import InputError
from avcore.progress import Progress, silent, track

_HALO = 2
"""Frames before and after a frame that the 3-D convolution sees."""
_BLOCKS_PER_STAGE = 2
_NUM_STAGES = 4
FRAMES_AT_ONCE = 32
"""Frames that go through the network together outside training; more do not make it faster on a CPU."""


def lip_features(lips: Frames, crop_size: int, mean: float, std: float) -> Floats:
    """Crop the centre of gray lip frames and normalise it.

    lips: uint8 [time, height, width], both sides at least `crop_size`. Returns float32 [time, crop, crop], equal to
    (lips / 255 - mean) / std in float64. Raises InputError for another shape or type, or no frame.
    """
    lips = np.asarray(lips)
    if lips.ndim != 3 or lips.dtype != np.uint8 or not len(lips) or min(lips.shape[1:]) < crop_size:
        raise InputError(
            "lips must be gray frames",
            expected=f"uint8 [time, height, width], sides of {crop_size} pixels or more, 1 frame or more",
            found=f"{lips.dtype} {list(lips.shape)}",
        )

    top, left = ((side - crop_size) // 2 for side in lips.shape[1:])
    # A byte has 256 values: each is computed in float64 once, and the frames are looked up.
    levels: Floats = ((np.arange(256) / 255 - mean) / std).astype(np.float32)
    return np.asarray(levels[lips[:, top : top + crop_size, left : left + crop_size]], dtype=np.float32)


class FrameBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut; one PReLU slope per channel (He et al. 2016)."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.PReLU(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu2 = nn.PReLU(channels)
        self.stride = stride
        self.downsample: nn.Sequential | None = None
        if stride != 1 or in_channels != channels:
            self.downsample = nn.Sequential(nn.Conv2d(in_channels, channels, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, frames: Tensor) -> Tensor:
        """float of shape [frames, in_channels, height, width] -> [frames, channels, height / stride, width / stride]."""
        # A 1x1 convolution that strides reads these pixels. It is not left to stride: with AVX2, channels last and a number of
        # input channels that 8 does not divide, oneDNN 3.10.2 corrupts the heap when it derives by that convolution's weights.
        shortcut = frames[:, :, :: self.stride, :: self.stride]
        if self.downsample is not None:
            shortcut = self.downsample(shortcut)
        hidden = self.relu1(self.bn1(self.conv1(frames)))
        return cast(Tensor, self.relu2(self.bn2(self.conv2(hidden)) + shortcut))


class NeighboursConv(nn.Conv3d):
    """The 3-D convolution, computed on frames with their neighbours in time as channels.

    Float [frames, 5, height, width] -> [frames, width, height / 2, width / 2]. This is the same sum as over
    [1, 1, time, height, width], in 0.6 of the time on a CPU.
    """

    def __init__(self, width: int) -> None:
        # Time is padded by `pack_clips`, which knows where each clip ends.
        super().__init__(1, width, (2 * _HALO + 1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False)

    def forward(self, frames: Tensor) -> Tensor:
        return functional.conv2d(frames, self.weight[:, 0], self.bias, stride=2, padding=3)


class LipResNet(nn.Module):
    """Stafylakis and Tzimiropoulos' lip-reading front end (2017): 8 * width numbers for each frame."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.frontend3D = nn.Sequential(NeighboursConv(width), nn.BatchNorm2d(width), nn.PReLU(width), nn.MaxPool2d(3, 2, 1))

        self.trunk = nn.Sequential()
        channels = width
        for stage in range(_NUM_STAGES):
            blocks = nn.Sequential()
            for block in range(_BLOCKS_PER_STAGE):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(FrameBlock(channels, width << stage, stride))
                channels = width << stage
            self.trunk.add_module(f"layer{stage + 1}", blocks)
        self.out_dim = channels

    def forward(self, packed: Tensor, is_shown: Tensor) -> Tensor:
        """Encode clips that `pack_clips` joined, or a stretch of them.

        packed: float of shape [frames + 4, height, width], two more on either side than are encoded. is_shown: bool
        [frames] on the CPU, False for the padding between clips, True at least once. Returns float [shown frames, 8 * width].
        """
        packed = packed.to(cast(Tensor, self.frontend3D[0].weight).dtype)
        # Each frame with its neighbours: [shown frames, 5, height, width].
        around = packed.unfold(0, 2 * _HALO + 1, 1).permute(0, 3, 1, 2)
        if not bool(is_shown.all()):
            # Frames of padding would cost time, and change the statistics of the batch norms.
            around = around.index_select(0, is_shown.nonzero()[:, 0].to(packed.device))
        # The layout in which convolutions are fastest.
        around = around.contiguous(memory_format=torch.channels_last)
        return cast(Tensor, self.trunk(self.frontend3D(around)).mean((2, 3)))


class LipFrontEnd(nn.Module):
    """Maps lip frames to vectors of the encoder's width."""

    def __init__(self, width: int, embed_dim: int) -> None:
        super().__init__()
        self.resnet = LipResNet(width)
        self.proj = nn.Linear(self.resnet.out_dim, embed_dim)
        self.frames_at_once = FRAMES_AT_ONCE

    def forward(self, video: Tensor, lengths: Sequence[int], progress: Progress = silent) -> Tensor:
        """Encode a padded batch; the padding is not read.

        video: float [batch, time, height, width]. lengths: frames of each clip. Returns float [batch, time,
        embed_dim], zero in the padding. Outside training memory does not grow with time: stretches of
        `frames_at_once` give the same numbers as the whole.
        """
        clips = [clip[:length] for clip, length in zip(video, lengths, strict=True)]
        return self.encode(clips, video.shape[1], progress)

    def encode(self, clips: Sequence[Tensor], time: int, progress: Progress = silent) -> Tensor:
        """Encode clips, each float of shape [frames, height, width], as `forward` does: [clips, time, embed_dim]."""
        packed, is_shown = pack_clips(clips)
        # In training, batch norms take their statistics from all frames together, so these cannot be cut into stretches.
        step = len(is_shown) if self.training else self.frames_at_once
        starts = [start for start in range(0, len(is_shown), step) if is_shown[start : start + step].any()]
        encoded = []
        for start in track(starts, "lip frames", progress, len(starts)):
            shown = is_shown[start : start + step]
            encoded.append(self.resnet(packed[start : start + len(shown) + 2 * _HALO], shown))

        features = self.proj(torch.cat(encoded).to(packed.dtype))
        return unpack_clips(features, [len(clip) for clip in clips], time)


def pack_clips(clips: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Join clips in time, with two zero frames before, between and after them.

    The 3-D convolution pads with two, so each clip is encoded as if it were alone. clips: [time, height, width] each.
    Returns [frames + 4, height, width] and bool [frames] on the CPU, False for the zero frames between clips.
    """
    gap = clips[0].new_zeros(_HALO, *clips[0].shape[1:])
    parts, shown = [gap], []
    for clip in clips:
        parts += [clip, gap]
        shown += [True] * len(clip) + [False] * _HALO
    return torch.cat(parts), torch.tensor(shown[:-_HALO])


def unpack_clips(features: Tensor, lengths: Sequence[int], time: int) -> Tensor:
    """Undo `pack_clips` for vectors: [sum of lengths, dim] -> [batch, time, dim], zero behind each length."""
    clips = [functional.pad(clip, (0, 0, 0, time - len(clip))) for clip in torch.split(features, list(lengths))]
    return torch.stack(clips)
