"""AV-HuBERT's two parts: the front end over lip pictures, and the transformer over fused audio-visual features.

The front end is a 3-D convolution and a ResNet-18 trunk, one vector a picture; pictures come as AV-HuBERT sees them, cut in their
middle and normalised. The transformer is wav2vec 2.0's, pre-norm (Baevski et al. 2020).
"""

from collections.abc import Sequence
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from avcore.arrays import Floats, Pictures
from avcore.compute.inference import fold_norm
from avcore.compute.kernels import MappedFiles, fuse_gelu, pack_linears
from avcore.errors import InputError
from avcore.progress import Progress, silent, track


class EncoderSizes(Protocol):
    """Sizes of the layers; names as in AV-HuBERT's own configuration. The dropouts act in training only."""

    @property
    def encoder_layers(self) -> int: ...
    @property
    def encoder_embed_dim(self) -> int: ...
    @property
    def encoder_ffn_embed_dim(self) -> int: ...
    @property
    def encoder_attention_heads(self) -> int: ...
    @property
    def conv_pos(self) -> int: ...
    @property
    def conv_pos_groups(self) -> int: ...
    @property
    def dropout(self) -> float: ...
    @property
    def attention_dropout(self) -> float: ...
    @property
    def activation_dropout(self) -> float: ...
    @property
    def encoder_layerdrop(self) -> float: ...


