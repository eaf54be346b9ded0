"""Training of the unit encoder by masked prediction: the losses, and validation by accuracy and unit error rate."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from av2unit.extractor import Classes, Scores, decode
from av2unit.model import AvHubert
from av2unit.training.config import LossConfig, TrainConfig
from av2unit.training.corpus import Prepared, prepare
from av2unit.training.items import ClipBatch, ClipExample, ValidationPair, collate, collate_pairs
from av2unit.training.start import KIND, build_model
from avcore.data.labels import NO_LABEL, SPECIALS, write_left_out
from avcore.progress import Progress, silent
from avcore.train.config import Metrics
from avcore.train.task import Engine, Figures, Task, Values
from avcore.units import Units, edit_distance

_WHITE = 255

FIGURES = ("loss", "masked_loss", "unmasked_loss", "feature_penalty", "masked_accuracy", "unmasked_accuracy")
"""Figures that the network returns for a batch."""
NETWORK = "network"


class MaskedPrediction(nn.Module):
    """The network with its loss, which is computed in `forward` so that it can be wrapped for several devices."""

    def __init__(
        self, model: AvHubert, loss: LossConfig, frozen: tuple[str, ...] = (), class_weights: Tensor | None = None
    ) -> None:
        """frozen: names of submodules that are not trained. class_weights: float32 [classes], None = equal weights."""
        super().__init__()
        self.model, self._loss, self._frozen = model, loss, frozen
        self.register_buffer("class_weights", class_weights, persistent=False)
        for name in frozen:
            model.get_submodule(name).requires_grad_(False)

    def train(self, mode: bool = True) -> "MaskedPrediction":
        """Set training mode. Frozen parts stay in evaluation mode, so that the statistics of their norms do not change."""
        super().train(mode)
        for name in self._frozen:
            self.model.get_submodule(name).eval()
        return self

    def forward(self, batch: ClipBatch) -> dict[str, Tensor]:
        """Return the loss, its parts (means over steps, summed over heads), and accuracies at masked and unmasked steps.

        All values have shape []; a mean over no steps is 0.
        """
        is_real = unpadded_steps(batch)
        fused = self.model.fuse(*self.front_ends(batch))
        penalty = (fused.float().square().mean(-1) * is_real).sum() / is_real.sum()

        logits = self.logits(fused, batch)
        targets = batch.targets.unbind(-1)
        loss_of_step = torch.stack([self._cross_entropy(*head) for head in zip(logits, targets, strict=True)]).sum(0)
        is_right = torch.stack([head.argmax(-1) == wanted for head, wanted in zip(logits, targets, strict=True)], -1)

        masked, unmasked = is_real & batch.mask, is_real & ~batch.mask
        # The weighted sum is divided by the steps of parts with a weight, and counts both heads once, as published.
        parts = [(masked, self._loss.masked_weight), (unmasked, self._loss.unmasked_weight)]
        total = torch.stack([weight * (loss_of_step * where).sum() for where, weight in parts]).sum()
        loss = total / torch.stack([where.sum() for where, weight in parts if weight > 0]).sum().clamp_min(1)

        return {
            "loss": loss + self._loss.feature_penalty * penalty,
            "masked_loss": _mean(loss_of_step, masked),
            "unmasked_loss": _mean(loss_of_step, unmasked),
            "feature_penalty": penalty.detach(),
            "masked_accuracy": _mean(is_right.float().mean(-1), masked),
            "unmasked_accuracy": _mean(is_right.float().mean(-1), unmasked),
        }

    def front_ends(self, batch: ClipBatch) -> tuple[Tensor, Tensor | None]:
        """Return the features of both modalities, [batch, time, dim], zeros where a clip lacks one; None if no clip has lips."""
        audio = torch.where(batch.audio_mask[..., None], self.model.mask_emb.to(batch.audio.dtype), batch.audio)
        audio_features, _ = self.model.front_ends(audio, None, batch.lengths)
        # Zeros go in behind the projection, as in inference: before it they would become its bias.
        audio_features = cast(Tensor, audio_features) * batch.has_audio[:, None, None]

        video_features = self._video_features(batch)
        return self._scaled(audio_features), None if video_features is None else self._scaled(video_features)

    def _video_features(self, batch: ClipBatch) -> Tensor | None:
        """Return the features of lips, [batch, time, dim], or None; clips without lips are not encoded."""
        seen = [number for number, length in enumerate(batch.video_lengths) if length]
        if not seen:
            return None
        config = self.model.config
        clips = [batch.video[number, : batch.video_lengths[number]].float() for number in seen]
        for clip in clips:  # in place: a new tensor of this size for each operation takes longer
            clip.div_(_WHITE).sub_(config.image_mean).div_(config.image_std)

        known = self.model.feature_extractor_video.encode(clips, batch.video.shape[1])
        everyone = known.new_zeros(len(batch.lengths), *known.shape[1:])
        return everyone.index_copy(0, torch.tensor(seen, device=known.device), known)

    def logits(self, fused: Tensor, batch: ClipBatch) -> list[Tensor]:
        """Return the logits of each head, float32 [batch, time, classes]; fused: [batch, time, 2 * dim]."""
        is_padded = min(batch.lengths) < fused.shape[1]
        hidden = self.model.encoder(self.model.project(fused), unpadded_steps(batch) if is_padded else None)
        with torch.autocast(hidden.device.type, enabled=False):  # the small temperature amplifies rounding errors of cosines
            return self.model.logits(hidden.float())

    def _scaled(self, features: Tensor) -> Tensor:
        """Scale the gradient of features by `feature_grad_mult`."""
        scale = self._loss.feature_grad_mult
        if scale == 0:
            return features.detach()
        if features.requires_grad and scale != 1:
            features.register_hook(lambda gradient: gradient * scale)  # type: ignore[no-untyped-call]
        return features

    def _cross_entropy(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Compute [batch, time, classes], int64 [batch, time] -> [batch, time], 0 where there is no label."""
        return functional.cross_entropy(
            logits.transpose(1, 2),
            targets,
            cast(Tensor | None, self.class_weights),
            reduction="none",
            ignore_index=NO_LABEL,
            label_smoothing=self._loss.label_smoothing,
        )


