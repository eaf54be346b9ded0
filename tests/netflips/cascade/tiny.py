"""Tiny text translators in CTranslate2's own form, that go word for word by a dictionary: each place is translated on its own.

The decoder attends, at each place, to the same place of the source, and the output's weights are the dictionary; all else is
random and passes nothing on.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import sentencepiece
from ctranslate2.specs import TransformerSpec

from tests.netflips.recognizers.tiny import fill_layer, set_linear, set_norm

PLACES = 128
_SHARP = 10.0
_NLLB, _M2M = {"en": "eng_Latn", "ko": "kor_Hang", "fr": "fra_Latn"}, {one: f"__{one}__" for one in ("en", "ko", "fr")}


def write_translator(folder: Path, dictionary: Mapping[str, str], is_nllb: bool = True, adds_end: bool = False) -> Path:
    """Write a translator of these words (a word of one language to one of the other), and its SentencePiece model."""
    folder.mkdir(parents=True)
    pieces = [f"▁{word}" for pair in dictionary.items() for word in pair]
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *dict.fromkeys(pieces), *(_NLLB if is_nllb else _M2M).values()]
    ids = {token: number for number, token in enumerate(tokens)}
    meaning = np.arange(len(tokens))
    for word, meant in dictionary.items():
        meaning[ids[f"▁{word}"]] = ids[f"▁{meant}"]
    _write_model(folder, tokens, meaning, adds_end)
    _write_pieces(folder, [word for pair in dictionary.items() for word in pair])
    return folder


def write_pair(folder: Path, dictionary: Mapping[str, str]) -> Path:
    """The same between two languages as quickmt has it: without tokens of languages, each side with files of its own."""
    write_translator(folder, dictionary, adds_end=True)
    pieces = folder / "sentencepiece.bpe.model"
    (folder / "src.spm.model").write_bytes(pieces.read_bytes())
    pieces.rename(folder / "tgt.spm.model")
    words = (folder / "shared_vocabulary.json").read_text()
    for token in _NLLB.values():
        words = words.replace(token, token.lower())
    (folder / "source_vocabulary.json").write_text(words)
    (folder / "shared_vocabulary.json").unlink()
    (folder / "target_vocabulary.json").write_text(words)
    return folder


def _write_model(folder: Path, tokens: list[str], meaning: np.ndarray, adds_end: bool) -> None:
    """Width: places, then tokens. meaning: int64 [tokens], the row that each row is translated to."""
    size, dim = len(tokens), PLACES + len(tokens)
    rng = np.random.default_rng(2)
    spec = TransformerSpec.from_config(1, 1, pre_norm=True)
    places, words = np.zeros((PLACES, dim), np.float32), np.zeros((size, dim), np.float32)
    places[:, :PLACES], words[:, PLACES:] = np.eye(PLACES), np.eye(size)
    spec.encoder.embeddings[0].weight, spec.decoder.embeddings.weight = words, np.zeros_like(words)
    for stack in (spec.encoder, spec.decoder):
        stack.scale_embeddings = False
        stack.position_encodings.encodings = places
        set_norm(stack.layer_norm, dim)
        fill_layer(stack.layer[0], dim, rng)
    see_places, see_words = np.zeros((2, dim, dim), np.float32)
    see_places[:PLACES, :PLACES], see_words[PLACES:, PLACES:] = np.eye(PLACES), np.eye(size)
    across = spec.decoder.layer[0].attention
    set_linear(across.linear[0], _SHARP * see_places)
    set_linear(across.linear[1], np.concatenate([see_places, see_words]))
    set_linear(across.linear[2], np.eye(dim, dtype=np.float32))
    output = np.zeros((size, dim), np.float32)
    output[meaning, PLACES + np.arange(size)] = 4.0
    set_linear(spec.decoder.projection, output)
    spec.register_source_vocabulary(tokens)
    spec.register_target_vocabulary(tokens)
    spec.config.decoder_start_token, spec.config.add_source_eos = "</s>", adds_end
    spec.validate()
    spec.save(str(folder))


def _write_pieces(folder: Path, words: list[str]) -> None:
    """A SentencePiece model whose pieces are these words; its bytes do not depend on the folder's name."""
    with (folder / "sentencepiece.bpe.model").open("wb") as model:
        how = {"model_type": "word", "vocab_size": len(set(words)) + 3, "hard_vocab_limit": False, "minloglevel": 2}
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter([" ".join(words)] * 2), model_writer=model, **how)
