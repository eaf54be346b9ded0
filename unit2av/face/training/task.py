"""Training of the face renderer: what it draws, and how well it does on held-out clips."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from avcore.errors import NetflipsError
from avtrain.config import Metrics
from avtrain.data import move
from avtrain.task import Engine, Values
from unit2av.face.model import WINDOW_FRAMES, FaceModel
from unit2av.face.training.config import Unit2vConfig
from unit2av.face.training.corpus import FaceClips
from unit2av.face.training.items import FaceWindows
from unit2av.face.training.losses import FaceLosses, LipDiscriminator, mouth_of, ssim
from unit2av.face.training.seen import LipReader
from unit2av.face.training.sync import SyncExpert
from unit2av.judge import load_judge
from unit2av.lip_task import Batch, DrawingTask, distances, faces_of, stack
from unit2av.renderer import network_picture

KIND, FACE = "face renderer", "face"


class Unit2vTask(DrawingTask):
    """The face renderer against its discriminator. A batch is one of FaceExample."""

    kind = KIND
    trainer = "unit2av.train_unit2v"
    drawer = FACE
    train: FaceWindows
    _config: Unit2vConfig
    _drawer: FaceModel

    def __init__(self, config: Unit2vConfig, clips: FaceClips, face: FaceModel, expert: SyncExpert | None) -> None:
        self._frozen_norms = batch_norms(face) if config.model.frozen_norm else []
        torch.manual_seed(config.loop.seed)
        quality = LipDiscriminator(config.quality_width) if config.losses.quality else None
        cache, seed = config.data.folder(config.run_dir), config.loop.seed
        train = FaceWindows(
            clips.train,
            cache,
            seed,
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
            seed,
            max_items=config.data.max_valid_windows,
            reference_choices=config.reference_choices,
            has_average=True,
        )
        losses = FaceLosses(config.losses, config.mouth, expert)
        super().__init__(config, face, quality, losses, train, valid, vocabulary=clips.vocabulary)
        judge = load_judge(config.unit_encoder, clips.vocabulary, config.loop.device)
        self._reader = None if judge is None else LipReader(judge, clips.valid[: config.read_clips], cache)

    @property
    def figures(self) -> tuple[str, ...]:
        sync = () if self._losses.expert is None else ("sync_loss", "sync_score", "dubbed_sync_score")
        read = () if self._reader is None else LipReader.FIGURES
        return ("l1", "mouth_l1", "mouth_ssim", "average_mouth_l1", "other_units_mouth_l1", *sync, *read)

    def draw(self, network: Any, batch: Batch) -> Tensor:
        drawn: Tensor = network(batch["units"], faces_of(batch), pictures_of(batch["shown"]))
        return drawn

    def training_step(self, batch: Batch, engine: Engine) -> Values:
        for norm in self._frozen_norms:
            norm.eval()
        return super().training_step(batch, engine)

    def validate(self, batches: Iterator[Batch], engine: Engine) -> Metrics:
        """Measure held-out windows, and with a unit encoder whole held-out clips as well (see `LipReader`)."""
        if not self._frozen_norms:
            refresh_norms(self._drawer, self._norm_batches(next(self._drawer.parameters()).device))
        metrics = super().validate(batches, engine)
        return metrics if self._reader is None else metrics | self._reader.measure(self._drawer)

    def measure(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Draw and measure whole windows.

        l1: of the whole crop. mouth_l1, mouth_ssim: of the mouth region. average_mouth_l1: of the clip's mean face, which never
        moves: a renderer must do better. other_units_mouth_l1: drawn with another window's units; as low as mouth_l1 means
        that the units are ignored. With a sync expert sync_loss and sync_score (probability that pictures and units fit), and
        dubbed_sync_score: the same where the reference is the picture that is redrawn, as at inference.
        """
        units, faces, truth = batch["units"], faces_of(batch), network_picture(batch["target"].flatten(0, 1))
        drawn = self._drawer(units, faces)
        true_mouth = mouth_of(truth, self._config.mouth)

        def of_mouth(pictures: Tensor) -> Tensor:
            return distances(mouth_of(pictures, self._config.mouth), true_mouth)

        found = {
            "l1": distances(drawn, truth),
            "mouth_l1": of_mouth(drawn),
            "mouth_ssim": ssim(mouth_of(drawn, self._config.mouth), true_mouth),
            "average_mouth_l1": of_mouth(network_picture(batch["average"]).repeat_interleave(WINDOW_FRAMES, 0)),
        }
        if len(units) > 1:
            found["other_units_mouth_l1"] = of_mouth(self._drawer(units.roll(1, 0), faces))
        if self._losses.expert is not None:
            found["sync_score"], found["sync_loss"] = self._losses.in_step(drawn, batch)
            redrawn = self._drawer(units, faces_of({**batch, "target": batch["reference"]}))
            found["dubbed_sync_score"], _ = self._losses.in_step(redrawn, batch)
        return drawn, found

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


def pictures_of(shown: Tensor) -> Tensor:
    """Return which of all 10 * batch pictures int64 [batch, P] are: int64 [batch * P]."""
    first = WINDOW_FRAMES * torch.arange(len(shown), device=shown.device)
    return (shown + first[:, None]).flatten()


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
