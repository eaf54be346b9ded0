"""What the shared loop trains: a reader of units, by CTC and by its decoder."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from avcore.errors import UsageError
from avcore.units import END, PAD, Ids, edit_distance
from avtrain.config import Metrics
from avtrain.data import ItemSource
from avtrain.task import Engine, Task, Values
from unit2text.model import EncodedUnits, LipText, UnitText
from unit2text.search import best_path
from unit2text.training.config import ReaderTrainConfig, check_reader_config
from unit2text.training.corpus import read_lip_corpus, read_reader_corpus
from unit2text.training.items import ReaderBatch, ReaderItem, Utterances, collate_units, fade
from unit2text.training.lips import LipBatch, LipClips, LipItem, collate_lips
from unit2text.training.losses import joint_loss
from unit2text.training.start import start_lip_reader, start_reader

NETWORK = "network"
RUN_KIND = "text reader"
_OF_ROWS = ("loss", "nll", "ctc", "accuracy")


class ReadingNetwork(nn.Module):
    """The reader and its losses in one call, which is what training on several devices counts."""

    def __init__(self, model: UnitText | LipText, ctc_weight: float, smoothing: float) -> None:
        super().__init__()
        self.model = model
        self.is_lip_encoder_resting = False
        self._ctc_weight, self._smoothing = ctc_weight, smoothing

    def encode(self, batch: ReaderBatch | LipBatch) -> EncodedUnits:
        """Return what the decoder and CTC see of a batch."""
        if isinstance(batch, ReaderBatch):
            assert isinstance(self.model, UnitText)  # as the task says
            return self.model.encode(batch.rows, batch.sound, batch.languages, batch.lengths.tolist())
        assert isinstance(self.model, LipText)
        if self.is_lip_encoder_resting:
            self.model.encoder.eval()
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.is_lip_encoder_resting):
            features = self.model.features(batch.clips)
        return self.model.contextualise(features, batch.languages, batch.lengths.tolist())

    def forward(self, batch: ReaderBatch | LipBatch) -> dict[str, Tensor]:
        """Losses of a batch, for each row of its texts, and the share of rows that the decoder gets right, each of shape []."""
        return self.measure(batch)[0]

    def measure(self, batch: ReaderBatch | LipBatch) -> tuple[dict[str, Tensor], Tensor]:
        """The same, and CTC's log probabilities, float [batch, time, symbols]."""
        encoded = self.encode(batch)
        log_probs = self.model.ctc_log_probs(encoded.features)
        logits = self.model.logits(encoded, batch.before)
        sums = joint_loss(logits, batch.target, log_probs, batch.lengths, self._smoothing)
        count = (batch.target != PAD).sum()
        figures = (sums.total(self._ctc_weight) / count, sums.nll / count, sums.ctc / count, sums.right / count)
        return dict(zip(_OF_ROWS, figures, strict=True)), log_probs


