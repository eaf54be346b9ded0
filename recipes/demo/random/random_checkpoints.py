"""Random checkpoints in the layout of the published files, for tests, benchmarks and trying out the program.

They have the names, keys, shapes and settings of the published ones, at their size or at a small one, and know nothing:
what they say and draw is noise.
"""

import argparse
import json
import logging
import random
import sys
import types
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.resources import files
from math import log1p
from pathlib import Path
from typing import Any, Literal

import torch

from avcore.checkpoints.checkpoint import write_checkpoint
from avcore.command import Parser, run
from avcore.files import atomic_output
from avcore.units import UTUT_LANGUAGES
from netflips import stages
from recipes.demo.random.random_layouts import (
    FaceSize,
    RandomState,
    SpeakerSize,
    State,
    TranslatorSize,
    UnitEncoderSize,
    VocoderSize,
    face_renderer,
    speaker_encoder,
    transformer_layer,
    translator,
    unit_encoder,
    vocoder,
)
from text2unit.model import ALIGNED, SpellerConfig
from text2unit.speller import network_of
from text2unit.stage import SPELLER as SPELLER_STAGE
from unit2unit.stage import SHARED_TABLES

# A speller of Korean, at the size of the recipe for many units

PUBLISHED_SPELLER = SpellerConfig(ALIGNED, 1000, width=256, kernel=5, layers=4, decoder_layers=4, heads=2)
"""As configs/text2unit/aligned.yaml; JETS' sizes."""
TINY_SPELLER = replace(PUBLISHED_SPELLER, width=16, kernel=3, layers=1, decoder_layers=1)
_STEPS_OF_A_LETTER = 4
"""Of 20 ms: Korean has about twelve jamo a second."""


def write_random_speller(path: Path, config: SpellerConfig, seed: int = 0) -> Path:
    """Write a speller of Korean whose letters last about as long as in speech. Raises OutputError."""
    torch.manual_seed(seed)
    network = network_of(config)
    if config.network == ALIGNED:
        network.get_parameter("duration.bias").data.fill_(log1p(_STEPS_OF_A_LETTER))
    about = {"model": config.to_config(), "languages": ["ko"], "vocabulary": "", "silence": 0}
    return write_checkpoint(path, SPELLER_STAGE, about, network.state_dict())


# A reader of lips, at the size of the published file

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


