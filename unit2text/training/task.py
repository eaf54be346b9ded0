"""Training of a unit-to-text model by CTC and by its decoder, and the network that a run starts from."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avcore.checkpoints.checkpoint import PlainAvHubert, read_av_hubert, read_checkpoint
from avcore.checkpoints.stages import Checkpoint
from avcore.decoding.layers import LayerConfig
from avcore.errors import CheckpointError, UsageError
from avcore.train.data import ItemsOf
from avcore.train.task import Engine, Figures, Task, Values
from avcore.units import END, NUM_MARKS, PAD, Ids, edit_distance, require_same_vocabulary
from unit2text.config import EncoderConfig, UnitToTextConfig
from unit2text.model import EncodedUnits, LipText, UnitText, UnitToTextNetwork, load_unit_to_text_network
from unit2text.search import BLANK_ROW, best_path
from unit2text.stage import LIP_UNITS, LIPS, UNIT2TEXT, UNITS
from unit2text.text import TextVocabulary
from unit2text.training.config import ModelConfig, ReadConfig, UnitToTextInitConfig, UnitToTextTrainConfig
from unit2text.training.corpus import UnitToTextCorpus, read_lip_corpus, read_unit_to_text_corpus
from unit2text.training.items import (
    LipBatch,
    LipClips,
    LipItem,
    UnitToTextBatch,
    UnitToTextItem,
    Utterances,
    collate_lips,
    collate_units,
    fade,
    text_vocabulary,
)

_KEPT = {"encoder.w2v_model.": "unit_encoder.w2v_model.", "decoder.": "decoder.", "language_embedding.": "language_embedding."}
_LEFT_OUT = ("mask_emb", "final_proj.")
_LIP_PREFIX = "encoder.w2v_model."
_MASK = "mask_emb"
_IMAGE = ("image_crop_size", "image_mean", "image_std")
LOG = logging.getLogger("netflips.train")
_LEAST_GAIN = 2**-0.5
_FINE_TUNED: dict[str, Any] = {"dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.1, "encoder_layerdrop": 0.1}
"""Dropouts of AV-HuBERT in fine-tuning, as published."""
NETWORK = "network"
RUN_KIND = "unit-to-text model"
_OF_ROWS = ("loss", "nll", "ctc", "accuracy")


def join_pretrained(units: Checkpoint, lips: PlainAvHubert, seed: int = 0) -> tuple[dict[str, object], dict[str, Tensor]]:
    """Return configuration and tensors of a recognizer of lips: AV-HuBERT, then the unit model's encoder, decoder and languages.

    units: a checkpoint of the unit model. The CTC head (torch's initial values, a weight of the decoder table's shape) and the
    unused mask embedding are fresh, drawn with the seed; all other tensors keep their shapes. Unit tables, the layer that joins
    them and the unit model's CTC head are dropped. Raises CheckpointError where the two do not fit.
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

    # The run draws the same numbers whether a head is made here or not.
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


def start_unit_to_text(config: UnitToTextTrainConfig, corpus: UnitToTextCorpus) -> tuple[UnitText, TextVocabulary, str]:
    """Return the network to train, its vocabulary, and the fingerprint of its units' quantizer ("" = unknown).

    Raises CheckpointError, VocabularyError or UsageError for a checkpoint that does not fit the corpus.
    """
    if config.init.checkpoint:
        return _of_checkpoint(config.init, corpus)
    text, starts = text_vocabulary(corpus)
    torch.manual_seed(config.loop.seed)
    model = UnitText(unit_to_text_config(config.model, corpus, len(text.symbols), starts))
    initialise_unit_to_text(model)
    return model, text, corpus.vocabulary