class _ReadingTask(Task):
    """What both readers have in common. Everything is checked when it is made, before the first step."""

    kind = RUN_KIND
    trainer = "unit2text.train"
    figures = (*_OF_ROWS, "cer")

    def __init__(
        self, config: ReaderTrainConfig, model: UnitText | LipText, train: ItemSource[Any], valid: ItemSource[Any],
        reader: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self._config = config
        self._network = ReadingNetwork(model, config.ctc_weight, config.label_smoothing)
        super().__init__(config, {NETWORK: self._network}, {NETWORK: config.optim}, train, valid, reader=dict(reader))

    def training_step(self, batch: ReaderBatch | LipBatch, engine: Engine) -> Values:
        """Make one update and return its figures."""
        measured: dict[str, Tensor] = engine.module(NETWORK)(self._prepared(batch, engine.progress, engine.step))
        engine.update(NETWORK, measured["loss"])
        return measured

    def _prepared(self, batch: Any, progress: float, step: int) -> Any:
        """A batch as it is trained on at this share of the run."""
        return batch

    def _measured(self, batch: Any) -> Any:
        """A batch as it is validated on."""
        return batch

    def validate(self, batches: Iterator[Any], engine: Engine) -> Metrics:
        """Losses and accuracy, and cer: letters that CTC's best path gets wrong, over the letters of the texts.

        The sound beside lips is left out where it is faded out in training: what is measured is what remains.
        """
        rows = []
        for given in batches:
            batch = self._measured(given)
            count = int((batch.target != PAD).sum())
            measured, log_probs = self._network.measure(batch)
            losses = {name: float(value) * count for name, value in measured.items()}
            rows.append({**losses, "rows": float(count), **_errors(batch, log_probs)})
        shares = [row for share in engine.of_all(rows) for row in share]
        total = {name: sum(row[name] for row in shares) for name in (shares[0] if shares else {})}
        if not total:
            return {"cer": float("inf")}
        found = {name: total[name] / total["rows"] for name in _OF_ROWS}
        return {**found, "cer": total["errors"] / max(1.0, total["letters"])}


def _errors(batch: ReaderBatch | LipBatch, log_probs: Tensor) -> dict[str, float]:
    """Edits between CTC's best paths and the texts, and letters of the texts."""
    errors = letters = 0
    for number, length in enumerate(batch.lengths.tolist()):
        wanted: Ids = batch.target[number][batch.target[number] != PAD].cpu().numpy()
        found = best_path(log_probs[number, :length])
        errors += edit_distance(found[found != END], wanted[:-1])
        letters += len(wanted) - 1
    return {"errors": float(errors), "letters": float(letters)}


class UnitTextTask(_ReadingTask):
    """Units to text."""

    def __init__(self, config: ReaderTrainConfig) -> None:
        check_reader_config(config)
        self._corpus = read_reader_corpus(config.data, config.loop.seed)
        self.start = start_reader(config, self._corpus)
        sizes, text, num_units = self.start.model.config, self.start.text, self._corpus.num_units
        train = Utterances(self._corpus.train, text, sizes.languages, num_units, config.noise, config.loop.seed)
        valid = Utterances(self._corpus.valid, text, sizes.languages, num_units)
        super().__init__(config, self.start.model, train, valid, self._reader(config))

    def collate(self, items: list[ReaderItem]) -> ReaderBatch:
        """Pad utterances to a batch."""
        return collate_units(items, self.start.model.config.starts)

    def _prepared(self, batch: ReaderBatch, progress: float, step: int) -> ReaderBatch:
        return batch if batch.sound is None or not self._fades else batch._replace(sound=fade(batch.sound, progress))

    def _measured(self, batch: ReaderBatch) -> ReaderBatch:
        return batch if batch.sound is None or not self._fades else batch._replace(sound=torch.zeros_like(batch.sound))

    @property
    def _fades(self) -> bool:
        return self._config.noise.fade_sound

    def _reader(self, config: ReaderTrainConfig) -> dict[str, Any]:
        """What `export` needs to know."""
        sizes = self.start.model.config
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
            "symbols": list(self.start.text.symbols),
            "spelling": self.start.text.spelling,
            "starts": dict(zip(sizes.languages, sizes.starts, strict=True)),
            "vocabulary": self.start.vocabulary,
            "search": {"beam": config.read.beam, "lenpen": config.read.lenpen},
            "ctc_weight": config.read.ctc_weight,
            "longest_s": config.read.longest_s,
            "suppress_marks": True,
        }


class LipTextTask(_ReadingTask):
    """Mouth video to text: the paper's second step."""

    def __init__(self, config: ReaderTrainConfig) -> None:
        check_reader_config(config)
        train, valid = read_lip_corpus(config.data, config.loop.seed)
        self.start = start_lip_reader(config.init, config.loop.seed)
        sizes = self.start.model.config
        missing = sorted({one.language for one in train} - set(sizes.languages))
        if missing or sizes.lips is None:
            raise UsageError(
                "the reader does not have these languages", expected=", ".join(sizes.languages), found=", ".join(missing)
            )
        shown = LipClips(train, self.start.text, sizes.languages, sizes.lips, True, config.loop.seed)
        held_out = LipClips(valid, self.start.text, sizes.languages, sizes.lips, False)
        super().__init__(config, self.start.model, shown, held_out, self.start.stored)

    def collate(self, items: list[LipItem]) -> LipBatch:
        """Put clips into a batch."""
        return collate_lips(items, self.start.model.config.starts)

    def _prepared(self, batch: LipBatch, progress: float, step: int) -> LipBatch:
        self._network.is_lip_encoder_resting = step < self._config.init.frozen_steps
        return batch


__all__ = ["NETWORK", "RUN_KIND", "LipTextTask", "ReadingNetwork", "UnitTextTask"]