TINY_READER = TextReaderSize(
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


# All files

LOG = logging.getLogger("recipes.demo.random.random_checkpoints")

Size = Literal["tiny", "published"]

UNIT_ENCODER = "mavhubert_large_noise.pt"
TRANSLATOR = "utut_sts_ft.pt"
KOREAN_TRANSLATOR = "utut_ko.pt"
RENDERER = "unit_av_renderer_withKO.pt"
SPEAKER_ENCODER = "encoder.pt"
TEXT_READER = "finetuned.pt"
SPELLER = "text2unit.safetensors"

Maker = Callable[[], dict[str, Any]]

_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")
_DICTIONARY_MODULE = "fairseq.data.dictionary"
_KOREAN_ROWS, _KOREAN_OFFSET = 1024, 4
"""The Korean vocoder counts its units from row 4 of 1024, as the published one most likely does."""


@dataclass(frozen=True)
class _Sizes:
    unit_encoder: UnitEncoderSize
    translator: TranslatorSize
    vocoder: VocoderSize
    face: FaceSize
    speaker: SpeakerSize
    voices: tuple[str, ...]
    text_reader: TextReaderSize = TINY_READER
    speller: SpellerConfig = TINY_SPELLER


_SIZES: dict[str, _Sizes] = {
    "published": _Sizes(
        UnitEncoderSize(),
        TranslatorSize(),
        VocoderSize(),
        FaceSize(),
        SpeakerSize(),
        ("en", "es", "fr", "it", "pt", "ko"),
        TextReaderSize(),
        PUBLISHED_SPELLER,
    ),
    "tiny": _Sizes(
        UnitEncoderSize(width=64, layers=2, heads=4, ffn=128, final=24, front=8),
        TranslatorSize(width=64, layers=2, heads=4, ffn=128),
        VocoderSize(unit_dim=16, channels=64, duration_dim=12),
        FaceSize(divisor=8),
        SpeakerSize(hidden=64),
        ("en", "es", "ko"),
    ),
}


def write_random_checkpoints(
    out_dir: str | Path, size: Size = "tiny", only_korean: bool = False, seed: int = 0, with_text: bool = False
) -> dict[str, Path]:
    """Write a set of checkpoints into a folder and return their paths by file name.

    size: published (about 4.7 GB) or tiny (about 12 MB). only_korean: leave out the translator without Korean, which
    dubbing into Korean does not need. with_text: a reader of lips too (2 GB more at published size), and a speller of Korean, of
    which none is published. The same seed gives the same files' content. One file at a time is in memory.
    Raises OutputError when the folder cannot be written.
    """
    makers = makers_of(size, seed)
    if only_korean:
        del makers[TRANSLATOR]
    if with_text:
        makers[TEXT_READER] = lambda: _text_reader_file(_SIZES[size].text_reader, seed + 5)
    paths = {name: Path(out_dir) / name for name in makers}
    for name, make in makers.items():
        with atomic_output(paths[name]) as temporary, _fairseq_dictionaries():
            torch.save(make(), temporary)
    if with_text:
        paths[SPELLER] = write_random_speller(Path(out_dir) / SPELLER, _SIZES[size].speller, seed + 6)
    for path in paths.values():
        LOG.info("%s: random weights, %.1f MB", path, path.stat().st_size / 1e6)
    return paths


def makers_of(size: Size, seed: int) -> dict[str, Maker]:
    """Return what makes the content of each file, by its name: of the stages whose layouts are here, and of others what they
    bring."""
    sizes = _SIZES[size]
    here: dict[str, dict[str, Maker]] = {
        "unit-encoder": {UNIT_ENCODER: lambda: _unit_encoder_file(sizes.unit_encoder, seed)},
        "translator": {
            TRANSLATOR: lambda: _translator_file(sizes.translator, seed + 1),
            KOREAN_TRANSLATOR: lambda: _korean_translator_file(sizes.translator, seed + 2),
        },
        "renderer": {RENDERER: lambda: _renderer_file(sizes, seed + 3)},
        "speaker-encoder": {SPEAKER_ENCODER: lambda: _speaker_file(sizes.speaker, seed + 4)},
    }
    makers: dict[str, Maker] = {}
    for stage in stages.STAGES:
        makers |= here.get(stage.part) or (stage.random(size, seed) if stage.random else {})
    return makers


def build_parser() -> Parser:
    """Return the command line of scripts/make_random_checkpoints.py."""
    parser = Parser(
        prog="make_random_checkpoints", description="Write checkpoints of random weights in the layout of the published files."
    )
    parser.add_argument("--out-dir", required=True, type=Path, help="folder to write into")
    parser.add_argument("--size", default="tiny", choices=list(_SIZES), help="tiny (12 MB) or published (4.7 GB); default: tiny")
    parser.add_argument("--ko", action="store_true", help=f"only what dubbing into Korean needs: leave out {TRANSLATOR}")
    parser.add_argument(
        "--text", action="store_true", help=f"{TEXT_READER}, the reader of lips, and a speller, too (2 GB more at published size)"
    )
    parser.add_argument("--seed", default=0, type=int, help="other seeds give other weights (default: 0)")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(build_parser(), _make, argv)


def _make(options: argparse.Namespace) -> None:
    write_random_checkpoints(options.out_dir, options.size, options.ko, options.seed, options.text)


def _unit_encoder_file(size: UnitEncoderSize, seed: int) -> dict[str, Any]:
    settings = _settings("unit_encoder")
    settings["model"] |= {
        "encoder_layers": size.layers,
        "encoder_embed_dim": size.width,
        "encoder_ffn_embed_dim": size.ffn,
        "encoder_attention_heads": size.heads,
        "conv_pos": size.position_kernel,
        "conv_pos_groups": size.position_groups,
        "audio_feat_dim": size.mel,
        "final_dim": size.final,
    }
    dictionaries = [_dictionary(size.units) for _ in range(2)]
    return _trainer_file(settings, unit_encoder(size, seed), {"dictionaries": dictionaries})


def _speaker_file(size: SpeakerSize, seed: int) -> dict[str, Any]:
    return {"step": 1, "model_state": dict(speaker_encoder(size, seed)), "optimizer_state": {}}


def _translator_file(size: TranslatorSize, seed: int) -> dict[str, Any]:
    settings = _translator_settings(size)
    settings["task"]["langs"] = ",".join(UTUT_LANGUAGES)
    settings["model"] = argparse.Namespace(**settings["model"])
    return _trainer_file(settings, _stored_thrice(translator(size, len(UTUT_LANGUAGES), seed)), {})


def _korean_translator_file(size: TranslatorSize, seed: int) -> dict[str, Any]:
    settings, changes = _translator_settings(size), _settings("translator_ko")
    languages = (*UTUT_LANGUAGES, "ko")
    model = settings["model"] | changes["model"]
    task = model | changes["task"] | {"langs": ",".join(languages)}
    settings |= {"task": argparse.Namespace(**task), "model": argparse.Namespace(**model)}
    return _trainer_file(settings, _stored_thrice(translator(size, len(languages), seed)), {})


def _translator_settings(size: TranslatorSize) -> dict[str, Any]:
    settings = _settings("translator")
    for side in ("encoder", "decoder"):
        settings["model"] |= {
            f"{side}_layers": size.layers,
            f"{side}_embed_dim": size.width,
            f"{side}_ffn_embed_dim": size.ffn,
            f"{side}_attention_heads": size.heads,
        }
    return settings


def _renderer_file(sizes: _Sizes, seed: int) -> dict[str, Any]:
    audio = {}
    for index, language in enumerate(sizes.voices):
        rows, offset = (_KOREAN_ROWS, _KOREAN_OFFSET) if language == "ko" else (1000, 0)
        audio[language] = dict(vocoder(sizes.vocoder, rows, seed + 100 * index, offset))
    return {"audio": audio, "video": dict(face_renderer(sizes.face, seed + 50))}


def _text_reader_file(size: TextReaderSize, seed: int) -> dict[str, Any]:
    settings = text_reader_settings(size, _settings("unit_encoder"))
    dictionary = _dictionary_of(text_symbols(size.rows, seed))
    return _trainer_file(
        settings, text_reader(size, seed), {"dictionaries": [_dictionary(size.lips.units)], "target_dictionary": dictionary}
    )


def _trainer_file(settings: dict[str, Any], state: State, task_state: dict[str, Any]) -> dict[str, Any]:
    """Return what fairseq's trainer saves, with the training state left empty."""
    return {
        "args": None,
        "cfg": {"_name": None, "common": {"seed": 2, "fp16": True}, **settings, "bpe": None, "tokenizer": None},
        "model": state,
        "criterion": None,
        "optimizer_history": [{"optimizer_name": "FP16Optimizer", "lr_scheduler_state": {"best": 3.779}, "num_updates": 30000}],
        "task_state": task_state,
        "extra_state": {"train_iterator": {"version": 2, "epoch": 1}, "val_loss": 3.779, "best": 3.779},
        "last_optimizer_state": {"state": {}, "param_groups": [], "loss_scale": 8.0},
    }


def _stored_thrice(state: State) -> State:
    """Store the shared table under each of its names, as the published file does."""
    for name in SHARED_TABLES[1:]:
        state[name] = state[name].clone()
    return state


def _settings(section: str) -> dict[str, Any]:
    text = files(__package__).joinpath("random_settings.json").read_text(encoding="utf-8")
    settings: dict[str, Any] = json.loads(text)[section]
    return settings


class _Dictionary:
    """Pickles as fairseq's Dictionary, whose attributes it has."""


def _dictionary(num_units: int) -> _Dictionary:
    return _dictionary_of(list(map(str, range(num_units))))


def _dictionary_of(names: Sequence[str]) -> _Dictionary:
    symbols = [*_SPECIALS, *names]
    dictionary = _Dictionary()
    dictionary.__dict__ |= {
        "bos_word": "<s>", "pad_word": "<pad>", "eos_word": "</s>", "unk_word": "<unk>",
        "bos_index": 0, "pad_index": 1, "eos_index": 2, "unk_index": 3, "nspecial": len(_SPECIALS),
        "symbols": symbols, "count": [1] * len(symbols), "indices": {symbol: index for index, symbol in enumerate(symbols)},
    }  # fmt: skip
    return dictionary


@contextmanager
def _fairseq_dictionaries() -> Iterator[None]:
    """Let `_Dictionary` be pickled under fairseq's name, which pickle looks up, without fairseq."""
    parts = _DICTIONARY_MODULE.split(".")
    names = [".".join(parts[: end + 1]) for end in range(len(parts))]
    before = {name: sys.modules.get(name) for name in names}
    own = _Dictionary.__module__, _Dictionary.__qualname__
    try:
        sys.modules.update({name: types.ModuleType(name) for name in names})
        _Dictionary.__module__, _Dictionary.__qualname__ = _DICTIONARY_MODULE, "Dictionary"
        sys.modules[_DICTIONARY_MODULE].__dict__["Dictionary"] = _Dictionary
        yield
    finally:
        _Dictionary.__module__, _Dictionary.__qualname__ = own
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


if __name__ == "__main__":
    sys.exit(main())