def unit_to_text_config(model: ModelConfig, corpus: UnitToTextCorpus, num_rows: int, starts: dict[str, int]) -> UnitToTextConfig:
    """Return the sizes of a fresh network for a corpus."""
    rows = NUM_MARKS + corpus.num_units
    return UnitToTextConfig(
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


def initialise_unit_to_text(model: UnitText) -> None:
    """Initialise the decoder as published, with small values for table and attention; the rest has torch's own values."""
    table = model.decoder.embed_tokens.weight
    nn.init.normal_(table, std=model.config.dim**-0.5)
    # The padding row gets no gradient, so it would keep what was drawn.
    with torch.no_grad():
        table[PAD] = 0

    for name, parameter in model.decoder.named_parameters():
        if name.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight")):
            nn.init.xavier_uniform_(parameter, _LEAST_GAIN)
        elif name.endswith("out_proj.weight"):
            nn.init.xavier_uniform_(parameter)
        elif name.endswith("out_proj.bias"):
            nn.init.zeros_(parameter)


def _of_checkpoint(init: UnitToTextInitConfig, corpus: UnitToTextCorpus) -> tuple[UnitText, TextVocabulary, str]:
    checkpoint = read_checkpoint(init.checkpoint, UNIT2TEXT)
    found = UnitToTextConfig.from_checkpoint(checkpoint)
    if found.takes != UNITS:
        raise CheckpointError(
            "this reader cannot be trained on", path=checkpoint.path, expected=f"one of {UNITS}", found=found.takes
        )

    known = str(checkpoint.config.get("vocabulary") or "")
    if not init.allow_other_vocabulary:
        require_same_vocabulary(corpus.vocabulary, known, f"the unit-to-text model {checkpoint.path}")
    missing = sorted(set(corpus.languages) - set(found.languages))
    if missing or corpus.num_units > found.unit_rows - NUM_MARKS or corpus.has_sound != bool(found.sound_rows):
        raise UsageError(
            "the corpus does not fit the reader to start from",
            expected=f"{', '.join(found.languages)}; units below {found.unit_rows - NUM_MARKS}; "
            f"{'two streams' if found.sound_rows else 'one stream'} of units",
            found=f"{', '.join(corpus.languages)}; {corpus.num_units} units; {'two streams' if corpus.has_sound else 'one stream'}",
        )

    model = _own(load_unit_to_text_network(checkpoint, found))
    assert isinstance(model, UnitText)  # as `takes` says
    LOG.info("starting from %s", checkpoint.path)
    return model, TextVocabulary.from_checkpoint(checkpoint), corpus.vocabulary or known


def start_lips_to_text(init: UnitToTextInitConfig, seed: int) -> tuple[LipText, TextVocabulary, dict[str, Any]]:
    """Return a recognizer of lips (a published one, our own, or AV-HuBERT joined with a unit model), its vocabulary, and what is
    stored with it.

    Raises CheckpointError for another checkpoint, and UsageError for a unit model without AV-HuBERT.
    """
    checkpoint = read_checkpoint(init.checkpoint, UNIT2TEXT)
    if checkpoint.config["takes"] == LIP_UNITS:
        if not init.av_hubert:
            raise UsageError("a unit model reads lips behind AV-HuBERT only", expected="init.av_hubert=mavhubert.pt")
        config, tensors = join_pretrained(checkpoint, read_av_hubert(init.av_hubert), seed)
        checkpoint = replace(checkpoint, config=config, tensors=tensors)

    found = UnitToTextConfig.from_checkpoint(checkpoint, init.av_hubert or None)
    if found.lips is None:
        raise CheckpointError("this reader reads no lips", path=checkpoint.path, expected=LIPS, found=found.takes)

    stack = replace(found.lips.encoder, **_FINE_TUNED)
    model = _own(load_unit_to_text_network(checkpoint, replace(found, lips=replace(found.lips, encoder=stack))))
    assert isinstance(model, LipText)  # as `takes` says
    LOG.info("starting from %s", checkpoint.path)
    heads = {"encoder_attention_heads": found.lips.encoder.encoder_attention_heads}
    stored = {**checkpoint.config, "model": {**checkpoint.config["model"], "w2v_args": {"model": heads}}}
    return model, TextVocabulary.from_checkpoint(checkpoint), stored


def _own(model: UnitToTextNetwork) -> UnitToTextNetwork:
    """Copy the weights of a model, which may be views of its file that training would write into; returns the model."""
    for tensor in [*model.parameters(), *model.buffers()]:
        tensor.data = tensor.data.clone()
    model.share_table()
    return model.requires_grad_(True)


class Losses(NamedTuple):
    """Sums over a batch, each of shape []."""

    attention: Tensor
    """cross entropy of the decoder, label-smoothed"""
    nll: Tensor
    """the same without smoothing"""
    ctc: Tensor
    right: Tensor
    """number of rows that the decoder predicts correctly"""

    def total(self, ctc_weight: float) -> Tensor:
        """Return the weighted sum that is minimised, of shape [], not yet divided by a count."""
        return (1 - ctc_weight) * self.attention + ctc_weight * self.ctc


def joint_loss(logits: Tensor, target: Tensor, log_probs: Tensor, lengths: Tensor, smoothing: float = 0.1) -> Losses:
    """Return both losses of a batch.

    logits: of the decoder, float [batch, target time, row]. target: int64 [batch, target time] with the end token, padded with PAD.
    log_probs: of CTC, float [batch, time, row]. lengths: steps of each clip, int64 [batch] (the reference code uses the first
    clip's for all). The CTC loss of a text that is too long for its clip is 0.
    """
    is_token = target != PAD
    scores = torch.log_softmax(logits.float(), dim=-1)[is_token]
    wanted = target[is_token]
    nll = -scores.gather(1, wanted[:, None]).sum()
    # fairseq's label smoothing: the right row has 1 - smoothing, the others share the rest equally.
    each = smoothing / (scores.shape[1] - 1)
    attention = (1 - smoothing - each) * nll - each * scores.sum()

    ctc = F.ctc_loss(
        log_probs.float().transpose(0, 1), wanted, lengths, is_token.sum(1), blank=BLANK_ROW, reduction="sum", zero_infinity=True
    )
    return Losses(attention, nll, ctc, (scores.argmax(1) == wanted).sum())


class ReadingNetwork(nn.Module):
    """The network and its losses in one call, as training on several devices needs it."""

    def __init__(self, model: UnitText | LipText, ctc_weight: float, smoothing: float) -> None:
        super().__init__()
        self.model = model
        self.is_lip_encoder_resting = False
        self._ctc_weight, self._smoothing = ctc_weight, smoothing

    def encode(self, batch: UnitToTextBatch | LipBatch) -> EncodedUnits:
        """Encode a batch for the decoder and CTC."""
        if isinstance(batch, UnitToTextBatch):
            assert isinstance(self.model, UnitText)  # as the task says
            return self.model.encode(batch.rows, batch.sound, batch.languages, batch.lengths.tolist())
        assert isinstance(self.model, LipText)
        if self.is_lip_encoder_resting:
            self.model.encoder.eval()
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.is_lip_encoder_resting):
            features = self.model.features(batch.clips)
        return self.model.contextualise(features, batch.languages, batch.lengths.tolist())

    def forward(self, batch: UnitToTextBatch | LipBatch) -> dict[str, Tensor]:
        """Return losses of a batch per row of its texts, and the decoder's accuracy, each of shape []."""
        return self.measure(batch)[0]

    def measure(self, batch: UnitToTextBatch | LipBatch) -> tuple[dict[str, Tensor], Tensor]:
        """Return the same, and CTC's log probabilities, float [batch, time, symbols]."""
        encoded = self.encode(batch)
        log_probs = self.model.ctc_log_probs(encoded.features)
        logits = self.model.logits(encoded, batch.before)
        sums = joint_loss(logits, batch.target, log_probs, batch.lengths, self._smoothing)
        count = (batch.target != PAD).sum()
        figures = (sums.total(self._ctc_weight) / count, sums.nll / count, sums.ctc / count, sums.right / count)
        return dict(zip(_OF_ROWS, figures, strict=True)), log_probs


