"""The task of the shared training loop: the unit encoder, its data, and validation by step and by unit error rate."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from av2unit.extractor import Classes, Decoding, Scores, decode
from av2unit.training.config import TrainConfig
from av2unit.training.corpus import Prepared, prepare
from av2unit.training.items import ClipBatch, ClipExample, ValidationPair, collate, collate_pairs
from av2unit.training.losses import FIGURES, MaskedPrediction
from av2unit.training.start import KIND, build_model
from avcore.progress import Progress, silent
from avcore.units import Units, edit_distance
from avdata.labels import SPECIALS
from avdata.selection import write_left_out
from avtrain.config import Metrics
from avtrain.task import Engine, Task, Values

NETWORK = "network"


class UnitEncoderTask(Task):
    """Masked prediction of units. Everything is checked when it is made, before the first step."""

    kind = KIND
    trainer = "av2unit.train"

    def __init__(self, config: TrainConfig, progress: Progress = silent) -> None:
        self.prepared: Prepared = prepare(config)
        prepared, self._config = self.prepared, self.prepared.config
        torch.manual_seed(config.loop.seed)
        model = build_model(self._config.model, config.init, prepared.dictionaries, prepared.vocabulary)
        self.network = MaskedPrediction(model, config.loss, tuple(config.init.frozen), prepared.class_weights)
        masking = config.masking
        self._is_masked = bool(masking.audio_prob or masking.image_prob)
        super().__init__(
            self._config, {NETWORK: self.network}, {NETWORK: config.optim}, prepared.train, prepared.valid,
            dictionaries=prepared.dictionaries, vocabulary=prepared.vocabulary,
        )  # fmt: skip
        prepared.preload(progress)

    @property
    def figures(self) -> tuple[str, ...]:
        """Losses and accuracies of the network, and error rates of each input that any clip has."""
        inputs = self.prepared.valid.inputs if self.prepared.valid else ()
        names = tuple(name for name in FIGURES if self._is_masked or not name.startswith("masked"))
        return (*names, "uer", *(f"{what}_{name}" for name in inputs for what in ("accuracy", "uer")))

    def collate(self, items: list[ClipExample] | list[ValidationPair]) -> ClipBatch | tuple[ClipBatch, ClipBatch]:
        """Pad clips to a batch, and the pairs of validation to a pair of batches."""
        model = self._config.model
        pairs = [item for item in items if isinstance(item, ValidationPair)]
        if pairs:
            return collate_pairs(pairs, model.audio_feat_dim, model.image_crop_size)
        return collate([item for item in items if isinstance(item, ClipExample)], model.audio_feat_dim, model.image_crop_size)

    def training_step(self, batch: ClipBatch, engine: Engine) -> Values:
        """Make one update and return its figures."""
        measured: dict[str, Any] = engine.module(NETWORK)(batch)
        engine.update(NETWORK, measured["loss"])
        return {name: value for name, value in measured.items() if self._is_masked or not name.startswith("masked")}

    def validate(self, batches: Iterator[Any], engine: Engine) -> Metrics:
        """Return losses, accuracies and unit error rates."""
        share = validate(self.network, batches, self._config.decoding, self._is_masked)
        return joined(engine.of_all(share)).metrics()

    def write_left_out(self) -> None:
        """Write to the run's folder which clips are not used."""
        if self.prepared.left_out:
            write_left_out(Path(self._config.run_dir) / "left_out.jsonl", self.prepared.left_out)


# Validation


@dataclass
class Tally:
    """Counts over a validation set for one kind of input."""

    right: int = 0
    steps: int = 0
    distance: int = 0
    length: int = 0

    def add(self, found: Classes, wanted: Classes) -> None:
        """Count one clip: classes at 50 a second, int64 [N] each."""
        self.right += int((found == wanted).sum())
        self.steps += len(wanted)
        reference = Units.from_frames(wanted).ids
        self.distance += edit_distance(Units.from_frames(found).ids, reference)
        self.length += len(reference)

    def join(self, other: "Tally") -> None:
        """Count what another counted too."""
        self.right += other.right
        self.steps += other.steps
        self.distance += other.distance
        self.length += other.length

    @property
    def accuracy(self) -> float:
        """Share of steps of 20 ms with the right unit."""
        return self.right / max(1, self.steps)

    @property
    def error_rate(self) -> float:
        """Edit distance of merged units over the length of the merged labels."""
        return self.distance / max(1, self.length)


@dataclass
class Score:
    """Measures of a validation."""

    losses: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    tallies: dict[str, Tally] = field(default_factory=dict)

    def add(self, name: str, found: Classes, wanted: Classes) -> None:
        """Count one clip's classes for the input called `name`."""
        self.tallies.setdefault(name, Tally()).add(found, wanted)

    def metrics(self) -> Metrics:
        """Return means, and for each modality that any clip has accuracy_* and uer_*; uer is the mean of the latter."""
        found: Metrics = {name: float(np.mean(values)) for name, values in self.losses.items()}
        for name, tally in self.tallies.items():
            found |= {f"accuracy_{name}": tally.accuracy, f"uer_{name}": tally.error_rate}
        if self.tallies:
            found["uer"] = float(np.mean([tally.error_rate for tally in self.tallies.values()]))
        return found


def joined(shares: Iterable[Score]) -> Score:
    """Return what several processes measured, as one."""
    whole = Score()
    for share in shares:
        for name, values in share.losses.items():
            whole.losses[name] += values
        for name, tally in share.tallies.items():
            whole.tallies.setdefault(name, Tally()).join(tally)
    return whole


def validate(
    network: MaskedPrediction, batches: Iterator[tuple[ClipBatch, ClipBatch]], decoding: Decoding, is_masked: bool
) -> Score:
    """Measure the network, in evaluation mode, on clips with nothing hidden and with spans hidden.

    is_masked: whether spans are hidden in training, so that it is worth measuring.
    """
    score = Score()
    for whole, hidden in batches:
        measured = network(hidden if is_masked else whole)
        for name, value in measured.items():
            if is_masked or not name.startswith("masked"):
                score.losses[name].append(float(value))
        for name, scores, wanted in clip_scores(network, whole):
            score.add(name, decode(scores, decoding), wanted)
    return score


def clip_scores(network: MaskedPrediction, batch: ClipBatch) -> Iterator[tuple[str, Scores, Classes]]:
    """Yield for each clip and each of its inputs (sound, lips, both) its name, scores, and the classes wanted.

    Scores are float32 [units, classes] at 50 a second, -inf for the specials; classes are int64 [units].
    """
    audio, video = network.front_ends(batch)
    has_audio = batch.has_audio.tolist()
    has_video = [length > 0 for length in batch.video_lengths]
    inputs = {"audio": (audio, None), "video": (torch.zeros_like(audio), video), "audio_video": (audio, video)}
    for name, features in inputs.items():
        rows = [
            row
            for row, (heard, seen) in enumerate(zip(has_audio, has_video, strict=True))
            if (heard or name == "video") and (seen or name == "audio")
        ]
        if not rows:
            continue
        logits = network.logits(network.model.fuse(*features), batch)
        for row in rows:
            length = batch.lengths[row]
            scores = torch.stack([head[row, :length] for head in logits], dim=1).flatten(0, 1).float().cpu().numpy()
            scores[:, : len(SPECIALS)] = -np.inf
            yield name, scores, batch.targets[row, :length].flatten().cpu().numpy()
