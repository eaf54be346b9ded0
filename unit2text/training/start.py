"""The network that a run begins with: fresh, that of an exported reader, or joined from the two files of pre-training."""

import logging
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from avcore.checkpoints.checkpoint import PlainAvHubert, read_av_hubert, read_checkpoint
from avcore.checkpoints.stages import Checkpoint
from avcore.decoding.layers import LayerConfig
from avcore.errors import CheckpointError, UsageError
from avcore.units import NUM_MARKS, PAD, require_same_vocabulary
from unit2text.config import EncoderConfig, ReaderConfig
from unit2text.model import LipText, TextReader, UnitText, load_reader
from unit2text.stage import LIP_UNITS, LIPS, TEXT_READER, UNITS
from unit2text.text import TextVocabulary
from unit2text.training.config import ModelConfig, ReaderInitConfig, ReaderTrainConfig
from unit2text.training.corpus import ReaderCorpus, text_vocabulary

_KEPT = {"encoder.w2v_model.": "unit_encoder.w2v_model.", "decoder.": "decoder.", "language_embedding.": "language_embedding."}
_LEFT_OUT = ("mask_emb", "final_proj.")
_LIP_PREFIX = "encoder.w2v_model."
_MASK = "mask_emb"
_IMAGE = ("image_crop_size", "image_mean", "image_std")


def join_pretrained(units: Checkpoint, lips: PlainAvHubert, seed: int = 0) -> tuple[dict[str, object], dict[str, Tensor]]:
    """Configuration and tensors of a reader of lips: the unit model's encoder, decoder and languages behind AV-HuBERT.

    units: a checkpoint of the unit model. The CTC head (torch's start values, a weight of the decoder table's shape) and the
    unused mask embedding are fresh, drawn from the seed; all others keep their shapes. Unit tables, their joining layer and the
    unit model's CTC head stay behind. Raises CheckpointError where the two do not fit.
    """
    if units.config.get("takes") != LIP_UNITS:
        raise CheckpointError(
            "this is no unit model of pre-training", path=units.path, expected="unit_pretrained.pt", found=units.config.get("takes")
        )
    tensors = {f"{_LIP_PREFIX}{name}": tensor for name, tensor in lips.tensors.items() if not name.startswith(_LEFT_OUT)}
    for name, tensor in units.tensors.items():
        start = next((start for start in _KEPT if name.startswith(start)), None)
        if start is not None:
            tensors[_KEPT[start] + name.removeprefix(start)] = tensor
    table = units.tensors["decoder.embed_tokens.weight"]
    width = lips.tensors["post_extract_proj.weight"].shape[0]
    if width != table.shape[1]:
        raise CheckpointError(
            "AV-HuBERT's width is not the unit model's",
            path=units.path,
            expected=table.shape[1],
            found=width,
            hint="nothing is between the two; take an AV-HuBERT of the same width",
        )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        head = torch.nn.Linear(table.shape[1], table.shape[0])
        fresh = {"ctc_proj.weight": head.weight.detach(), "ctc_proj.bias": head.bias.detach()}
        if _MASK in lips.tensors:
            fresh[f"{_LIP_PREFIX}{_MASK}"] = torch.rand_like(lips.tensors[_MASK])
    kept = {name: value for name, value in units.config.items() if name != "takes"}
    model = {**units.config["model"], "_name": "utut_seq2seq", "w2v_args": {"model": lips.config["model"]}}
    task = {**units.config["task"], **{name: lips.config["task"][name] for name in _IMAGE if name in lips.config["task"]}}
    return {**kept, "takes": LIPS, "model": model, "task": task}, {**tensors, **fresh}