class _ReadingTask(Task):
    """Base of both tasks. Data and settings are checked by the constructor, before the first step."""

    kind = RUN_KIND
    trainer = "unit2text.train"
    figures = (*_OF_ROWS, "cer")

    def __init__(
        self, config: UnitToTextTrainConfig, model: UnitText | LipText, train: ItemsOf[Any, Any], valid: ItemsOf[Any, Any],
        reader: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self._config, self._starts = config, model.config.starts
        self._network = ReadingNetwork(model, config.ctc_weight, config.label_smoothing)
        super().__init__(config, {NETWORK: self._network}, {NETWORK: config.optim}, train, valid, reader=dict(reader))

    def training_step(self, batch: UnitToTextBatch | LipBatch, engine: Engine) -> Values:
        """Make one update and return its figures."""
        measured: dict[str, Tensor] = engine.module(NETWORK)(self._prepared(batch, engine.progress, engine.step))
        engine.update(NETWORK, measured["loss"])
        return measured

    def _prepared(self, batch: Any, progress: float, step: int) -> Any:
        """Change a training batch. progress: share of the run that is done."""
        return batch

    def _measured(self, batch: Any) -> Any:
        """Change a validation batch."""
        return batch

    def measure(self, batches: Iterator[Any], engine: Engine) -> Iterator[Figures]:
        """Yield losses, accuracy, and cer, the character error rate of CTC's best path.

        Units of the sound are masked if training fades them out, so that units of lips alone are measured.
        """
        for given in batches:
            batch = self._measured(given)
            count = int((batch.target != PAD).sum())
            measured, log_probs = self._network.measure(batch)
            # Means are weighted by their rows, because batches differ in size.
            losses = {name: (float(value) * count, count) for name, value in measured.items()}
            yield {**losses, "cer": path_errors(batch, log_probs)}


def path_errors(batch: UnitToTextBatch | LipBatch, log_probs: Tensor) -> tuple[int, int]:
    """Return the edit distance between CTC's best paths and the texts, and the letters of the texts."""
    errors = letters = 0
    for number, length in enumerate(batch.lengths.tolist()):
        wanted: Ids = batch.target[number][batch.target[number] != PAD].cpu().numpy()
        found = best_path(log_probs[number, :length])
        errors += edit_distance(found[found != END], wanted[:-1])
        letters += len(wanted) - 1
    return errors, letters


class UnitTextTask(_ReadingTask):
    """Units to text."""

    def __init__(self, config: UnitToTextTrainConfig) -> None:
        corpus, self._fades = read_unit_to_text_corpus(config.data, config.loop.seed), config.noise.fade_sound
        model, text, vocabulary = start_unit_to_text(config, corpus)
        languages, num_units = model.config.languages, corpus.num_units
        train = Utterances(corpus.train, text, languages, num_units, config.noise, config.loop.seed)
        valid = Utterances(corpus.valid, text, languages, num_units)
        super().__init__(config, model, train, valid, _stored_with(model.config, text, vocabulary, config.read))

    def collate(self, items: list[UnitToTextItem]) -> UnitToTextBatch:
        """Pad utterances to a batch."""
        return collate_units(items, self._starts)

    def _prepared(self, batch: UnitToTextBatch, progress: float, step: int) -> UnitToTextBatch:
        return batch if batch.sound is None or not self._fades else batch._replace(sound=fade(batch.sound, progress))

    def _measured(self, batch: UnitToTextBatch) -> UnitToTextBatch:
        return batch if batch.sound is None or not self._fades else batch._replace(sound=torch.zeros_like(batch.sound))


def _stored_with(sizes: UnitToTextConfig, text: TextVocabulary, vocabulary: str, read: ReadConfig) -> dict[str, Any]:
    """Return the configuration that `export` writes beside a reader of units."""
    return {
        "takes": sizes.takes,
        "model": {
            "encoder_heads": sizes.encoder.encoder_attention_heads,
            "encoder_norm_first": sizes.encoder.norm_first,
            "decoder_attention_heads": sizes.decoder.num_heads,
            "decoder_dropout": sizes.decoder.dropout,
            "decoder_activation_dropout": sizes.decoder.activation_dropout,
            "no_scale_embedding": sizes.scale == 1,
            "max_target_positions": sizes.max_target_positions,
        },
        "symbols": list(text.symbols),
        "spelling": text.spelling,
        "starts": dict(zip(sizes.languages, sizes.starts, strict=True)),
        "vocabulary": vocabulary,
        "search": {"beam": read.beam, "lenpen": read.lenpen},
        "ctc_weight": read.ctc_weight,
        "longest_s": read.longest_s,
        "suppress_marks": True,
    }


class LipTextTask(_ReadingTask):
    """Mouth video to text, the paper's second step."""

    def __init__(self, config: UnitToTextTrainConfig) -> None:
        train, valid = read_lip_corpus(config.data, config.loop.seed)
        model, text, stored = start_lips_to_text(config.init, config.loop.seed)
        sizes = model.config
        missing = sorted({one.language for one in train} - set(sizes.languages))
        if missing or sizes.lips is None:
            raise UsageError(
                "the reader does not have these languages", expected=", ".join(sizes.languages), found=", ".join(missing)
            )

        shown = LipClips(train, text, sizes.languages, sizes.lips, True, config.loop.seed)
        super().__init__(config, model, shown, LipClips(valid, text, sizes.languages, sizes.lips, False), stored)

    def collate(self, items: list[LipItem]) -> LipBatch:
        """Put clips into a batch."""
        return collate_lips(items, self._starts)

    def _prepared(self, batch: LipBatch, progress: float, step: int) -> LipBatch:
        self._network.is_lip_encoder_resting = step < self._config.init.frozen_steps
        return batch
