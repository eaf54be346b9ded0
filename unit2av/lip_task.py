"""Shared training of networks that draw lips, from units or from sound: training step with discriminator and sync expert, and
validation on held-out clips.

The recipe is that of Prajwal et al. 2020, "A Lip Sync Expert Is All You Need", section 3.
"""

import logging
import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from avcore.bounds import Amount, Number, require
from avcore.data.corpus import CorpusConfig
from avcore.data.manifest import Entry, read_manifest
from avcore.data.unit_store import leave_out
from avcore.errors import InputError
from avcore.notes import several
from avcore.train.config import Metrics, OptimConfig, RunConfig
from avcore.train.data import ItemsOf
from avcore.train.task import Engine, Figures, Task, Values
from avcore.units import Ids
from unit2av.face.model import FACE_SIZE, network_images, network_input, to_images
from unit2av.lip_crops import MAKE_BOXES, ClipFaces, CropCache, CropSource, footage_of

Example = TypeVar("Example")
QUALITY, LOSSES = "quality", "losses"
"""Parts of a run besides the network that draws."""
_LOOKS = (500, 2000, 10_000)
"""Updates after which the loss of an expert is checked."""
_CHANCE = 0.68
LOG = logging.getLogger("netflips.train")
Batch = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class LipCorpusConfig(CorpusConfig):
    """Videos with face boxes. train, valid: JSON lines with id, video and boxes (empty = `<video>.bbox.pkl`)."""

    root: str = ""
    """folder that relative paths start from; empty = the manifest's own"""
    steady_boxes: Number = 0
    """frames on either side over which face boxes are averaged before faces are cropped; 0 = none. A box moves down with the chin,
    so with 0 the masked face shows how wide the mouth is open, and the network learns less from units or sound"""
    cache: str = ""
    """folder for face crops and other results of clips; empty = `crops` in the run's folder"""

    def folder(self, run_dir: str) -> Path:
        """Return the folder for results of clips."""
        return Path(self.cache or Path(run_dir) / "crops")


@dataclass(frozen=True, eq=False)
class FilmedClip:
    """One clip."""

    footage: CropSource

    @property
    def id(self) -> str:
        """Its name in the manifest."""
        return self.footage.id


Clip = TypeVar("Clip", bound=FilmedClip)


class ClipReading:
    """Reads a manifest, and collects its unusable entries by reason."""

    def __init__(self, path: str, config: LipCorpusConfig) -> None:
        self._path, self._config = Path(path), config
        self.manifest = read_manifest(self._path, config.root or None)
        self._unusable: dict[tuple[str, str], list[str]] = {}

    def footages(self) -> Iterator[tuple[Entry, CropSource]]:
        """Yield each entry that has a video and face boxes."""
        for entry in self.manifest.entries:
            footage = footage_of(self.manifest, entry, self._config.steady_boxes)
            if footage is None or not footage.video.is_file():
                self.lacks(entry, "without video", "set data.root", footage.video if footage else "no video in its line")
            elif not footage.boxes.is_file():
                self.lacks(entry, "without face boxes", MAKE_BOXES, footage.boxes)
            else:
                yield entry, footage

    def lacks(self, entry: Entry, what: str, hint: str, found: object = "") -> None:
        """Add an entry that cannot be used. what: the reason, such as `without video`."""
        self._unusable.setdefault((what, hint), []).append(f"{entry.id} ({found})" if found != "" else entry.id)

    def require(self, clips: list[Clip]) -> list[Clip]:
        """Return the clips, which were made of the usable entries.

        Raises InputError if there are none, or naming unusable entries; if the configuration allows them, there is a warning for
        each reason instead.
        """
        for (what, hint), names in self._unusable.items():
            leave_out(names, "clip", what, self._path, self._config.allow_missing, hint)
        if not clips:
            raise InputError("no clip is left to learn from", path=self._path)
        return clips


