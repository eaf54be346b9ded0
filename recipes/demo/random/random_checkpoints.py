"""Random checkpoints in the layout of the published files, for tests, benchmarks and trying out the program.

They have the names, keys, shapes and settings of the published ones, at their size or at a small one, but are untrained: their
speech and frames are noise.
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
from dataclasses import dataclass, replace
from importlib.resources import files
from math import log1p
from pathlib import Path
from typing import Any, Literal

import torch

from av2unit.config import AvHubertConfig
from avcore.checkpoints.checkpoint import write_checkpoint
from avcore.files import atomic_output
from avcore.flags import Command, QuietOptions, flag
from avcore.units import UTUT_LANGUAGES
from netflips import stages
from recipes.demo.random.random_layouts import (
    State,
    UnitToTextSize,
    face_renderer,
    speaker_encoder,
    translator,
    translator_config,
    unit_encoder,
    unit_to_text,
    vocoder,
    vocoder_config,
)
from text2unit.model import ALIGNED, TextToUnitConfig, network_of
from text2unit.stage import TEXT2UNIT as TEXT2UNIT_STAGE
from unit2av.face.model import FaceModelSize
from unit2text.config import FIRST_START
from unit2unit.stage import SHARED_TABLES

# A text-to-unit model of Korean, at the size of the recipe for many units

PUBLISHED_TEXT_TO_UNIT = TextToUnitConfig(ALIGNED, 1000, width=256, kernel=5, layers=4, decoder_layers=4, heads=2)
"""As configs/text2unit/aligned.yaml; JETS' sizes."""
TINY_TEXT_TO_UNIT = replace(PUBLISHED_TEXT_TO_UNIT, width=16, kernel=3, layers=1, decoder_layers=1)
_STEPS_OF_A_LETTER = 4
"""Steps of 20 ms per letter: Korean has about twelve jamo a second."""


def write_random_text_to_unit(path: Path, config: TextToUnitConfig, seed: int = 0) -> Path:
    """Write a text-to-unit model of Korean whose letters last about as long as in speech. Raises OutputError."""
    torch.manual_seed(seed)
    network = network_of(config)
    if config.network == ALIGNED:
        # The network predicts ln(1 + steps).
        network.get_parameter("duration.bias").data.fill_(log1p(_STEPS_OF_A_LETTER))
    about = {"model": config.to_config(), "languages": ["ko"], "vocabulary": "", "silence": 0}
    return write_checkpoint(path, TEXT2UNIT_STAGE, about, network.state_dict())


# Parts of a lip reader

_LIPS = ("encoder_layers", "encoder_embed_dim", "encoder_ffn_embed_dim", "encoder_attention_heads", "conv_pos", "conv_pos_groups")
TINY_UNIT_TO_TEXT = UnitToTextSize(
    AvHubertConfig(2, 48, 64, 6, 64, final_dim=16, resnet_width=3, num_classes=(44,)), 3, 64, 96, 3, 6, 72, 1008
)
"""No size is equal to one of the parity fixtures."""


