"""Training of the face renderer: losses, discriminator, and validation on held-out clips."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avcore.arrays import Frames
from avcore.contracts import Extractor
from avcore.errors import NetflipsError, NoFaceError
from avcore.faces.boxes import read_boxes_for
from avcore.faces.crop import paste_face
from avcore.faces.find import find_faces
from avcore.faces.geometry import steady_boxes
from avcore.media import Frame, FrameSource
from avcore.timeline import UNITS_PER_FRAME, frames_to_units
from avcore.train.config import Metrics
from avcore.train.task import Engine
from avcore.units import Ids, UnitSync, unit_sync
from unit2av.evaluation_encoder import load_evaluation_encoder
from unit2av.face.model import FACE_SIZE, WINDOW_FRAMES, FaceModel, network_images, network_input, to_images
from unit2av.face.training.config import FaceLossConfig, MouthRegion, Unit2vConfig
from unit2av.face.training.items import FaceClips, FaceWindows, LipClip
from unit2av.face.training.sync import SyncExpert, drawn_windows
from unit2av.lip_crops import CropCache
from unit2av.lip_task import Batch, DrawingTask, LipLosses, distances, faces_of, stack

LOG = logging.getLogger("netflips.train")
_WINDOW, _SIGMA = 11, 1.5
_K1, _K2 = 0.01, 0.03
"""Gaussian window and constants of structural similarity."""
_SLOPE, _KERNEL = 0.2, 5
_GROWTH = (1, 2, 4, 8, 16)
"""Widths of the discriminator's layers relative to the first; each layer halves the frame."""
KIND, FACE = "face renderer", "face"


class LipReader:
    """Lip sync in validation: whether a unit encoder finds in drawn mouths the units that they were drawn from (unit sync).

    Held-out clips are drawn as in a dub: the mouth is pasted into the frames, and lips are then found in them. shift: distance of
    references in the clip, as a share of its length, so that their mouths do not help. The measure is not independent
    (`unit_sync`).
    """

    FIGURES = ("unit_sync", "unit_sync_at_zero", "recorded_unit_sync")

    def __init__(self, judge: Extractor, clips: Sequence[LipClip], cache: str | Path, shift: float = 0.5) -> None:
        self._judge, self._clips, self._cache, self._shift = judge, clips, CropCache(cache), shift
        self._recorded: dict[str, UnitSync | None] = {}

    def measure(self, face: FaceModel) -> Metrics:
        """Return means over clips: unit_sync and unit_sync_at_zero of drawn mouths, recorded_unit_sync of the recordings.

        A clip counts as 0, with a warning, if no face is found in its drawn frames. Raises InputError, MediaError or NoFaceError
        for a clip that cannot be used.
        """
        drawn = [self._sync(clip, self._pasted(clip, self._draw(clip, face))) for clip in self._clips]
        for clip in self._clips:
            if clip.id not in self._recorded:  # the same in every validation
                self._recorded[clip.id] = self._sync(clip, FrameSource(clip.footage.video).frames(0, _whole(clip)))
        recorded = [self._recorded[clip.id] for clip in self._clips]

        return {
            "unit_sync": float(np.mean([0.0 if sync is None else sync.confidence for sync in drawn])),
            "unit_sync_at_zero": float(np.mean([0.0 if sync is None else sync.at_zero for sync in drawn])),
            "recorded_unit_sync": float(np.mean([0.0 if sync is None else sync.confidence for sync in recorded])),
        }

    def _sync(self, clip: LipClip, frames: Iterator[Frame]) -> UnitSync | None:
        try:
            lips = find_faces(frames, "largest", total=_whole(clip), source=clip.footage.video).lips
        except NoFaceError:
            LOG.warning("%s: no face is found in its frames", clip.id)
            return None
        threshold = self._judge.agreement
        spoken: Ids = clip.units.frames()[: frames_to_units(_whole(clip))]
        return unit_sync(spoken, self._judge.extract(lips=lips).frames(), None if threshold is None else threshold.silence)

    def _draw(self, clip: LipClip, face: FaceModel) -> Frames:
        """Draw all frames of whole windows: uint8 [T, 96, 96, 3] RGB."""
        device, whole = next(iter(face.parameters())).device, _whole(clip)
        frames = torch.from_numpy(np.array(self._cache.faces(clip.footage).frames[:whole]))
        references = frames.roll(round(self._shift * whole), 0)
        units = torch.from_numpy(clip.units.frames()[: frames_to_units(whole)]).view(-1, frames_to_units(WINDOW_FRAMES))

        drawn = []
        for number, spoken in enumerate(units):
            part = slice(number * WINDOW_FRAMES, (number + 1) * WINDOW_FRAMES)
            faces = network_input(frames[part].to(device), references[part].to(device))
            drawn.append(to_images(face(spoken[None].to(device), faces.contiguous(memory_format=torch.channels_last)).float()))
        return np.asarray(torch.cat(drawn).cpu().numpy(), np.uint8)

    def _pasted(self, clip: LipClip, drawn: Frames) -> Iterator[Frame]:
        source = FrameSource(clip.footage.video)
        boxes = steady_boxes(read_boxes_for(source, clip.footage.boxes), clip.footage.steady)
        for frame, patch, box in zip(source.frames(0, len(drawn)), drawn, boxes, strict=False):
            yield frame if box is None else frame._replace(rgb=paste_face(frame.rgb, patch, box))