class LipWindows(ItemsOf[Clip, Example]):
    """Random windows of clips, all of one length. cache: folder of face crops; owners: the clip of each item, int64 [items]."""

    def __init__(self, clips: Sequence[Clip], cache: str | Path, seed: int, owners: Ids) -> None:
        rows = [clips[owner] for owner in owners] if clips else []
        super().__init__(rows, [1] * len(rows), seed)
        self._crops = CropCache(cache)

    def item(self, index: int, rng: np.random.Generator) -> Example:
        """Return a random window. Raises InputError, MediaError or NoFaceError for a clip that cannot be used."""
        clip = self.rows[index]
        return self.example(clip, self._crops.faces(clip.footage), rng)

    @abstractmethod
    def example(self, clip: Clip, faces: ClipFaces, generator: np.random.Generator) -> Example:
        """Return a window, a named tuple of arrays. Raises InputError if the clip has none."""


def windows_seen(faces: ClipFaces, length: int, end: int | None = None) -> Ids:
    """Return the first frames of all windows of a length with a face in each frame: int64 [n]. end: use frames before it."""
    # Running sums: a window costs one difference, however long it is.
    seen = np.cumsum(np.append(0, faces.is_seen[:end]))
    return np.flatnonzero(seen[length:] - seen[:-length] == length)


def stack(items: Sequence[Any]) -> dict[str, Tensor]:
    """Stack examples to a batch, field by field: for instance units, int64 [batch, 20]."""
    parts = zip(*items, strict=True)
    return {name: torch.from_numpy(np.stack(values)) for name, values in zip(items[0]._fields, parts, strict=True)}


@dataclass(frozen=True, kw_only=True)
class LipLossConfig:
    """The loss of the network that draws: (1 - sync - quality) * L1 + sync * sync loss + quality * quality loss."""

    quality: Amount
    """weight of the discriminator of lower halves; 0 = no discriminator"""
    sync: Amount
    """weight of the sync expert, from the first validation with a sync loss below sync_threshold to the end"""
    sync_threshold: float
    sync_checkpoint: str = ""
    """the sync expert; empty = none"""

    def check(self) -> None:
        """Raise UsageError for weights that leave none for L1."""
        is_left = self.quality + self.sync < 1
        require(is_left, "losses.quality and losses.sync must leave weight for the L1", expected="a sum below 1", found=self)


@dataclass(frozen=True, kw_only=True)
class LipRunConfig(RunConfig):
    """A run that trains a network that draws mouths."""

    data: LipCorpusConfig = field(default_factory=LipCorpusConfig)
    losses: LipLossConfig
    optim: OptimConfig
    quality_optim: OptimConfig
    num_samples: Number = 4
    """windows shown in the log"""

    def check(self) -> None:
        """Raise UsageError where there is nothing to validate on."""
        self.data.require_validation()