def unit_to_text_settings(size: UnitToTextSize, lip_settings: dict[str, Any]) -> dict[str, Any]:
    """Return the sections `model` and `task` of its cfg. lip_settings: AV-HuBERT's whole cfg, which the file includes."""
    own = {name: getattr(size.lips, name) for name in _LIPS}
    no_limit = {"_name": None, "softmax_batch": sys.maxsize}  # as fairseq writes it
    stored = {**lip_settings, "model": {**lip_settings["model"], **own}, "eval_lm": no_limit}
    model = {
        "_name": "utut_seq2seq", "w2v_args": stored, "decoder_embed_dim": size.lips.encoder_embed_dim,
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
    """Return symbols behind the marks: invented pieces in random order, start tokens where the published ones are, and spares."""
    drawn = random.Random(seed)
    letters = [chr(code) for code in range(0x61, 0x17F) if unicodedata.category(chr(code)) == "Ll"]
    pieces = [f"{'▁' * (number % 2)}{letters[number % len(letters)]}{number}" for number in range(FIRST_START - len(_SPECIALS))]
    drawn.shuffle(pieces)
    starts = [f"[{name}]" for name in ("en", "it", "fr", "es", "pt")]
    return [*pieces, *starts, *(f"spare{number}" for number in range(rows - FIRST_START - len(starts)))]


# All files

LOG = logging.getLogger("recipes.demo.random.random_checkpoints")

Size = Literal["tiny", "published"]

UNIT_ENCODER = "mavhubert_large_noise.pt"
TRANSLATOR = "utut_sts_ft.pt"
KOREAN_TRANSLATOR = "utut_ko.pt"
RENDERER = "unit_av_renderer_withKO.pt"
SPEAKER_ENCODER = "encoder.pt"
UNIT2TEXT = "finetuned.pt"
TEXT2UNIT = "text2unit.safetensors"

Maker = Callable[[], dict[str, Any]]

_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")
_DICTIONARY_MODULE = "fairseq.data.dictionary"
_KOREAN_ROWS, _KOREAN_OFFSET = 1024, 4
"""The Korean vocoder counts its units from row 4 of 1024, as the published one most likely does."""


@dataclass(frozen=True)
class _Sizes:
    """Sizes of all networks of a set."""

    unit_encoder: AvHubertConfig
    translator: tuple[int, int, int, int]
    """width, layers, heads, feed-forward"""
    vocoder: tuple[int, int, int]
    """width of a unit, channels, width of the duration predictor"""
    face: FaceModelSize
    speaker: int
    """hidden width of the speaker encoder"""
    voices: tuple[str, ...]
    """languages of the renderer's vocoders"""
    unit_to_text: UnitToTextSize
    text_to_unit: TextToUnitConfig


_SIZES: dict[str, _Sizes] = {
    "published": _Sizes(
        AvHubertConfig(),
        (1024, 12, 16, 4096),
        (128, 512, 128),
        FaceModelSize(),
        256,
        ("en", "es", "fr", "it", "pt", "ko"),
        UnitToTextSize(),
        PUBLISHED_TEXT_TO_UNIT,
    ),
    "tiny": _Sizes(
        AvHubertConfig(2, 64, 128, 4, final_dim=24, resnet_width=8),
        (64, 2, 4, 128),
        (16, 64, 12),
        FaceModelSize.divided(8),
        64,
        ("en", "es", "ko"),
        TINY_UNIT_TO_TEXT,
        TINY_TEXT_TO_UNIT,
    ),
}


def write_random_checkpoints(
    out_dir: str | Path, size: Size = "tiny", only_korean: bool = False, seed: int = 0, with_text: bool = False
) -> dict[str, Path]:
    """Write a set of checkpoints into a folder and return their paths by file name.

    size: published (about 4.7 GB) or tiny (about 12 MB). only_korean: leave out the translator without Korean, which dubbing into
    Korean does not need. with_text: add a lip reader (2 GB more at published size), and a text-to-unit model, of which none is
    published. The same seed gives the same content. Only one file at a time is in memory. Raises OutputError when the folder
    cannot be written.
    """
    makers = makers_of(size, seed)
    if only_korean:
        del makers[TRANSLATOR]
    if with_text:
        makers[UNIT2TEXT] = lambda: _unit_to_text_file(_SIZES[size].unit_to_text, seed + 5)

    paths = {name: Path(out_dir) / name for name in makers}
    for name, make in makers.items():
        with atomic_output(paths[name]) as temporary, _fairseq_dictionaries():
            torch.save(make(), temporary)

    if with_text:
        paths[TEXT2UNIT] = write_random_text_to_unit(Path(out_dir) / TEXT2UNIT, _SIZES[size].text_to_unit, seed + 6)

    for path in paths.values():
        LOG.info("%s: random weights, %.1f MB", path, path.stat().st_size / 1e6)
    return paths


def makers_of(size: Size, seed: int) -> dict[str, Maker]:
    """Return functions that make the content of each file, by its name: those of this module, and `Stage.random` of other
    stages."""
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


@dataclass(frozen=True, kw_only=True)
class RandomOptions(QuietOptions):
    """Write checkpoints of random weights in the layout of the published files."""

    out_dir: Path = flag(metavar="DIR")
    """folder to write into"""
    size: Size = flag(default="tiny")
    """tiny (12 MB) or published (4.7 GB); default: tiny"""
    ko: bool = flag(default=False, help=f"only what dubbing into Korean needs: leave out {TRANSLATOR}")
    text: bool = flag(
        default=False, help=f"{UNIT2TEXT}, the reader of lips, and a text-to-unit model, too (2 GB more at published size)"
    )
    seed: int = flag(default=0)
    """other seeds give other weights (default: 0)"""


def _unit_encoder_file(config: AvHubertConfig, seed: int) -> dict[str, Any]:
    settings = _settings("unit_encoder")
    settings["model"] |= {name: getattr(config, name) for name in (*_LIPS, "audio_feat_dim", "final_dim")}
    dictionaries = [_dictionary(count - len(_SPECIALS)) for count in config.num_classes]
    return _trainer_file(settings, unit_encoder(config, seed), {"dictionaries": dictionaries})


def _speaker_file(hidden: int, seed: int) -> dict[str, Any]:
    return {"step": 1, "model_state": dict(speaker_encoder(hidden, seed)), "optimizer_state": {}}


def _translator_file(size: tuple[int, int, int, int], seed: int) -> dict[str, Any]:
    settings = _translator_settings(size)
    settings["task"]["langs"] = ",".join(UTUT_LANGUAGES)
    settings["model"] = argparse.Namespace(**settings["model"])
    return _trainer_file(settings, _stored_thrice(translator(translator_config(UTUT_LANGUAGES, *size), seed)), {})


def _korean_translator_file(size: tuple[int, int, int, int], seed: int) -> dict[str, Any]:
    settings, changes = _translator_settings(size), _settings("translator_ko")
    languages = (*UTUT_LANGUAGES, "ko")
    model = settings["model"] | changes["model"]
    task = model | changes["task"] | {"langs": ",".join(languages)}
    settings |= {"task": argparse.Namespace(**task), "model": argparse.Namespace(**model)}
    return _trainer_file(settings, _stored_thrice(translator(translator_config(languages, *size), seed)), {})


def _translator_settings(size: tuple[int, int, int, int]) -> dict[str, Any]:
    settings, names = _settings("translator"), ("embed_dim", "layers", "attention_heads", "ffn_embed_dim")
    for side in ("encoder", "decoder"):
        settings["model"] |= {f"{side}_{name}": value for name, value in zip(names, size, strict=True)}
    return settings


def _renderer_file(sizes: _Sizes, seed: int) -> dict[str, Any]:
    audio = {}
    for index, language in enumerate(sizes.voices):
        rows, offset = (_KOREAN_ROWS, _KOREAN_OFFSET) if language == "ko" else (1000, 0)
        audio[language] = dict(vocoder(vocoder_config(rows, *sizes.vocoder), seed + 100 * index, offset))
    return {"audio": audio, "video": dict(face_renderer(sizes.face, seed + 50))}


def _unit_to_text_file(size: UnitToTextSize, seed: int) -> dict[str, Any]:
    settings = unit_to_text_settings(size, _settings("unit_encoder"))
    dictionaries = [_dictionary(size.lips.num_classes[0] - len(_SPECIALS))]
    task = {"dictionaries": dictionaries, "target_dictionary": _dictionary_of(text_symbols(size.rows, seed))}
    return _trainer_file(settings, unit_to_text(size, seed), task)


def _trainer_file(settings: dict[str, Any], state: State, task_state: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a file of fairseq's trainer, with an empty training state."""
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
    """Store the shared table under each of its names, as in the published file."""
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


def _make(options: RandomOptions) -> None:
    write_random_checkpoints(options.out_dir, options.size, options.ko, options.seed, options.text)


_COMMAND = Command(RandomOptions, "make_random_checkpoints", _make)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