class PositionalConv(nn.Module):
    """A wide grouped convolution whose weight is normalised for each tap over all channels.

    It has the two parts of the weight under their published names; `fold` leaves the product alone.
    """

    def __init__(self, dim: int, taps: int, groups: int, dropout: float) -> None:
        super().__init__()
        self.groups, self.taps = groups, taps
        self.bias = nn.Parameter(torch.zeros(dim))
        std = (4 * (1 - dropout) / (taps * dim)) ** 0.5
        self.weight_v = nn.Parameter(nn.init.normal_(torch.empty(dim, dim // groups, taps), std=std))
        self.weight_g = nn.Parameter(torch.empty(1, 1, taps))
        if not self.weight_v.is_meta:  # arithmetic on the meta device imports torch's compiler
            self.weight_g.data.copy_(torch.linalg.vector_norm(self.weight_v.detach(), dim=(0, 1), keepdim=True))
        self.weight: nn.Parameter | None = None

    def forward(self, features: Tensor) -> Tensor:
        """[batch, time, dim] -> [batch, time, dim]; an even kernel's extra last step is dropped."""
        weight = self._product() if self.weight is None else self.weight
        mixed = functional.conv1d(features.transpose(1, 2), weight, self.bias, padding=self.taps // 2, groups=self.groups)
        return mixed[:, :, : features.shape[1]].transpose(1, 2)

    def _product(self) -> Tensor:
        norms: Tensor = torch.linalg.vector_norm(self.weight_v, dim=(0, 1), keepdim=True)
        return self.weight_g * self.weight_v / norms

    def fold(self) -> None:
        """Keep the product only, for inference."""
        self.weight = nn.Parameter(self._product().detach())
        del self.weight_g, self.weight_v


class HubertAttention(nn.Module):
    """Multi-head attention over the whole utterance, both directions."""

    def __init__(self, config: EncoderSizes) -> None:
        super().__init__()
        dim = config.encoder_embed_dim
        self.num_heads, self.dropout = config.encoder_attention_heads, config.attention_dropout
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(dim, dim) for _ in range(4))

    def forward(self, features: Tensor, is_real: Tensor | None) -> Tensor:
        """features: [batch, time, dim]; is_real: bool [batch, 1, 1, time], None = all. Returns [batch, time, dim]."""
        query, key, value = (
            projection(features).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        dropout = self.dropout if self.training else 0.0
        is_plain = self.training and features.device.type == "cpu"
        attend = _attend_plainly if is_plain else functional.scaled_dot_product_attention
        mixed = attend(query, key, value, is_real, dropout)
        return cast(Tensor, self.out_proj(mixed.transpose(1, 2).flatten(2)))


def _attend_plainly(query: Tensor, key: Tensor, value: Tensor, is_real: Tensor | None, dropout: float) -> Tensor:
    """Compute `scaled_dot_product_attention` for training on a CPU, in 0.4 of the time of torch's plain one (bfloat16, 84 steps).

    The fused kernel's way back takes three times as long as that. Arguments as there, float [batch, heads, time, dim]; is_real:
    bool [batch, 1, 1, time], True somewhere in each utterance.
    """
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    if is_real is not None:
        scores = scores + torch.zeros_like(is_real, dtype=scores.dtype).masked_fill(~is_real, -torch.inf)
    return functional.dropout(scores.softmax(-1).to(value.dtype), dropout) @ value


class HubertLayer(nn.Module):
    """Attention and feed-forward, each behind its own norm (`final_layer_norm` is the second pre-norm)."""

    def __init__(self, config: EncoderSizes) -> None:
        super().__init__()
        dim = config.encoder_embed_dim
        self.self_attn = HubertAttention(config)
        self.self_attn_layer_norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, config.encoder_ffn_embed_dim)
        self.fc2 = nn.Linear(config.encoder_ffn_embed_dim, dim)
        self.final_layer_norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(config.dropout)
        self.activation_dropout = nn.Dropout(config.activation_dropout)
        self.activation: nn.Module = nn.GELU()
        self._product_dtype: torch.dtype | None = None

    def forward(self, features: Tensor, is_real: Tensor | None) -> Tensor:
        """[batch, time, dim] -> [batch, time, dim]; is_real: bool [batch, 1, 1, time], None = all."""
        normed = self._for_products(self.self_attn_layer_norm(features))
        features = features + self.dropout(self.self_attn(normed, is_real))
        inner = self.activation(self.fc1(self._for_products(self.final_layer_norm(features))))
        return cast(Tensor, features + self.dropout(self.fc2(self.activation_dropout(inner))))

    def freeze(self, dtype: torch.dtype, files: MappedFiles) -> None:
        """Compute products in `dtype`, from now on for inference only; the residual stream keeps its own type."""
        pack_linears(self, dtype, files)
        self.activation = fuse_gelu(self.fc1, self.activation)
        self._product_dtype = dtype

    def _for_products(self, features: Tensor) -> Tensor:
        return features if self._product_dtype is None else features.to(self._product_dtype)


class HubertEncoder(nn.Module):
    """Positional convolution, layers, and one norm at the end."""

    def __init__(self, config: EncoderSizes) -> None:
        super().__init__()
        position = PositionalConv(config.encoder_embed_dim, config.conv_pos, config.conv_pos_groups, config.dropout)
        self.pos_conv = nn.Sequential(position, nn.GELU())
        self.layers = nn.ModuleList(HubertLayer(config) for _ in range(config.encoder_layers))
        self.layer_norm = nn.LayerNorm(config.encoder_embed_dim)
        self.dropout = nn.Dropout(config.dropout)
        self.layerdrop = config.encoder_layerdrop

    def forward(
        self, features: Tensor, is_real: Tensor | None = None, num_layers: int | None = None, progress: Progress = silent
    ) -> Tensor:
        """Run the encoder, or its first layers.

        features: [batch, time, dim]. is_real: bool [batch, time], False for padding, which no real step sees; None =
        no padding. num_layers: stop after so many layers, without the last norm. Returns [batch, time, dim];
        padded steps hold nothing of use.
        """
        attended = None
        if is_real is not None:
            features = features.masked_fill(~is_real[..., None], 0)
            attended = is_real[:, None, None]
        features = self.dropout(features + self.pos_conv(features))
        layers = self.layers[:num_layers]
        for layer in track(layers, "encoder layers", progress, len(layers)):
            if not (self.training and torch.rand(()) < self.layerdrop):
                features = layer(features, attended)
        return features if num_layers is not None else cast(Tensor, self.layer_norm(features))


_HALO = 2
"""Pictures before and after that the 3-D convolution sees."""
_KERNEL, _STRIDE, _PADDING = 7, 2, 3
"""Of the 3-D convolution, in a picture."""
_BLOCKS_PER_STAGE = 2
_NUM_STAGES = 4
PICTURES_AT_ONCE = 32
"""Pictures that go through the network together outside training; more do not make it faster on a CPU."""


def lip_features(lips: Pictures, crop_size: int, mean: float, std: float) -> Floats:
    """Cut the centre out of gray lip pictures and normalise it.

    lips: uint8 [time, height, width], both sides at least `crop_size`. Returns float32 [time, crop, crop], equal to
    (lips / 255 - mean) / std in float64. Raises InputError for another form or no picture.
    """
    lips = np.asarray(lips)
    if lips.ndim != 3 or lips.dtype != np.uint8 or not len(lips) or min(lips.shape[1:]) < crop_size:
        raise InputError(
            "lips must be gray pictures",
            expected=f"uint8 [time, height, width], sides of {crop_size} pixels or more, 1 picture or more",
            found=f"{lips.dtype} {list(lips.shape)}",
        )
    top, left = ((side - crop_size) // 2 for side in lips.shape[1:])
    levels: Floats = ((np.arange(256) / 255 - mean) / std).astype(np.float32)
    return np.asarray(levels[lips[:, top : top + crop_size, left : left + crop_size]], dtype=np.float32)


class PictureBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut; one PReLU slope per channel (He et al. 2016)."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(channels)
        self.relu1 = nn.PReLU(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2: nn.Module = nn.BatchNorm2d(channels)
        self.relu2 = nn.PReLU(channels)
        self.stride = stride
        self.downsample: nn.Sequential | None = None
        if stride != 1 or in_channels != channels:
            self.downsample = nn.Sequential(nn.Conv2d(in_channels, channels, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, pictures: Tensor) -> Tensor:
        """float of shape [pictures, in_channels, height, width] -> [pictures, channels, height / stride, width / stride]."""
        # A 1x1 convolution that strides reads these pixels. It is not left to stride: with AVX2, channels last and a number of
        # input channels that 8 does not divide, oneDNN 3.10.2 corrupts the heap when it derives by that convolution's weights.
        shortcut = pictures[:, :, :: self.stride, :: self.stride]
        if self.downsample is not None:
            shortcut = self.downsample(shortcut)
        hidden = self.relu1(self.bn1(self.conv1(pictures)))
        return cast(Tensor, self.relu2(self.bn2(self.conv2(hidden)) + shortcut))

    def fold(self) -> None:
        """Fold the batch norms into the convolutions, for inference."""
        self.conv1, self.bn1 = fold_norm(self.conv1, self.bn1), nn.Identity()
        self.conv2, self.bn2 = fold_norm(self.conv2, self.bn2), nn.Identity()
        if self.downsample is not None:
            convolution, norm = self.downsample
            self.downsample = nn.Sequential(fold_norm(cast(nn.Conv2d, convolution), norm))


class LipResNet(nn.Module):
    """Stafylakis and Tzimiropoulos' lip-reading front end (2017): 8 * width numbers a picture."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # Time is padded by `pack_clips`, which knows where each clip ends.
        convolution = nn.Conv3d(
            1, width, (2 * _HALO + 1, _KERNEL, _KERNEL), (1, _STRIDE, _STRIDE), (0, _PADDING, _PADDING), bias=False
        )
        self.frontend3D = nn.Sequential(convolution, nn.BatchNorm2d(width), nn.PReLU(width), nn.MaxPool2d(3, 2, 1))
        self.flat_front: nn.Sequential | None = None
        self.trunk = nn.Sequential()
        channels = width
        for stage in range(_NUM_STAGES):
            blocks = nn.Sequential()
            for block in range(_BLOCKS_PER_STAGE):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(PictureBlock(channels, width << stage, stride))
                channels = width << stage
            self.trunk.add_module(f"layer{stage + 1}", blocks)
        self.out_dim = channels

    def forward(self, packed: Tensor, is_shown: Tensor) -> Tensor:
        """Encode clips that `pack_clips` has joined, or a stretch of them.

        packed: float of shape [pictures + 4, height, width], two more on either side than are encoded. is_shown: bool
        [pictures] on the CPU, False for the padding between clips, not everywhere. Returns float [shown pictures, 8 * width].
        """
        packed = packed.to(self._product_dtype(packed))
        pictures = _neighbours(packed, is_shown)
        hidden = self._begin(pictures) if self.flat_front is None else self.flat_front(pictures)
        return cast(Tensor, self.trunk(hidden).mean((2, 3)))

    def _begin(self, pictures: Tensor) -> Tensor:
        """Run the front end as in training: the 3-D convolution is one of pictures whose channels are their neighbours in time.

        The same sum; with channels last, forward and back take 0.6 of the time on a CPU at width 8. [pictures, 5, height, width] ->
        [pictures, width, height / 4, width / 4].
        """
        convolution, norm, relu, pool = self.frontend3D
        hidden = functional.conv2d(pictures, cast(nn.Conv3d, convolution).weight[:, 0], None, _STRIDE, _PADDING)
        return cast(Tensor, pool(relu(norm(hidden))))

    def _product_dtype(self, packed: Tensor) -> torch.dtype:
        """Return what products are computed in, so that pictures are brought to it before they are copied for each neighbour."""
        if self.flat_front is not None:
            return cast(Tensor, self.flat_front[0].weight).dtype
        device = packed.device.type
        return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else packed.dtype

    def fold(self) -> None:
        """Fold all batch norms into the convolutions, for inference."""
        convolution, norm, relu, pool = self.frontend3D
        folded = fold_norm(cast(nn.Conv3d, convolution), norm)
        flat = nn.Conv2d(2 * _HALO + 1, folded.out_channels, _KERNEL, _STRIDE, _PADDING, device="meta")
        flat.weight, flat.bias = nn.Parameter(folded.weight.detach()[:, 0]), folded.bias
        self.flat_front = nn.Sequential(flat, relu, pool)
        del self.frontend3D
        for block in self.trunk.modules():
            if isinstance(block, PictureBlock):
                block.fold()
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it


def _neighbours(packed: Tensor, is_shown: Tensor) -> Tensor:
    """Put each picture amid its neighbours: [pictures + 4, height, width] -> [shown pictures, 5, height, width], channels last."""
    around = packed.unfold(0, 2 * _HALO + 1, 1).permute(0, 3, 1, 2)
    shown = around if bool(is_shown.all()) else around.index_select(0, is_shown.nonzero()[:, 0].to(packed.device))
    return shown.contiguous(memory_format=torch.channels_last)


class LipFrontEnd(nn.Module):
    """Lip pictures to the encoder's width."""

    def __init__(self, width: int, embed_dim: int) -> None:
        super().__init__()
        self.resnet = LipResNet(width)
        self.proj = nn.Linear(self.resnet.out_dim, embed_dim)
        self.pictures_at_once = PICTURES_AT_ONCE

    def forward(self, video: Tensor, lengths: Sequence[int], progress: Progress = silent) -> Tensor:
        """Encode a padded batch; what stands beyond a clip's length is not looked at.

        video: float [batch, time, height, width]; lengths: pictures of each clip. Returns float [batch, time,
        embed_dim], zero beyond the length. Outside training memory does not grow with time: stretches of
        `pictures_at_once` give the same numbers as the whole.
        """
        clips = [clip[:length] for clip, length in zip(video, lengths, strict=True)]
        return self.encode(clips, video.shape[1], progress)

    def encode(self, clips: Sequence[Tensor], time: int, progress: Progress = silent) -> Tensor:
        """Encode clips, each float of shape [pictures, height, width]. Returns what `forward` does, [clips, time, embed_dim]."""
        packed, is_shown = pack_clips(clips)
        step = len(is_shown) if self.training else self.pictures_at_once
        starts = [start for start in range(0, len(is_shown), step) if is_shown[start : start + step].any()]
        encoded = []
        for start in track(starts, "lip pictures", progress, len(starts)):
            shown = is_shown[start : start + step]
            encoded.append(self.resnet(packed[start : start + len(shown) + 2 * _HALO], shown))
        features = self.proj(torch.cat(encoded).to(packed.dtype))
        return unpack_clips(features, [len(clip) for clip in clips], time)


def pack_clips(clips: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Join clips in time, two zero pictures before, between and after them.

    Two are what the 3-D convolution pads with, so that each clip is encoded as if it were alone. clips: [time, height,
    width] each. Returns [pictures + 4, height, width] and bool [pictures] on the CPU, False for the zero pictures between
    clips.
    """
    gap = clips[0].new_zeros(_HALO, *clips[0].shape[1:])
    parts, shown = [gap], []
    for clip in clips:
        parts += [clip, gap]
        shown += [True] * len(clip) + [False] * _HALO
    return torch.cat(parts), torch.tensor(shown[:-_HALO])


def unpack_clips(features: Tensor, lengths: Sequence[int], time: int) -> Tensor:
    """Undo `pack_clips` for vectors: [sum of lengths, dim] -> [batch, time, dim], zero beyond each length."""
    clips = [functional.pad(clip, (0, 0, 0, time - len(clip))) for clip in torch.split(features, list(lengths))]
    return torch.stack(clips)