class LipLosses(nn.Module):
    """Losses, without trainable weights. A run saves this module, because it stores whether the sync loss is switched on."""

    is_sync_on: Tensor

    def __init__(self, config: LipLossConfig, expert: nn.Module | None) -> None:
        super().__init__()
        self.config, self.expert = config, expert
        self.register_buffer("is_sync_on", torch.tensor(False))

    @property
    def sync_weight(self) -> float:
        """The weight of the sync loss: 0 until `notice` switches it on, and without an expert."""
        return self.config.sync if self.expert is not None and bool(self.is_sync_on) else 0.0

    def notice(self, valid_loss: float) -> bool:
        """Switch the sync loss on permanently when it is low enough on held-out windows; returns whether this just happened."""
        is_now_on = not bool(self.is_sync_on) and valid_loss < self.config.sync_threshold
        if is_now_on:
            self.is_sync_on.fill_(True)
        return is_now_on

    def l1(self, drawn: Tensor, truth: Tensor, batch: Batch) -> Tensor:
        """Return the distance, of shape [], of drawn and truth, float [batch * P, 3, 96, 96]."""
        return (drawn - truth).abs().mean()

    def in_step(self, drawn: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the expert's probability that drawn windows are in sync with their units or sound, and its loss, float [n] each.

        drawn: float [batch * P, 3, 96, 96], BGR, window by window. Raises ValueError without an expert.
        """
        raise NotImplementedError


class DrawingTask(Task):
    """Trains a network that draws mouths, with a discriminator if it has one.

    A batch holds target and reference, uint8 [batch, P, 96, 96, 3] RGB, and units or sound.
    """

    drawer: ClassVar[str]
    """Name of the part that draws."""
    realness: Callable[..., Tensor] = staticmethod(F.binary_cross_entropy_with_logits)
    """Loss of the discriminator's output for frames, and whether they are real."""
    per_side: ClassVar[float] = 0.5
    """Weight of real frames, and of drawn ones, in the discriminator's loss."""

    def __init__(
        self,
        config: LipRunConfig,
        drawer: nn.Module,
        quality: nn.Module | None,
        losses: LipLosses,
        train: ItemsOf[Any, Any],
        valid: ItemsOf[Any, Any],
        **about: Any,
    ) -> None:
        self._config, self._drawer, self._quality, self._losses = config, drawer, quality, losses
        parts, optim = {self.drawer: drawer, LOSSES: losses}, {self.drawer: config.optim}
        if quality is not None:
            parts[QUALITY], optim[QUALITY] = quality, config.quality_optim
        super().__init__(config, parts, optim, train, valid, **about)

    @abstractmethod
    def draw(self, network: Any, batch: Batch) -> Tensor:
        """Draw a batch with a network: float [batch * P, 3, 96, 96], BGR."""

    @abstractmethod
    def measure_batch(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Draw a batch, and return it with figures by name, float [n]; the figure `sync_loss` may switch the sync loss on."""

    def collate(self, items: list[Any]) -> Batch:
        return stack(items)

    def training_step(self, batch: Batch, engine: Engine) -> Values:
        """Update both sides on one batch. Losses are logged without weights; `loss` is the weighted sum that the network
        minimises."""
        truth = network_images(batch["target"].flatten(0, 1))
        drawn = self.draw(engine.module(self.drawer), batch)
        values, shares = {"l1": self._losses.l1(drawn, truth, batch)}, dict[str, float]()

        if self._quality is not None:
            # Frozen, so that the discriminator does not collect gradients of the network's loss.
            self._quality.requires_grad_(False)
            values["quality"] = self._realness(self._quality(lower_half(drawn)), is_real=True)
            self._quality.requires_grad_(True)
            shares["quality"] = self._config.losses.quality

        if self._losses.sync_weight:
            values["sync"] = self._losses.in_step(drawn, batch)[1].mean()
            shares["sync"] = self._losses.sync_weight

        parts = [share * values[name] for name, share in shares.items()]
        values["loss"] = torch.stack([(1 - sum(shares.values())) * values["l1"], *parts]).sum()
        engine.update(self.drawer, values["loss"])

        # The discriminator after the network, as in Wav2Lip's program.
        if self._quality is not None:
            # Both halves in one call, because data parallel training counts calls.
            real, made = engine.module(QUALITY)(lower_half(torch.cat((truth, drawn.detach())))).chunk(2)
            values["discriminator"] = self.per_side * (self._realness(real, is_real=True) + self._realness(made, is_real=False))
            engine.update(QUALITY, values["discriminator"])
        return values

    def _realness(self, judged: Tensor, is_real: bool) -> Tensor:
        return self.realness(judged, torch.full_like(judged, float(is_real)))

    def measure(self, batches: Iterator[Batch], engine: Engine) -> Iterator[Figures]:
        """Measure held-out windows, and log some frames."""
        shown = 0
        for batch in batches:
            drawn, measured = self.measure_batch(batch)
            yield {name: (float(values.float().sum()), len(values)) for name, values in measured.items()}
            for number in range(min(len(batch["target"]), self._config.num_samples - shown)):
                engine.log_image(f"reference, target, output/{shown}", comparison(batch, drawn, number))
                shown += 1

    def validate(self, batches: Iterator[Batch], engine: Engine) -> Metrics:
        """Measure held-out windows, and switch the sync loss on when it is low enough."""
        metrics = super().validate(batches, engine)
        if self._losses.notice(metrics.get("sync_loss", math.inf)):
            LOG.info("the sync loss counts from now on, with a weight of %g", self._config.losses.sync)
        return metrics


def faces_of(batch: Batch) -> Tensor:
    """Return the input faces of a network that draws: float32 [batch * P, 6, 96, 96], channels last."""
    faces = network_input(batch["target"].flatten(0, 1), batch["reference"].flatten(0, 1))
    return faces.contiguous(memory_format=torch.channels_last)


def lower_half(faces: Tensor) -> Tensor:
    """Return the lower half of faces, [..., 96, 96] to [..., 48, 96]."""
    return faces[..., FACE_SIZE // 2 :, :]


def distances(drawn: Tensor, truth: Tensor) -> Tensor:
    """Return the mean absolute difference of each frame of float [batch, 3, height, width]: [batch]."""
    return (drawn - truth).abs().mean(dim=(1, 2, 3))


def comparison(batch: Batch, drawn: Tensor, number: int) -> NDArray[np.uint8]:
    """Return one window of a batch as an image, with rows reference, target and drawn: uint8 [288, 96 * P, 3].

    drawn: as `DrawingTask.draw` returns it.
    """
    target = batch["target"]
    rows = (batch["reference"][number], target[number], to_images(drawn).view(target.shape)[number])
    return np.concatenate([np.concatenate(list(row.cpu().numpy()), axis=1) for row in rows])


# The expert


class ChanceWatch:
    """Warns, some minutes after the start, if an expert is still at chance, with likely causes. of: units or sound."""

    def __init__(self, of: str, num_clips: int, batch_size: int) -> None:
        self._causes = of, several(num_clips, "clip"), batch_size
        self._sum: Tensor | float = 0.0
        self._count = 0

    def note(self, loss: Tensor, step: int) -> None:
        """Add the loss, of shape [], of update number `step` (from 0)."""
        # Summed where it was computed: a float in each step would wait for the device.
        self._sum, self._count = self._sum + loss.detach(), self._count + 1
        if step + 1 not in _LOOKS:
            return

        mean = float(self._sum) / self._count
        self._sum, self._count = 0.0, 0
        if mean > _CHANCE:
            LOG.warning(
                "after %d updates the expert still guesses (loss %.3f; ln 2 is chance): frames and %s may not be in step "
                "(lse_offset tells by how much), the clips may be too few or of one person (%s), or the batch too small "
                "(%s; 64 and more learn)",
                step + 1,
                mean,
                *self._causes,
            )


class ExpertTask(Task):
    """Trains a sync expert."""

    part: ClassVar[str]
    """Name under which it is saved."""

    def __init__(
        self, config: Any, expert: nn.Module, watch: ChanceWatch, train: ItemsOf[Any, Any], valid: ItemsOf[Any, Any], **about: Any
    ) -> None:
        self._expert, self._watch = expert, watch
        super().__init__(config, {self.part: expert}, {self.part: config.optim}, train, valid, **about)

    @abstractmethod
    def judge(self, expert: Any, batch: Batch) -> Tensor:
        """Return an expert's output for a batch, with all that `figures_of` needs: float [batch, 2].

        batch: mouths uint8 [batch, F, 48, 96, 3] RGB, and units or sound.
        """

    @abstractmethod
    def figures_of(self, judged: Tensor) -> dict[str, Tensor]:
        """Return figures of shape [] by name, including `loss`."""

    def collate(self, items: list[Any]) -> Batch:
        return stack(items)

    def training_step(self, batch: Batch, engine: Engine) -> Values:
        """Make one update and return its figures."""
        values = self.figures_of(self.judge(engine.module(self.part), batch))
        engine.update(self.part, values["loss"])
        self._watch.note(values["loss"], engine.step)
        return values

    def measure(self, batches: Iterator[Batch], engine: Engine) -> Iterator[Figures]:
        """Measure held-out windows, each with the same weight."""
        for batch in batches:
            judged = self.judge(self._expert, batch).float().cpu()
            yield {name: (float(value) * len(judged), len(judged)) for name, value in self.figures_of(judged).items()}


def expert_input(mouths: Tensor) -> Tensor:
    """Convert uint8 [batch, F, 48, 96, 3] RGB to the input of an expert, float32 [batch, 3 F, 48, 96] BGR in 0..1."""
    batch, frames, height, width, channels = mouths.shape
    return network_images(mouths.flatten(0, 1)).reshape(batch, frames * channels, height, width)
