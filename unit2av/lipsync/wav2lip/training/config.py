"""Settings of Wav2Lip's training, which the yaml files in configs/unit2av are checked against.

The published numbers stand in lipsync.yaml, lipsync_hq.yaml and lipsync_expert.yaml with their sources: what these say has no
default here, and a yaml that does not name it gets it from lipsync.yaml or lipsync_expert.yaml.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from avcore.bounds import Amount, Count, Number, require_bounds
from avcore.errors import UsageError
from avdata.training import CorpusConfig
from avtrain.config import LoopConfig, OptimConfig, RunConfig


@dataclass(frozen=True, kw_only=True)
class SoundDataConfig(CorpusConfig):
    """Videos with face boxes and sound.

    train, valid: JSON lines with id, video, boxes (empty = `<video>.bbox.pkl`) and maybe audio (empty = the video's
    own sound) and sync_offset: pictures of 40 ms by which the sound comes too early, as `lse_offset` says it.
    root: folder that relative paths start from, empty = the manifest's own.

    steady_boxes: pictures on either side that face boxes are averaged over before faces are cut; 0 = as they are. cache: folder
    for face crops and mels, empty = `crops` in the run's folder. valid_windows: random windows that a validation measures, the
    held-out clips in turn; 0 = one of each clip.
    """

    root: str = ""
    steady_boxes: Number = 0
    cache: str = ""
    valid_windows: Number = 0


@dataclass(frozen=True, kw_only=True)
class SoundModelConfig:
    """Every width is the published one divided by width_divisor, but at least min_width."""

    width_divisor: Count
    min_width: Count = 8


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

    quality: Amount
    sync: Amount
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
    num_samples: Number = 4
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
    require_bounds(config)
    losses = config.losses
    if losses.quality + losses.sync >= 1:
        raise UsageError("losses.quality and losses.sync must leave weight for the L1", expected="a sum below 1", found=losses)
    if config.init.quality_checkpoint and not losses.quality:
        raise UsageError("init.quality_checkpoint is of no use without a discriminator", expected="losses.quality above 0")
    config.data.require_validation()


def check_expert(config: ExpertConfig) -> None:
    """Raise UsageError for settings that cannot work, before anything is read."""
    require_bounds(config)
    if config.init.quality_checkpoint:
        raise UsageError(
            "the sync expert's training has no discriminator", found=f"init.quality_checkpoint={config.init.quality_checkpoint}"
        )
    config.data.require_validation()
