"""State dicts of random weights with the names and shapes of the published checkpoints.

The weights are scaled so that activations keep their size from layer to layer; they know nothing. Written from the
published layouts and not from our modules, so that a module that strays from its layout does not load them.
"""

from collections import OrderedDict
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

State = OrderedDict[str, Tensor]

_RELU_GAIN = 2**0.5
_RESIDUAL_GAIN = 0.3
_SPECIALS = 4


@dataclass(frozen=True)
class UnitEncoderSize:
    """Sizes of the unit encoder; the defaults are the published ones."""

    width: int = 1024
    layers: int = 24
    heads: int = 16
    ffn: int = 4096
    final: int = 256
    position_kernel: int = 128
    position_groups: int = 16
    front: int = 64
    mel: int = 104
    units: int = 1000


@dataclass(frozen=True)
class TranslatorSize:
    """Sizes of the translator; the defaults are the published ones."""

    width: int = 1024
    layers: int = 12
    heads: int = 16
    ffn: int = 4096
    units: int = 1000


@dataclass(frozen=True)
class VocoderSize:
    """Sizes of one vocoder; the defaults are the published ones."""

    unit_dim: int = 128
    channels: int = 512
    duration_dim: int = 128
    speaker: int = 256
    kernels: tuple[int, ...] = (11, 8, 8, 4, 4)
    rates: tuple[int, ...] = (5, 4, 4, 2, 2)
    block_kernels: tuple[int, ...] = (3, 7, 11)
    dilations: int = 3


@dataclass(frozen=True)
class FaceSize:
    """Sizes of the face renderer; the defaults are the published ones. divisor divides every width."""

    divisor: int = 1
    units: int = 1000
    encoder: tuple[int, ...] = (16, 32, 64, 128, 256, 512, 512)
    encoder_layers: tuple[int, ...] = (1, 3, 4, 3, 3, 2, 2)
    decoder: tuple[int, ...] = (512, 512, 512, 384, 256, 128, 64)
    decoder_layers: tuple[int, ...] = (1, 2, 3, 3, 3, 3, 3)
    code: int = 512
    feed_forward: int = 1024
    output: int = 32


@dataclass(frozen=True)
class SpeakerSize:
    """Sizes of the speaker encoder; the defaults are the published ones."""

    hidden: int = 256
    embedding: int = 256
    mel: int = 40
    layers: int = 3


class RandomState:
    """A state dict that grows by layers, from one seed."""

    def __init__(self, seed: int) -> None:
        self.state: State = OrderedDict()
        self._generator = torch.Generator().manual_seed(seed)

    def normal(self, name: str, *shape: int, std: float = 1.0, mean: float = 0.0) -> Tensor:
        """Add and return a float32 tensor of normal numbers, of this shape."""
        self.state[name] = torch.empty(shape).normal_(mean, std, generator=self._generator)
        return self.state[name]

    def fill(self, name: str, *shape: int, value: float) -> None:
        """Add a tensor of one value."""
        self.state[name] = torch.full(shape, value)

    def linear(self, name: str, outputs: int, inputs: int, gain: float = 1.0) -> None:
        """Add `name`.weight [outputs, inputs] and a zero bias; outputs are `gain` times as large as inputs."""
        self.normal(f"{name}.weight", outputs, inputs, std=gain * inputs**-0.5)
        self.fill(f"{name}.bias", outputs, value=0.0)

    def norm(self, name: str, width: int, sign: float = 1.0) -> None:
        """Add a layer norm that changes nothing after normalising, but perhaps the sign."""
        self.fill(f"{name}.weight", width, value=sign)
        self.fill(f"{name}.bias", width, value=0.0)

    def batch_norm(self, name: str, width: int) -> None:
        """Add a batch norm whose running statistics change nothing."""
        self.norm(name, width)
        self.fill(f"{name}.running_mean", width, value=0.0)
        self.fill(f"{name}.running_var", width, value=1.0)
        self.state[f"{name}.num_batches_tracked"] = torch.tensor(1)

    def normed_conv(self, name: str, shape: tuple[int, int, int], outputs: int, std: float, axes: tuple[int, int] = (1, 2)) -> None:
        """Add a weight-normed convolution: bias, weight_g (norms over `axes`), weight_v."""
        self.fill(f"{name}.bias", outputs, value=0.0)
        direction = torch.empty(shape).normal_(0.0, std, generator=self._generator)
        self.state[f"{name}.weight_g"] = torch.linalg.vector_norm(direction, dim=axes, keepdim=True)
        self.state[f"{name}.weight_v"] = direction

    def attention(self, name: str, width: int, gain: float) -> None:
        """Add the four projections of an attention; `gain` is that of the last, which the layer's output has."""
        for part in ("k", "v", "q", "out"):
            self.linear(f"{name}.{part}_proj", width, width, gain if part == "out" else 1.0)


