"""A reader of lips with random weights, in the layout of the published file: at its size for benchmarks, at others for tests."""

import random
import sys
import unicodedata
from dataclasses import dataclass, field
from typing import Any

from recipes.demo.random.random_layouts import RandomState, State, UnitEncoderSize, transformer_layer, unit_encoder

_MARKS = 4
_LANGUAGES = 5
_FIRST_START = 1000
_LIPS = "encoder.w2v_model."


@dataclass(frozen=True)
class TextReaderSize:
    """Sizes of the published reader of lips; the defaults are the published ones.

    lips: AV-HuBERT, with one set of labels of its own. rows: of the text vocabulary, at least 1005.
    """

    lips: UnitEncoderSize = field(default_factory=lambda: UnitEncoderSize(units=2000))
    encoder_layers: int = 6
    encoder_ffn: int = 4096
    position_kernel: int = 128
    decoder_layers: int = 6
    decoder_heads: int = 8
    decoder_ffn: int = 4096
    rows: int = 1005


TINY = TextReaderSize(
    UnitEncoderSize(width=48, layers=2, heads=6, ffn=64, final=16, position_kernel=64, front=3, units=40), 3, 64, 96, 3, 6, 72, 1008
)
"""Not a size in common with the parity fixtures."""


def text_reader(size: TextReaderSize, seed: int) -> State:
    """`finetuned.pt`: 800 tensors at the published size."""
    width, lips = size.lips.width, size.lips
    av_hubert = unit_encoder(lips, seed)
    av_hubert["label_embs_concat"] = av_hubert["label_embs_concat"][: _MARKS + lips.units].clone()
    kept = {name: tensor for name, tensor in av_hubert.items() if not name.startswith("final_proj.")}
    draw = RandomState(seed + 1)
    draw.state.update({f"{_LIPS}{name}": tensor for name, tensor in kept.items()})
    draw.normal("language_embedding.weight", _LANGUAGES, width)
    stack = "unit_encoder.w2v_model"
    shape = width, width // lips.position_groups, size.position_kernel
    draw.normed_conv(f"{stack}.pos_conv.0", shape, width, (shape[1] * shape[2]) ** -0.5, axes=(0, 1))
    draw.norm(f"{stack}.layer_norm", width)
    for layer in range(size.encoder_layers):
        transformer_layer(draw, f"{stack}.layers.{layer}", width, size.encoder_ffn, 1.0)
    draw.normal("decoder.embed_tokens.weight", size.rows, width, std=width**-0.5)
    draw.fill("decoder.embed_positions._float_tensor", 1, value=0.0)
    gain = (3 * size.decoder_layers) ** -0.5
    for layer in range(size.decoder_layers):
        name = f"decoder.layers.{layer}"
        transformer_layer(draw, name, width, size.decoder_ffn, gain)
        draw.attention(f"{name}.encoder_attn", width, gain)
        draw.norm(f"{name}.encoder_attn_layer_norm", width)
    draw.norm("decoder.layer_norm", width)
    draw.linear("ctc_proj", size.rows, width)
    return draw.state


def text_reader_settings(size: TextReaderSize, lip_settings: dict[str, Any]) -> dict[str, Any]:
    """Return the sections `model` and `task` of its cfg. lip_settings: AV-HuBERT's whole cfg, which this file carries."""
    own = {
        "encoder_layers": size.lips.layers,
        "encoder_embed_dim": size.lips.width,
        "encoder_ffn_embed_dim": size.lips.ffn,
        "encoder_attention_heads": size.lips.heads,
        "conv_pos": size.lips.position_kernel,
        "conv_pos_groups": size.lips.position_groups,
    }
    no_limit = {"_name": None, "softmax_batch": sys.maxsize}  # as fairseq writes it
    stored = {**lip_settings, "model": {**lip_settings["model"], **own}, "eval_lm": no_limit}
    model = {
        "_name": "utut_seq2seq", "w2v_args": stored, "decoder_embed_dim": size.lips.width,
        "decoder_ffn_embed_dim": size.decoder_ffn, "decoder_layers": size.decoder_layers,
        "decoder_attention_heads": size.decoder_heads, "decoder_normalize_before": True,
        "decoder_learned_pos": False, "decoder_dropout": 0.1, "decoder_attention_dropout": 0.0, "decoder_activation_dropout": 0.1,
        "max_target_positions": 2048, "share_decoder_input_output_embed": True, "no_scale_embedding": True,
        "no_token_positional_embeddings": False,
    }  # fmt: skip
    task = {
        "_name": "av_hubert_pretraining_mvsr",
        "image_crop_size": 88,
        "image_mean": 0.421,
        "image_std": 0.165,
        "max_sample_size": 600,
    }
    return {"model": model, "task": task}


def text_symbols(rows: int, seed: int) -> list[str]:
    """Symbols behind the marks: invented pieces in an order of their own, start tokens where the published ones are, spares."""
    drawn = random.Random(seed)
    letters = [chr(code) for code in range(0x61, 0x17F) if unicodedata.category(chr(code)) == "Ll"]
    pieces = [f"{'▁' * (number % 2)}{letters[number % len(letters)]}{number}" for number in range(_FIRST_START - _MARKS)]
    drawn.shuffle(pieces)
    starts = [f"[{name}]" for name in ("en", "it", "fr", "es", "pt")]
    return [*pieces, *starts, *(f"spare{number}" for number in range(rows - _FIRST_START - _LANGUAGES))]