def unpadded_steps(batch: ClipBatch) -> Tensor:
    """Return a mask, bool [batch, time], False at padding."""
    lengths = torch.tensor(batch.lengths, device=batch.mask.device)
    return torch.arange(batch.mask.shape[1], device=batch.mask.device) < lengths[:, None]


def _mean(values: Tensor, where: Tensor) -> Tensor:
    """Return the mean of [batch, time] over the steps set in bool [batch, time], without gradient."""
    return (values.detach() * where).sum() / where.sum().clamp_min(1)


class UnitEncoderTask(Task):
    """Masked prediction of units. Data and settings are checked by the constructor, before the first step."""

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
        """Losses and accuracies of the network, and error rates of each kind of input that occurs."""
        inputs = self.prepared.valid.inputs if self.prepared.valid else ()
        names = tuple(name for name in FIGURES if self._is_masked or not name.startswith("masked"))
        return (*names, "uer", *(f"{what}_{name}" for name in inputs for what in ("accuracy", "uer")))

    def collate(self, items: list[ClipExample] | list[ValidationPair]) -> ClipBatch | tuple[ClipBatch, ClipBatch]:
        """Pad clips to a batch, and validation pairs to a pair of batches."""
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

    def measure(self, batches: Iterator[tuple[ClipBatch, ClipBatch]], engine: Engine) -> Iterator[Figures]:
        """Yield losses and accuracies of masked clips (if training masks any), and unit error rates of whole clips."""
        for whole, hidden in batches:
            measured = self.network(hidden if self._is_masked else whole)
            yield {name: float(value) for name, value in measured.items() if self._is_masked or not name.startswith("masked")}
            for name, scores, wanted in clip_scores(self.network, whole):
                yield clip_figures(name, decode(scores, self._config.decoding), wanted)

    def validate(self, batches: Iterator[Any], engine: Engine) -> Metrics:
        """Return losses, accuracies and unit error rates."""
        return with_uer(super().validate(batches, engine))

    def write_left_out(self) -> None:
        """Write a list of the clips that are not used to the run's folder."""
        if self.prepared.left_out:
            write_left_out(Path(self._config.run_dir) / "left_out.jsonl", self.prepared.left_out)


# Validation


def clip_figures(name: str, found: Classes, wanted: Classes) -> Figures:
    """Return the accuracy and the unit error rate of one clip for the input `name`: classes at 50 a second, int64 [N] each."""
    merged, reference = Units.from_frames(found).ids, Units.from_frames(wanted).ids
    return {
        f"accuracy_{name}": (int((found == wanted).sum()), len(wanted)),
        f"uer_{name}": (edit_distance(merged, reference), len(reference)),
    }


def with_uer(metrics: Metrics) -> Metrics:
    """Return metrics with uer, the mean of the unit error rates of all kinds of input."""
    rates = [value for name, value in metrics.items() if name.startswith("uer_")]
    return metrics | {"uer": sum(rates) / len(rates)} if rates else metrics


def clip_scores(network: MaskedPrediction, batch: ClipBatch) -> Iterator[tuple[str, Scores, Classes]]:
    """Yield for each clip and each of its inputs (audio, video, audio_video) the input's name, scores and target classes.

    Scores are float32 [units, classes] at 50 a second, -inf for specials; classes are int64 [units].
    """
    # The front ends run once; each kind of input only fuses their features in another way.
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
