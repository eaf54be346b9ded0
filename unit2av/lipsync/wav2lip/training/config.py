"""Settings of Wav2Lip's training, which the yaml files in configs/unit2av are checked against.

The published numbers stand in lipsync.yaml, lipsync_hq.yaml and lipsync_expert.yaml with their sources: what these say has no
default here, and a yaml that does not name it gets it from lipsync.yaml or lipsync_expert.yaml.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from avcore.errors import UsageError
from avtrain.config import LoopConfig, OptimConfig, RunConfig


@dataclass(frozen=True)
class SoundDataConfig:
    """Videos with face boxes and sound.

    train, valid: JSON lines manifests with id, video, boxes (empty = `<video>.bbox.pkl`) and maybe audio (empty = the video's
    own sound) and sync_offset: pictures of 40 ms by which the sound comes too early, as `netflips evaluate sync` prints it.
    Empty valid = `hold_out` clips of train, chosen by the seed. root: folder that relative paths start from, empty = the
    manifest's own. allow_missing: leave out clips that lack something or are too short, instead of stopping.

    steady_boxes: pictures on either side that face boxes are averaged over before faces are cut; 0 = as they are. cache: folder
    for face crops and mels, empty = `crops` in the run's folder. valid_windows: random windows that a validation measures, the
    held-out clips in turn; 0 = one of each clip.
    """

    train: str = "???"
    valid: str = ""
    hold_out: int = 0
    root: str = ""
    allow_missing: bool = False
    steady_boxes: int = 0
    cache: str = ""
    valid_windows: int = 0


@dataclass(frozen=True, kw_only=True)
class SoundModelConfig:
    """Every width is the published one divided by width_divisor, but at least min_width."""

    width_divisor: int
    min_width: int = 8


@dataclass(frozen=True)
class SoundInitConfig:
    """Published files to go on from; empty = from scratch. The widths are then theirs.

    checkpoint: wav2lip.pth or wav2lip_gan.pth; of the sync expert's training lipsync_expert.pth. quality_checkpoint:
    visual_quality_disc.pth.
    """

    checkpoint: str = ""
    quality_checkpoint: str = ""


@dataclass(frozen=True, kw_only=True)
class SoundLossConfig:
    """What the generator is trained to make small: (1 - sync - quality) * L1 + sync * sync loss + quality * quality loss.

    quality: weight of the discriminator of lower halves; 0 = none is trained. sync: weight of the sync expert, from the first
    validation on whose sync loss is below sync_threshold, for good. sync_checkpoint: the expert, lipsync_expert.pth as published
    or as exported; empty = none.
    """

    quality: float
    sync: float
    sync_threshold: float
    sync_checkpoint: str = ""


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig(RunConfig):
    """A run that trains the generator. num_samples: windows shown in the log. check_only: check everything and stop before
    the first step."""

    PUBLISHED: ClassVar[str] = "unit2av/lipsync"

    loop: LoopConfig = field(default_factory=lambda: LoopConfig(best_metric="loss"))
    data: SoundDataConfig = field(default_factory=SoundDataConfig)
    model: SoundModelConfig
    init: SoundInitConfig = field(default_factory=SoundInitConfig)
    losses: SoundLossConfig
    optim: OptimConfig
    quality_optim: OptimConfig
    num_samples: int = 4
    check_only: bool = False


@dataclass(frozen=True, kw_only=True)
class ExpertConfig(RunConfig):
    """A run that trains the sync expert. check_only: as in GeneratorConfig."""

    PUBLISHED: ClassVar[str] = "unit2av/lipsync_expert"

    data: SoundDataConfig = field(default_factory=SoundDataConfig)
    model: SoundModelConfig
    init: SoundInitConfig = field(default_factory=SoundInitConfig)
    optim: OptimConfig
    check_only: bool = False


def check_generator(config: GeneratorConfig) -> None:
    """Raise UsageError for settings that cannot work, before anything is read."""
    losses = config.losses
    if min(losses.quality, losses.sync) < 0 or losses.quality + losses.sync >= 1:
        raise UsageError("losses.quality and losses.sync must leave weight for the L1", expected="a sum below 1", found=losses)
    if config.init.quality_checkpoint and not losses.quality:
        raise UsageError("init.quality_checkpoint is of no use without a discriminator", expected="losses.quality above 0")
    check_data(config.data, config.model)


def check_expert(config: ExpertConfig) -> None:
    """Raise UsageError for settings that cannot work, before anything is read."""
    if config.init.quality_checkpoint:
        raise UsageError(
            "the sync expert's training has no discriminator", found=f"init.quality_checkpoint={config.init.quality_checkpoint}"
        )
    check_data(config.data, config.model)


def check_data(data: SoundDataConfig, model: SoundModelConfig) -> None:
    """Raise UsageError for settings of data and sizes that cannot work."""
    for name, value in (("model.width_divisor", model.width_divisor), ("model.min_width", model.min_width)):
        if value < 1:
            raise UsageError(f"{name} must be 1 or more", found=value)
    for name, value in (("data.steady_boxes", data.steady_boxes), ("data.valid_windows", data.valid_windows)):
        if value < 0:
            raise UsageError(f"{name} must be 0 or more", found=value)
    if not data.valid and data.hold_out < 1:
        raise UsageError(
            "there is nothing to validate on",
            expected="data.valid or data.hold_out above 0",
            hint="the best checkpoint and the moment of the sync loss are chosen by validation",
        )
