"""Settings of the lip trainers, which the yaml files in configs/unit2av are checked against.

The published numbers stand in unit2v.yaml and sync.yaml with their sources: what these say has no default here, and a yaml that
does not name it gets it from there.
"""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from avcore.bounds import Amount, Bounds, Count, Number, Share, Size, require
from avdata.corpus import UnitCorpusConfig
from avtrain.config import LoopConfig, OptimConfig, RunConfig
from unit2av.face.model import FACE_SIZE, WINDOW_FRAMES
from unit2av.lip_task import LipCorpusConfig, LipLossConfig, LipRunConfig


@dataclass(frozen=True, kw_only=True)
class LipDataConfig(UnitCorpusConfig, LipCorpusConfig):
    """Videos with face boxes, and their units.

    max_mismatch_units: by how much units and pictures may differ in length. flip: share of windows shown mirrored.
    max_valid_windows: windows that a validation measures, spread over all there are.
    """

    units: str = "???"
    max_mismatch_units: Number = 25
    flip: Share = 0.0
    max_valid_windows: Count = 200


@dataclass(frozen=True)
class MouthRegion:
    """Where the mouth is in a face crop of 96 x 96 pixels; rows top..bottom - 1, columns left..right - 1."""

    top: int = 52
    bottom: int = 92
    left: int = 16
    right: int = 80

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def check(self) -> None:
        """Raise UsageError for a region that is not in the crop."""
        lies_in_it = 0 <= self.top < self.bottom <= FACE_SIZE and 0 <= self.left < self.right <= FACE_SIZE
        require(lies_in_it, "the mouth region must lie in the face crop", expected=f"0..{FACE_SIZE}", found=self)


@dataclass(frozen=True, kw_only=True)
class FaceModelConfig:
    """The face renderer. Every width is the published one divided by width_divisor, but at least min_width: on a CPU 8
    channels cost no more than 1, and with fewer a face can hardly be copied. num_units: rows of the unit table, 0 = as many as the
    data need. unit_context:
    pictures on either side whose units a picture's lips may depend on, in their order; 0 as published, whose unit branch cannot
    tell what comes before a picture from what comes after it. 1 was enough for drawn mouths.

    frozen_norm: batch norms keep their stored statistics, for fine-tuning on batches of few clips. Otherwise a batch
    should hold 16 windows or so on each device, since its statistics are all that a batch norm sees, and the statistics
    that are stored are measured on norm_windows training windows before each validation.
    """

    width_divisor: Count
    min_width: Count = 8
    num_units: Number
    unit_context: Annotated[int, Bounds(0, WINDOW_FRAMES - 1)] = 0
    frozen_norm: bool = False
    norm_windows: Count = 128


@dataclass(frozen=True)
class FaceInitConfig:
    """Where the face renderer starts from.

    checkpoint: a renderer checkpoint with a face half; empty = from scratch. The sizes are then the checkpoint's; where it has no
    unit_context and model.unit_context asks for one, that layer is added and changes nothing until it has learnt.
    new_unit_table: all but the units' embedding is taken, and that starts anew with model.num_units rows: for units of
    another quantizer.
    """

    checkpoint: str = ""
    new_unit_table: bool = False


@dataclass(frozen=True)
class FaceAugmentConfig:
    """Changes of training faces, the same for all pictures of a window and their references; 0 = none.

    rotate_deg: turned by up to so many degrees either way. scale: made larger or smaller by up to this share; stretch: wider
    or narrower. shift: moved by up to so many pixels. brightness, contrast: added to and multiplied onto colours of 0 to 1, up
    to this much either way; tint: added to each of red, green and blue by itself.
    """

    rotate_deg: Amount = 0.0
    scale: Share = 0.0
    stretch: Share = 0.0
    shift: Amount = 0.0
    brightness: Share = 0.0
    contrast: Share = 0.0
    tint: Share = 0.0


@dataclass(frozen=True, kw_only=True)
class FaceLossConfig(LipLossConfig):
    """Losses of lips, and where they count.

    mouth_weight: how much more a pixel of the mouth region counts in the L1 than another. moved_weight: how much more a pixel
    counts whose colour differs from the reference's, by 1 (all of it) in each of red, green and blue; 0 = no more. It shows the
    network at once what units are for, and is of use where references are held as targets are.
    """

    mouth_weight: Annotated[float, Bounds(1)]
    moved_weight: Amount = 0.0


@dataclass(frozen=True, kw_only=True)
class Unit2vConfig(LipRunConfig):
    """A run that trains the face renderer.

    pictures: how many of a window's 10 pictures are drawn in a step; fewer let a batch hold more clips for the same work
    (the unit branch always sees the whole window); 0 = as many as the sync expert sees together, 1 without one.
    same_reference: share of windows whose reference pictures are the target itself, as they are at inference; the network can then
    copy the mouth that it should draw, so keep it small.
    reference_choices: windows of the video that the reference of each picture is chosen from, by the likest upper half; with
    several it is held as the target is, like at inference, and its mouth must be told from the units'. 1 = any window.
    quality_width: channels of the discriminator's first layer. unit_encoder: a checkpoint that reads in validation whether drawn
    mouths say their units (unit_sync), of read_clips held-out clips; empty = none.
    """

    PUBLISHED: ClassVar[str] = "unit2av/unit2v"

    loop: LoopConfig = field(default_factory=lambda: LoopConfig(best_metric="mouth_l1"))
    data: LipDataConfig = field(default_factory=LipDataConfig)
    augment: FaceAugmentConfig = field(default_factory=FaceAugmentConfig)
    mouth: MouthRegion = field(default_factory=MouthRegion)
    model: FaceModelConfig
    init: FaceInitConfig = field(default_factory=FaceInitConfig)
    losses: FaceLossConfig
    quality_width: Count = 32
    pictures: Annotated[int, Bounds(0, WINDOW_FRAMES)]
    same_reference: Share = 0.0
    reference_choices: Count
    unit_encoder: str = ""
    read_clips: Count = 4


@dataclass(frozen=True)
class SyncConfig:
    """Sizes of the sync expert.

    num_units: rows of its unit table, 0 = as many as the data need. frames: pictures that it sees together. unit_width: of the
    unit branch. face_widths: channels of the face branch, which halves the picture with each of them. embedding: width of what the
    two branches are compared by.
    """

    num_units: Number
    frames: Annotated[int, Bounds(1, WINDOW_FRAMES)]
    unit_width: Size
    face_widths: tuple[Size, ...]
    embedding: Size


@dataclass(frozen=True, kw_only=True)
class SyncTrainConfig(RunConfig):
    """A run that trains the sync expert. min_shift: pictures by which a misaligned window is shifted, at least."""

    PUBLISHED: ClassVar[str] = "unit2av/sync"

    data: LipDataConfig = field(default_factory=LipDataConfig)
    model: SyncConfig
    optim: OptimConfig
    min_shift: Count

    def check(self) -> None:
        """Raise UsageError for sizes that make no expert, and where there is nothing to validate on."""
        frames = self.model.frames
        is_divisor = WINDOW_FRAMES % frames == 0
        require(is_divisor, "model.frames must divide a window's pictures", f"a divisor of {WINDOW_FRAMES}", frames)
        require(bool(self.model.face_widths), "the sync expert has a part without channels", found=self.model)
        self.data.require_validation()
