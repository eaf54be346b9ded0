"""Training of the face renderer: the step of it and its discriminator, and how well it does on held-out clips."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avcore.errors import NetflipsError
from avtrain.config import Metrics
from avtrain.data import move
from avtrain.task import Engine, Task, Values
from unit2av.face.model import FACE_SIZE, WINDOW_FRAMES, FaceModel
from unit2av.face.training.config import MouthRegion, Unit2vConfig
from unit2av.face.training.corpus import FaceClips
from unit2av.face.training.items import FaceWindows, stack
from unit2av.face.training.losses import LipDiscriminator, LipLosses, lower_half, mouth_of, realness_loss, ssim
from unit2av.face.training.seen import LipReader
from unit2av.face.training.sync import SyncExpert
from unit2av.judge import load_judge
from unit2av.renderer import network_input, network_picture, to_pictures

LOG = logging.getLogger("netflips.train")

KIND = "face renderer"
FACE, QUALITY, LOSSES = "face", "quality", "losses"


class Unit2vTask(Task):
    """The face renderer against its discriminator. cache: folder of the face crops."""

    kind = KIND
    trainer = "unit2av.train_unit2v"
    train: FaceWindows

    def __init__(self, config: Unit2vConfig, clips: FaceClips, cache: str, face: FaceModel, expert: SyncExpert | None) -> None:
        self._config, self._face = config, face
        self._frozen_norms = batch_norms(face) if config.model.frozen_norm else []
        torch.manual_seed(config.loop.seed)
        self._quality = LipDiscriminator(config.quality_width) if config.losses.quality else None
        self._losses = LipLosses(config.losses, config.mouth, expert)
        train = FaceWindows(
            clips.train,
            cache,
            config.loop.seed,
            config.data.flip,
            pictures=config.pictures,
            is_run=expert is not None,
            same_reference=config.same_reference,
            reference_choices=config.reference_choices,
            augment=config.augment,
        )
        valid = FaceWindows(
            clips.valid,
            cache,
            config.loop.seed,
            max_items=config.data.max_valid_windows,
            reference_choices=config.reference_choices,
            has_average=True,
        )
        parts: dict[str, nn.Module] = {FACE: face, LOSSES: self._losses}
        optim = {FACE: config.optim}
        if self._quality is not None:
            parts[QUALITY], optim[QUALITY] = self._quality, config.quality_optim
        super().__init__(config, parts, optim, train, valid, vocabulary=clips.vocabulary)
        judge = load_judge(config.unit_encoder, clips.vocabulary, config.loop.device)
        self._reader = None if judge is None else LipReader(judge, clips.valid[: config.read_clips], cache)

    @property
    def figures(self) -> tuple[str, ...]:
        sync = () if self._losses.expert is None else ("sync_loss", "sync_score", "dubbed_sync_score")
        read = () if self._reader is None else LipReader.FIGURES
        return ("l1", "mouth_l1", "mouth_ssim", "average_mouth_l1", "other_units_mouth_l1", *sync, *read)

    def collate(self, items: list[Any]) -> dict[str, Tensor]:
        return stack(items)

    # One update of the renderer, then one of the discriminator

    def training_step(self, batch: dict[str, Tensor], engine: Engine) -> Values:
        """Update both sides on one batch; losses are logged without their weights, `loss` is what the renderer minimises.

        batch: target, reference uint8 [batch, P, 96, 96, 3], units int64 [batch, 20], shown int64 [batch, P].
        """
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
        """Measure held-out windows (see `ValidationMeter`), show some, and switch the sync loss on when it is low enough.

        With a unit encoder, whole held-out clips as well (see `LipReader`).

        batches: as in `training_step`, and average uint8 [batch, 96, 96, 3], each clip's mean face.
        """
        self._refresh_norms()
        measurer = ValidationMeter(self._face, self._losses, self._config.mouth)
        shown = 0
        for batch in batches:
            drawn = measurer.add(batch)
            for number in range(min(len(drawn), self._config.num_samples - shown)):
                engine.log_image(f"source, target, output/{shown}", comparison(batch, drawn, number))
                shown += 1
        metrics = validation_means(engine.of_all(measurer.found))
        if self._losses.notice(metrics.get("sync_loss", float("inf"))):
            LOG.info("the sync loss counts from now on, with a weight of %g", self._config.losses.sync)
        return metrics if self._reader is None else metrics | self._reader.measure(self._face)

    def _refresh_norms(self) -> None:
        if not self._frozen_norms:
            refresh_norms(self._face, self._norm_batches(next(self._face.parameters()).device))

    def _norm_batches(self, device: torch.device) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Training windows, the same each time, as the renderer takes them. Those that cannot be read are left out."""
        chosen = np.linspace(0, len(self.train) - 1, min(len(self.train), self._config.model.norm_windows)).round().astype(int)
        for part in np.array_split(chosen, max(1, -(-len(chosen) // max(1, self._config.batch.batch_size)))):
            examples = []
            for index in part:
                with suppress(NetflipsError, OSError):  # named and counted where it is trained on
                    examples.append(self.train.load((0, int(index))))
            if len(examples) > 1:  # a norm has nothing to learn from one picture
                batch = move(stack(examples), device)
                yield batch["units"], faces_of(batch), pictures_of(batch["shown"])


# How near the mouths are, and whether they follow the units


def faces_of(batch: dict[str, Tensor]) -> Tensor:
    """Return the renderer's input for a batch of FaceExample: float32 [batch * P, 6, 96, 96], channels last."""
    faces = network_input(batch["target"].flatten(0, 1), batch["reference"].flatten(0, 1))
    return faces.contiguous(memory_format=torch.channels_last)


def pictures_of(shown: Tensor) -> Tensor:
    """Return which of all 10 * batch pictures int64 [batch, P] are: int64 [batch * P]."""
    first = WINDOW_FRAMES * torch.arange(len(shown), device=shown.device)
    return (shown + first[:, None]).flatten()


Measured = dict[str, list[Tensor]]
"""What was measured, by name: a tensor for each batch, float32 [windows]."""


def validation_means(shares: Sequence[Measured]) -> Metrics:
    """Return the means over all windows of all processes; mouth_l1 alone, infinite, when there were none."""
    names = dict.fromkeys(name for share in shares for name in share)
    values = {name: [one for share in shares for one in share.get(name, ())] for name in names}
    return {name: float(torch.cat(parts).mean()) for name, parts in values.items()} or {"mouth_l1": float("inf")}


class ValidationMeter:
    """Collects what a validation measures, in `found`.

    l1: of the whole crop. mouth_l1, mouth_ssim: of the mouth region. average_mouth_l1: of the clip's mean face, which never
    moves: a renderer must do better. other_units_mouth_l1: drawn with another window's units; as low as mouth_l1 means
    that the units are ignored. With a sync expert sync_loss and sync_score (probability that pictures and units fit), and
    dubbed_sync_score: the same where the reference is the picture that is redrawn, as at inference.
    """

    def __init__(self, face: FaceModel, losses: LipLosses, mouth: MouthRegion) -> None:
        self._face, self._losses, self._mouth = face, losses, mouth
        self.found: Measured = {}

    def add(self, batch: dict[str, Tensor]) -> Tensor:
        """Draw and measure a batch of FaceExample of whole windows; returns uint8 [batch, 10, 96, 96, 3] RGB as drawn."""
        units, truth = batch["units"], network_picture(batch["target"].flatten(0, 1))
        faces = faces_of(batch)
        drawn = self._face(units, faces)
        average = network_picture(batch["average"]).repeat_interleave(WINDOW_FRAMES, 0)
        self._note("l1", _distance(drawn, truth))
        self._note("mouth_l1", self._mouth_distance(drawn, truth))
        self._note("mouth_ssim", ssim(mouth_of(drawn, self._mouth), mouth_of(truth, self._mouth)))
        self._note("average_mouth_l1", self._mouth_distance(average, truth))
        if len(units) > 1:
            self._note("other_units_mouth_l1", self._mouth_distance(self._face(units.roll(1, 0), faces), truth))
        if self._losses.expert is not None:
            self._note_sync(batch, drawn)
        return to_pictures(drawn).view(len(units), WINDOW_FRAMES, FACE_SIZE, FACE_SIZE, 3)

    def _note_sync(self, batch: dict[str, Tensor], drawn: Tensor) -> None:
        units, shown = batch["units"], batch["shown"]
        logits = self._losses.sync_logits(drawn, units, shown)
        self._note("sync_loss", torch.nn.functional.softplus(-logits))
        self._note("sync_score", logits.sigmoid())
        redrawn = self._face(units, faces_of({**batch, "target": batch["reference"]}))
        self._note("dubbed_sync_score", self._losses.sync_logits(redrawn, units, shown).sigmoid())

    def _note(self, name: str, values: Tensor) -> None:
        self.found.setdefault(name, []).append(values.float().cpu())

    def _mouth_distance(self, drawn: Tensor, truth: Tensor) -> Tensor:
        return _distance(mouth_of(drawn, self._mouth), mouth_of(truth, self._mouth))


def comparison(batch: dict[str, Tensor], drawn: Tensor, number: int) -> NDArray[np.uint8]:
    """Return one window of a batch, reference above target above drawn, picture by picture: uint8 [288, 960, 3]."""
    rows = (batch["reference"][number], batch["target"][number], drawn[number])
    return np.concatenate([np.concatenate(list(row.cpu().numpy()), axis=1) for row in rows])


def _distance(drawn: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute difference of each picture of float [batch, 3, height, width]: [batch]."""
    return (drawn - truth).abs().mean(dim=(1, 2, 3))


# Batch norms: their stored statistics, brought up to date before they are used


def batch_norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    """Return all batch norms of a model."""
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


@torch.no_grad()
def refresh_norms(face: FaceModel, batches: Iterable[tuple[Tensor, Tensor, Tensor]]) -> None:
    """Replace the stored statistics by the mean over batches, as the weights are now.

    The running mean that training keeps lags behind weights that move fast, and a network that is judged or exported with
    it does worse than it can. batches: units int64 [batch, 20], faces float32 [batch * P, 6, 96, 96] and shown int64
    [batch * P]; nothing changes without any. The model is left in evaluation mode.
    """
    face.eval()
    norms = batch_norms(face)
    with ExitStack() as undo:
        is_first = True
        for units, faces, shown in batches:
            if is_first:
                for norm in norms:
                    undo.callback(_restore, norm, norm.momentum)
                    norm.reset_running_stats()
                    norm.momentum = None  # each batch counts alike
                    norm.train()
            is_first = False
            face(units, faces, shown)


def _restore(norm: nn.BatchNorm2d, momentum: float | None) -> None:
    norm.momentum = momentum
    norm.eval()
