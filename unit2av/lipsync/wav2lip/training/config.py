"""Settings of Wav2Lip's training, which the yaml files in configs/unit2av are checked against.

The published numbers stand in lipsync.yaml, lipsync_hq.yaml and lipsync_expert.yaml with their sources: what these say has no
default here, and a yaml that does not name it gets it from lipsync.yaml or lipsync_expert.yaml.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from avcore.bounds import Count, Number, require_bounds
from avcore.errors import UsageError
from avtrain.config import OptimConfig, RunConfig
from unit2av.lip_task import LipCorpusConfig, LipRunConfig


@dataclass(frozen=True, kw_only=True)
class SoundDataConfig(LipCorpusConfig):
    """Videos with face boxes and sound.

    A line of a manifest may also have audio (empty = the video's own sound) and sync_offset: pictures of 40 ms by which the sound
    comes too early, as `lse_offset` says it. valid_windows: random windows that a validation measures, the held-out clips in turn;
    0 = one of each clip.
    """

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
class GeneratorConfig(LipRunConfig):
    """A run that trains the generator. Its sync expert is lipsync_expert.pth, as published or as exported."""

    PUBLISHED: ClassVar[str] = "unit2av/lipsync"

    data: SoundDataConfig = field(default_factory=SoundDataConfig)
    model: SoundModelConfig
    init: SoundInitConfig = field(default_factory=SoundInitConfig)


@dataclass(frozen=True, kw_only=True)
class ExpertConfig(RunConfig):
    """A run that trains the sync expert."""

    PUBLISHED: ClassVar[str] = "unit2av/lipsync_expert"

    data: SoundDataConfig = field(default_factory=SoundDataConfig)
    model: SoundModelConfig
    init: SoundInitConfig = field(default_factory=SoundInitConfig)
    optim: OptimConfig


def check_generator(config: GeneratorConfig) -> None:
    """Raise UsageError for settings that cannot work, before anything is read."""
    config.check()
    if config.init.quality_checkpoint and not config.losses.quality:
        raise UsageError("init.quality_checkpoint is of no use without a discriminator", expected="losses.quality above 0")


def check_expert(config: ExpertConfig) -> None:
    """Raise UsageError for settings that cannot work, before anything is read."""
    require_bounds(config)
    if config.init.quality_checkpoint:
        raise UsageError(
            "the sync expert's training has no discriminator", found=f"init.quality_checkpoint={config.init.quality_checkpoint}"
        )
    config.data.require_validation()
