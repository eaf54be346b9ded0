"""A reader of units that is small enough for a test, and utterances of an invented language in which a letter is a unit."""

import json
from pathlib import Path

import numpy as np
import torch

from avcore.checkpoints.checkpoint import write_checkpoint
from avcore.units import Units
from unit2text.model import UnitText, stored_tensors
from unit2text.stage import UNIT2TEXT
from unit2text.training.config import ModelConfig
from unit2text.training.corpus import SpokenText, UnitToTextCorpus
from unit2text.training.items import text_vocabulary
from unit2text.training.task import unit_to_text_config

LETTERS = "abdeghiklmnorstu"
WORDS = ("nor", "hagel", "dimut", "sal", "berod", "kig", "umla", "theno", "gosti", "rab")
SMALL = ModelConfig(
    dim=32, encoder_layers=1, encoder_heads=4, encoder_ffn=48, conv_pos=8, conv_pos_groups=4, norm_first=True,
    decoder_layers=1, decoder_heads=4, decoder_ffn=48, scale_embedding=True, dropout=0.0,
)  # fmt: skip


def sentence(generator: np.random.Generator, count: int = 4) -> str:
    return " ".join(generator.choice(WORDS, count).tolist())


def units_of(text: str, generator: np.random.Generator) -> tuple[list[int], list[int]]:
    """A letter is a unit of 3 to 5 steps, a blank is the silent unit 0, which is longer at the ends."""
    ids = [0, *(0 if letter == " " else 1 + LETTERS.index(letter) for letter in text), 0]
    durations = [int(generator.integers(3, 6)) for _ in ids]
    return ids, [int(generator.integers(3, 20)), *durations[1:-1], int(generator.integers(3, 20))]


def write_corpus(folder: Path, count: int, seed: int = 0, language: str = "en") -> tuple[Path, Path]:
    generator = np.random.default_rng(seed)
    manifest, units = folder / "texts.jsonl", folder / "units.jsonl"
    with manifest.open("w", encoding="utf-8") as texts, units.open("w", encoding="utf-8") as rows:
        for number in range(count):
            text = sentence(generator)
            ids, durations = units_of(text, generator)
            texts.write(json.dumps({"id": f"u{number}", "text": text, "language": language, "audio": "none.wav"}) + "\n")
            rows.write(json.dumps({"id": f"u{number}", "units": ids, "durations": durations, "vocabulary": "sha256:test"}) + "\n")
    return manifest, units


def write_reader(path: Path, corpus: UnitToTextCorpus, seed: int = 0) -> Path:
    text, starts = text_vocabulary(corpus)
    torch.manual_seed(seed)
    model = UnitText(unit_to_text_config(SMALL, corpus, len(text.symbols), starts))
    model_config = {"encoder_heads": 4, "encoder_norm_first": True, "decoder_attention_heads": 4, "no_scale_embedding": False}
    config = {
        "takes": "units", "symbols": list(text.symbols), "spelling": "letters", "starts": starts, "search": {"beam": 3},
        "vocabulary": corpus.vocabulary, "model": model_config, "ctc_weight": 1.0,
        "suppress_marks": True,  # with random weights CTC writes most
    }  # fmt: skip
    return write_checkpoint(path, UNIT2TEXT, config, stored_tensors(model.state_dict()))


def write_random_unit_to_text(path: Path, vocabulary: str = "", languages: tuple[str, ...] = ("en", "ko")) -> Path:
    """A reader of the units that the random unit encoder makes: what it finds means nothing."""
    texts = {"en": "the end of it", "ko": "그 끝이요"}
    said = tuple(SpokenText(name, texts[name], name, Units.from_frames([1])) for name in languages)
    return write_reader(path, UnitToTextCorpus(said, said, vocabulary, 1000))
