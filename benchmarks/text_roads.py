"""Text beside the units, ours and the plain baseline: lips to text, text to units."""

from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.timeline import seconds_to_units
from benchmarks import material
from benchmarks.main_road import Run
from benchmarks.reference.text2unit import ReferenceSpeller
from benchmarks.reference.unit2text import ReferenceReader
from benchmarks.rows import BEAM, TEXT_TOKENS_PER_PICTURE
from text2unit.stage import SPELLER as SPELLER_STAGE
from unit2text.stage import TEXT_READER as READER_STAGE
from workshop.random.random_checkpoints import SPELLER, TEXT_READER

if TYPE_CHECKING:
    from text2unit.inference import TextSpeller
    from unit2text.config import ReaderConfig
    from unit2text.inference import UnitReader
    from unit2text.search import ReadOptions
    from unit2text.vocabulary import TextVocabulary

_LANGUAGE = "en"


def ours_unit2text(folder: Path, seconds: float, precision: str) -> Run:
    reader, options = _reader(folder, precision)
    lips = material.lips(seconds)
    return lambda: _as_codes(reader.read(lips, _LANGUAGE, options).text)


@cache
def _reader(folder: Path, precision: str) -> "tuple[UnitReader, ReadOptions]":
    from avcore.decoding.beam import SearchConfig
    from unit2text.inference import UnitReader
    from unit2text.search import ReadOptions

    search = SearchConfig(beam=BEAM, max_len_a=TEXT_TOKENS_PER_PICTURE, max_len_b=0, lenpen=0.0)
    return UnitReader.from_checkpoint(folder / TEXT_READER, precision=precision), ReadOptions(search)


def reference_unit2text(folder: Path, seconds: float, precision: str) -> Run:
    from av2unit.features import lip_features

    model, task, start, text = _reference_reader(folder)
    pictures = material.lips(seconds)

    def run() -> object:
        video = lip_features(pictures, task["image_crop_size"], task["image_mean"], task["image_std"])
        video = torch.from_numpy(video).reshape(1, 1, *video.shape[:3])
        return _as_codes(text.decode(model.read(video, 0, start, BEAM, TEXT_TOKENS_PER_PICTURE)))

    return run


@cache
def _reference_reader(folder: Path) -> "tuple[ReferenceReader, dict, int, TextVocabulary]":
    from unit2text.config import ReaderConfig
    from unit2text.vocabulary import TextVocabulary

    checkpoint = read_checkpoint(folder / TEXT_READER, READER_STAGE)
    config, tensors = ReaderConfig.from_checkpoint(checkpoint), checkpoint.tensors
    assert config.lips is not None
    front = tensors["encoder.w2v_model.feature_extractor_video.resnet.frontend3D.0.weight"]
    layers = config.encoder
    sizes = {
        "ffn": layers.encoder_ffn_embed_dim, "heads": layers.encoder_attention_heads, "layers": layers.encoder_layers,
        "kernel": layers.conv_pos, "groups": layers.conv_pos_groups,
    }  # fmt: skip
    model = ReferenceReader(asdict(config.lips.encoder), _decoder_of(config), config.num_rows, front.shape[0], sizes)
    known = model.state_dict()
    model.load_state_dict({name: tensor for name, tensor in tensors.items() if name in known})
    return model.eval(), asdict(config.lips), config.start(_LANGUAGE), TextVocabulary.from_checkpoint(checkpoint)


def _decoder_of(config: "ReaderConfig") -> dict:
    decoder = config.decoder
    return {
        "decoder_embed_dim": decoder.dim,
        "decoder_ffn_embed_dim": decoder.ffn_dim,
        "decoder_attention_heads": decoder.num_heads,
        "decoder_layers": decoder.num_layers,
    }


def _as_codes(text: str) -> NDArray[np.int64]:
    return np.array([ord(letter) for letter in text], dtype=np.int64)


def ours_text2unit(folder: Path, seconds: float, precision: str) -> Run:
    speller, text = _speller(folder, precision), material.text(seconds)
    return lambda: speller.units_of(text).frames()


@cache
def _speller(folder: Path, precision: str) -> "TextSpeller":
    from text2unit.inference import TextSpeller

    return TextSpeller.from_checkpoint(folder / SPELLER, precision=precision)


def reference_text2unit(folder: Path, seconds: float, precision: str) -> Run:
    from text2unit.jamo import letters_of
    from text2unit.script import ends_softly, script_of
    from text2unit.speller import PAUSE_S, SHORT_PAUSE_S

    model, text = _reference_speller(folder), material.text(seconds)

    def run() -> object:
        frames: list[NDArray[np.int64]] = []
        for sentence in script_of(text).sentences:
            frames.append(model.say(torch.from_numpy(letters_of(sentence))).numpy())
            frames.append(np.zeros(seconds_to_units(SHORT_PAUSE_S if ends_softly(sentence) else PAUSE_S), np.int64))
        return np.concatenate(frames[:-1])

    return run


@cache
def _reference_speller(folder: Path) -> ReferenceSpeller:
    checkpoint = read_checkpoint(folder / SPELLER, SPELLER_STAGE)
    model = ReferenceSpeller(checkpoint.config["model"])
    model.load_state_dict(checkpoint.tensors)
    return model.eval()
