"""Random weights for the networks of all published checkpoints, under the published names.

They are scaled so that activations keep their size from layer to layer, and are untrained. The fixtures of tests/parity check that
the networks have the published names and shapes.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import torch
from torch import Tensor, nn

from av2unit.config import AvHubertConfig
from av2unit.model import AvHubert
from avcore.compute.convolutions import WeightNormUpsampling
from avcore.compute.inference import skeleton
from avcore.decoding.layers import LayerConfig
from unit2av.face.model import FaceModel, FaceModelSize
from unit2av.speaker import SpeakerNetwork
from unit2av.voice.vocoder import UnitHifiGan, VocoderConfig
from unit2text.config import FIRST_START, EncoderConfig, LipConfig, UnitToTextConfig
from unit2text.model import LipText
from unit2text.stage import LIPS, PUBLISHED_LANGUAGES
from unit2unit.model import StackConfig, TranslatorConfig, TranslatorVocabulary, UnitTransformer

State = OrderedDict[str, Tensor]

_RELU, _RESIDUAL = 2**0.5, 0.3  # a ReLU halves the power (He et al. 2015)
_OF_LIPS = {r"frontend3D\.0|\.conv1\.": _RELU, r"\.conv2\.": _RESIDUAL}


def drawn(network: nn.Module, seed: int, gains: Mapping[str, float]) -> State:
    """Return random weights for a network on the meta device.

    gains: ratio of the size of outputs to that of inputs, by a pattern of the weights' names, of which the first match counts;
    default 1. For a norm it is the weight, for an embedding the standard deviation.
    """
    generator, state = torch.Generator().manual_seed(seed), OrderedDict()  # not `State()`: its type would be stored, too
    parts = dict(network.named_modules(remove_duplicate=False))
    for name, like in network.state_dict().items():
        owner, _, kind = name.rpartition(".")
        gain = next((value for pattern, value in gains.items() if re.search(pattern, name)), 1.0)

        if kind == "num_batches_tracked":
            state[name] = torch.tensor(1)
        elif kind == "weight_g":
            # g = |v|: after weight normalisation the weight is then v itself.
            v = state[f"{owner}.weight_v"]
            over = [axis for axis, size in enumerate(like.shape) if size != v.shape[axis]]
            state[name] = torch.linalg.vector_norm(v, dim=over, keepdim=True)
        elif isinstance(parts[owner], nn.PReLU):
            state[name] = torch.full(like.shape, 0.25)
        elif "bias" in kind or kind == "running_mean":
            state[name] = torch.zeros(like.shape)
        elif like.dim() == 1 and kind in ("weight", "running_var"):
            state[name] = torch.full(like.shape, gain)
        else:
            inputs = 1.0 if like.dim() == 1 or isinstance(parts[owner], nn.Embedding) else _inputs(parts[owner], like.shape)
            state[name] = torch.empty(like.shape).normal_(0.0, gain * inputs**-0.5, generator=generator)
    return state


def _inputs(part: nn.Module, shape: Sequence[int]) -> float:
    """Return how many inputs each output of a layer depends on."""
    if isinstance(part, nn.ConvTranspose2d):
        return shape[0] * prod(shape[2:]) / prod(part.stride)
    return shape[0] * shape[2] / part.rate if isinstance(part, WeightNormUpsampling) else prod(shape[1:])


def unit_encoder(config: AvHubertConfig, seed: int) -> State:
    """Return mAV-HuBERT: 538 tensors at the published size."""
    with skeleton():
        network = AvHubert(config)
    # Each layer adds two branches to the residual stream; scaled so, their sum keeps its size.
    return drawn(network, seed, {**_OF_LIPS, r"\.out_proj\.|\.fc2\.": (2 * config.encoder_layers) ** -0.5})


def translator_config(
    languages: Sequence[str], dim: int = 1024, layers: int = 12, heads: int = 16, ffn: int = 4096
) -> TranslatorConfig:
    """Return the sizes of a translator of 1000 units; the defaults are the published ones."""
    stack = StackConfig(layers, heads, ffn)
    return TranslatorConfig(TranslatorVocabulary(1000, tuple(languages)), dim, stack, stack)


def translator(config: TranslatorConfig, seed: int) -> State:
    """Return the unit translator: 515 tensors at the published size; the shared table is one tensor under three names."""
    with skeleton():
        network = UnitTransformer(config)
    # With a shared table each token would predict itself for ever; with the sign reversed, it predicts any other.
    gains = {r"^decoder\.layer_norm\.": -1.0, "embed_tokens": config.dim**-0.5}
    state = drawn(network, seed, gains | {r"\.out_proj\.|\.fc2\.": (3 * config.encoder.num_layers) ** -0.5})

    for side in ("encoder", "decoder"):
        state[f"{side}.version"], state[f"{side}.embed_positions._float_tensor"] = torch.full((1,), 3.0), torch.zeros(1)
    for name in ("decoder.embed_tokens.weight", "decoder.output_projection.weight"):
        state[name] = state["encoder.embed_tokens.weight"]
    return state


def vocoder_config(rows: int, unit_dim: int = 128, channels: int = 512, duration_dim: int = 128) -> VocoderConfig:
    """Return the sizes of a vocoder with `rows` units; the defaults are the published ones."""
    dilations = [[1, 3, 5]] * 3
    rates, kernels = (5, 4, 4, 2, 2), (11, 8, 8, 4, 4)
    return VocoderConfig(rows, unit_dim, 256, unit_dim, duration_dim, channels, 7, 7, rates, kernels, (3, 7, 11), dilations)


def vocoder(config: VocoderConfig, seed: int, first_unit_row: int = 0) -> State:
    """Return a unit HiFi-GAN: 304 tensors. Durations are about exp(1.5) - 1 = 3.5 steps, nearly all between 1 and 8.

    Rows below first_unit_row and from first_unit_row + 1000 on look as if training had never used them.
    """
    with skeleton():
        network = UnitHifiGan(config)
    gains = {r"^ups|\.convs1\.": _RELU, r"\.convs2\.": _RESIDUAL, "conv_post": 0.2, r"proj\.weight": 0.35}
    state = drawn(network, seed, gains | {r"^spkr\.": config.speaker_dim**0.5})

    state["dict.weight"][:first_unit_row] *= 0.5
    state["dict.weight"][first_unit_row + 1000 :] *= 0.5
    state["dur_predictor.proj.bias"] += 1.5
    return state


def face_renderer(size: FaceModelSize, seed: int) -> State:
    """Return the face renderer: 274 tensors."""
    with skeleton():
        network = FaceModel(size)
    from_a_pixel = {r"face_decoder_blocks\.1\.0\.conv_block\.0\.": 3 * _RELU}  # only one of nine taps has an input
    first = {r"face_encoder_blocks\.6\..*\.0\.weight|\.0\.conv_block\.0\.|output_block\.0\.conv_block\.0\.|linear1": _RELU}
    return drawn(network, seed, {r"conv_block\.1\.": 1.0} | from_a_pixel | first | {r"conv_block\.0\.": _RESIDUAL})


def speaker_encoder(hidden: int, seed: int) -> State:
    """Return the GE2E speaker encoder: 16 tensors. hidden: 256 as published."""
    with skeleton():
        network = SpeakerNetwork(40, hidden, 3, 256)
    state = drawn(network, seed, {})
    # The starting values of GE2E (Wan et al. 2018).
    state["similarity_weight"], state["similarity_bias"] = torch.full((1,), 10.0), torch.full((1,), -5.0)
    return state


@dataclass(frozen=True)
class UnitToTextSize:
    """Sizes of the published lip reader; the defaults are the published ones."""

    lips: AvHubertConfig = field(default_factory=lambda: AvHubertConfig(num_classes=(2004,)))
    """AV-HuBERT, with one set of labels of its own"""
    encoder_layers: int = 6
    encoder_ffn: int = 4096
    position_kernel: int = 128
    decoder_layers: int = 6
    decoder_heads: int = 8
    decoder_ffn: int = 4096
    rows: int = 1005
    """of the text vocabulary, at least 1005"""

    @property
    def config(self) -> UnitToTextConfig:
        """The configuration of the network."""
        lips, dim = self.lips, self.lips.encoder_embed_dim
        groups, heads = lips.conv_pos_groups, lips.encoder_attention_heads
        seeing = EncoderConfig(lips.encoder_layers, dim, lips.encoder_ffn_embed_dim, heads, lips.conv_pos, groups, norm_first=True)
        reading = EncoderConfig(self.encoder_layers, dim, self.encoder_ffn, heads, self.position_kernel, groups)
        writing = LayerConfig(dim, self.decoder_layers, self.decoder_heads, self.decoder_ffn)
        starts = tuple(range(FIRST_START, FIRST_START + len(PUBLISHED_LANGUAGES)))
        sight = LipConfig(seeing, lips.resnet_width)
        return UnitToTextConfig(LIPS, self.rows, PUBLISHED_LANGUAGES, starts, reading, writing, lips=sight)


def unit_to_text(size: UnitToTextSize, seed: int) -> State:
    """Return `finetuned.pt`: 800 tensors at the published size, including unused ones of AV-HuBERT's training."""
    with skeleton():
        network = LipText(size.config)

    lips, prefix = size.lips, "encoder.w2v_model."
    gains = {
        **_OF_LIPS,
        rf"^{prefix}.*(\.out_proj\.|\.fc2\.)": (2 * lips.encoder_layers) ** -0.5,
        r"^decoder\..*(\.out_proj\.|\.fc2\.)": (3 * size.decoder_layers) ** -0.5,
        "embed_tokens": lips.encoder_embed_dim**-0.5,
    }

    state = drawn(network, seed, gains)
    del state["decoder.output_projection.weight"]
    unused = re.compile("mask_emb|label_embs_concat|feature_extractor_audio")
    state |= {prefix + name: one for name, one in unit_encoder(lips, seed).items() if unused.match(name)}
    state["decoder.embed_positions._float_tensor"] = torch.zeros(1)
    return state
