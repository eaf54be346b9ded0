"""What the shared loop trains: the unit encoder and its data."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from av2unit.training.config import TrainConfig
from av2unit.training.initial import build_model
from av2unit.training.items import Batch, ClipItems, Item, Pair, collate, collate_pairs
from av2unit.training.network import MaskedPrediction
from av2unit.training.prepare import Prepared, prepare
from av2unit.training.trained import KIND
from av2unit.training.validation import joined, validate
from avcore.progress import Progress, silent
from avdata.selection import write_left_out
from avtrain.config import Metrics
from avtrain.entry import plain
from avtrain.task import Engine, Optimized, Values

NETWORK = "network"


class UnitEncoderTask:
    """Masked prediction of units (avtrain.task.Task). Everything is checked when it is made, before the first step."""

    def __init__(self, config: TrainConfig, progress: Progress = silent) -> None:
        self.prepared: Prepared = prepare(config)
        self._config = self.prepared.config
        torch.manual_seed(config.loop.seed)
        model = build_model(self._config.model, config.init, self.prepared.dictionaries, self.prepared.vocabulary)
        self.network = MaskedPrediction(model, config.loss, tuple(config.init.frozen), self.prepared.class_weights)
        masking = config.masking
        self._is_masked = bool(masking.audio_prob or masking.image_prob)
        self.prepared.preload(progress)

    def modules(self) -> dict[str, nn.Module]:
        """The network, in one part."""
        return {NETWORK: self.network}

    def optimizers(self) -> dict[str, Optimized]:
        """One optimizer for all of it."""
        return {NETWORK: Optimized((NETWORK,), self._config.optim)}

    def train_items(self) -> ClipItems:
        """Training clips."""
        return self.prepared.train

    def valid_items(self) -> ClipItems | None:
        """Validation clips."""
        return self.prepared.valid

    def collate(self, items: list[Item] | list[Pair]) -> Batch | tuple[Batch, Batch]:
        """Pad clips to a batch, and the pairs of validation to a pair of batches."""
        model = self._config.model
        pairs = [item for item in items if isinstance(item, Pair)]
        if pairs:
            return collate_pairs(pairs, model.audio_feat_dim, model.image_crop_size)
        return collate([item for item in items if isinstance(item, Item)], model.audio_feat_dim, model.image_crop_size)

    def training_step(self, batch: Batch, engine: Engine) -> Values:
        """One update."""
        measured: dict[str, Any] = engine.module(NETWORK)(batch)
        engine.update(NETWORK, measured["loss"])
        return {name: value for name, value in measured.items() if self._is_masked or not name.startswith("masked")}

    def validate(self, batches: Iterator[Any], engine: Engine) -> Metrics:
        """Losses, accuracies and unit error rates."""
        share = validate(self.network, batches, self._config.decoding, self._is_masked)
        return joined(engine.of_all(share)).metrics()

    def describe(self) -> dict[str, Any]:
        """What `export` needs to know."""
        prepared = self.prepared
        return {
            "kind": KIND,
            "config": plain(prepared.config),
            "dictionaries": prepared.dictionaries,
            "vocabulary": prepared.vocabulary,
        }

    def write_left_out(self) -> None:
        """Write to the run's folder which clips are not used."""
        if self.prepared.left_out:
            write_left_out(Path(self._config.run_dir) / "left_out.jsonl", self.prepared.left_out)