def unit_encoder(size: UnitEncoderSize, seed: int) -> State:
    """mAV-HuBERT: 538 tensors at the published size."""
    draw, width = RandomState(seed), size.width
    draw.normal("mask_emb", size.mel)
    draw.normal("label_embs_concat", 2 * (size.units + _SPECIALS), size.final)
    draw.linear("feature_extractor_audio.proj", width, size.mel)
    _lip_front_end(draw, "feature_extractor_video.resnet", size.front)
    draw.linear("feature_extractor_video.proj", width, 8 * size.front)
    draw.norm("layer_norm", 2 * width)
    draw.linear("post_extract_proj", width, 2 * width)
    _positions(draw, size)
    gain = (2 * size.layers) ** -0.5
    for layer in range(size.layers):
        transformer_layer(draw, f"encoder.layers.{layer}", width, size.ffn, gain)
    draw.norm("encoder.layer_norm", width)
    draw.linear("final_proj", 2 * size.final, width)
    return draw.state


def translator(size: TranslatorSize, num_languages: int, seed: int) -> State:
    """Return the unit translator: 515 tensors at the published size; the shared table is one tensor under three names."""
    draw, width = RandomState(seed), size.width
    rows = _SPECIALS + size.units + num_languages + 1
    gain = (3 * size.layers) ** -0.5
    table = draw.normal("encoder.embed_tokens.weight", rows, width, std=width**-0.5)
    for side in ("encoder", "decoder"):
        draw.fill(f"{side}.version", 1, value=3.0)
        draw.state[f"{side}.embed_tokens.weight"] = table
        draw.fill(f"{side}.embed_positions._float_tensor", 1, value=0.0)
        for layer in range(size.layers):
            name = f"{side}.layers.{layer}"
            transformer_layer(draw, name, width, size.ffn, gain)
            if side == "decoder":
                draw.attention(f"{name}.encoder_attn", width, gain)
                draw.norm(f"{name}.encoder_attn_layer_norm", width)
        # With a shared table each token would foretell itself for ever; turned round, it foretells anything else.
        draw.norm(f"{side}.layer_norm", width, sign=-1.0 if side == "decoder" else 1.0)
    draw.state["decoder.output_projection.weight"] = table
    return draw.state


