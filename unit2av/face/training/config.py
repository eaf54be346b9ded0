"""Settings of the lip trainers, which the yaml files in configs/unit2av are checked against.

The published numbers are in unit2v.yaml and sync.yaml, with their sources. Settings given there have no default here; a yaml that
leaves one out gets it from there.
"""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from msgspec import Meta

from avcore.bounds import Amount, Count, Number, Share, Size, require
from avcore.data.corpus import UnitCorpusConfig
from avcore.train.config import LoopConfig, OptimConfig, RunConfig
from unit2av.face.model import FACE_SIZE, WINDOW_FRAMES
from unit2av.lip_task import LipCorpusConfig, LipLossConfig, LipRunConfig


@dataclass(frozen=True, kw_only=True)
class LipDataConfig(UnitCorpusConfig, LipCorpusConfig):
    """Videos with face boxes, and their units."""

    units: str = "???"
    max_mismatch_units: Number = 25
    """largest difference in length between units and video"""
    flip: Share = 0.0
    """share of windows that are mirrored"""
    max_valid_windows: Count = 200
    """most windows in a validation, spread evenly over all"""


@dataclass(frozen=True)
class MouthRegion:
    """The mouth region of a face crop of 96 x 96 pixels: rows top..bottom - 1, columns left..right - 1."""

    top: int = 52
    bottom: int = 92
    left: int = 16
    right: int = 80

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def check(self) -> None:
        """Raise UsageError for a region that is not within the crop."""
        lies_in_it = 0 <= self.top < self.bottom <= FACE_SIZE and 0 <= self.left < self.right <= FACE_SIZE
        require(lies_in_it, "the mouth region must lie in the face crop", expected=f"0..{FACE_SIZE}", found=self)


@dataclass(frozen=True, kw_only=True)
class FaceModelConfig:
    """Sizes of the face renderer, and its batch norms.

    A batch should have about 16 windows on each device, because a batch norm uses the statistics of its batch.
    """

    width_divisor: Count
    """each width is the published one divided by this"""
    min_width: Count = 8
    """least width: on a CPU 8 channels cost no more than 1, and a narrower network can hardly copy a face"""
    num_units: Number
    """rows of the unit table; 0 = as many as the data need"""
    unit_context: Annotated[int, Meta(ge=0, le=WINDOW_FRAMES - 1)] = 0
    """frames on either side whose units, in their order, also affect a frame's lips; 1 was enough for drawn mouths. 0 = as
    published: the unit branch does not see whether a unit comes before or after the frame"""
    norm_windows: Count = 128
    """training windows on which statistics are measured before each validation"""


@dataclass(frozen=True)
class FaceInitConfig:
    """Initial weights of the face renderer."""

    checkpoint: str = ""
    """renderer checkpoint with a face network, whose sizes are taken; empty = from scratch. If it has no unit_context and
    model.unit_context is set, that layer is added, and changes nothing until it is trained"""


@dataclass(frozen=True)
class FaceAugmentConfig:
    """Augmentation of training faces, the same for all frames of a window and their references; 0 = none. All values are the
    largest change either way."""

    rotate_deg: Amount = 0.0
    scale: Share = 0.0
    """in size"""
    stretch: Share = 0.0
    """in width"""
    shift: Amount = 0.0
    """pixels"""
    brightness: Share = 0.0
    """added to colours in 0..1"""
    contrast: Share = 0.0
    """in the gain of colours"""
    tint: Share = 0.0
    """added to red, green and blue, each by itself"""


@dataclass(frozen=True, kw_only=True)
class FaceLossConfig(LipLossConfig):
    """Losses of lips, and weights of pixels in the L1."""

    mouth_weight: Annotated[float, Meta(ge=1)]
    """weight of a pixel of the mouth region"""
    moved_weight: Amount = 0.0
    """added weight of a pixel whose colour differs from the reference by 1 in each channel, in proportion to the difference; it
    makes the network use units early, and helps where references have the pose of targets"""


@dataclass(frozen=True, kw_only=True)
class Unit2vConfig(LipRunConfig):
    """A run that trains the face renderer."""

    PUBLISHED: ClassVar[str] = "unit2av/unit2v"

    loop: LoopConfig = field(default_factory=lambda: LoopConfig(best_metric="mouth_l1"))
    data: LipDataConfig = field(default_factory=LipDataConfig)
    augment: FaceAugmentConfig = field(default_factory=FaceAugmentConfig)
    mouth: MouthRegion = field(default_factory=MouthRegion)
    model: FaceModelConfig
    init: FaceInitConfig = field(default_factory=FaceInitConfig)
    losses: FaceLossConfig
    quality_width: Count = 32
    """channels of the discriminator's first layer"""
    frames: Annotated[int, Meta(ge=0, le=WINDOW_FRAMES)]
    """frames of a window's 10 that a step draws: with fewer, a batch holds more clips for the same work. The unit branch always
    gets the whole window. 0 = as many as the sync expert's window, or 1 without an expert"""
    same_reference: Share = 0.0
    """share of windows whose reference is the target itself, as at inference; the network can copy the mouth there, so keep it
    small"""
    reference_choices: Count
    """windows of the video from which the reference of each frame is chosen, by the most similar upper half. With several, it has
    the target's pose, as at inference, and the mouth can only be drawn from units. 1 = any window"""
    unit_encoder: str = ""
    """checkpoint that measures in validation whether drawn mouths fit their units (unit_sync); empty = none"""
    read_clips: Count = 4
    """held-out clips for this"""


@dataclass(frozen=True)
class SyncConfig:
    """Sizes of the sync expert."""

    num_units: Number
    """rows of its unit table; 0 = as many as the data need"""
    frames: Annotated[int, Meta(ge=1, le=WINDOW_FRAMES)]
    """frames in its window"""
    unit_width: Size
    """width of the unit branch"""
    face_widths: tuple[Size, ...]
    """channels of the face branch's layers, each of which halves the frame"""
    embedding: Size
    """length of the vectors that are compared"""


@dataclass(frozen=True, kw_only=True)
class SyncTrainConfig(RunConfig):
    """A run that trains the sync expert."""

    PUBLISHED: ClassVar[str] = "unit2av/sync"

    data: LipDataConfig = field(default_factory=LipDataConfig)
    model: SyncConfig
    optim: OptimConfig
    min_shift: Count
    """least shift of a misaligned window, in frames"""

    def check(self) -> None:
        """Raise UsageError for sizes that cannot be used, and where there is nothing to validate on."""
        frames = self.model.frames
        is_divisor = WINDOW_FRAMES % frames == 0
        require(is_divisor, "model.frames must divide a window's frames", f"a divisor of {WINDOW_FRAMES}", frames)
        require(bool(self.model.face_widths), "the sync expert has a part without channels", found=self.model)
        self.data.require_validation()
