"""What the shared loop trains: a reader of units, by CTC and by its decoder."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from avcore.decoding.marks import END, PAD
from avcore.units import Ids
from avcore.units.edit_distance import edit_distance
from avtrain.config import Metrics
from avtrain.entry import plain
from avtrain.task import Engine, Optimized, Values
from unit2text.alignment import best_path
from unit2text.model import UnitText
from unit2text.training.config import TrainConfig, check_config
from unit2text.training.corpus import read_corpus
from unit2text.training.items import Batch, Item, Utterances, collate, fade
from unit2text.training.losses import joint_loss
from unit2text.training.start import start_reader
from unit2text.vocabulary import LETTERS

NETWORK = "network"
RUN_KIND = "text reader"


class ReadingNetwork(nn.Module):
    """The reader and its losses in one call, which is what training on several devices counts."""

    def __init__(self, model: UnitText, ctc_weight: float, smoothing: float) -> None:
        super().__init__()
        self.model = model
        self._ctc_weight, self._smoothing = ctc_weight, smoothing

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Losses of a batch, for each row of its texts, and the share of rows that the decoder gets right."""
        encoded = self.model.encode(batch.rows, batch.sound, batch.languages, batch.lengths.tolist())
        log_probs = self.model.ctc_log_probs(encoded.features)
        logits = self.model.logits(encoded, batch.before)
        sums = joint_loss(logits, batch.target, log_probs, batch.lengths, self._smoothing)
        count = (batch.target != PAD).sum()
        return {
            "loss": sums.total(self._ctc_weight) / count,
            "nll": sums.nll / count,
            "ctc": sums.ctc / count,
            "accuracy": sums.right / count,
        }


class UnitTextTask:
    """Units to text (avtrain.task.Task). Everything is checked when it is made, before the first step."""

    def __init__(self, config: TrainConfig) -> None:
        check_config(config)
        self._config = config
        self._corpus = read_corpus(config.data, config.loop.seed)
        self.start = start_reader(config, self._corpus)
        self._network = ReadingNetwork(self.start.model, config.ctc_weight, config.label_smoothing)
        sizes = self.start.model.config
        seed, noise, text = config.loop.seed, config.noise, self.start.text
        num_units = self._corpus.num_units
        self._train = Utterances(self._corpus.train, text, sizes.languages, num_units, noise, seed)
        self._valid = Utterances(self._corpus.valid, text, sizes.languages, num_units)

    def modules(self) -> dict[str, nn.Module]:
        """The network, in one part."""
        return {NETWORK: self._network}

    def optimizers(self) -> dict[str, Optimized]:
        """One optimizer for all of it."""
        return {NETWORK: Optimized((NETWORK,), self._config.optim)}

    def train_items(self) -> Utterances:
        """Utterances with noise."""
        return self._train

    def valid_items(self) -> Utterances:
        """Held-out utterances as they are."""
        return self._valid

    def collate(self, items: list[Item]) -> Batch:
        """Pad utterances to a batch."""
        return collate(items, self.start.model.config.starts)

    def training_step(self, batch: Batch, engine: Engine) -> Values:
        """One update."""
        if batch.sound is not None and self._config.noise.fade_sound:
            batch = batch._replace(sound=fade(batch.sound, engine.progress))
        measured: dict[str, Tensor] = engine.module(NETWORK)(batch)
        engine.update(NETWORK, measured["loss"])
        return measured

    def validate(self, batches: Iterator[Batch], engine: Engine) -> Metrics:
        """Losses and accuracy, and cer: letters that CTC's best path gets wrong, over the letters of the texts.

        The sound beside lips is left out where it is faded out in training: what is measured is what remains.
        """
        rows = []
        for batch in batches:
            if batch.sound is not None and self._config.noise.fade_sound:
                batch = batch._replace(sound=torch.zeros_like(batch.sound))
            count = int((batch.target != PAD).sum())
            losses = {name: float(value) * count for name, value in self._network(batch).items()}
            rows.append({**losses, "rows": float(count), **self._errors(batch)})
        shares = [row for share in engine.of_all(rows) for row in share]
        total = {name: sum(row[name] for row in shares) for name in (shares[0] if shares else {})}
        if not total:
            return {"cer": float("inf")}
        found = {name: total[name] / total["rows"] for name in ("loss", "nll", "ctc", "accuracy")}
        return {**found, "cer": total["errors"] / max(1.0, total["letters"])}

    def _errors(self, batch: Batch) -> dict[str, float]:
        """Edits between CTC's best paths and the texts, and letters of the texts."""
        model = self._network.model
        encoded = model.encode(batch.rows, batch.sound, batch.languages, batch.lengths.tolist())
        log_probs = model.ctc_log_probs(encoded.features)
        errors = letters = 0
        for number, length in enumerate(batch.lengths.tolist()):
            wanted: Ids = batch.target[number][batch.target[number] != PAD].cpu().numpy()
            found = best_path(log_probs[number, :length])
            errors += edit_distance(found[found != END], wanted[:-1])
            letters += len(wanted) - 1
        return {"errors": float(errors), "letters": float(letters)}

    def describe(self) -> dict[str, Any]:
        """What `export` needs to know."""
        config = self._config
        sizes = self.start.model.config
        return {
            "kind": RUN_KIND,
            "config": plain(config),
            "reader": {
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
                "spelling": LETTERS,
                "starts": dict(zip(sizes.languages, sizes.starts, strict=True)),
                "vocabulary": self.start.vocabulary,
                "search": {"beam": config.read.beam, "lenpen": config.read.lenpen},
                "ctc_weight": config.read.ctc_weight,
                "suppress_marks": True,
            },
        }


__all__ = ["NETWORK", "RUN_KIND", "ReadingNetwork", "UnitTextTask"]