def vocoder(size: VocoderSize, rows: int, seed: int, first_unit_row: int = 0) -> State:
    """Return a unit HiFi-GAN with `rows` units: 304 tensors.

    Rows below first_unit_row and from first_unit_row + 1000 on look as if training had never used them.
    """
    draw = RandomState(seed)
    draw.normed_conv("conv_pre", (size.channels, 2 * size.unit_dim, 7), size.channels, (14 * size.unit_dim) ** -0.5)
    width = size.channels
    for layer, (kernel, rate) in enumerate(zip(size.kernels, size.rates, strict=True)):
        std = _RELU_GAIN * (rate / (kernel * width)) ** 0.5
        draw.normed_conv(f"ups.{layer}", (width, width // 2, kernel), width // 2, std)
        width //= 2
    for index in range(len(size.rates) * len(size.block_kernels)):
        channels = size.channels >> (index // len(size.block_kernels) + 1)
        kernel = size.block_kernels[index % len(size.block_kernels)]
        for convs, gain in (("convs1", _RELU_GAIN), ("convs2", _RESIDUAL_GAIN)):
            for depth in range(size.dilations):
                name = f"resblocks.{index}.{convs}.{depth}"
                draw.normed_conv(name, (channels, channels, kernel), channels, gain * (channels * kernel) ** -0.5)
    draw.normed_conv("conv_post", (1, width, 7), 1, 0.2 * (7 * width) ** -0.5)
    table = draw.normal("dict.weight", rows, size.unit_dim)
    table[:first_unit_row] *= 0.5
    table[first_unit_row + 1000 :] *= 0.5
    draw.normal("spkr.weight", size.unit_dim, size.speaker)
    draw.fill("spkr.bias", size.unit_dim, value=0.0)
    _duration_predictor(draw, size)
    return draw.state


def face_renderer(size: FaceSize, seed: int) -> State:
    """Return the face renderer: 274 tensors."""
    draw = RandomState(seed)
    encoder, decoder = (tuple(width // size.divisor for width in widths) for widths in (size.encoder, size.decoder))
    code, output = size.code // size.divisor, size.output // size.divisor
    for block, (inputs, outputs) in enumerate(pairwise((6, *encoder))):
        kernel = 7 if block == 0 else 3
        name = f"face_encoder_blocks.{block}"
        _conv_block(draw, f"{name}.0", outputs, inputs, kernel)
        is_last = block == len(encoder) - 1
        for layer in range(1, size.encoder_layers[block]):
            _conv_block(draw, f"{name}.{layer}", outputs, outputs, 1 if is_last else 3, _RELU_GAIN if is_last else _RESIDUAL_GAIN)
    draw.normal("unit_embed.weight", size.units, code)
    _unit_branch(draw, code, size.feed_forward // size.divisor)
    skips = (0, *reversed(encoder[1:]))
    for block, (inputs, outputs) in enumerate(pairwise((code, *decoder))):
        name = f"face_decoder_blocks.{block}"
        if block == 0:
            _conv_block(draw, f"{name}.0", outputs, inputs, 1)
        else:
            _upsampling_block(draw, f"{name}.0", outputs, inputs + skips[block], stride=1 if block == 1 else 2)
        for layer in range(1, size.decoder_layers[block]):
            _conv_block(draw, f"{name}.{layer}", outputs, outputs, 3, _RESIDUAL_GAIN)
    _conv_block(draw, "output_block.0", output, decoder[-1] + encoder[0], 3)
    draw.normal("output_block.1.weight", 3, output, 1, 1, std=output**-0.5)
    draw.fill("output_block.1.bias", 3, value=0.0)
    return draw.state


def speaker_encoder(size: SpeakerSize, seed: int) -> State:
    """Return the GE2E speaker encoder: 16 tensors."""
    draw, hidden = RandomState(seed), size.hidden
    draw.fill("similarity_weight", 1, value=10.0)
    draw.fill("similarity_bias", 1, value=-5.0)
    for layer in range(size.layers):
        inputs = size.mel if layer == 0 else hidden
        for name, width in (("weight_ih", inputs), ("weight_hh", hidden)):
            draw.normal(f"lstm.{name}_l{layer}", 4 * hidden, width, std=width**-0.5)
        for name in ("bias_ih", "bias_hh"):
            draw.normal(f"lstm.{name}_l{layer}", 4 * hidden, std=0.1)
    draw.normal("linear.weight", size.embedding, hidden, std=hidden**-0.5)
    draw.normal("linear.bias", size.embedding, std=0.1)
    return draw.state


def _lip_front_end(draw: RandomState, name: str, front: int) -> None:
    draw.normal(f"{name}.frontend3D.0.weight", front, 1, 5, 7, 7, std=_RELU_GAIN * 245**-0.5)
    draw.batch_norm(f"{name}.frontend3D.1", front)
    draw.fill(f"{name}.frontend3D.2.weight", front, value=0.25)
    inputs = front
    for stage in range(4):
        width = front << stage
        for block in range(2):
            prefix = f"{name}.trunk.layer{stage + 1}.{block}"
            for conv, entering, gain in (("1", inputs, _RELU_GAIN), ("2", width, _RESIDUAL_GAIN)):
                draw.normal(f"{prefix}.conv{conv}.weight", width, entering, 3, 3, std=gain * (9 * entering) ** -0.5)
                draw.batch_norm(f"{prefix}.bn{conv}", width)
                draw.fill(f"{prefix}.relu{conv}.weight", width, value=0.25)
            if stage > 0 and block == 0:
                draw.normal(f"{prefix}.downsample.0.weight", width, inputs, 1, 1, std=inputs**-0.5)
                draw.batch_norm(f"{prefix}.downsample.1", width)
            inputs = width


def _positions(draw: RandomState, size: UnitEncoderSize) -> None:
    shape = size.width, size.width // size.position_groups, size.position_kernel
    draw.normed_conv("encoder.pos_conv.0", shape, size.width, (shape[1] * shape[2]) ** -0.5, axes=(0, 1))


def transformer_layer(draw: RandomState, name: str, width: int, ffn: int, gain: float) -> None:
    """Add a transformer layer; `gain` is that of the last matrix of its attention and of its two linear layers."""
    draw.attention(f"{name}.self_attn", width, gain)
    draw.norm(f"{name}.self_attn_layer_norm", width)
    draw.linear(f"{name}.fc1", ffn, width)
    draw.linear(f"{name}.fc2", width, ffn, gain)
    draw.norm(f"{name}.final_layer_norm", width)


def _duration_predictor(draw: RandomState, size: VocoderSize) -> None:
    """Durations about exp(1.5) - 1 = 3.5 steps, nearly all between 1 and 8."""
    for layer, inputs in ((1, size.unit_dim), (2, size.duration_dim)):
        name = f"dur_predictor.conv{layer}.0"
        draw.normal(f"{name}.weight", size.duration_dim, inputs, 3, std=(3 * inputs) ** -0.5)
        draw.fill(f"{name}.bias", size.duration_dim, value=0.0)
        draw.norm(f"dur_predictor.ln{layer}", size.duration_dim)
    draw.normal("dur_predictor.proj.weight", 1, size.duration_dim, std=0.35 * size.duration_dim**-0.5)
    draw.fill("dur_predictor.proj.bias", 1, value=1.5)


def _conv_block(draw: RandomState, name: str, outputs: int, inputs: int, kernel: int, gain: float = _RELU_GAIN) -> None:
    draw.normal(f"{name}.conv_block.0.weight", outputs, inputs, kernel, kernel, std=gain / (inputs**0.5 * kernel))
    draw.fill(f"{name}.conv_block.0.bias", outputs, value=0.0)
    draw.batch_norm(f"{name}.conv_block.1", outputs)


def _upsampling_block(draw: RandomState, name: str, outputs: int, inputs: int, stride: int) -> None:
    """A transposed 3x3 convolution: with stride 2 a pixel gets 9 / 4 taps; from a single pixel it gets one."""
    taps = 9 / 4 if stride == 2 else 1
    draw.normal(f"{name}.conv_block.0.weight", inputs, outputs, 3, 3, std=_RELU_GAIN * (inputs * taps) ** -0.5)
    draw.fill(f"{name}.conv_block.0.bias", outputs, value=0.0)
    draw.batch_norm(f"{name}.conv_block.1", outputs)


def _unit_branch(draw: RandomState, width: int, feed_forward: int) -> None:
    draw.normal("unit2lip.self_attn.in_proj_weight", 3 * width, width, std=width**-0.5)
    draw.fill("unit2lip.self_attn.in_proj_bias", 3 * width, value=0.0)
    draw.linear("unit2lip.self_attn.out_proj", width, width)
    draw.linear("unit2lip.linear1", feed_forward, width, _RELU_GAIN)
    draw.linear("unit2lip.linear2", width, feed_forward)
    draw.norm("unit2lip.norm1", width)
    draw.norm("unit2lip.norm2", width)
