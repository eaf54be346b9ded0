"""Tiny Whispers in CTranslate2's own form, that say what the test wants: weights by which every place has its one token.

The encoder and all attention have random weights and are computed, but nothing of them reaches the residual stream: what is
said follows from the position alone, and the times of words from the attention.
"""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from ctranslate2.specs import WhisperSpec
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel

from avcore.timeline import SAMPLE_RATE
from netflips.dubbing.segmentation import LONGEST_INNER_PAUSE_S

DIM = 64
"""Width of the network, and the most positions that it knows."""
_LANGUAGES = ("en", "ko", "fr", "haw")
_PEAK = 4.0
_STAMPS = [f"<|{step / 50:.2f}|>" for step in range(1501)]


def write_whisper(folder: Path, said: str, end_s: float = 30.0, language: str | None = None) -> Path:
    """Write a model that hears `said` in any sound, once in `end_s` (s). language: None = a model of English only."""
    folder.mkdir(parents=True)
    words = [f"Ġ{word}" for word in _bytes_of(said).split("Ġ") if word]
    plain = [*sorted(ByteLevel.alphabet()), "Ġ-", "Ġ'", *dict.fromkeys(words)]
    if language is not None:
        plain.append("")  # by this token the engine tells a model of several languages
    tasks = "translate transcribe startoflm startofprev nospeech notimestamps"
    fixed = [f"<|{one}|>" for one in ("startoftranscript", *_LANGUAGES, *tasks.split())]
    tokens = [*plain, "<|endoftext|>", *fixed, *_STAMPS]
    prompt = [] if language is None else [f"<|{language}|>", "<|transcribe|>"]
    script = [*prompt, "<|0.00|>", *words, f"<|{end_s:.2f}|>"]
    ids = {token: number for number, token in enumerate(tokens)}
    _write_tokenizer(folder, {token: ids[token] for token in plain}, tokens[len(plain) :])
    _write_model(folder, tokens, [ids[token] for token in script], ids["<|endoftext|>"], [ids[f"<|{one}|>"] for one in _LANGUAGES])
    return folder


def by_pauses(lengths: Sequence[float], pauses: Sequence[float] = ()) -> list[range]:
    """Pack stretches of speech as utterances are cut, in place of `packed`: these models say one sentence of any sound."""
    ends = [place + 1 for place, pause in enumerate(pauses) if pause > LONGEST_INNER_PAUSE_S or place + 1 == len(lengths)]
    return [range(start, end) for start, end in pairwise([0, *ends])]


def noise(seconds: float = 2.0) -> np.ndarray:
    """Some sound, float32 [S] at 16 kHz."""
    return np.random.default_rng(0).normal(0, 0.1, round(seconds * SAMPLE_RATE)).astype(np.float32)


def _bytes_of(text: str) -> str:
    """A text in the letters that stand for its bytes, each word with a blank (Ġ) before it."""
    return "".join(part for part, _ in ByteLevel(add_prefix_space=True, use_regex=False).pre_tokenize_str(text))


def _write_tokenizer(folder: Path, plain: dict[str, int], special: Sequence[str]) -> None:
    tokenizer = Tokenizer(BPE(vocab=plain, merges=[("Ġ", "-"), ("Ġ", "'")]))
    tokenizer.pre_tokenizer, tokenizer.decoder = ByteLevel(add_prefix_space=False), ByteLevelDecoder()
    tokenizer.add_special_tokens([token for token in special if token not in _STAMPS])
    tokenizer.save(str(folder / "tokenizer.json"))


def _write_model(folder: Path, tokens: Sequence[str], script: Sequence[int], end: int, languages: Sequence[int]) -> None:
    rng = np.random.default_rng(1)
    spec = WhisperSpec(1, 1, 1, 1)
    for conv, inputs in ((spec.encoder.conv1, 80), (spec.encoder.conv2, DIM)):
        conv.weight, conv.bias = _random(rng, DIM, inputs, 3), np.zeros(DIM, np.float32)
    spec.encoder.position_encodings.encodings = _random(rng, 1500, DIM)
    spec.decoder.position_encodings.encodings = 10 * np.eye(DIM, dtype=np.float32)
    spec.decoder.embeddings.weight = np.zeros((len(tokens), DIM), np.float32)
    peaks = np.zeros((len(tokens), DIM), np.float32)
    for place in range(DIM):
        peaks[script[place] if place < len(script) else end, place] = _PEAK
    set_linear(spec.decoder.projection, peaks)
    for stack in (spec.encoder, spec.decoder):
        set_norm(stack.layer_norm, DIM)
        fill_layer(stack.layer[0], DIM, rng)
    spec.register_vocabulary(list(tokens))
    spec.config.lang_ids, spec.config.alignment_heads = list(languages), [[0, 0]]
    spec.config.suppress_ids = spec.config.suppress_ids_begin = []
    spec.validate()
    spec.save(str(folder))
    assert json.loads((folder / "vocabulary.json").read_text())[0] == tokens[0]


def fill_layer(layer: Any, dim: int, rng: np.random.Generator) -> None:
    """Random attention whose outputs are nothing, so that the layer passes on what it gets."""
    for name in ("self_attention", "attention"):
        attention = getattr(layer, name, None)
        if attention is None:
            continue
        set_norm(attention.layer_norm, dim)
        *inner, out = attention.linear
        for linear, parts in zip(inner, (3,) if len(inner) == 1 else (1, 2), strict=True):
            set_linear(linear, _random(rng, parts * dim, dim))
        set_linear(out, np.zeros((dim, dim), np.float32))
    set_norm(layer.ffn.layer_norm, dim)
    set_linear(layer.ffn.linear_0, _random(rng, dim, dim))
    set_linear(layer.ffn.linear_1, np.zeros((dim, dim), np.float32))


def set_linear(linear: Any, weight: np.ndarray) -> None:
    """weight: [out, in]; no bias."""
    linear.weight, linear.bias = weight, np.zeros(len(weight), np.float32)


def set_norm(norm: Any, dim: int) -> None:
    """A layer norm that only normalises."""
    norm.gamma, norm.beta = np.ones(dim, np.float32), np.zeros(dim, np.float32)


def _random(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(0, 0.2, shape).astype(np.float32)