def _whole(clip: LipClip) -> int:
    """Return the number of a clip's frames in whole windows."""
    return clip.num_frames // WINDOW_FRAMES * WINDOW_FRAMES


class FaceLosses(LipLosses):
    """The losses of the face renderer; see `LipLosses`."""

    weights: Tensor
    config: FaceLossConfig
    expert: SyncExpert | None

    def __init__(self, config: FaceLossConfig, mouth: MouthRegion, expert: SyncExpert | None) -> None:
        super().__init__(config, expert)
        self.register_buffer("weights", l1_weights(mouth, config.mouth_weight), persistent=False)

    def l1(self, drawn: Tensor, truth: Tensor, batch: Batch) -> Tensor:
        """Return the L1, weighted by mouth region and movement; see `FaceLossConfig`."""
        reference = network_images(batch["reference"].flatten(0, 1))
        return weighted_l1(drawn, truth, self.weights * moved_weights(truth, reference, self.config.moved_weight))

    def in_step(self, drawn: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """As `LipLosses.in_step`. The batch has units, int64 [batch, 20], and shown, the consecutive frames, int64 [batch, P]."""
        if self.expert is None:
            raise ValueError("there is no sync expert")
        units, shown = batch["units"], batch["shown"]
        faces = drawn.view(*shown.shape, *drawn.shape[1:])
        steps = UNITS_PER_FRAME * shown[..., None] + torch.arange(UNITS_PER_FRAME, device=shown.device)
        spoken = units.gather(1, steps.flatten(1))
        logits = self.expert(*drawn_windows(faces, spoken, self.expert.config.frames)).flatten()
        # -ln(sigmoid(logits)), exact where the sigmoid itself would round to 0.
        return logits.sigmoid(), F.softplus(-logits)


# Measures of a drawn mouth


def mouth_of(faces: Tensor, region: MouthRegion) -> Tensor:
    """Return the mouth region of faces [..., 96, 96]."""
    rows, columns = region.slices
    return faces[..., rows, columns]


def l1_weights(region: MouthRegion, weight: float) -> Tensor:
    """Return weights of pixels, float [96, 96] with mean 1; the mouth region has `weight` times the weight of the rest."""
    weights = torch.ones(FACE_SIZE, FACE_SIZE)
    rows, columns = region.slices
    weights[rows, columns] = weight
    # With a mean of 1, weights change which pixels count, but not how much the L1 counts beside the other losses.
    return weights / weights.mean()


def moved_weights(truth: Tensor, reference: Tensor, weight: float) -> Tensor:
    """Return 1 + weight * |truth - reference|, float [batch, 1, 96, 96], so that pixels that units change count more.

    truth, reference: float [batch, 3, 96, 96] in 0..1.
    """
    return 1 + weight * (truth - reference).abs().mean(dim=1, keepdim=True)


def weighted_l1(drawn: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of |drawn - truth| * weights; drawn, truth: float [batch, 3, 96, 96]; weights: float [96, 96], or for
    each."""
    return ((drawn - truth).abs() * weights).mean()


def ssim(drawn: Tensor, truth: Tensor) -> Tensor:
    """Return the structural similarity of each pair of frames, float [batch], 1 = equal.

    drawn, truth: float [batch, channel, height, width] in 0..1, at least 11 pixels high and wide. As in Wang et al. 2004, "Image
    quality assessment: from error visibility to structural similarity", with its Gaussian window of 11 x 11 and sigma 1.5, where
    the window is inside the frame, averaged over channels.
    """
    # In float32: variances are small differences of large numbers.
    drawn, truth = drawn.float(), truth.float()
    mean_a, mean_b = _blur(drawn), _blur(truth)
    var_a, var_b = _blur(drawn * drawn) - mean_a**2, _blur(truth * truth) - mean_b**2
    covariance = _blur(drawn * truth) - mean_a * mean_b
    c1, c2 = _K1**2, _K2**2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * covariance + c2) / (var_a + var_b + c2)
    return (luminance * structure).mean(dim=(1, 2, 3))


def _blur(frames: Tensor) -> Tensor:
    """Return the weighted mean over the window around each pixel, [batch, channel, height - 10, width - 10]."""
    distance = torch.arange(_WINDOW, dtype=frames.dtype, device=frames.device) - _WINDOW // 2
    kernel = torch.exp(-(distance**2) / (2 * _SIGMA**2))
    kernel = kernel / kernel.sum()
    channels = frames.shape[1]

    # Rows, then columns: 22 products for each pixel in place of 121.
    rows = F.conv2d(frames, kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
    return F.conv2d(rows, kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)


# The discriminator


class LipDiscriminator(nn.Module):
    """Discriminates drawn mouths from real ones, by lower halves of faces. width: channels of the first layer.

    It follows the visual quality discriminator of Prajwal et al. 2020, "A Lip Sync Expert Is All You Need", section 3.3: its input
    is the lower half of one frame, and it is trained together with the renderer, with binary cross-entropy.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        widths = pairwise((3, *(width * growth for growth in _GROWTH)))
        self.convs = nn.ModuleList(nn.Conv2d(before, after, _KERNEL, 2, _KERNEL // 2) for before, after in widths)
        self.judge = nn.Conv2d(width * _GROWTH[-1], 1, 3, padding=1)

    def forward(self, mouths: Tensor) -> Tensor:
        """Return a logit for each of float [batch, 3, 48, 96] in 0..1, BGR: [batch], above 0 for real mouths."""
        for conv in self.convs:
            mouths = F.leaky_relu(conv(mouths), _SLOPE)
        logits: Tensor = self.judge(mouths)
        return logits.float().mean(dim=(1, 2, 3))


class Unit2vTask(DrawingTask):
    """Trains the face renderer and its discriminator, on batches of `FaceExample`."""

    kind = KIND
    trainer = "unit2av.train_unit2v"
    drawer = FACE
    train: FaceWindows
    _config: Unit2vConfig
    _drawer: FaceModel

    def __init__(self, config: Unit2vConfig, clips: FaceClips, face: FaceModel, expert: SyncExpert | None) -> None:
        torch.manual_seed(config.loop.seed)
        quality = LipDiscriminator(config.quality_width) if config.losses.quality else None

        cache, seed = config.data.folder(config.run_dir), config.loop.seed
        train = FaceWindows(
            clips.train,
            cache,
            seed,
            config.data.flip,
            frames=config.frames,
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

        judge = load_evaluation_encoder(config.unit_encoder, clips.vocabulary, config.loop.device)
        self._reader = None if judge is None else LipReader(judge, clips.valid[: config.read_clips], cache)

    @property
    def figures(self) -> tuple[str, ...]:
        sync = () if self._losses.expert is None else ("sync_loss", "sync_score", "dubbed_sync_score")
        read = () if self._reader is None else LipReader.FIGURES
        return ("l1", "mouth_l1", "mouth_ssim", "average_mouth_l1", "other_units_mouth_l1", *sync, *read)

    def draw(self, network: Any, batch: Batch) -> Tensor:
        drawn: Tensor = network(batch["units"], faces_of(batch), frames_of(batch["shown"]))
        return drawn

    def validate(self, batches: Iterator[Batch], engine: Engine) -> Metrics:
        """Measure held-out windows, and with a unit encoder also whole held-out clips (see `LipReader`)."""
        refresh_norms(self._drawer, self._norm_batches(next(self._drawer.parameters()).device))
        metrics = super().validate(batches, engine)
        return metrics if self._reader is None else metrics | self._reader.measure(self._drawer)

    def measure_batch(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Draw and measure whole windows.

        l1: of the whole crop. mouth_l1, mouth_ssim: of the mouth region. average_mouth_l1: of the clip's mean face, which does not
        move; a renderer must be better. other_units_mouth_l1: drawn with another window's units; if it is as low as mouth_l1, the
        units are ignored. With a sync expert: sync_loss, sync_score (probability that frames and units fit), and dubbed_sync_score,
        the same if the reference is the redrawn frame itself, as at inference.
        """
        units, faces, truth = batch["units"], faces_of(batch), network_images(batch["target"].flatten(0, 1))
        drawn = self._drawer(units, faces)
        true_mouth = mouth_of(truth, self._config.mouth)

        def of_mouth(frames: Tensor) -> Tensor:
            return distances(mouth_of(frames, self._config.mouth), true_mouth)

        found = {
            "l1": distances(drawn, truth),
            "mouth_l1": of_mouth(drawn),
            "mouth_ssim": ssim(mouth_of(drawn, self._config.mouth), true_mouth),
            "average_mouth_l1": of_mouth(network_images(batch["average"]).repeat_interleave(WINDOW_FRAMES, 0)),
        }

        if len(units) > 1:
            found["other_units_mouth_l1"] = of_mouth(self._drawer(units.roll(1, 0), faces))
        if self._losses.expert is not None:
            found["sync_score"], found["sync_loss"] = self._losses.in_step(drawn, batch)
            redrawn = self._drawer(units, faces_of({**batch, "target": batch["reference"]}))
            found["dubbed_sync_score"], _ = self._losses.in_step(redrawn, batch)

        return drawn, found

    def _norm_batches(self, device: torch.device) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield training windows as input of the renderer, the same each time. Those that cannot be read are left out."""
        chosen = np.linspace(0, len(self.train) - 1, min(len(self.train), self._config.model.norm_windows)).round().astype(int)
        for part in np.array_split(chosen, max(1, -(-len(chosen) // max(1, self._config.batch.batch_size)))):
            examples = []
            for index in part:
                with suppress(NetflipsError, OSError):  # reported and counted in training
                    examples.append(self.train.load((0, int(index))))
            if len(examples) > 1:  # one frame gives a norm no statistics
                batch = {name: tensor.to(device) for name, tensor in stack(examples).items()}
                yield batch["units"], faces_of(batch), frames_of(batch["shown"])


def frames_of(shown: Tensor) -> Tensor:
    """Convert frames of windows, int64 [batch, P], to indices among all 10 * batch frames: int64 [batch * P]."""
    first = WINDOW_FRAMES * torch.arange(len(shown), device=shown.device)
    return (shown + first[:, None]).flatten()


@torch.no_grad()
def refresh_norms(face: FaceModel, batches: Iterable[tuple[Tensor, Tensor, Tensor]]) -> None:
    """Replace the stored statistics of batch norms by means over batches, with the current weights.

    The running means of training lag behind weights that change fast, and the network is then worse in validation and export than
    it could be. batches: units int64 [batch, 20], faces float32 [batch * P, 6, 96, 96] and shown int64 [batch * P]; without any,
    nothing changes. The model is left in evaluation mode.
    """
    face.eval()
    norms = [module for module in face.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]

    try:
        for number, (units, faces, shown) in enumerate(batches):
            # Only with a batch at hand: without any, the stored statistics must stay.
            for norm in norms if number == 0 else ():
                norm.reset_running_stats()
                norm.momentum = None  # batches have equal weights
                norm.train()
            face(units, faces, shown)
    finally:  # even if a batch fails, or the norms would go on without a momentum
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
