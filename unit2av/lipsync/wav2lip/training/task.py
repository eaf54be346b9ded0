"""Training of Wav2Lip's generator: the step of it and its discriminator, and how well it does on held-out clips."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avtrain.config import Metrics
from avtrain.task import Engine, Task, Values
from unit2av.face.model import FACE_SIZE
from unit2av.face.training.items import stack
from unit2av.face.training.losses import lower_half
from unit2av.face.training.task import faces_of
from unit2av.lipsync.wav2lip.model import Wav2Lip
from unit2av.lipsync.wav2lip.training.config import GeneratorConfig
from unit2av.lipsync.wav2lip.training.corpus import SoundClips
from unit2av.lipsync.wav2lip.training.critics import WINDOW, QualityDiscriminator, SyncNetColor
from unit2av.lipsync.wav2lip.training.items import GeneratorWindows
from unit2av.lipsync.wav2lip.training.losses import SoundLipLosses, in_step_loss, wav2lip_realness_loss
from unit2av.renderer import network_picture, to_pictures

LOG = logging.getLogger("netflips.train")

KIND = "lip sync generator"
GENERATOR, QUALITY, LOSSES = "generator", "quality", "losses"


class GeneratorTask(Task):
    """The generator against its discriminator, if it has one. cache: folder of face crops and mels."""

    kind = KIND
    trainer = "unit2av.train_lipsync"

    def __init__(
        self,
        config: GeneratorConfig,
        clips: SoundClips,
        cache: str,
        generator: Wav2Lip,
        quality: QualityDiscriminator | None,
        expert: SyncNetColor | None,
    ) -> None:
        self._config, self._generator, self._quality = config, generator, quality
        self._losses = SoundLipLosses(config.losses, expert)
        parts: dict[str, nn.Module] = {GENERATOR: generator, LOSSES: self._losses}
        optim = {GENERATOR: config.optim}
        if quality is not None:
            parts[QUALITY], optim[QUALITY] = quality, config.quality_optim
        train = GeneratorWindows(clips.train, cache, config.loop.seed)
        valid = GeneratorWindows(clips.valid, cache, config.loop.seed, config.data.valid_windows)
        super().__init__(config, parts, optim, train, valid)

    @property
    def figures(self) -> tuple[str, ...]:
        sync = () if self._losses.expert is None else ("sync_score", "sync_loss")
        return ("loss", "l1", "other_sound_l1", *sync)

    def collate(self, items: list[Any]) -> dict[str, Tensor]:
        return stack(items)

    # One update of the generator, then one of the discriminator

    def training_step(self, batch: dict[str, Tensor], engine: Engine) -> Values:
        """Update both sides on one batch; losses are logged without their weights, `loss` is what the generator minimises.

        batch: a batch of GeneratorExample, such as target uint8 [batch, 5, 96, 96, 3].
        """
        truth = network_picture(batch["target"].flatten(0, 1))
        drawn = engine.module(GENERATOR)(batch["sounds"].flatten(0, 1), faces_of(batch))
        values = self._generator_losses(drawn, truth, batch["sound"])
        engine.update(GENERATOR, values["loss"])
        if self._quality is not None:
            values["discriminator"] = self._train_quality(drawn.detach(), truth, engine)
        return values

    def _generator_losses(self, drawn: Tensor, truth: Tensor, sound: Tensor) -> dict[str, Tensor]:
        values, shares = {"l1": (drawn - truth).abs().mean()}, dict[str, float]()
        if self._quality is not None:
            # The module itself, its weights held: they must not gather the generator's gradients.
            self._quality.requires_grad_(False)
            values["quality"] = wav2lip_realness_loss(self._quality(lower_half(drawn)), is_real=True)
            self._quality.requires_grad_(True)
            shares["quality"] = self._config.losses.quality
        if self._losses.sync_weight:
            values["sync"] = in_step_loss(self._losses.sync_score(drawn, sound)).mean()
            shares["sync"] = self._losses.sync_weight
        parts = [share * values[name] for name, share in shares.items()]
        return {"loss": torch.stack([(1 - sum(shares.values())) * values["l1"], *parts]).sum(), **values}

    def _train_quality(self, drawn: Tensor, truth: Tensor, engine: Engine) -> Tensor:
        # Both halves in one call: data parallel training counts calls. Their losses are added, not averaged, as published.
        real, made = engine.module(QUALITY)(lower_half(torch.cat((truth, drawn)))).chunk(2)
        loss = wav2lip_realness_loss(real, is_real=True) + wav2lip_realness_loss(made, is_real=False)
        engine.update(QUALITY, loss)
        return loss

    # Validation

    def validate(self, batches: Iterator[dict[str, Tensor]], engine: Engine) -> Metrics:
        """Measure held-out windows, show some, and switch the sync loss on when it is low enough.

        l1: of the whole crop. other_sound_l1: drawn with another window's sound; as low as l1 means that the sound is ignored.
        With an expert sync_loss and sync_score (its probability). loss: l1 and sync_loss as they are weighed once both count, so
        that it means the same before and after.
        """
        found: dict[str, list[Tensor]] = {}
        shown = 0
        for batch in batches:
            drawn, measured = self._measure(batch)
            for name, values in measured.items():
                found.setdefault(name, []).append(values.float().cpu())
            for number in range(min(len(drawn), self._config.num_samples - shown)):
                engine.log_image(f"reference, masked, output, target/{shown}", wav2lip_comparison(batch, drawn, number))
                shown += 1
        metrics = _means(engine.of_all(found))
        if self._losses.notice(metrics.get("sync_loss", float("inf"))):
            LOG.info("the sync loss counts from now on, with a weight of %g", self._config.losses.sync)
        return metrics

    def _measure(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Pictures as drawn, uint8 [batch, 5, 96, 96, 3] RGB, and figures of each window, float [batch] by name."""
        truth, faces = network_picture(batch["target"].flatten(0, 1)), faces_of(batch)
        drawn = self._generator(batch["sounds"].flatten(0, 1), faces)
        measured = {"l1": _distances(drawn, truth)}
        if len(batch["sounds"]) > 1:
            other = self._generator(batch["sounds"].roll(1, 0).flatten(0, 1), faces)
            measured["other_sound_l1"] = _distances(other, truth)
        loss, weight = measured["l1"], self._config.losses.sync
        if self._losses.expert is not None:
            measured["sync_score"] = self._losses.sync_score(drawn, batch["sound"])
            measured["sync_loss"] = in_step_loss(measured["sync_score"])
            loss = (1 - self._config.losses.quality - weight) * loss + weight * measured["sync_loss"]
        return to_pictures(drawn).view(batch["target"].shape), {"loss": loss, **measured}


def wav2lip_comparison(batch: dict[str, Tensor], drawn: Tensor, number: int) -> NDArray[np.uint8]:
    """Return one window of a batch: reference above masked above drawn above target, picture by picture: uint8 [384, 480, 3]."""
    target = batch["target"][number]
    masked = target.clone()
    masked[:, FACE_SIZE // 2 :] = 0
    rows = (batch["reference"][number], masked, drawn[number], target)
    return np.concatenate([np.concatenate(list(row.cpu().numpy()), axis=1) for row in rows])


def _distances(drawn: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute difference of each window of float [batch * 5, 3, 96, 96]: [batch]."""
    return (drawn - truth).abs().flatten(1).mean(dim=1).view(-1, WINDOW).mean(dim=1)


def _means(shares: Sequence[dict[str, list[Tensor]]]) -> Metrics:
    """Return the means over all windows of all processes; loss alone, infinite, when there were none."""
    names = dict.fromkeys(name for share in shares for name in share)
    values = {name: [one for share in shares for one in share.get(name, ())] for name in names}
    return {name: float(torch.cat(parts).mean()) for name, parts in values.items()} or {"loss": float("inf")}
