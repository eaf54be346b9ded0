"""Training of the face renderer: the step of it and its discriminator, and how well it does on held-out clips."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from avcore.errors import NetflipsError
from avtrain.config import Metrics
from avtrain.data import move
from avtrain.entry import plain
from avtrain.task import Engine, Optimized, Values
from unit2av.face.model import FaceModel
from unit2av.face.training.config import Unit2vConfig
from unit2av.face.training.corpus import Clips
from unit2av.face.training.discriminator import LipDiscriminator, lower_half, realness_loss
from unit2av.face.training.items import FaceExample, FaceWindows, stack
from unit2av.face.training.losses import LipLosses
from unit2av.face.training.norms import batch_norms, refresh_norms
from unit2av.face.training.sync import SyncExpert
from unit2av.face.training.validation import Measurer, comparison, faces_of, means_of, pictures_of
from unit2av.renderer import network_picture

LOG = logging.getLogger("netflips.train")

KIND = "face renderer"
FACE, QUALITY, LOSSES = "face", "quality", "losses"


class Unit2vTask:
    """The face renderer against its discriminator (avtrain.task.Task). cache: folder of the face crops."""

    def __init__(self, config: Unit2vConfig, clips: Clips, cache: str, face: FaceModel, expert: SyncExpert | None) -> None:
        self._config, self._vocabulary, self._face = config, clips.vocabulary, face
        self._frozen_norms = batch_norms(face) if config.model.frozen_norm else []
        torch.manual_seed(config.loop.seed)
        self._quality = LipDiscriminator(config.quality_width) if config.losses.quality else None
        self._losses = LipLosses(config.losses, config.mouth, expert)
        self._train = FaceWindows(
            clips.train, cache, config.loop.seed, config.data.flip, pictures=config.pictures, is_run=expert is not None,
            same_reference=config.same_reference, reference_choices=config.reference_choices, augment=config.augment,
        )  # fmt: skip
        self._valid = FaceWindows(
            clips.valid, cache, config.loop.seed, max_items=config.data.max_valid_windows,
            reference_choices=config.reference_choices, has_average=True,
        )  # fmt: skip

    def modules(self) -> dict[str, nn.Module]:
        parts: dict[str, nn.Module] = {FACE: self._face, LOSSES: self._losses}
        return parts if self._quality is None else {**parts, QUALITY: self._quality}

    def optimizers(self) -> dict[str, Optimized]:
        found = {FACE: Optimized((FACE,), self._config.optim)}
        return found if self._quality is None else {**found, QUALITY: Optimized((QUALITY,), self._config.quality_optim)}

    def train_items(self) -> FaceWindows:
        return self._train

    def valid_items(self) -> FaceWindows:
        return self._valid

    def collate(self, items: Sequence[FaceExample]) -> dict[str, Tensor]:
        return stack(items)

    def describe(self) -> dict[str, Any]:
        return {"kind": KIND, "vocabulary": self._vocabulary, "config": plain(self._config)}

    # One update of the renderer, then one of the discriminator

    def training_step(self, batch: dict[str, Tensor], engine: Engine) -> Values:
        """Update both sides on one batch; losses are logged without their weights, `loss` is what the renderer minimises."""
        for norm in self._frozen_norms:
            norm.eval()
        truth, reference = (network_picture(batch[name].flatten(0, 1)) for name in ("target", "reference"))
        drawn = engine.module(FACE)(batch["units"], faces_of(batch), pictures_of(batch["shown"]))
        values = self._renderer_losses(drawn, truth, reference, batch)
        engine.update(FACE, values["loss"])
        if self._quality is not None:
            values["discriminator"] = self._train_quality(drawn.detach(), truth, engine)
        return values

    def _renderer_losses(self, drawn: Tensor, truth: Tensor, reference: Tensor, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        values = {"l1": self._losses.l1(drawn, truth, reference)}
        shares = {"quality": self._config.losses.quality, "sync": self._losses.sync_weight}
        if self._quality is not None:
            # The module itself, its weights held: they must not gather the renderer's gradients.
            self._quality.requires_grad_(False)
            values["quality"] = realness_loss(self._quality(lower_half(drawn)), is_real=True)
            self._quality.requires_grad_(True)
        if shares["sync"]:
            values["sync"] = self._losses.sync(drawn, batch["units"], batch["shown"])
        parts = [share * values[name] for name, share in shares.items() if name in values]
        loss = torch.stack([(1 - sum(shares.values())) * values["l1"], *parts]).sum()
        return {"loss": loss, **values}

    def _train_quality(self, drawn: Tensor, truth: Tensor, engine: Engine) -> Tensor:
        # Both halves in one call: data parallel training counts calls.
        logits = engine.module(QUALITY)(lower_half(torch.cat((truth, drawn))))
        real, made = logits.chunk(2)
        loss = (realness_loss(real, is_real=True) + realness_loss(made, is_real=False)) / 2
        engine.update(QUALITY, loss)
        return loss

    # Validation

    def validate(self, batches: Iterator[dict[str, Tensor]], engine: Engine) -> Metrics:
        """Measure held-out windows (see `Measurer`), show some, and switch the sync loss on when it is low enough."""
        self._refresh_norms()
        measurer = Measurer(self._face, self._losses, self._config.mouth)
        shown = 0
        for batch in batches:
            drawn = measurer.add(batch)
            for number in range(min(len(drawn), self._config.num_samples - shown)):
                engine.log_image(f"source, target, output/{shown}", comparison(batch, drawn, number))
                shown += 1
        metrics = means_of(engine.of_all(measurer.found))
        if self._losses.notice(metrics.get("sync_loss", float("inf"))):
            LOG.info("the sync loss counts from now on, with a weight of %g", self._config.losses.sync)
        return metrics

    def _refresh_norms(self) -> None:
        if not self._frozen_norms:
            refresh_norms(self._face, self._norm_batches(next(self._face.parameters()).device))

    def _norm_batches(self, device: torch.device) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Training windows, the same each time, as the renderer takes them. Those that cannot be read are left out."""
        chosen = np.linspace(0, len(self._train) - 1, min(len(self._train), self._config.model.norm_windows)).round().astype(int)
        size = max(1, self._config.batch.batch_size)
        for start in range(0, len(chosen), size):
            examples = []
            for index in chosen[start : start + size]:
                with suppress(NetflipsError, OSError):  # named and counted where it is trained on
                    examples.append(self._train.load((0, int(index))))
            if examples:
                batch = move(stack(examples), device)
                yield batch["units"], faces_of(batch), pictures_of(batch["shown"])