LOG = logging.getLogger("netflips.train")
_LEAST_GAIN = 2**-0.5
_FINE_TUNED: dict[str, Any] = {"dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.1, "encoder_layerdrop": 0.1}
"""Of AV-HuBERT while it is fine-tuned, as published."""


class ReaderStart(NamedTuple):
    """A network, the text that its rows spell, and the fingerprint of the quantizer whose units it reads ("" = unknown).

    stored: what the checkpoint that it comes from says of itself, {} = it is fresh.
    """

    model: UnitText
    text: TextVocabulary
    vocabulary: str
    stored: dict[str, Any]


class LipStart(NamedTuple):
    """A reader of lips, the text that its rows spell, and what the checkpoint that it comes from says of itself."""

    model: LipText
    text: TextVocabulary
    stored: dict[str, Any]


def start_reader(config: ReaderTrainConfig, corpus: ReaderCorpus) -> ReaderStart:
    """Return the network to train. Raises CheckpointError, VocabularyError or UsageError for a checkpoint that does not fit the
    corpus."""
    if config.init.checkpoint:
        return _of_checkpoint(config.init, corpus)
    text, starts = text_vocabulary(corpus)
    torch.manual_seed(config.loop.seed)
    model = UnitText(reader_config(config.model, corpus, len(text.symbols), starts))
    initialise_reader(model)
    return ReaderStart(model, text, corpus.vocabulary, {})


def reader_config(model: ModelConfig, corpus: ReaderCorpus, num_rows: int, starts: dict[str, int]) -> ReaderConfig:
    """Sizes of a fresh network for a corpus."""
    rows = NUM_MARKS + corpus.num_units
    return ReaderConfig(
        takes=UNITS,
        num_rows=num_rows,
        languages=tuple(starts),
        starts=tuple(starts.values()),
        encoder=EncoderConfig(
            model.encoder_layers, model.dim, model.encoder_ffn, model.encoder_heads, model.conv_pos, model.conv_pos_groups,
            dropout=model.dropout, attention_dropout=0.0, norm_first=model.norm_first,
        ),
        decoder=LayerConfig(
            model.dim, model.decoder_layers, model.decoder_heads, model.decoder_ffn, nn.ReLU, model.dropout, 0.0, model.dropout
        ),
        unit_rows=rows,
        sound_rows=rows if corpus.has_sound else 0,
        scale=model.dim**0.5 if model.scale_embedding else 1.0,
    )  # fmt: skip


def initialise_reader(model: UnitText) -> None:
    """Start values of the published decoder: a narrow table, and attention that begins small; the rest is torch's own."""
    table = model.decoder.embed_tokens.weight
    nn.init.normal_(table, std=model.config.dim**-0.5)
    with torch.no_grad():
        table[PAD] = 0
    for name, parameter in model.decoder.named_parameters():
        if name.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight")):
            nn.init.xavier_uniform_(parameter, _LEAST_GAIN)
        elif name.endswith("out_proj.weight"):
            nn.init.xavier_uniform_(parameter)
        elif name.endswith("out_proj.bias"):
            nn.init.zeros_(parameter)


def _of_checkpoint(init: ReaderInitConfig, corpus: ReaderCorpus) -> ReaderStart:
    checkpoint = read_checkpoint(init.checkpoint, TEXT_READER)
    found = ReaderConfig.from_checkpoint(checkpoint)
    if found.takes != UNITS:
        raise CheckpointError(
            "this reader cannot be trained on", path=checkpoint.path, expected=f"one of {UNITS}", found=found.takes
        )
    known = str(checkpoint.config.get("vocabulary") or "")
    if not init.allow_other_vocabulary:
        require_same_vocabulary(corpus.vocabulary, known, f"the text reader {checkpoint.path}")
    missing = sorted(set(corpus.languages) - set(found.languages))
    if missing or corpus.num_units > found.unit_rows - NUM_MARKS or corpus.has_sound != bool(found.sound_rows):
        raise UsageError(
            "the corpus does not fit the reader to start from",
            expected=f"{', '.join(found.languages)}; units below {found.unit_rows - NUM_MARKS}; "
            f"{'two streams' if found.sound_rows else 'one stream'} of units",
            found=f"{', '.join(corpus.languages)}; {corpus.num_units} units; {'two streams' if corpus.has_sound else 'one stream'}",
        )
    model = _own(load_reader(checkpoint, found))
    assert isinstance(model, UnitText)  # as `takes` says
    LOG.info("starting from %s", checkpoint.path)
    return ReaderStart(model, TextVocabulary.from_checkpoint(checkpoint), corpus.vocabulary or known, checkpoint.config)


def start_lip_reader(init: ReaderInitConfig, seed: int) -> LipStart:
    """Return a reader of lips: a published or own one, or a unit model behind AV-HuBERT. Raises CheckpointError where neither is
    given."""
    checkpoint = read_checkpoint(init.checkpoint, TEXT_READER)
    if checkpoint.config["takes"] == LIP_UNITS:
        if not init.av_hubert:
            raise UsageError("a unit model reads lips behind AV-HuBERT only", expected="init.av_hubert=mavhubert.pt")
        config, tensors = join_pretrained(checkpoint, read_av_hubert(init.av_hubert), seed)
        checkpoint = replace(checkpoint, config=config, tensors=tensors)
    found = ReaderConfig.from_checkpoint(checkpoint, init.av_hubert or None)
    if found.lips is None:
        raise CheckpointError("this reader reads no lips", path=checkpoint.path, expected=LIPS, found=found.takes)
    stack = replace(found.lips.encoder, **_FINE_TUNED)
    model = _own(load_reader(checkpoint, replace(found, lips=replace(found.lips, encoder=stack))))
    assert isinstance(model, LipText)  # as `takes` says
    LOG.info("starting from %s", checkpoint.path)
    heads = {"encoder_attention_heads": found.lips.encoder.encoder_attention_heads}
    stored = {**checkpoint.config, "model": {**checkpoint.config["model"], "w2v_args": {"model": heads}}}
    return LipStart(model, TextVocabulary.from_checkpoint(checkpoint), stored)


def _own(model: TextReader) -> TextReader:
    """Return the model with weights of its own: what is read may be a view of the file, and training writes into it."""
    for tensor in [*model.parameters(), *model.buffers()]:
        tensor.data = tensor.data.clone()
    model.share_table()
    return model.requires_grad_(True)
