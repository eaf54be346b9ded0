"""Settings of Wav2Lip's training, which the yaml files in configs/unit2av are checked against, and the clips that they name.

The published numbers are in lipsync.yaml, lipsync_hq.yaml and lipsync_expert.yaml, with their sources. Settings given there have no
default here; a yaml that leaves one out gets it from lipsync.yaml or lipsync_expert.yaml.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from avcore.bounds import Count, Number, require
from avcore.errors import InputError
from avcore.files import atomic_output, require_file
from avcore.media import read_speech
from avcore.train.config import OptimConfig, RunConfig
from unit2av.lip_crops import cached_stem
from unit2av.lip_task import ClipReading, FilmedClip, LipCorpusConfig, LipRunConfig
from unit2av.lipsync.wav2lip.model import Mel, mel_of

SHORTEST = 16
"""Least frames of a clip, as published."""
_OFFSET = "sync_offset"


@dataclass(frozen=True, kw_only=True)
class SoundDataConfig(LipCorpusConfig):
    """Videos with face boxes and sound.

    A line of a manifest may also have audio (empty = the video's own sound) and sync_offset, the frames of 40 ms by which the sound
    is too early, as `lse_offset` measures them.
    """

    valid_windows: Number = 0
    """random windows in a validation, of the held-out clips in turn; 0 = one of each clip"""


@dataclass(frozen=True, kw_only=True)
class SoundModelConfig:
    """Each width is the published one divided by width_divisor, but at least min_width."""

    width_divisor: Count
    min_width: Count = 8


@dataclass(frozen=True)
class SoundInitConfig:
    """Published files to start from, whose widths are taken; empty = from scratch."""

    checkpoint: str = ""
    """wav2lip.pth or wav2lip_gan.pth; lipsync_expert.pth for the sync expert"""
    quality_checkpoint: str = ""
    """visual_quality_disc.pth"""


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig(LipRunConfig):
    """A run that trains the generator. Its sync expert is lipsync_expert.pth, as published or as exported."""

    PUBLISHED: ClassVar[str] = "unit2av/lipsync"

    data: SoundDataConfig = field(default_factory=SoundDataConfig)
    model: SoundModelConfig
    init: SoundInitConfig = field(default_factory=SoundInitConfig)

    def check(self) -> None:
        """Raise UsageError for settings that do not go together."""
        is_used = bool(self.losses.quality or not self.init.quality_checkpoint)
        require(is_used, "init.quality_checkpoint is of no use without a discriminator", expected="losses.quality above 0")
        super().check()


@dataclass(frozen=True, kw_only=True)
class ExpertConfig(RunConfig):
    """A run that trains the sync expert."""

    PUBLISHED: ClassVar[str] = "unit2av/lipsync_expert"

    data: SoundDataConfig = field(default_factory=SoundDataConfig)
    model: SoundModelConfig
    init: SoundInitConfig = field(default_factory=SoundInitConfig)
    optim: OptimConfig

    def check(self) -> None:
        """Raise UsageError for settings that do not go together."""
        stated = self.init.quality_checkpoint
        require(not stated, "the sync expert's training has no discriminator", found=f"init.quality_checkpoint={stated}")
        self.data.require_validation()


@dataclass(frozen=True, eq=False)
class SoundClip(FilmedClip):
    """One clip."""

    sound: Path
    """file with its sound"""
    offset: int = 0
    """frames of 40 ms by which the sound is too early"""


@dataclass(frozen=True)
class SoundClips:
    """Training and validation clips of a run."""

    train: tuple[SoundClip, ...]
    valid: tuple[SoundClip, ...]


def read_sound_clips(config: SoundDataConfig, seed: int) -> SoundClips:
    """Read and check the data of a run.

    Raises InputError naming clips without video, boxes or sound file and clips that are too short; if the configuration allows
    them, there is a warning instead.
    """
    train, valid = config.parts(lambda path: _read(path, config), seed, lambda clip: clip.id, "clips")
    return SoundClips(tuple(train), tuple(valid))


def _read(manifest_path: str, config: SoundDataConfig) -> list[SoundClip]:
    reading, clips = ClipReading(manifest_path, config), list[SoundClip]()
    for entry, footage in reading.footages():
        sound = reading.manifest.path(entry, "audio") or footage.video
        if not sound.is_file():
            reading.lacks(entry, "without a sound file", "set data.root", sound)
        elif 0 < entry.frames < SHORTEST:
            reading.lacks(entry, f"too short, below {SHORTEST} frames", "cut longer clips", entry.frames)
        else:
            offset = entry.extra.get(_OFFSET, 0)
            # To Python a bool is a number: `true` would count as one frame.
            if isinstance(offset, bool) or not isinstance(offset, int):
                what = f"{_OFFSET} of {entry.id} is no number of frames"
                raise InputError(what, path=Path(manifest_path), expected="a whole number", found=repr(offset))
            clips.append(SoundClip(footage, sound, offset))

    return reading.require(clips)


class MelCache:
    """A folder of mels, one file for each clip, computed again when the sound changes. For each window it would take too long."""

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)

    def mel(self, clip: SoundClip) -> Mel:
        """Return the mel of a clip's whole sound, float32 [80, L]. Raises InputError or MediaError for sound that cannot be
        used."""
        sound = require_file(clip.sound, "the sound")
        path = self._folder / f"{cached_stem(clip.id, (sound,))}.mel.npy"
        if not path.exists():
            mel = mel_of(read_speech(sound))
            with atomic_output(path) as temporary:
                np.save(temporary, mel)
        return np.asarray(np.load(path, mmap_mode="r"))
